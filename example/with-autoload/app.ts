// A folder of views: every file in views/ is a plugin that declares some, and a folder below it is a prefix of its own.
import { join } from 'node:path'
import autoload from '@fastify/autoload'
import Fastify, { type FastifyInstance } from 'fastify'
import wsViews from '../../lib/index.ts'

export async function build (): Promise<FastifyInstance> {
  const app = Fastify()
  await app.register(wsViews, {
    prefix: '/ws',
    views: async (ws) => { await ws.register(autoload, { dir: join(import.meta.dirname, 'views') }) }
  })
  return app
}
