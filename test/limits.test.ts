import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Duplex } from 'node:stream'
import websocket from '@fastify/websocket'
import t from 'tap'
import { Type } from '@sinclair/typebox'
import wsViews, { type WsViews } from '../lib/index.ts'
import { rawClient } from './fixtures/rfc6455.ts'
import { buildApp, listen, startViews } from './fixtures/server.ts'
import { logIn, SerialisingStore, withSession } from './fixtures/session.ts'
import { closedBy, deferred, leave, refusal } from './fixtures/waiting.ts'

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

t.test('rateLimit: a codec that gives a promise where the ref is looked for is a failed view', async (t) => {
  const { port } = await startViews(t, async (ws) => {
    ws.wsView('/v', {
      name: 'v',
      messageSchema: Any,
      frames: { parse: () => Promise.reject(new Error('too late')), serialize: JSON.stringify },
      onHandlerError: () => true,
      onMessage () {}
    })
  }, { rateLimit: { messages: 1, perMs: 60_000 } })
  const client = await rawClient(port, '/ws/v', { t })
  client.send('{"ref":1}')
  client.send('{"ref":2}')
  t.strictSame(await closedBy(client), { code: 1011, reason: 'internal_error' })
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

t.test('rateLimit: the error has the ref of the message, whatever its frames, and nothing else of it is read', async (t) => {
  let handled = 0
  const upper = { parse: (data: string | Buffer) => JSON.parse(data.toString().toLowerCase()) as unknown, serialize: (message: unknown) => JSON.stringify(message).toUpperCase() }
  const { port } = await startViews(t, async (ws) => {
    ws.wsView('/json', { name: 'json', messageSchema: Type.Object({ text: Type.String() }), replySchema: Any, onMessage () { handled++ } })
    ws.wsView('/codec', { name: 'codec', frames: upper, messageSchema: Any, replySchema: Any, onMessage () { handled++ } })
    ws.wsView('/text', { name: 'text', frames: 'text', onMessage () { handled++ } })
    ws.wsView('/push', { name: 'push', replySchema: Any })
  }, { rateLimit: { messages: 1, perMs: 60_000 } })

  const json = await rawClient(port, '/ws/json', { t })
  json.send('{"text":"a"}')
  json.send('{"ref":"42","text":"b"}')
  t.match(JSON.parse((await json.next()).data as string), { type: 'error', ref: '42', errors: { __all__: [{ code: 'rate_limited' }] } })
  json.send('not JSON')
  t.notOk('ref' in JSON.parse((await json.next()).data as string))
  json.send(Buffer.from('{"ref":1}'))
  t.match(JSON.parse((await json.next()).data as string), { errors: { __all__: [{ code: 'rate_limited' }] } }, 'a frame of the wrong kind is not looked at')

  const codec = await rawClient(port, '/ws/codec', { t })
  codec.send('{"TEXT":"a"}')
  codec.send('{"REF":7}')
  t.match((await codec.next()).data, '"REF":7')

  const text = await rawClient(port, '/ws/text', { t })
  text.send('a')
  text.send('b')
  t.match(JSON.parse((await text.next()).data as string), { errors: { __all__: [{ code: 'rate_limited' }] } })

  const push = await rawClient(port, '/ws/push', { t })
  push.send('1')
  push.send('2')
  const codes = [await push.next(), await push.next()].map(({ data }) => JSON.parse(data as string).errors.__all__[0].code as string)
  t.strictSame(codes, ['unexpected', 'rate_limited'])
  t.equal(handled, 3)
})

t.test('rateLimit: what is refused is no invalid message', async (t) => {
  const { port } = await startViews(t, echo, { rateLimit: { messages: 1, perMs: 60_000 }, maxInvalid: { count: 1, perMs: 60_000 } })
  const client = await rawClient(port, '/ws/echo', { t })
  for (let n = 1; n < 10; n++) client.send(String(n))
  for (let n = 1; n < 10; n++) await client.next()
  client.send('10')
  t.strictSame(await client.closed, { code: 1008, reason: 'rate_limited' })
})

t.test('rateLimit: pings alone are answered, and close at ten times as many', async (t) => {
  const { port } = await startViews(t, echo, { rateLimit: { messages: 1, perMs: 60_000 } })
  const client = await rawClient(port, '/ws/echo', { t })
  for (let i = 1; i < 10; i++) {
    client.ping(String(i))
    t.equal(String(await client.nextPong()), String(i))
  }
  t.equal(client.reader.messages.length, 0, 'no error reply to a ping')
  client.ping('10')
  t.strictSame(await client.closed, { code: 1008, reason: 'rate_limited' })
})

t.test('rateLimit counts what has arrived, not what has been handled', async (t) => {
  const gate = deferred()
  const { port } = await startViews(t, async (ws) => {
    ws.wsView('/slow', { name: 'slow', messageSchema: Any, replySchema: Any, async onMessage (socket, message) { await gate.promise; return message as object } })
  }, { rateLimit: { messages: 2, perMs: 60_000 } })
  const client = await rawClient(port, '/ws/slow', { t })
  for (const n of [1, 2, 3]) client.send(String(n))
  t.match((await client.next()).data, 'rate_limited')
  gate.resolve()
  t.strictSame([(await client.next()).data, (await client.next()).data], ['1', '2'])
})

t.test('rateLimit of a view stands before that of the plugin; false takes it away', async (t) => {
  const { port } = await startViews(t, async (ws) => {
    ws.wsView('/free', { name: 'free', messageSchema: Any, replySchema: Any, rateLimit: false, onMessage: (socket, message) => message as object })
  }, { rateLimit: { messages: 1, perMs: 60_000 } })
  const client = await rawClient(port, '/ws/free', { t })
  for (let n = 1; n < 20; n++) client.send(String(n))
  for (let n = 1; n < 20; n++) t.equal((await client.next()).data, String(n))
})

t.test('maxConnections: handshakes under way count, those that are refused do not', async (t) => {
  const gate = deferred()
  const isUnderWay = deferred()
  const app = buildApp(t)
  app.addHook('preHandler', async (request) => {
    if (!request.url.includes('slow')) return
    isUnderWay.resolve()
    await gate.promise
  })
  await app.register(wsViews, { prefix: '/ws', views: echo, maxConnections: 2 })
  const port = await listen(app)
  const slow = rawClient(port, '/ws/echo?slow', { t })
  await isUnderWay.promise
  const open = await rawClient(port, '/ws/echo', { t })
  // so many at once: each is refused while the others are
  const refused = await Promise.all(Array.from({ length: 20 }, () => refusal(rawClient(port, '/ws/echo', { t }))))
  t.strictSame([...new Set(refused.map(({ statusCode }) => statusCode))], [503])
  const [socket] = [...app.wsSockets]
  const left = socket!.closed
  await leave(open)
  await left
  await Promise.all([
    rawClient(port, '/ws/echo', { t }).then(({ response }) => { t.equal(response.statusCode, 101) }),
    ...Array.from({ length: 20 }, () => refusal(rawClient(port, '/ws/echo', { t })))
  ])
  gate.resolve()
  t.equal((await slow).response.statusCode, 101)
})

t.test('maxConnections: a client that does not take its refusal takes no place', async (t) => {
  const { app, port } = await startViews(t, echo, { maxConnections: 1 })
  const open = await rawClient(port, '/ws/echo', { t })
  // real TCP takes a few hundred bytes whatever the client does
  const stuck = new Duplex({ read () {}, write () {} })
  t.teardown(() => stuck.destroy())
  const request = new IncomingMessage(stuck as Socket)
  request.method = 'GET'
  request.url = '/ws/echo'
  request.httpVersion = '1.1'
  request.headers = { host: 'a', connection: 'upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' }
  app.server.emit('upgrade', request, stuck, Buffer.alloc(0))
  t.ok(stuck.writableLength > 0, 'its refusal waits')
  const [socket] = [...app.wsSockets]
  await leave(open)
  await socket!.closed
  t.equal((await rawClient(port, '/ws/echo', { t })).response.statusCode, 101)
})

t.test('maxConnectionsPerAddress behind a proxy: the one too many costs no look-up of its session', async (t) => {
  const app = buildApp(t, { trustProxy: '127.0.0.1' })
  const store = new SerialisingStore()
  await withSession(app, store)
  await app.register(wsViews, { prefix: '/ws', views: echo, maxConnectionsPerAddress: 1 })
  const port = await listen(app)
  const headers = { ...await logIn(app), 'x-forwarded-for': '192.0.2.1' }
  await rawClient(port, '/ws/echo', { t, headers })
  const { gets } = store
  t.match(await refusal(rawClient(port, '/ws/echo', { t, headers })), { statusCode: 429, body: /WSV_ERR_TOO_MANY_CONNECTIONS_PER_ADDRESS/ })
  t.equal(store.gets, gets)
})

t.test('maxConnectionsPerAddress: without trustProxy a header is nobody\'s address', async (t) => {
  const { port } = await startViews(t, echo, { maxConnectionsPerAddress: 1 })
  await rawClient(port, '/ws/echo', { t, headers: { 'x-forwarded-for': '192.0.2.1' } })
  t.match(await refusal(rawClient(port, '/ws/echo', { t, headers: { 'x-forwarded-for': '192.0.2.2' } })), { statusCode: 429 })
})

t.test('maxConnectionsPerAddress: a trustProxy function that throws is an error of the request', async (t) => {
  const app = buildApp(t, { trustProxy: () => { throw new TypeError('no idea') } })
  await app.register(wsViews, { prefix: '/ws', views: echo, maxConnectionsPerAddress: 1 })
  const port = await listen(app)
  t.match(await refusal(rawClient(port, '/ws/echo', { t, headers: { 'x-forwarded-for': '192.0.2.1' } })), { statusCode: 500 })
})

t.test('maxConnectionsPerAddress: the place is free when TCP has ended, whatever the handler still does', async (t) => {
  const gate = deferred()
  const app = buildApp(t)
  await app.register(wsViews, {
    prefix: '/ws',
    maxConnectionsPerAddress: 1,
    views: async (ws) => { ws.wsView('/busy', { name: 'busy', messageSchema: Any }, async () => { await gate.promise }) }
  })
  const port = await listen(app)
  const one = await rawClient(port, '/ws/busy', { t })
  const [socket] = [...app.wsSockets]
  const aborted = once(socket!.signal, 'abort')
  await leave(one)
  await aborted
  t.equal(app.wsSockets.count, 1, 'its handler is still at work')
  // the end of TCP is seen on both sides, not in one moment
  while (await rawClient(port, '/ws/busy', { t }).then(() => false, ({ statusCode }: { statusCode: number }) => statusCode === 429));
  gate.resolve()
})

t.test('maxConnectionsPerAddress: the application\'s own WebSocket routes hold no place once they are open', async (t) => {
  const app = buildApp(t)
  await app.register(websocket)
  await app.register(wsViews, { prefix: '/ws', views: echo, maxConnectionsPerAddress: 1 })
  app.get('/own', { websocket: true }, (socket) => { socket.send('own') })
  const port = await listen(app)
  for (let i = 0; i < 3; i++) t.equal((await (await rawClient(port, '/own', { t })).next()).data, 'own')
  await rawClient(port, '/ws/echo', { t })
  t.match(await refusal(rawClient(port, '/ws/echo', { t })), { statusCode: 429 })
})

t.test('maxConnectionsPerAddress: clients of a Unix socket have no address, and no limit', async (t) => {
  const path = join(tmpdir(), `ws-views-${process.pid}.sock`)
  t.teardown(() => { rmSync(path, { force: true }) })
  const app = buildApp(t)
  await app.register(wsViews, { prefix: '/ws', views: echo, maxConnectionsPerAddress: 1 })
  await app.listen({ path })
  for (let i = 0; i < 3; i++) {
    const tcp = connect(path)
    t.teardown(() => tcp.destroy())
    tcp.write('GET /ws/echo HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n')
    const [chunk] = await once(tcp, 'data') as [Buffer]
    t.match(chunk.toString(), /^HTTP\/1\.1 101 /)
  }
})
