import t from 'tap'
import { Type } from '@sinclair/typebox'
import wsViews, { type WsViews } from '../lib/index.ts'
import { buildApp } from './fixtures/server.ts'

const Say = Type.Object({ text: Type.String() })

const chat: WsViews = async (ws) => {
  ws.wsView('/chat/:room', { name: 'chat', messageSchema: Say, replySchema: Say, subprotocols: ['v1'], onMessage: (socket, message) => message })
  ws.wsView('/bytes', { frames: 'binary', constraints: { host: 'ws.example.com' } })
}

const listed = [
  { name: 'v2:chat', url: '/v2/ws/chat/:room', host: undefined, messageSchema: Say, replySchema: Say, frames: 'json', subprotocols: ['v1'] },
  { name: undefined, url: '/v2/ws/bytes', host: 'ws.example.com', messageSchema: undefined, replySchema: undefined, frames: 'binary', subprotocols: [] }
]

for (const serve of [true, false]) {
  t.test(`fastify.wsViews lists what was declared, ${serve ? 'and onRoute has the same' : 'also where none are served'}`, async (t) => {
    const app = buildApp(t)
    const routes: unknown[] = []
    app.addHook('onRoute', (route) => { if (route.wsView !== undefined) routes.push(route.wsView) })
    await app.register(async (v2) => {
      await v2.register(wsViews, { prefix: '/ws', views: chat, namespace: 'v2', serve })
      t.strictSame(v2.wsViews, listed)
      t.equal(v2.wsViews[0]!.messageSchema, Say, 'the schema itself, not a copy')
      t.throws(() => { (v2.wsViews[0] as { url: string }).url = '/' }, TypeError)
    }, { prefix: '/v2' })
    await app.register(wsViews, { prefix: '/more' })
    app.wsView('/late', { name: 'late' })
    t.strictSame(app.wsViews.map(({ name }) => name), ['v2:chat', undefined, 'late'], 'of all registrations on the server')
    await app.ready()
    t.strictSame(routes, serve ? app.wsViews : [])
  })
}

t.test('printRoutes shows the views by their names', async (t) => {
  const app = buildApp(t)
  app.get('/', async () => '')
  await app.register(wsViews, { prefix: '/ws', views: chat })
  await app.ready()
  const printed = app.printRoutes({ includeMeta: ['onSend'], commonPrefix: false })
  t.match(printed, /ws\/chat\/:room \(GET\)\n[│ ]+• \(onSend\) \[.*"wsView chat\(\)"\]/)
  t.match(printed, /ws\/bytes \(GET\) .*\n[│ ]+• \(onSend\) \[.*"wsView \/ws\/bytes\(\)"\]/)
})
