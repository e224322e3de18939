// Who a socket belongs to stands in a JSON Web Token: in the Authorization header, in a cookie, or, from a browser on another
// site, in Sec-WebSocket-Protocol. When the token has expired, its sockets are closed with 4401.
import cookie from '@fastify/cookie'
import jwt from '@fastify/jwt'
import { Type } from '@sinclair/typebox'
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import wsViews, { type WsViews } from '../../lib/index.ts'

declare module '@fastify/jwt' {
  interface FastifyJWT { payload: { sub: string }, user: { sub: string, exp?: number } }
}

export interface Options {
  secret: string
  /** how often tokens are looked at, in milliseconds */
  sessionCheckMs?: number
}

const views: WsViews = async (ws) => {
  ws.addHook('preValidation', async (request, reply) => {
    try {
      await request.jwtVerify()
    } catch {
      return reply.code(401).send({ error: 'a valid token is needed' })
    }
  })
  ws.wsView('/me', {
    name: 'me',
    // the token is offered beside it, is not in this list, and so is never sent back
    subprotocols: ['app.v1'],
    messageSchema: Type.Object({}),
    replySchema: Type.Object({ sub: Type.String() }),
    onMessage: ({ request }) => ({ sub: request.user.sub })
  })
}

export async function build ({ secret, sessionCheckMs = 30_000 }: Options): Promise<FastifyInstance> {
  const app = Fastify()
  await app.register(cookie)
  await app.register(jwt, { secret, verify: { extractToken } })
  await app.register(wsViews, {
    prefix: '/ws',
    views,
    userOf: (request) => request.user.sub,
    checkSession: ({ user: { exp } }) => exp === undefined || exp * 1000 > Date.now(),
    sessionCheckMs
  })
  return app
}

/** `new WebSocket(url, ['app.v1', `bearer.${token}`])` is all that a browser can send besides cookies. */
function extractToken ({ headers, cookies }: FastifyRequest): string | undefined {
  const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map((protocol) => protocol.trim())
  return /^Bearer (\S+)$/i.exec(headers.authorization ?? '')?.[1] ??
    offered.find((protocol) => protocol.startsWith('bearer.'))?.slice('bearer.'.length) ??
    cookies.token
}
