import { buildApp } from './app.ts'

const { HOST = 'localhost', PORT = '8000', PART, REDIS_URL, WS_BASE_URL, PAGES_ORIGIN, SESSION_SECRET, TRUST_PROXY } = process.env

const app = await buildApp({
  part: PART === 'pages' || PART === 'views' ? PART : undefined,
  redis: REDIS_URL,
  baseUrl: WS_BASE_URL,
  origin: PAGES_ORIGIN,
  secret: SESSION_SECRET,
  trustProxy: TRUST_PROXY,
  logger: true
})
await app.listen({ host: HOST, port: Number(PORT) })

// Only the first signal is ours: a second one ends the process at once.
const stop = (): void => {
  app.close().catch((error: unknown) => {
    app.log.error(error)
    process.exitCode = 1
  })
}
process.once('SIGTERM', stop).once('SIGINT', stop)
