import { randomBytes } from 'node:crypto'
import cookie from '@fastify/cookie'
import session from '@fastify/session'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import wsViews from '../lib/index.ts'
import { pages } from './pages.ts'
import { chat } from './views/chat.ts'
import { echo } from './views/echo.ts'
import { ping } from './views/ping.ts'

export interface AppOptions {
  /** signs the session cookie, at least 32 characters; default: a new one at each start, so that sessions end with the process */
  secret?: string | undefined
  logger?: FastifyServerOptions['logger']
}

/** The sandbox: pages and views in one process. It is ready, but listens nowhere yet. */
export async function buildApp (options: AppOptions = {}): Promise<FastifyInstance> {
  const app = Fastify({
    logger: options.logger ?? false,
    // A browser opens connections ahead of need and sends nothing on them: do not wait for those at the end.
    forceCloseConnections: true
  })
  if (options.secret === undefined) app.log.info('no SESSION_SECRET is set: names are forgotten when this process ends')

  await app.register(cookie)
  await app.register(session, {
    secret: options.secret ?? randomBytes(32).toString('hex'),
    saveUninitialized: false,
    cookie: { secure: 'auto', sameSite: 'lax', httpOnly: true }
  })
  await app.register(wsViews, { prefix: '/ws', views: [chat, echo, ping] })
  await app.register(pages)
  await app.ready()
  return app
}
