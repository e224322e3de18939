// Handshakes are requests, so @fastify/rate-limit counts them: too many are answered with 429. What a socket sends later is
// counted by the view itself.
import rateLimit from '@fastify/rate-limit'
import Fastify, { type FastifyInstance } from 'fastify'
import wsViews, { type WsViews } from '../../lib/index.ts'

const views: WsViews = async (ws) => {
  ws.wsView('/echo', {
    name: 'echo',
    config: { rateLimit: { max: 2, timeWindow: '1 minute' } }, // handshakes from one address
    rateLimit: { messages: 3, perMs: 60_000 }, // messages on one socket
    frames: 'text',
    onMessage: (socket, text) => text
  })
}

export async function build (): Promise<FastifyInstance> {
  const app = Fastify()
  // before the views: it looks at every route that comes after it
  await app.register(rateLimit, { global: false })
  await app.register(wsViews, { prefix: '/ws', views })
  return app
}
