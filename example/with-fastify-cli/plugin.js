// fastify start plugin.js
//
// The plugin is a context of its own, as fastify-cli has it; views work in any.
import wsViews from 'fastify-ws-views'

/** @type {import('fastify').FastifyPluginAsync} */
export default async function plugin (app, _options) {
  await app.register(wsViews, {
    prefix: '/ws',
    views: async (ws) => {
      ws.wsView('/echo', { name: 'echo', frames: 'text', onMessage: (socket, text) => text })
    }
  })
  app.get('/', async () => app.wsUrl('echo'))
}
