import { buildApp } from './app.ts'

const app = await buildApp({ secret: process.env.SESSION_SECRET, logger: true })
await app.listen({ host: process.env.HOST ?? 'localhost', port: Number(process.env.PORT ?? 8000) })

// Only the first signal is ours: a second one ends the process at once.
const stop = (): void => {
  app.close().catch((error: unknown) => {
    app.log.error(error)
    process.exitCode = 1
  })
}
process.once('SIGTERM', stop).once('SIGINT', stop)
