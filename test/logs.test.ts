// What we log, and what we never log.
import { Type } from '@sinclair/typebox'
import t from 'tap'
import type { Test } from 'tap'
import wsViews, { type WsViews, type WsViewsOptions } from '../lib/index.ts'
import { answerTo, upgrade } from './fixtures/exchange.ts'
import { rawClient } from './fixtures/rfc6455.ts'
import { buildApp, listen } from './fixtures/server.ts'
import { SerialisingStore, withSession } from './fixtures/session.ts'
import { closedBy, deferred, leave, logger, refusal, type LogLine } from './fixtures/waiting.ts'

const Text = Type.Object({ text: Type.String() })

/** @param until - lines are read once this one has come so often */
async function linesUntil (log: ReturnType<typeof logger>, until: string, count = 1): Promise<LogLine[]> {
  for (let have = log.lines.entries.length; ; have++) {
    const lines = await log.lines.until(have)
    if (lines.filter(({ msg }) => msg === until).length >= count) return lines
  }
}

async function start (t: Test, views: WsViews, options: WsViewsOptions = {}, level = 'info') {
  const log = logger(level)
  const app = buildApp(t, { logger: log.options })
  await app.register(wsViews, { views, ...options })
  const port = await listen(app)
  log.lines.entries.length = 0
  return { log, app, port }
}

t.test('one line when a socket opens, one when it has ended: who, where, how, how much, how long', async t => {
  const ids: string[] = []
  const { log, port } = await start(t, async ws => {
    ws.wsView('/chat/:room', {
      name: 'chat', messageSchema: Text, replySchema: Text, onOpen (socket) { ids.push(socket.id) }, onMessage: (_socket, message) => message
    })
  })
  const startedAt = performance.now()
  const client = await rawClient(port, '/chat/lobby', { t })
  for (let i = 0; i < 3; i++) {
    client.send('{"text":"hi"}')
    await client.next()
  }
  await leave(client, 4000, 'bye')
  const lines = await linesUntil(log, 'WebSocket closed')
  const elapsedMs = performance.now() - startedAt
  const opened = lines.filter(({ msg }) => msg === 'WebSocket opened')
  const closed = lines.filter(({ msg }) => msg === 'WebSocket closed')
  t.strictSame(opened.map(({ level, ws }) => ({ level, ws })), [{ level: 30, ws: { id: ids[0], view: 'chat' } }])
  const { durationMs, ...rest } = closed[0]!.ws!
  t.strictSame(rest, { id: ids[0], view: 'chat', code: 4000, reason: 'bye', received: 3, droppedIn: 0, droppedOut: 0 })
  t.ok(Number.isInteger(durationMs) && (durationMs as number) >= 0 && (durationMs as number) <= Math.ceil(elapsedMs), `${durationMs} of ${elapsedMs} ms`)
  t.equal(closed.length, 1)
  t.equal(closed[0]!.reqId, opened[0]!.reqId, 'both belong to the request')
  t.equal(lines.filter(({ ws }) => ws !== undefined).length, 2, 'and no other line of ours')
})

t.test('the line of the end counts what was not handled, and says who closed', async t => {
  const running = deferred()
  const { log, port } = await start(t, async ws => {
    ws.wsView('/slow', {
      name: 'slow',
      messageSchema: Text,
      async onMessage (socket) {
        await running.promise
        socket.close(4001, 'enough')
      }
    })
  })
  const client = await rawClient(port, '/slow', { t })
  for (let i = 0; i < 4; i++) client.send('{"text":"hi"}')
  client.ping()
  await client.nextPong()
  running.resolve()
  await closedBy(client)
  const lines = await linesUntil(log, 'WebSocket closed')
  t.match(lines.at(-1)!.ws, { code: 4001, reason: 'enough', received: 1, droppedIn: 3 })
})

t.test('a client that breaks the protocol, and one that is gone, are no errors', async t => {
  const { log, port } = await start(t, async ws => { ws.wsView('/text', { name: 'text', frames: 'text', onMessage () {} }) })
  const rude = await rawClient(port, '/text', { t })
  rude.sendFrame({ opcode: 3 })
  await closedBy(rude)
  const gone = await rawClient(port, '/text', { t })
  gone.tcp.resetAndDestroy()
  const lines = await linesUntil(log, 'WebSocket closed', 2)
  t.match(lines.filter(({ msg }) => msg === 'WebSocket closed').map(({ ws }) => ws!.code), [1002, 1006])
  t.strictSame(lines.filter(({ level }) => level > 30), [])
})

t.test("what a view throws is logged once, with the socket's id", async t => {
  const boom = (): never => { throw new Error('boom') }
  const places: Record<string, { options: object, handler?: () => Promise<void>, sends: boolean, msg: string }> = {
    onOpen: { options: { onOpen: boom, onMessage () {} }, sends: false, msg: 'the view failed' },
    onMessage: { options: { onMessage: async () => boom() }, sends: true, msg: 'the view failed' },
    preMessage: { options: { preMessage: boom, onMessage () {} }, sends: true, msg: 'the view failed' },
    clean: { options: { clean: boom, onMessage () {} }, sends: true, msg: 'the view failed' },
    onClose: { options: { onMessage () {}, onClose: async () => boom() }, sends: false, msg: 'onClose of the view failed' },
    handler: { options: {}, handler: async () => boom(), sends: false, msg: 'the view failed' }
  }
  const { log, port } = await start(t, async ws => {
    for (const [name, { options, handler }] of Object.entries(places)) {
      ws.wsView(`/${name}`, { name, messageSchema: Text, ...options }, handler as never)
    }
  })
  for (const [name, { sends, msg }] of Object.entries(places)) {
    log.lines.entries.length = 0
    const client = await rawClient(port, `/${name}`, { t })
    for (let i = 0; i < (sends ? 3 : 0); i++) client.send('{"text":"hi"}')
    if (name === 'onClose') client.sendClose(1000)
    else await closedBy(client)
    await client.ended
    const lines = await linesUntil(log, 'WebSocket closed')
    const errors = lines.filter(({ level }) => level >= 40)
    const { id } = lines.find(({ msg }) => msg === 'WebSocket opened')!.ws!
    t.match(errors, [{ level: 50, msg, err: { message: 'boom' }, ws: { id, view: name } }], name)
    t.equal(errors.length, 1, name)
  }
})

t.test('a 403 for an origin names both hosts, and the option that would allow it', async t => {
  const { log, port } = await start(t, async ws => { ws.wsView('/chat', { name: 'chat' }) })
  t.equal((await answerTo(port, upgrade('/chat?token=secret', { host: 'ws.example', origin: 'https://app.example' }))).statusCode, 403)
  const lines = (await linesUntil(log, 'request completed')).filter(({ level }) => level === 40)
  t.match(lines, [{ origin: 'https://app.example', host: 'ws.example', msg: /'origins'/ }])
  t.equal(lines.length, 1)
})

t.test('no secret of a client is in a line of ours, at any level', async t => {
  const log = logger('trace')
  const app = buildApp(t, {
    // Fastify's own two lines for a request have its URL: this is how an application leaves the query out of them
    logger: { ...log.options, serializers: { req: ({ method, url }: { method: string, url: string }) => ({ method, url: url.split('?', 1)[0]! }) } }
  })
  const store = new SerialisingStore()
  await withSession(app, store)
  app.post('/start', async request => {
    (request.session as unknown as Record<string, unknown>).user = 'ada'
    return request.session.sessionId
  })
  app.get('/plain', async () => 'plain')
  const changed = deferred()
  await app.register(wsViews, {
    views: async ws => {
      ws.wsView('/chat', {
        name: 'chat',
        subprotocols: ['chat.v1'],
        messageSchema: Text,
        replySchema: Text,
        onMessage (socket, message) {
          (socket.session as unknown as Record<string, unknown>).seen = true
          changed.resolve()
          return message
        }
      })
      ws.wsView('/fails', { name: 'fails', messageSchema: Text, onMessage () { throw new Error('boom') } })
    },
    maxInvalid: { count: 1, perMs: 60_000 }
  })
  const port = await listen(app)
  const login = await app.inject({ method: 'POST', url: '/start' })
  const sessionId = login.body
  const { name, value } = login.cookies[0]!
  const headers = {
    cookie: `${name}=${encodeURIComponent(value)}`,
    authorization: 'Bearer secret-authorization',
    'sec-websocket-protocol': 'chat.v1, secret-subprotocol'
  }
  const query = '?token=secret-query'

  const good = await rawClient(port, `/chat${query}`, { t, headers })
  good.send('{"text":"secret-message"}')
  await good.next()
  await changed.promise
  good.send('{"text":"secret-message","__proto__":1}')
  await good.next()
  good.send('secret-message')
  t.equal((await closedBy(good)).code, 1008)

  const rude = await rawClient(port, `/chat${query}`, { t, headers })
  rude.sendFrame({ opcode: 1, payload: Buffer.concat([Buffer.from('secret-message'), Buffer.from([0xff])]) })
  t.equal((await closedBy(rude)).code, 1007)

  const failing = await rawClient(port, `/fails${query}`, { t, headers })
  failing.send('{"text":"secret-message"}')
  t.equal((await closedBy(failing)).code, 1011)

  const loggedOut = await rawClient(port, `/chat${query}`, { t, headers })
  await Promise.all([app.wsSockets.close({ sessionId }), closedBy(loggedOut)])

  for (const [path, other, statusCode] of [
    [`/plain${query}`, {}, 404],
    [`/chat${query}`, { origin: 'https://evil.example' }, 403],
    [`/chat${query}`, { 'sec-websocket-version': '8' }, 426],
    [`/chat${query}`, { 'sec-websocket-key': 'secret-key' }, 400],
    [`/chat${query}`, { 'sec-websocket-protocol': 'secret-subprotocol,,' }, 400]
  ] as const) {
    const { statusCode: found, body } = await refusal(rawClient(port, path, { t, headers: { ...headers, ...other } }))
    t.equal(found, statusCode, `${statusCode}`)
    t.notMatch(body, 'secret', 'nor is it sent back')
  }

  const lines = await linesUntil(log, 'WebSocket closed', 4)
  t.ok(lines.length > 20)
  const secrets = ['secret-query', 'secret-subprotocol', 'secret-authorization', 'secret-message', 'secret-key', sessionId, value, encodeURIComponent(value)]
  for (const line of lines) {
    const text = JSON.stringify(line)
    for (const secret of secrets) if (text.includes(secret)) t.fail(`${secret} is in ${text}`)
  }
})
