// Helmet protects pages: its Content-Security-Policy says which sockets they may open. On a 101 its headers say nothing.
import helmet from '@fastify/helmet'
import Fastify, { type FastifyInstance } from 'fastify'
import wsViews, { type WsViews } from '../../lib/index.ts'

const views: WsViews = async (ws) => {
  ws.wsView('/echo', { name: 'echo', frames: 'text', route: { helmet: false }, onMessage: (socket, text) => text })
}

/** @param baseUrl - where the sockets are, when it is not where the pages are: `wss://ws.example.com` */
export async function build (baseUrl?: string): Promise<FastifyInstance> {
  const app = Fastify()
  // 'self' is enough for sockets of the pages' own host
  const connectSrc = ["'self'", ...(baseUrl === undefined ? [] : [new URL(baseUrl).origin])]
  await app.register(helmet, { contentSecurityPolicy: { directives: { connectSrc } } })
  await app.register(wsViews, { prefix: '/ws', views, ...(baseUrl === undefined ? {} : { baseUrl }) })
  app.get('/', async (request, reply) => reply.type('text/html').send(`<script>new WebSocket('${request.wsUrl('echo')}')</script>`))
  return app
}
