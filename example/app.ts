import { randomBytes } from 'node:crypto'
import cookie from '@fastify/cookie'
import session from '@fastify/session'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import wsViews from '../lib/index.ts'
import { pages } from './pages.ts'
import { RedisSessionStore } from './session-store.ts'
import { chat } from './views/chat.ts'
import { echo } from './views/echo.ts'
import { ping } from './views/ping.ts'

export interface AppOptions {
  /** What this process does; `pages` and `views` find each other through Redis, and need the same secret. Default: both */
  part?: 'pages' | 'views' | undefined
  /** URL of Redis, for fan-out and sessions. Default: both stay in this process */
  redis?: string | undefined
  /** Where the views are, `ws://localhost:8001`, when it is not where the pages are */
  baseUrl?: string | undefined
  /** Where the pages are, `http://localhost:8000`, when it is not where the views are */
  origin?: string | undefined
  /** Signs the session cookie, at least 32 characters. Default: a new one at each start, so that sessions end with the process */
  secret?: string | undefined
  /** Addresses of the proxies before this process, comma-separated: their X-Forwarded-* is believed. Default: nobody's */
  trustProxy?: string | undefined
  logger?: FastifyServerOptions['logger']
}

/** The sandbox, ready, but listening nowhere yet. */
export async function buildApp ({ part, redis, baseUrl, origin, secret, trustProxy, logger = false }: AppOptions = {}): Promise<FastifyInstance> {
  const app = Fastify({
    logger,
    trustProxy: trustProxy ?? false,
    // A browser opens connections ahead of need and sends nothing on them: do not wait for those at the end.
    forceCloseConnections: true
  })
  if (secret === undefined) app.log.info('no SESSION_SECRET is set: names are forgotten when this process ends')

  const store = redis === undefined ? undefined : new RedisSessionStore(redis, app.log)
  // The last hook to run, as it is the first one here: sockets may use their sessions until the end.
  app.addHook('onClose', async () => store?.close())

  await app.register(cookie)
  await app.register(session, {
    secret: secret ?? randomBytes(32).toString('hex'),
    saveUninitialized: false,
    cookie: { secure: 'auto', sameSite: 'lax', httpOnly: true },
    ...(store === undefined ? {} : { store })
  })
  await app.register(wsViews, {
    prefix: '/ws',
    views: [chat, echo, ping],
    serve: part !== 'pages',
    redis,
    fanout: { channelPrefix: 'sandbox:' },
    baseUrl,
    origins: origin === undefined ? 'same-host' : [origin]
  })
  if (part !== 'views') await app.register(pages)
  // For whoever decides where requests go: not while Redis is away, and nothing listens any more once the server closes.
  app.get('/ready', async (_request, reply) => {
    const { status } = app.wsFanout
    return reply.code(status === 'ready' ? 200 : 503).send({ fanout: status, sockets: app.wsSockets.count })
  })
  await app.ready()
  return app
}
