import t from 'tap'
import { Type } from '@sinclair/typebox'
import { defineView } from '../lib/index.ts'
import { wsConnect } from '../lib/testing/index.ts'
import { startViews } from './fixtures/server.ts'

const Said = Type.Object({ said: Type.String() })

t.test('a view is defined apart from an instance, and belongs to the one that declares it', async t => {
  const echo = defineView('/echo/:room', {
    name: 'echo',
    messageSchema: Said,
    replySchema: Said,
    data (request) { return request.params.room },
    onMessage (socket, message) { return { said: `${this.prefix} ${socket.data} ${message.said}` } }
  })
  const { app } = await startViews(t, async (ws) => {
    t.equal(ws.wsView(echo), ws, 'returns the instance')
  })
  t.equal(app.wsUrl('echo', { room: 'a' }), '/ws/echo/a')
  const client = await wsConnect(app, '/ws/echo/a')
  client.sendRaw('{"said":"hello"}')
  t.strictSame(await client.next(), { said: '/ws a hello' })
})

t.test('an owning handler is defined as the third argument', async t => {
  const greet = defineView('/greet', { name: 'greet', replySchema: Said }, function (socket, request) {
    socket.send({ said: `${this.prefix} ${request.url}` })
  })
  const { app } = await startViews(t, async (ws) => { ws.wsView(greet) })
  const client = await wsConnect(app, '/ws/greet')
  t.strictSame(await client.next(), { said: '/ws /ws/greet' })
})

t.test('a defined view can be declared more than once', async t => {
  const ping = defineView('/ping', { name: 'ping', frames: 'text', onMessage: () => 'pong' })
  const { app } = await startViews(t, async (ws) => {
    ws.wsView(ping)
    ws.wsView({ ...ping, url: '/also', options: { ...ping.options, name: 'also' } })
  })
  for (const path of ['/ws/ping', '/ws/also']) {
    const client = await wsConnect(app, path)
    client.send('ping')
    t.equal(await client.next(), 'pong')
  }
})
