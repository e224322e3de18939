import t from 'tap'
import cookie from '@fastify/cookie'
import session from '@fastify/session'
import { Type } from '@sinclair/typebox'
import wsViews from '../lib/index.ts'
import type { CloseInfo, WsSocket, WsViews } from '../lib/index.ts'
import { clientFrame, rawClient } from './fixtures/rfc6455.ts'
import { buildApp, listen, startViews as start } from './fixtures/server.ts'
import { closedBy, deferred, Journal, leave, refusal } from './fixtures/waiting.ts'

/** A closing handshake that does not come to its end fails the test: nobody cuts it short. */
const startViews: typeof start = (t, views, options) => start(t, views, { closeTimeoutMs: 600_000, ...options })

const Anything = Type.Unknown()
const Numbered = Type.Object({ n: Type.Integer() })
const json = (data: string | Buffer) => JSON.parse(String(data)) as unknown

t.test('event style: the instance is `this` in every handler', async t => {
  const seen = new Journal<[string, boolean]>()
  const { app, port } = await startViews(t, async ws => {
    ws.wsView('/echo', {
      name: 'echo',
      messageSchema: Anything,
      replySchema: Anything,
      onOpen () { seen.add(['onOpen', this === ws]) },
      preMessage () { seen.add(['preMessage', this === ws]) },
      onMessage (socket, message) { seen.add(['onMessage', this === ws]); return message },
      preSend (socket, message) { seen.add(['preSend', this === ws]); return message },
      onClose () { seen.add(['onClose', this === ws]) }
    })
  })
  t.not(app, undefined)
  const client = await rawClient(port, '/ws/echo', { t })
  client.send('{"a":1}')
  t.equal((await client.next()).data, '{"a":1}')
  await leave(client)
  t.same(await seen.until(5), [
    ['onOpen', true], ['preMessage', true], ['onMessage', true], ['preSend', true], ['onClose', true]
  ])
})

t.test('owning style: called once, with the socket and the request, for the whole connection', async t => {
  const calls = new Journal<unknown[]>()
  const { port } = await startViews(t, async ws => {
    ws.wsView('/echo', { name: 'echo', messageSchema: Anything }, async function (socket, request) {
      calls.add([this === ws, request === socket.request, request.url])
      for await (const message of socket) socket.send({ echo: message })
    })
  })
  const client = await rawClient(port, '/ws/echo?a=1', { t })
  client.send('1')
  client.send('"two"')
  t.same(json((await client.next()).data), { echo: 1 })
  t.same(json((await client.next()).data), { echo: 'two' })
  await leave(client)
  t.same(calls.entries, [[true, true, '/ws/echo?a=1']])
})

t.test('params and query are on socket.request', async t => {
  const { port } = await startViews(t, async ws => {
    ws.wsView('/room/:room', {
      name: 'room',
      schema: { querystring: Type.Object({ since: Type.Integer() }) },
      onOpen (socket) { socket.send({ params: socket.request.params, query: socket.request.query }) }
    })
  })
  const client = await rawClient(port, '/ws/room/caf%C3%A9?since=7', { t })
  t.same(json((await client.next()).data), { params: { room: 'café' }, query: { since: 7 } })
  await leave(client)
  t.equal((await refusal(rawClient(port, '/ws/room/1?since=x', { t }))).statusCode, 400, 'the querystring schema is Fastify\'s')
})

t.test('data(request) makes socket.data', async t => {
  const { port } = await startViews(t, async ws => {
    ws.wsView('/sync/:id', {
      name: 'sync',
      data: request => ({ id: (request.params as { id: string }).id }),
      onOpen (socket) { socket.send(socket.data) }
    })
    ws.wsView('/async', {
      name: 'async',
      async data (request) {
        await new Promise(resolve => setImmediate(resolve))
        return { url: request.url }
      },
      onOpen (socket) { socket.send(socket.data) }
    })
    ws.wsView('/own', {
      name: 'own',
      data: () => ({ count: 0 }),
      messageSchema: Anything
    }, async socket => {
      for await (const message of socket) {
        socket.data = { count: socket.data.count + 1 }
        socket.send({ message, count: socket.data.count })
      }
    })
    ws.wsView('/throws', { name: 'throws', data () { throw new Error('no data') } })
    ws.wsView('/rejects', { name: 'rejects', async data () { throw new Error('no data') } })
    ws.wsView('/forbids', { name: 'forbids', async data () { throw Object.assign(new Error('not yours'), { statusCode: 403 }) } })
  })
  const first = await rawClient(port, '/ws/sync/7', { t })
  t.same(json((await first.next()).data), { id: '7' })
  await leave(first)
  const second = await rawClient(port, '/ws/async', { t })
  t.same(json((await second.next()).data), { url: '/ws/async' })
  await leave(second)
  const own = await rawClient(port, '/ws/own', { t })
  own.send('0')
  own.send('0')
  t.same(json((await own.next()).data), { message: 0, count: 1 })
  t.same(json((await own.next()).data), { message: 0, count: 2 })
  await leave(own)
  t.equal((await refusal(rawClient(port, '/ws/throws', { t }))).statusCode, 500)
  t.equal((await refusal(rawClient(port, '/ws/rejects', { t }))).statusCode, 500)
  t.equal((await refusal(rawClient(port, '/ws/forbids', { t }))).statusCode, 403)
})

t.test('every socket has an id of its own', async t => {
  const { app, port } = await startViews(t, async ws => { ws.wsView('/a', { name: 'a' }) })
  const clients = await Promise.all(Array.from({ length: 20 }, () => rawClient(port, '/ws/a', { t })))
  const ids = [...app.wsSockets].map(socket => socket.id)
  t.equal(ids.length, 20)
  t.equal(new Set(ids).size, 20)
  for (const id of ids) t.match(id, /^[\x21-\x7e]{12,128}$/)
  await Promise.all(clients.map(client => leave(client)))
})

t.test('socket.session is the session of the handshake', async t => {
  const app = buildApp(t)
  await app.register(cookie)
  await app.register(session, { secret: 'a secret of at least thirty-two characters', cookie: { secure: false } })
  app.get('/login', async request => {
    (request.session as unknown as Record<string, unknown>).user = 'ada'
    return 'ok'
  })
  const seen = new Journal<unknown>()
  const views: WsViews = async ws => {
    ws.wsView('/me', {
      name: 'me',
      onOpen (socket) {
        seen.add(socket.session.sessionId === socket.request.session.sessionId, (socket.session as unknown as { user?: string }).user)
      }
    })
  }
  await app.register(wsViews, { views })
  const port = await listen(app)
  const login = await app.inject('/login')
  const [{ name, value }] = login.cookies as [{ name: string, value: string }]
  const client = await rawClient(port, '/me', { t, headers: { cookie: `${name}=${encodeURIComponent(value)}` } })
  t.same(await seen.until(2), [true, 'ada'])
  await leave(client)
})

t.test('onOpen may be asynchronous: messages wait for it, in order', async t => {
  const ready = deferred()
  const opening = deferred()
  const { port } = await startViews(t, async ws => {
    ws.wsView('/slow', {
      name: 'slow',
      messageSchema: Numbered,
      async onOpen (socket) {
        opening.resolve()
        await ready.promise
        socket.send('open')
      },
      onMessage (socket, { n }) { socket.send(n) }
    })
  })
  // the first three in one segment with the handshake
  const head = Buffer.concat([0, 1, 2].map(n => clientFrame({ opcode: 1, payload: `{"n":${n}}` })))
  const client = await rawClient(port, '/ws/slow', { t, head })
  await opening.promise
  for (let n = 3; n < 10; n++) client.send(`{"n":${n}}`)
  // all of them have been read when this is answered
  client.ping('read')
  await client.nextPong()
  t.equal(client.reader.messages.length, 0, 'nothing was handled before the view was open')
  ready.resolve()
  const got: unknown[] = []
  for (let i = 0; i < 11; i++) got.push(json((await client.next()).data))
  t.same(got, ['open', 0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  await leave(client)
})

t.test('onOpen that throws closes with 1011, and what waited is not handled', async t => {
  const seen = new Journal<unknown>()
  const { port } = await startViews(t, async ws => {
    for (const kind of ['sync', 'async']) {
      ws.wsView(`/${kind}`, {
        name: kind,
        messageSchema: Anything,
        onOpen () {
          if (kind === 'sync') throw new Error('secret reason')
          return Promise.reject(new Error('secret reason'))
        },
        onMessage (socket, message) { seen.add(['message', message]) },
        onClose (socket, info) { seen.add([kind, info]) }
      })
    }
  })
  for (const [i, kind] of ['sync', 'async'].entries()) {
    const client = await rawClient(port, `/ws/${kind}`, { t, head: clientFrame({ opcode: 1, payload: '1' }) })
    t.same(await closedBy(client), { code: 1011, reason: 'internal_error' })
    t.same((await seen.until(i + 1))[i], [kind, { code: 1011, reason: 'internal_error' }])
  }
})

t.test('messages are handled one at a time and in order', async t => {
  let running = 0
  let most = 0
  const { port } = await startViews(t, async ws => {
    ws.wsView('/one', {
      name: 'one',
      messageSchema: Numbered,
      replySchema: Numbered,
      async onMessage (socket, { n }) {
        most = Math.max(most, ++running)
        // the earlier, the longer
        for (let i = 0; i < 20 - n; i++) await new Promise(resolve => setImmediate(resolve))
        running--
        return { n }
      }
    })
  })
  const client = await rawClient(port, '/ws/one', { t })
  for (let n = 0; n < 20; n++) client.send(`{"n":${n}}`)
  for (let n = 0; n < 20; n++) t.same(json((await client.next()).data), { n })
  t.equal(most, 1)
  await leave(client)
})

t.test('synchronous and asynchronous handlings keep the order among each other', async t => {
  const { port } = await startViews(t, async ws => {
    ws.wsView('/mixed', {
      name: 'mixed',
      messageSchema: Numbered,
      replySchema: Numbered,
      onMessage (socket, { n }) {
        return n % 3 === 0 ? new Promise(resolve => setImmediate(resolve, { n })) : { n }
      }
    })
  })
  const client = await rawClient(port, '/ws/mixed', { t })
  for (let n = 0; n < 100; n++) client.send(`{"n":${n}}`)
  const got: unknown[] = []
  for (let n = 0; n < 100; n++) got.push((json((await client.next()).data) as { n: number }).n)
  t.same(got, Array.from({ length: 100 }, (_, n) => n))
  await leave(client)
})

t.test('concurrency: n messages at once, replies as they are ready', async t => {
  const gates = Array.from({ length: 5 }, () => deferred())
  const started = new Journal<number>()
  const { port } = await startViews(t, async ws => {
    ws.wsView('/many', {
      name: 'many',
      concurrency: 3,
      messageSchema: Numbered,
      replySchema: Numbered,
      async onMessage (socket, { n }) {
        started.add(n)
        await gates[n]!.promise
        return { n }
      }
    })
  })
  const client = await rawClient(port, '/ws/many', { t })
  for (let n = 0; n < 5; n++) client.send(`{"n":${n}}`)
  await started.until(3)
  client.ping('read')
  await client.nextPong()
  t.same(started.entries, [0, 1, 2], 'three at once, no more')
  gates[2]!.resolve()
  t.same(json((await client.next()).data), { n: 2 })
  t.same(await started.until(4), [0, 1, 2, 3])
  gates[3]!.resolve()
  t.same(json((await client.next()).data), { n: 3 })
  t.same(await started.until(5), [0, 1, 2, 3, 4])
  for (const n of [4, 1, 0]) {
    gates[n]!.resolve()
    t.same(json((await client.next()).data), { n })
  }
  await leave(client)
})

t.test('a view that only pushes', async t => {
  const views = (opened: Promise<void>): WsViews => async ws => {
    ws.wsView('/event', {
      name: 'event',
      maxInvalid: { count: 2, perMs: 60_000 },
      async onOpen (socket) {
        socket.send('hello')
        await opened
      }
    })
    ws.wsView('/own', { name: 'own', maxInvalid: { count: 2, perMs: 60_000 } }, async socket => {
      socket.send('hello')
      for await (const message of socket) t.fail(`got ${message}`)
    })
  }
  for (const path of ['/ws/event', '/ws/own']) {
    t.test(`${path}: a message to it is the error \`unexpected\`, and counts as invalid`, async t => {
      const opened = deferred()
      const { port } = await startViews(t, views(opened.promise))
      const client = await rawClient(port, path, { t })
      t.same(json((await client.next()).data), 'hello')
      // even while onOpen runs
      for (const ref of ['1', '2']) {
        client.send(`{"ref":"${ref}"}`)
        t.match(json((await client.next()).data), { type: 'error', ref, errors: { __all__: [{ code: 'unexpected' }] } })
      }
      client.send('{}')
      t.same(await closedBy(client), { code: 1008, reason: 'too_many_invalid' })
      opened.resolve()
    })
  }
})

t.test('iteration: a handler that returns closes with 1000, one that throws with 1011', async t => {
  const seen = new Journal<CloseInfo>()
  const { port } = await startViews(t, async ws => {
    ws.wsView('/own', { name: 'own', messageSchema: Anything, onClose (socket, info) { seen.add(info) } }, async socket => {
      for await (const message of socket) {
        if (message === 'return') return
        if (message === 'break') break
        if (message === 'throw') throw new Error('secret')
        socket.send(message)
      }
      socket.send('after the loop')
    })
    ws.wsView('/sync', { name: 'sync' }, () => {})
    ws.wsView('/throws', { name: 'throws' }, () => { throw new Error('secret') })
  })
  for (const [word, ...expected] of [['return', 1000, ''], ['throw', 1011, 'internal_error']] as const) {
    const client = await rawClient(port, '/ws/own', { t })
    client.send('"first"')
    t.same(json((await client.next()).data), 'first')
    client.send(`"${word}"`)
    client.send('"never handled"')
    t.same(await closedBy(client), { code: expected[0], reason: expected[1] })
    t.equal(client.reader.messages.length, 1)
  }
  const client = await rawClient(port, '/ws/own', { t })
  client.send('"break"')
  t.same(json((await client.next()).data), 'after the loop', 'the loop is over, the socket is not')
  t.same(await closedBy(client), { code: 1000, reason: '' })
  t.same(await closedBy(await rawClient(port, '/ws/sync', { t })), { code: 1000, reason: '' })
  t.same(await closedBy(await rawClient(port, '/ws/throws', { t })), { code: 1011, reason: 'internal_error' })
  t.same(await seen.until(3), [{ code: 1000, reason: '' }, { code: 1011, reason: 'internal_error' }, { code: 1000, reason: '' }])
})

t.test('iteration gives checked messages only', async t => {
  const { port } = await startViews(t, async ws => {
    ws.wsView('/own', { name: 'own', messageSchema: Numbered }, async socket => {
      for await (const message of socket) socket.send(message)
    })
  })
  const client = await rawClient(port, '/ws/own', { t })
  client.send('{"n":"5","unknown":true,"ref":1}')
  client.send('{"n":"x","ref":2}')
  client.send('nonsense')
  client.send('{"n":6}')
  t.same(json((await client.next()).data), { n: 5 })
  t.match(json((await client.next()).data), { type: 'error', ref: 2, errors: { n: [{ code: 'invalid' }] } })
  t.match(json((await client.next()).data), { type: 'error', errors: { __all__: [{ code: 'invalid' }] } })
  t.same(json((await client.next()).data), { n: 6 })
  await leave(client)
})

t.test('the iterator can be asked by hand, and again after a break', async t => {
  const { port } = await startViews(t, async ws => {
    ws.wsView('/own', { name: 'own', messageSchema: Anything }, async socket => {
      const first = await socket[Symbol.asyncIterator]().next()
      socket.send({ first: first.value })
      for await (const message of socket) {
        socket.send({ second: message })
        if (message === 2) break
      }
      for await (const message of socket) socket.send({ rest: message })
    })
  })
  const client = await rawClient(port, '/ws/own', { t })
  for (const n of [1, 2, 3, 4]) client.send(String(n))
  const got: unknown[] = []
  for (let i = 0; i < 4; i++) got.push(json((await client.next()).data))
  t.same(got, [{ first: 1 }, { second: 2 }, { rest: 3 }, { rest: 4 }])
  await leave(client)
})

t.test('two views at once do not know of each other', async t => {
  const { app, port } = await startViews(t, async ws => {
    ws.wsView('/a', { name: 'a', messageSchema: Anything, replySchema: Anything, onMessage: (socket, message) => ({ a: message }) })
    ws.wsView('/b', { name: 'b', messageSchema: Anything }, async socket => {
      for await (const message of socket) socket.send({ b: message })
    })
  })
  const [a, b] = [await rawClient(port, '/ws/a', { t }), await rawClient(port, '/ws/b', { t })]
  a.send('1')
  b.send('2')
  t.same(json((await b.next()).data), { b: 2 })
  t.same(json((await a.next()).data), { a: 1 })
  t.same([...app.wsSockets].map(socket => (socket as WsSocket & { view: string }).view).sort(), ['a', 'b'])
  await leave(a)
  b.send('3')
  t.same(json((await b.next()).data), { b: 3 })
  const [last] = [...app.wsSockets].filter(socket => (socket as WsSocket & { view: string }).view === 'b')
  await leave(b)
  await last!.closed
  t.equal(app.wsSockets.count, 0)
})
