import { once } from 'node:events'
import { Type } from '@sinclair/typebox'
import Fastify from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import type { FastifyInstance } from 'fastify'
import wsViews, { defineChannel, type Broker, type WsViews, type WsViewsOptions } from '../lib/index.ts'
import { answerTo, request, upgrade } from './fixtures/exchange.ts'
import { buildApp, listen } from './fixtures/server.ts'

const Message = Type.Object({ text: Type.String() })

const chat: WsViews = async (ws) => {
  ws.decorate('fromViews', 'decorated')
  ws.addHook('onRequest', async (_request, reply) => { reply.header('x-hook', 'ran') })
  ws.wsView('/chat/:room', { name: 'chat', messageSchema: Message, onMessage () {} })
  ws.get('/page', async () => (ws as unknown as { fromViews: string }).fromViews)
  ws.get('/socket', { websocket: true }, () => { throw new Error('has run') })
}

/** What an application logs, as objects. */
function logOf (lines: Record<string, unknown>[]) {
  return { level: 'info', stream: { write (line: string) { lines.push(JSON.parse(line) as Record<string, unknown>) } } }
}

async function pages (t: Test, options: WsViewsOptions = {}, lines: Record<string, unknown>[] = []): Promise<FastifyInstance> {
  const app = buildApp(t, { logger: logOf(lines) })
  await app.register(wsViews, { prefix: '/ws', views: chat, serve: false, ...options })
  return app
}

t.test('serve: false', async (t) => {
  await t.test('knows the names of the views', async (t) => {
    const app = await pages(t, { baseUrl: 'wss://ws.example.com' })
    app.get('/', async (request) => [app.wsUrl('chat', { room: 'a' }), request.wsUrl('chat', { room: 'b' })])
    t.strictSame((await app.inject('/')).json(), ['wss://ws.example.com/ws/chat/a', 'wss://ws.example.com/ws/chat/b'])
  })

  await t.test('takes no upgrade: no listener, no route', async (t) => {
    const app = await pages(t)
    const port = await listen(app)
    t.equal(app.server.listenerCount('upgrade'), 0)
    t.notOk(app.hasRoute({ method: 'GET', url: '/ws/chat/:room' }))
    // without a listener Node serves it as any GET
    const answer = await answerTo(port, upgrade('/ws/chat/a', { connection: 'Upgrade, close' }))
    t.equal(answer.statusCode, 404)
  })

  await t.test('loads the views plugins as always: hooks, decorators, HTTP routes', async (t) => {
    const app = await pages(t)
    const port = await listen(app)
    const page = await answerTo(port, request('GET', '/ws/page', { connection: 'close' }))
    t.equal(page.body, 'decorated')
    t.equal(page.headers['x-hook'], 'ran')
    const socket = await app.inject('/ws/socket')
    t.equal(socket.statusCode, 404, 'a websocket: true route answers no plain GET, here as elsewhere')
  })

  await t.test('checks the schemas', async (t) => {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(wsViews, {
      serve: false,
      async views (ws) { ws.wsView('/chat', { name: 'chat', messageSchema: { type: 'object', properties: { a: { $ref: 'nowhere#' } } }, onMessage () {} }) }
    })
    await t.rejects(async () => { await app.ready() }, { code: 'WSV_ERR_SCHEMA_INVALID', message: /chat/ })
  })

  await t.test('warns that publishing reaches nobody, and says which fan-out there is', async (t) => {
    const lines: Record<string, unknown>[] = []
    const app = await pages(t, {}, lines)
    await app.ready()
    t.match(lines.filter(({ level }) => level === 40), [{ msg: /publishing reaches nobody/ }])
    t.ok(lines.some(({ level, msg }) => level === 30 && /fan-out/.test(String(msg))))
  })

  await t.test('publishes', async (t) => {
    const lines: Record<string, unknown>[] = []
    const published: string[] = []
    const broker: Broker = {
      kind: 'mine',
      status: 'ready',
      async open () {},
      async publish (channel, { wire }) { published.push(`${channel} ${String(wire)}`) },
      async subscribe () {},
      async unsubscribe () {},
      async close () {}
    }
    const app = await pages(t, { fanout: broker }, lines)
    await app.ready()
    await app.wsFanout.publish(defineChannel('lobby', Message), { text: 'hi' })
    t.strictSame(published, ['lobby {"text":"hi"}'])
    t.strictSame(lines.filter(({ level }) => level === 40), [], 'and does not warn')
  })

  await t.test('has no sockets to count or close', async (t) => {
    const app = await pages(t)
    await app.ready()
    t.equal(app.wsSockets.count, 0)
    t.strictSame([...app.wsSockets], [])
    await t.resolves(app.wsSockets.close({ view: 'chat' }))
  })

  await t.test('holds for the whole server', async (t) => {
    const app = await pages(t)
    await t.rejects(async () => { await app.register(wsViews, { serve: true }) }, { code: 'WSV_ERR_OPTION_CONFLICT' })
  })

  await t.test('closes', async (t) => {
    const app = await pages(t)
    await listen(app)
    const closed = once(app.server, 'close')
    await app.close()
    await closed
  })
})
