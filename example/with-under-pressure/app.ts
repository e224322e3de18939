// A process under pressure takes no more sockets: their handshakes are answered with 503, and those that are open stay.
import underPressure from '@fastify/under-pressure'
import Fastify, { type FastifyInstance } from 'fastify'
import wsViews, { type WsViews } from '../../lib/index.ts'

const views: WsViews = async (ws) => {
  ws.wsView('/echo', { name: 'echo', frames: 'text', onMessage: (socket, text) => text })
}

/** @param isHealthy - asked every `checkMs` milliseconds, and before the first request */
export async function build (isHealthy: () => Promise<boolean>, checkMs = 5000): Promise<FastifyInstance> {
  const app = Fastify()
  await app.register(underPressure, {
    maxEventLoopDelay: 1000,
    healthCheck: isHealthy,
    healthCheckInterval: checkMs,
    retryAfter: 50
  })
  await app.register(wsViews, { prefix: '/ws', views })
  return app
}
