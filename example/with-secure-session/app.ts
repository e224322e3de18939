// A session in an encrypted cookie. A socket sees it as it was at the handshake: there is no store to ask later, so what a
// handler writes is lost, and a logout elsewhere has to be told with `wsSockets.close({ user })`.
import secureSession, { type Session as SecureSession } from '@fastify/secure-session'
import { Type } from '@sinclair/typebox'
import Fastify, { type FastifyInstance } from 'fastify'
import wsViews, { type WsViews } from '../../lib/index.ts'

declare module 'fastify' {
  // by the `sessionName` below
  interface FastifyRequest { secureSession: SecureSession<{ user: string, visits: number }> }
}

const views: WsViews = async (ws) => {
  ws.addHook('preValidation', async ({ secureSession }, reply) => {
    if (secureSession.get('user') === undefined) return reply.code(401).send()
    // still a handshake: the cookie is on the 101
    secureSession.set('visits', (secureSession.get('visits') ?? 0) + 1)
  })
  ws.wsView('/me', {
    name: 'me',
    messageSchema: Type.Object({}),
    replySchema: Type.Object({ user: Type.String(), visits: Type.Integer() }),
    onMessage ({ request: { secureSession } }) {
      return { user: secureSession.get('user')!, visits: secureSession.get('visits')! }
    }
  })
}

/** @param key - 32 bytes */
export async function build (key: Buffer): Promise<FastifyInstance> {
  const app = Fastify()
  await app.register(secureSession, { key, sessionName: 'secureSession', cookie: { path: '/', httpOnly: true } })
  await app.register(wsViews, { prefix: '/ws', views, userOf: ({ secureSession }) => secureSession.get('user') })
  app.post<{ Querystring: { user: string } }>('/login', async (request) => { request.secureSession.set('user', request.query.user) })
  app.post('/logout', async (request) => {
    const user = request.secureSession.get('user')
    request.secureSession.delete()
    if (user !== undefined) await app.wsSockets.close({ user })
  })
  return app
}
