import t from 'tap'
import type { Socket } from 'node:net'
import cookie from '@fastify/cookie'
import { Type } from '@sinclair/typebox'
import Fastify, { type FastifyInstance, type FastifyListenOptions } from 'fastify'
import wsViews, { defineChannel, type CloseInfo, type WsViews, type WsViewsOptions } from '../lib/index.ts'
import { HandshakeRefused, wsConnect, type WsTestClient } from '../lib/testing/index.ts'
import { certificate } from './fixtures/certificate.ts'
import { buildApp } from './fixtures/server.ts'
import { deferred, Journal } from './fixtures/waiting.ts'

const Say = Type.Object({ text: Type.String({ minLength: 1 }) })
const Said = Type.Object({ text: Type.String(), ip: Type.Optional(Type.String()) })

async function build (t: Parameters<typeof buildApp>[0], views: WsViews, options: WsViewsOptions = {}): Promise<FastifyInstance> {
  const app = buildApp(t)
  await app.register(wsViews, { prefix: '/ws', views, ...options })
  return app
}

const modes = [{ listen: false }, { listen: true }]

const echo: WsViews = async (ws) => {
  ws.wsView('/echo/:room', {
    name: 'echo',
    schema: { params: Type.Object({ room: Type.String() }) },
    messageSchema: Say,
    replySchema: Said,
    onMessage: (socket, { text }) => ({ text: `${socket.request.params.room}: ${text}` })
  })
}

for (const { listen } of modes) {
  const where = listen ? 'over TCP' : 'in the process'

  t.test(`${where}: good and bad messages`, async (t) => {
    const app = await build(t, echo)
    const client = await wsConnect(app, 'echo', { params: { room: 'a b' }, listen })
    client.send({ text: ' hello ', ref: 1 })
    t.strictSame(await client.next(), { text: 'a b: hello', ref: 1 })
    client.send({ text: '', ref: 'x' })
    t.strictSame(await client.expectErrors({ text: ['required'] }), {
      type: 'error', ref: 'x', errors: { text: [{ message: 'This field is required.', code: 'required' }] }
    })
    client.sendRaw('{')
    await client.expectErrors({ __all__: ['invalid'] })
    t.strictSame(await client.close(1000, 'bye'), { code: 1000, reason: 'bye' })
    t.equal(app.server.listening, listen)
  })

  t.test(`${where}: a message sent with the 101 is not lost, and messages keep their order`, async (t) => {
    const app = await build(t, async (ws) => {
      ws.wsView('/hello', { name: 'hello', onOpen (socket) { for (let n = 0; n < 3; n++) socket.send({ n }) } })
    })
    const client = await wsConnect(app, 'hello', { listen })
    t.strictSame([await client.next(), await client.next(), await client.next()], [{ n: 0 }, { n: 1 }, { n: 2 }])
    await client.close()
  })

  t.test(`${where}: a refused handshake rejects with the HTTP response`, async (t) => {
    const app = await build(t, async (ws) => {
      ws.wsView('/closed', { name: 'closed', onRequest: async (_request, reply) => { await reply.code(401).header('x-why', 'closed').send({ error: 'Who are you?' }) } })
      ws.wsView('/open', { name: 'open' })
    })
    const refused = await t.rejects(wsConnect(app, 'closed', { listen })) as HandshakeRefused
    t.ok(refused instanceof HandshakeRefused)
    t.match(refused, { code: 'WSV_ERR_TEST_HANDSHAKE_REFUSED', statusCode: 401, headers: { 'x-why': 'closed' } })
    t.strictSame(refused.json(), { error: 'Who are you?' })
    await t.rejects(wsConnect(app, 'open', { listen, origin: 'https://evil.example' }), { code: 'WSV_ERR_TEST_HANDSHAKE_REFUSED', statusCode: 403, body: /WSV_ERR_ORIGIN_FORBIDDEN/ })
    await t.rejects(wsConnect(app, '/nowhere', { listen }), { code: 'WSV_ERR_TEST_HANDSHAKE_REFUSED', statusCode: 404 })
    t.equal(app.wsSockets.count, 0)
  })

  t.test(`${where}: maxPayload closes with 1009`, async (t) => {
    const app = await build(t, echo)
    const client = await wsConnect(app, 'echo', { params: { room: 'a' }, listen })
    client.send({ text: 'x'.repeat(70_000) })
    t.match(await client.closed, { code: 1009 })
    t.throws(() => { client.send({ text: 'late' }) }, { code: 'WSV_ERR_TEST_CLOSED' })
    await t.rejects(client.next(), { code: 'WSV_ERR_TEST_CLOSED', message: "The socket is closed, with 1009 ''" })
  })

  t.test(`${where}: a slow reader gets 1013, and what was sent before it`, async (t) => {
    const news = defineChannel('news', Type.Object({ n: Type.Integer(), padding: Type.String() }))
    const infos = new Journal<CloseInfo>()
    const app = await build(t, async (ws) => {
      ws.wsView('/news', { name: 'news', maxBuffered: 256 * 1024, onOpen: (socket) => socket.subscribe(news), onClose (_socket, info) { infos.add(info) } })
    })
    const slow = await wsConnect(app, 'news', { listen })
    const healthy = await wsConnect(app, 'news', { listen })
    slow.pause()
    const padding = '.'.repeat(16_000)
    for (let n = 0; n < 1000; n++) await app.wsFanout.publish(news, { n, padding })
    const received: number[] = []
    while (received.length < 1000) received.push((await healthy.next<{ n: number }>()).n)
    t.strictSame(received, Array.from({ length: 1000 }, (_, n) => n))
    slow.resume()
    t.strictSame(await slow.closed, { code: 1013, reason: 'too_slow' })
    t.match(await slow.next(), { n: 0 })
    t.strictSame(await infos.until(1), [{ code: 1013, reason: 'too_slow' }])
    await healthy.close()
  })

  t.test(`${where}: a half-open peer is terminated`, async (t) => {
    const infos = new Journal<CloseInfo>()
    const app = await build(t, async (ws) => {
      ws.wsView('/watched', { name: 'watched', heartbeat: { intervalMs: 20, timeoutMs: 1000 }, onClose (_socket, info) { infos.add(info) } })
    })
    const alive = await wsConnect(app, 'watched', { listen })
    const pinged = new Journal<true>()
    alive.raw.on('ping', () => { pinged.add(true) })
    const client = await wsConnect(app, 'watched', { listen })
    client.vanish()
    t.strictSame(await infos.until(1), [{ code: 1006, reason: '' }])
    // one that answers pings lives on
    await pinged.until(pinged.entries.length + 2)
    await alive.expectNothing(0)
    t.strictSame(await client.closed, { code: 1006, reason: '' }, 'it learns of it without having read')
    await alive.close()
  })

  t.test(`${where}: a half-open peer hears nothing of app.close()`, async (t) => {
    const app = await build(t, echo, { closeTimeoutMs: 20 })
    const client = await wsConnect(app, 'echo', { params: { room: 'a' }, listen })
    client.vanish()
    await app.close()
    t.strictSame(await client.closed, { code: 1006, reason: '' })
  })

  t.test(`${where}: a slow reader says goodbye`, async (t) => {
    const app = await build(t, echo)
    const client = await wsConnect(app, 'echo', { params: { room: 'a' }, listen })
    client.pause()
    t.strictSame(await client.close(1000, 'bye'), { code: 1000, reason: 'bye' })
  })

  t.test(`${where}: the server sees a client that is gone without a word`, async (t) => {
    const infos = new Journal<CloseInfo>()
    const app = await build(t, async (ws) => {
      ws.wsView('/feed', { name: 'feed', onClose (_socket, info) { infos.add(info) } })
    })
    const client = await wsConnect(app, 'feed', { listen })
    t.equal(client.response.statusCode, 101)
    await client[Symbol.asyncDispose]()
    t.strictSame(await infos.until(1), [{ code: 1006, reason: '' }])
  })

  t.test(`${where}: a client that does not read and is gone, while the server writes`, async (t) => {
    const infos = new Journal<CloseInfo>()
    const app = await build(t, async (ws) => {
      ws.wsView('/flood', { name: 'flood', frames: 'binary', maxBuffered: 64 * 1024 * 1024, onClose (_socket, info) { infos.add(info) } }, async (socket) => {
        for (let i = 0; i < 32; i++) socket.send(Buffer.alloc(1024 * 1024))
        await new Promise((resolve) => { socket.signal.addEventListener('abort', resolve) })
      })
    })
    const client = await wsConnect(app, 'flood', { listen })
    client.pause()
    await client.terminate()
    t.match(await infos.until(1), [{ code: 1006 }])
  })

  t.test(`${where}: app.close() says 1001`, async (t) => {
    const app = await build(t, echo)
    const client = await wsConnect(app, 'echo', { params: { room: 'a' }, listen })
    await Promise.all([app.close(), client.closed])
    t.strictSame(await client.closed, { code: 1001, reason: 'server_closing' })
  })

  const servers: Record<string, () => FastifyInstance> = {
    TLS: () => Fastify({ https: certificate }),
    'HTTP/2 that allows HTTP/1.1': () => Fastify({ http2: true, https: { ...certificate, allowHTTP1: true } }) as unknown as FastifyInstance
  }
  for (const [name, build] of Object.entries(servers)) {
    t.test(`${where}: with ${name}`, async (t) => {
      const app = build()
      t.teardown(() => app.close())
      await app.register(wsViews, {
        views: async (ws) => { ws.wsView('/secure', { name: 'secure', onOpen (socket) { socket.send({ protocol: socket.request.protocol }) } }) }
      })
      const client = await wsConnect(app, 'secure', { listen })
      t.strictSame(await client.next(), { protocol: 'https' })
      await client.close()
    })
  }
}

t.test('text, binary and raw views take and give what they are', async (t) => {
  const app = await build(t, async (ws) => {
    ws.wsView('/text', { name: 'text', frames: 'text', onMessage: (_socket, text) => text.toUpperCase() })
    ws.wsView('/binary', { name: 'binary', frames: 'binary', onMessage: (_socket, bytes) => Buffer.from(bytes).reverse() })
    ws.wsView('/raw', { name: 'raw', frames: 'raw', onMessage: (_socket, data) => data })
  })
  const text = await wsConnect(app, 'text')
  text.send('"a"')
  t.equal(await text.next(), '"A"')
  t.throws(() => { text.send({ a: 1 }) }, { code: 'WSV_ERR_NOT_SERIALIZABLE' })
  const binary = await wsConnect(app, 'binary')
  const bytes = Buffer.from('abc')
  binary.send(bytes)
  t.strictSame(await binary.next(), Buffer.from('cba'))
  t.equal(bytes.toString(), 'abc', 'the bytes are still the caller\'s')
  const raw = await wsConnect(app, 'raw')
  raw.send('text')
  t.equal(await raw.next(), 'text')
  raw.send(Buffer.from('bytes'))
  t.strictSame(await raw.next(), Buffer.from('bytes'))
  binary.sendRaw('text')
  t.match(await binary.closed, { code: 1003 })
  await Promise.all([text.close(), raw.close()])
})

t.test('query, headers, cookies, origin, protocols and remoteAddress reach the request', async (t) => {
  const seen = new Journal<unknown>()
  const app = buildApp(t)
  await app.register(cookie)
  await app.register(wsViews, {
    baseUrl: 'wss://example.com/outside',
    views: async (ws) => {
      ws.wsView('/seen', {
        name: 'seen',
        subprotocols: ['v2', 'v1'],
        constraints: { host: 'ws.example.com' },
        origins: ['https://example.com'],
        onOpen ({ request: { url, headers, cookies, ip } }) {
          seen.add({ url, host: headers.host, origin: headers.origin, who: headers['x-who'], cookies: { ...cookies }, ip })
        }
      })
    }
  })
  const client = await wsConnect(app, 'seen', {
    query: { since: 7 },
    headers: { 'X-Who': 'me', Cookie: 'a=1' },
    cookies: { b: 'x; y=ü' },
    origin: 'https://example.com',
    protocols: ['v1', 'v2'],
    remoteAddress: '2001:db8::1'
  })
  t.strictSame(await seen.until(1), [{
    url: '/seen?since=7', host: 'ws.example.com', origin: 'https://example.com', who: 'me', cookies: { a: '1', b: 'x; y=ü' }, ip: '2001:db8::1'
  }])
  t.equal(client.protocol, 'v2')
  await client.close()
})

t.test('maxConnectionsPerAddress counts addresses', async (t) => {
  const app = await build(t, echo, { maxConnectionsPerAddress: 1 })
  const params = { room: 'a' }
  const clients: WsTestClient[] = [await wsConnect(app, 'echo', { params, remoteAddress: '10.0.0.1' })]
  await t.rejects(wsConnect(app, 'echo', { params, remoteAddress: '10.0.0.1' }), { code: 'WSV_ERR_TEST_HANDSHAKE_REFUSED', statusCode: 429 })
  clients.push(await wsConnect(app, 'echo', { params, remoteAddress: '10.0.0.2' }))
  await Promise.all(clients.map((client) => client.close()))
})

t.test('a hook that never answers: the handshake deadline ends it', async (t) => {
  const app = await build(t, async (ws) => {
    ws.wsView('/hung', { name: 'hung', onRequest: () => {} })
  }, { handshakeTimeoutMs: 20 })
  await t.rejects(wsConnect(app, 'hung'), { code: 'WSV_ERR_TEST_NO_ANSWER' })
})

t.test('while the view does not take messages, the client waits, and none is lost', async (t) => {
  const gate = deferred()
  const handled: number[] = []
  const app = await build(t, async (ws) => {
    ws.wsView('/slow', {
      name: 'slow',
      backlog: 2,
      messageSchema: Type.Object({ n: Type.Integer(), padding: Type.String() }),
      async onMessage (_socket, { n }) {
        await gate.promise
        handled.push(n)
      },
    })
  })
  const client = await wsConnect(app, 'slow')
  for (let n = 0; n < 200; n++) client.send({ n, padding: 'x'.repeat(10_000) })
  while (client.raw.bufferedAmount === 0 || ![...app.wsSockets].some(({ raw }) => raw.isPaused)) await new Promise((resolve) => { setImmediate(resolve) })
  const [socket] = app.wsSockets
  gate.resolve()
  await client.close()
  await socket!.closed
  t.strictSame(handled, Array.from({ length: 200 }, (_, n) => n))
})

t.test('expectNothing: passes while nothing comes, rejects with what came', async (t) => {
  const app = await build(t, async (ws) => {
    ws.wsView('/quiet', {
      name: 'quiet', messageSchema: Say, replySchema: Said, onInvalid: 'ignore', onMessage (socket, { text }) { if (text === 'end') socket.close(4000, 'over'); else return { text } }
    })
  })
  const client = await wsConnect(app, 'quiet')
  client.send({ text: '' })
  await client.expectNothing()
  client.send({ text: 'hello' })
  await t.rejects(client.expectNothing(10_000), { code: 'WSV_ERR_TEST_UNEXPECTED', message: 'Expected no message, got {"text":"hello"}' })
  t.strictSame(await client.next(), { text: 'hello' }, 'it can still be taken')
  client.send({ text: 'end' })
  await t.rejects(client.expectNothing(10_000), { code: 'WSV_ERR_TEST_CLOSED', message: "The socket is closed, with 4000 'over'" })
})

t.test('expectErrors: other codes, other fields and other messages are shown', async (t) => {
  const app = await build(t, echo)
  const client = await wsConnect(app, 'echo', { params: { room: 'a' } })
  for (const codes of [{ text: ['invalid'] }, {}, { text: ['required'], other: ['required'] }, { text: ['required', 'required'] }]) {
    client.send({ text: '' })
    await t.rejects(client.expectErrors(codes), { code: 'WSV_ERR_TEST_UNEXPECTED', expected: codes, actual: { text: ['required'] } })
  }
  const cycle: Record<string, unknown> = {}
  cycle.self = cycle
  for (const message of [undefined, 1n, cycle]) t.throws(() => { client.send(message) }, { code: 'WSV_ERR_NOT_SERIALIZABLE' })
  client.send({ text: 'good' })
  await t.rejects(client.expectErrors({ text: ['required'] }), {
    message: 'Expected the errors {"text":["required"]}, got the message {"text":"a: good"}', actual: '{"text":"a: good"}'
  })
  await client.close()
})

t.test('next() gives up after timeoutMs, and the message that comes later is for the next one', async (t) => {
  const app = await build(t, echo)
  const client = await wsConnect(app, 'echo', { params: { room: 'a' }, timeoutMs: 10 })
  await t.rejects(client.next(), { code: 'WSV_ERR_TEST_TIMEOUT', message: 'No message came within 10 ms' })
  const late = await wsConnect(app, 'echo', { params: { room: 'a' } })
  const next = late.next()
  late.send({ text: 'later' })
  t.strictSame(await next, { text: 'a: later' })
  const hopeless = late.next()
  await Promise.all([t.rejects(hopeless, { code: 'WSV_ERR_TEST_CLOSED' }), late.close(), client.close()])
})

t.test('what cannot be connected to says what was expected', async (t) => {
  const app = await build(t, echo)
  await t.rejects(wsConnect(app, undefined as never), { code: 'WSV_ERR_VIEW_NOT_FOUND', message: "wsUrl: no view is named 'undefined', the views are: 'echo'" })
  await t.rejects(wsConnect(app, 'ecko'), { code: 'WSV_ERR_VIEW_NOT_FOUND', message: /'echo'/ })
  await t.rejects(wsConnect(app, 'echo'), { code: 'WSV_ERR_URL_PARAM_MISSING' })
  const bare = buildApp(t)
  await t.rejects(wsConnect(bare, 'echo'), { code: 'WSV_ERR_TEST_INSTANCE' })
})

t.test('a path has its query beside it, and no params', async (t) => {
  const urls = new Journal<string>()
  const app = await build(t, async (ws) => { ws.wsView('/a', { name: 'a', onOpen (socket) { urls.add(socket.request.url) } }) })
  const clients = [
    await wsConnect(app, '/ws/a', { query: { since: 7, tag: ['x', 'y'] } }),
    await wsConnect(app, '/ws/a?page=1', { query: { since: 7 } }),
    await wsConnect(app, '/ws/a?page=1')
  ]
  t.strictSame(await urls.until(3), ['/ws/a?since=7&tag=x&tag=y', '/ws/a?page=1&since=7', '/ws/a?page=1'])
  await t.rejects(wsConnect(app, '/ws/a', { params: { room: 'a' } }), {
    code: 'WSV_ERR_URL_PARAM_UNUSED', message: "wsUrl('/ws/a'): 'room' is no parameter of '/ws/a'"
  })
  await Promise.all(clients.map((client) => client.close()))
})

t.test('what the client itself refuses leaves nothing behind', async (t) => {
  const app = await build(t, echo)
  const before = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  await t.rejects(wsConnect(app, '/ws/echo/a', { protocols: ['no token'] }), SyntaxError)
  await t.rejects(wsConnect(app, '/ws/echo/a', { headers: { 'x-a': 'a\nb' } }), { code: 'ERR_INVALID_CHAR' })
  t.equal(process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length, before)
  await t.rejects(wsConnect(app, '/ws/echo/a', { protocols: ['v1'] }), {
    code: 'WSV_ERR_TEST_NO_ANSWER', message: 'The handshake failed: Server sent no subprotocol'
  })
})

t.test('a server that accepts no WebSockets: the connection of the refused handshake is not kept', async (t) => {
  const app = await build(t, echo, { serve: false })
  const connections = new Set<object>()
  app.server.on('connection', (socket: Socket) => { connections.add(socket.once('close', () => { connections.delete(socket) })) })
  for (const listen of [false, true]) {
    await t.rejects(wsConnect(app, 'echo', { params: { room: 'a' }, listen }), { code: 'WSV_ERR_TEST_HANDSHAKE_REFUSED', statusCode: 404 })
    while (connections.size > 0) await new Promise((resolve) => { setImmediate(resolve) })
  }
})

t.test('clients that connect at the same time over TCP start the application once', async (t) => {
  const app = await build(t, echo)
  const listen = app.listen.bind(app) as (options: FastifyListenOptions) => Promise<string>
  let count = 0
  app.listen = ((options: FastifyListenOptions) => { count++; return listen(options) }) as typeof app.listen
  const clients = await Promise.all([1, 2, 3].map(async () => await wsConnect(app, 'echo', { params: { room: 'a' }, listen: true })))
  t.equal(count, 1)
  await Promise.all(clients.map((client) => client.close()))
})

t.test('an application that is closed is not started again', async (t) => {
  const app = await build(t, echo)
  await app.close()
  for (const listen of [true, false]) {
    await t.rejects(wsConnect(app, '/ws/echo/a', { listen }), { code: 'WSV_ERR_TEST_HANDSHAKE_REFUSED', statusCode: 503 })
    t.notOk(app.server.listening)
  }
})

t.test('what rejects names the line of the test', async (t) => {
  const app = await build(t, echo, { closeTimeoutMs: 20 })
  const here = /testing-connect\.test\.ts/
  const client = await wsConnect(app, '/ws/echo/a', { timeoutMs: 10 })
  t.match((await t.rejects(client.next()) as Error).stack, here, 'WSV_ERR_TEST_TIMEOUT')
  const patient = await wsConnect(app, '/ws/echo/a')
  const next = patient.next()
  await Promise.all([patient.close(), t.rejects(next).then((error) => { t.match((error as Error).stack, here, 'WSV_ERR_TEST_CLOSED') })])
  t.match((await t.rejects(wsConnect(app, '/nowhere')) as Error).stack, here, 'WSV_ERR_TEST_HANDSHAKE_REFUSED')
  await client.close()
})

t.test('an application that listens already is connected to where it listens', async (t) => {
  const app = await build(t, echo)
  await app.listen({ port: 0, host: '0.0.0.0' })
  const address = app.server.address()
  const client = await wsConnect(app, 'echo', { params: { room: 'a' }, listen: true })
  t.strictSame(app.server.address(), address)
  await client.close()
})
