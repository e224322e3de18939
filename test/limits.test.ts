import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { Type } from '@sinclair/typebox'
import wsViews, { type WsViews } from '../lib/index.ts'
import { rawClient } from './fixtures/rfc6455.ts'
import { buildApp, listen, startViews } from './fixtures/server.ts'

const Any = Type.Unknown()
const echo: WsViews = async (ws) => {
  ws.wsView('/echo', { name: 'echo', messageSchema: Any, replySchema: Any, onMessage: (socket, message) => message as object })
}

t.test('rateLimit: messages beyond it are answered with rate_limited and not handled', async (t) => {
  const { port } = await startViews(t, echo, { rateLimit: { messages: 2, perMs: 60_000 } })
  const client = await rawClient(port, '/ws/echo', { t })
  client.send('{"n":1}')
  client.send('not JSON: an invalid one counts too')
  client.send('{"n":3}')
  t.equal((await client.next()).data, '{"n":1}')
  const replies = [JSON.parse((await client.next()).data as string), JSON.parse((await client.next()).data as string)]
  const refused = replies.find(({ errors }) => errors.__all__[0].code === 'rate_limited')
  t.match(refused, { type: 'error', errors: { __all__: [{ message: 'Too many messages.', code: 'rate_limited' }] } })
  const { retryAfterMs } = refused.errors.__all__[0].params
  t.ok(retryAfterMs > 0 && retryAfterMs <= 60_000)
})

t.test('rateLimit: the next window begins with a clean slate', async (t) => {
  const { port } = await startViews(t, echo, { rateLimit: { messages: 1, perMs: 30 } })
  const client = await rawClient(port, '/ws/echo', { t })
  client.send('{"n":1}')
  t.equal((await client.next()).data, '{"n":1}')
  client.send('{"n":2}')
  const { retryAfterMs } = JSON.parse((await client.next()).data as string).errors.__all__[0].params
  // the client does as it is told
  await new Promise((resolve) => setTimeout(resolve, retryAfterMs + 1))
  client.send('{"n":3}')
  t.equal((await client.next()).data, '{"n":3}')
})

t.test('rateLimit: ten times as many in the window close with 1008, pings count', async (t) => {
  const { port } = await startViews(t, echo, { rateLimit: { messages: 2, perMs: 60_000 } })
  const client = await rawClient(port, '/ws/echo', { t })
  client.send('{"n":1}')
  for (let i = 0; i < 18; i++) client.ping(String(i))
  await client.nextPong()
  t.equal(client.reader.close, undefined)
  client.send('{"n":20}')
  t.strictSame(await client.closed, { code: 1008, reason: 'rate_limited' })
  t.equal(client.reader.messages.filter(({ data }) => data === '{"n":1}').length, 1)
  t.notOk(client.reader.messages.some(({ data }) => data === '{"n":20}'))
})

t.test('maxConnections: one more handshake gets 503 and Retry-After, until a socket has ended', async (t) => {
  const { app, port } = await startViews(t, echo, { maxConnections: 2 })
  const one = await rawClient(port, '/ws/echo', { t })
  await rawClient(port, '/ws/echo', { t })
  const refused = await rawClient(port, '/ws/echo', { t }).catch((error: unknown) => error)
  t.match(refused, { statusCode: 503, headers: { 'retry-after': '10' }, body: /WSV_ERR_TOO_MANY_CONNECTIONS"/ })
  const [socket] = [...app.wsSockets]
  one.sendClose(1000)
  await socket!.closed
  t.match(await rawClient(port, '/ws/echo', { t }), { response: { statusCode: 101 } })
})

t.test('maxConnectionsPerAddress: 429, and every end of a socket or a handshake gives its place back', async (t) => {
  const app = buildApp(t)
  let sessionsRead = 0
  let hang = false
  app.addHook('onRequest', async () => { sessionsRead++ })
  app.addHook('preHandler', async () => { if (hang) await new Promise(() => {}) })
  await app.register(wsViews, { prefix: '/ws', views: echo, maxConnectionsPerAddress: 2, handshakeTimeoutMs: 40 })
  const port = await listen(app)

  const one = await rawClient(port, '/ws/echo', { t })
  const two = await rawClient(port, '/ws/echo', { t })
  const before = sessionsRead
  t.match(await rawClient(port, '/ws/echo', { t }).catch((error: unknown) => error), { statusCode: 429 })
  t.equal(sessionsRead, before, 'no hook has run for the one too many')

  const sockets = [...app.wsSockets]
  one.sendClose(1000)
  two.destroy()
  await Promise.all(sockets.map(({ closed }) => closed))

  // a refusal, an upgrade of nothing, and handshakes that hang until their deadline
  t.match(await rawClient(port, '/nothing', { t }).catch((error: unknown) => error), { statusCode: 404 })
  hang = true
  for (const tcp of [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')]) {
    tcp.on('error', () => {})
    tcp.write('GET /ws/echo HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n')
    tcp.resume()
    await once(tcp, 'close')
  }
  hang = false
  await rawClient(port, '/ws/echo', { t })
  await rawClient(port, '/ws/echo', { t })
  t.match(await rawClient(port, '/ws/echo', { t }).catch((error: unknown) => error), { statusCode: 429 })
})

t.test('maxConnectionsPerAddress counts the addresses that trustProxy tells', async (t) => {
  const app = buildApp(t, { trustProxy: true })
  await app.register(wsViews, { prefix: '/ws', views: echo, maxConnectionsPerAddress: 1 })
  const port = await listen(app)
  const from = (address: string): Promise<unknown> =>
    rawClient(port, '/ws/echo', { t, headers: { 'x-forwarded-for': address } }).catch((error: unknown) => error)
  t.match(await from('192.0.2.1'), { response: { statusCode: 101 } })
  t.match(await from('192.0.2.2'), { response: { statusCode: 101 } })
  t.match(await from('192.0.2.1'), { statusCode: 429 })
})
