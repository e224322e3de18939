import cookie from '@fastify/cookie'
import session, { type SessionStore } from '@fastify/session'
import { Type } from '@sinclair/typebox'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import wsViews, { type WsViews, type WsViewsOptions } from '../lib/index.ts'
import { answerTo, exchange, upgrade } from './fixtures/exchange.ts'
import { clientFrame, rawClient } from './fixtures/rfc6455.ts'
import { buildApp, listen, startViews } from './fixtures/server.ts'

const closeFrame = clientFrame({ opcode: 0x8, payload: Buffer.from([0x03, 0xe8]) })

/** The lines of the 101, in the order they came, as they came. */
async function linesOf101 (port: number, path: string, headers: Record<string, string> = {}): Promise<string[]> {
  const { answers } = await exchange(port, Buffer.concat([Buffer.from(upgrade(path, headers)), closeFrame]))
  if (answers[0]?.statusCode !== 101) throw new Error(`answered with ${answers[0]?.statusCode}`)
  return answers[0].lines
}

async function chat (t: Test, hook: (request: FastifyRequest, reply: FastifyReply) => unknown, options: WsViewsOptions = {}): Promise<number> {
  const { port } = await startViews(t, async (ws) => {
    ws.wsView('/chat', { name: 'chat', preHandler: async (request, reply) => { await hook(request, reply) } })
  }, options)
  return port
}

t.test('the 101 of a plain view has what RFC 6455 asks for, and nothing else', async (t) => {
  const port = await chat(t, () => {})
  t.strictSame(await linesOf101(port, '/ws/chat'), [
    'Upgrade: websocket',
    'Connection: Upgrade',
    // the example of RFC 6455 §1.3
    'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo='
  ])
})

t.test('headers of the reply are on the 101', async (t) => {
  const port = await chat(t, (_request, reply) => {
    reply.header('x-one', '1').header('X-Number', 2).header('x-list', ['a', 'b']).header('strict-transport-security', 'max-age=1')
    reply.raw.setHeader('X-Raw', 'raw')
    reply.raw.setHeader('x-raw-list', ['c', 'd'])
    reply.header('x-empty', '')
  })
  const lines = await linesOf101(port, '/ws/chat')
  for (const line of ['x-one: 1', 'x-number: 2', 'x-list: a', 'x-list: b', 'strict-transport-security: max-age=1', 'x-raw: raw', 'x-raw-list: c', 'x-raw-list: d', 'x-empty: ']) {
    t.ok(lines.includes(line), line)
  }
})

t.test('a header in Latin-1 is written as Node writes it', async (t) => {
  const port = await chat(t, (_request, reply) => { reply.header('x-name', 'Jürgen') })
  t.ok((await linesOf101(port, '/ws/chat')).includes('x-name: Jürgen'))
})

t.test("what describes a body or the connection is the server's, once", async (t) => {
  const port = await chat(t, (_request, reply) => {
    for (const name of [
      'Connection', 'upgrade', 'Sec-WebSocket-Accept', 'sec-websocket-protocol', 'sec-websocket-extensions', 'sec-websocket-version', 'Content-Length',
      'content-type', 'content-encoding', 'Transfer-Encoding', 'keep-alive', 'trailer', 'date'
    ]) reply.header(name, 'x-of-the-hook')
    reply.raw.setHeader('Upgrade', 'x-of-the-hook')
    reply.raw.setHeader('Date', 'x-of-the-hook')
  })
  const lines = await linesOf101(port, '/ws/chat')
  t.notOk(lines.some((line) => line.includes('x-of-the-hook')))
  t.strictSame(lines.map((line) => line.split(':')[0]), ['Upgrade', 'Connection', 'Sec-WebSocket-Accept'])
})

t.test('a header that could begin another one is an error, and there is no 101', async (t) => {
  const values: [label: string, name: string, value: unknown][] = [
    ['a line break', 'x-split', 'a\r\nset-cookie: admin=1'],
    ['a line feed', 'x-split', 'a\nb'],
    ['a carriage return', 'x-split', 'a\rb'],
    ['a NUL', 'x-split', 'a\0b'],
    ['a letter beyond Latin-1', 'x-split', 'größer €'],
    ['one of a list', 'x-split', ['good', 'bad\r\nx: y']],
    ['a name with a space', 'x split', 'a'],
    ['a name with a line break', 'x\r\ny', 'a'],
    ['an empty name', '', 'a']
  ]
  for (const [label, name, value] of values) {
    await t.test(label, async (t) => {
      let isOpened = false
      const { port } = await startViews(t, async (ws) => {
        ws.wsView('/early', {
          name: 'early', preHandler: async (_request, reply) => { reply.header(name, value as string).header('x-good', 'good') }, onOpen () { isOpened = true }
        })
        // this hook runs again, for the error
        ws.wsView('/late', {
          name: 'late', onSend: async (_request, reply, payload) => { reply.header(name, value as string); return payload }, onOpen () { isOpened = true }
        })
      })
      const early = await answerTo(port, upgrade('/ws/early'))
      t.equal(early.statusCode, 500)
      t.match(JSON.parse(early.body), { code: 'WSV_ERR_HANDSHAKE_HEADER' })
      t.equal(early.headers['x-good'], 'good', 'the other headers are on the answer')
      const late = await answerTo(port, upgrade('/ws/late'))
      t.equal(late.statusCode, 500)
      t.notOk(JSON.stringify([early.lines, late.lines]).includes('admin'))
      t.notOk(isOpened)
    })
  }
})

t.test('an error in onSend is a 500 and no 101', async (t) => {
  for (const [label, onSend] of [
    ['thrown', async () => { throw new Error('broken') }],
    ['called back', (_request: unknown, _reply: unknown, _payload: unknown, done: (error: Error) => void) => { done(new Error('broken')) }]
  ] as const) {
    let isOpened = false
    const { port } = await startViews(t, async (ws) => {
      ws.wsView('/route', { name: 'route', onSend: onSend as never, onOpen () { isOpened = true } })
      ws.register(async (child) => {
        child.addHook('onSend', onSend as never)
        child.wsView('/instance', { name: 'instance', onOpen () { isOpened = true } })
      })
    })
    for (const path of ['/ws/route', '/ws/instance']) {
      const answer = await answerTo(port, upgrade(path))
      t.equal(answer.statusCode, 500, `${label}, ${path}`)
      t.match(JSON.parse(answer.body), { message: 'broken' })
    }
    t.notOk(isOpened)
  }
})

t.test('cookies', async (t) => {
  async function withCookies (t: Test, views: WsViews): Promise<number> {
    const app = buildApp(t)
    await app.register(cookie, { secret: 'a secret' })
    await app.register(wsViews, { prefix: '/ws', views })
    return await listen(app)
  }

  await t.test('set in any hook are on the 101, each on a line of its own', async (t) => {
    const port = await withCookies(t, async (ws) => {
      ws.addHook('onRequest', async (_request, reply) => { reply.setCookie('a', '1', { path: '/' }) })
      ws.addHook('preHandler', async (_request, reply) => { reply.setCookie('b', '2', { signed: true }).clearCookie('c') })
      ws.wsView('/chat', { name: 'chat' })
    })
    const cookies = (await linesOf101(port, '/ws/chat')).filter((line) => line.startsWith('set-cookie: '))
    t.equal(cookies.length, 3)
    t.match(cookies[0], /^set-cookie: a=1; Path=\/; SameSite=Lax$/)
    t.match(cookies[1], /^set-cookie: b=2\./)
    t.match(cookies[2], /^set-cookie: c=; .*Expires=Thu, 01 Jan 1970/)
  })

  await t.test('that came with the handshake are there for hooks and view', async (t) => {
    const port = await withCookies(t, async (ws) => {
      ws.wsView('/chat', { name: 'chat', frames: 'text', onOpen (socket) { socket.send(String(socket.request.cookies.a)) } })
    })
    t.equal((await (await rawClient(port, '/ws/chat', { t, headers: { cookie: 'a=1' } })).next()).data, '1')
  })

  await t.test('of a refusal are on the refusal', async (t) => {
    const port = await withCookies(t, async (ws) => {
      ws.wsView('/chat', { name: 'chat', preHandler: async (_request, reply) => reply.clearCookie('a').code(401).send() })
    })
    const answer = await answerTo(port, upgrade('/ws/chat'))
    t.equal(answer.statusCode, 401)
    t.match(answer.headers['set-cookie'], /^a=;/)
  })
})

/** Keeps what a database would: the text of the session, not the object. */
class TextStore implements SessionStore {
  readonly texts = new Map<string, string>()
  saves = 0

  set (id: string, session: object, done: (error?: unknown) => void): void {
    this.saves++
    // as slow as a network
    setImmediate(() => {
      this.texts.set(id, JSON.stringify(session))
      done()
    })
  }

  get (id: string, done: (error: unknown, session?: never) => void): void {
    const text = this.texts.get(id)
    setImmediate(() => { done(null, (text === undefined ? null : JSON.parse(text)) as never) })
  }

  destroy (id: string, done: (error?: unknown) => void): void {
    this.texts.delete(id)
    setImmediate(done)
  }
}

declare module 'fastify' { interface Session { user?: string, visits?: number } }

t.test('sessions', async (t) => {
  async function withSessions (t: Test, views: WsViews, options: { rolling?: boolean } = {}): Promise<{ app: FastifyInstance, port: number, store: TextStore }> {
    const app = buildApp(t)
    const store = new TextStore()
    await app.register(cookie)
    await app.register(session, { secret: 'a secret that is long enough, it has 32 characters', cookie: { secure: false, maxAge: 1_000_000 }, store, saveUninitialized: false, ...options })
    app.get('/login', async (request) => { request.session.user = 'ann' })
    await app.register(wsViews, { prefix: '/ws', views })
    return { app, port: await listen(app), store }
  }

  async function login (app: FastifyInstance): Promise<string> {
    const { cookies } = await app.inject('/login')
    return `${cookies[0]!.name}=${encodeURIComponent(cookies[0]!.value)}`
  }

  const chat: WsViews = async (ws) => {
    ws.addHook('preHandler', async (request) => { request.session.visits = (request.session.visits ?? 0) + 1 })
    ws.wsView('/chat', { name: 'chat', frames: 'text', onOpen (socket) { socket.send(`${socket.request.session.user} ${socket.request.session.visits}`) } })
  }

  await t.test('changed by a hook are saved before the socket opens', async (t) => {
    const { app, port, store } = await withSessions(t, async (ws) => {
      ws.addHook('preHandler', async (request) => { request.session.visits = 1 })
      ws.wsView('/chat', { name: 'chat', frames: 'text', onOpen (socket) { socket.send([...store.texts.values()].join()) } })
    })
    const client = await rawClient(port, '/ws/chat', { t, headers: { cookie: await login(app) } })
    t.match(JSON.parse(String((await client.next()).data)), { user: 'ann', visits: 1 })
  })

  await t.test('that are new get their cookie with the 101', async (t) => {
    const { port, store } = await withSessions(t, chat)
    const client = await rawClient(port, '/ws/chat', { t })
    t.equal((await client.next()).data, 'undefined 1')
    t.match(client.response.headers['set-cookie'], /^sessionId=/)
    t.equal(store.texts.size, 1)
    const again = await rawClient(port, '/ws/chat', { t, headers: { cookie: client.response.headers['set-cookie']!.split(';')[0]! } })
    t.equal((await again.next()).data, 'undefined 2')
  })

  await t.test('roll: each handshake sends the cookie anew, with its later end', async (t) => {
    const { app, port, store } = await withSessions(t, async (ws) => { ws.wsView('/chat', { name: 'chat' }) }, { rolling: true })
    const cookie = await login(app)
    const before = store.saves
    const client = await rawClient(port, '/ws/chat', { t, headers: { cookie } })
    t.match(client.response.headers['set-cookie'], /^sessionId=.*Expires=/)
    t.equal(store.saves, before + 1)
  })

  await t.test('that no hook has touched are neither made nor saved', async (t) => {
    const { app, port, store } = await withSessions(t, async (ws) => { ws.wsView('/chat', { name: 'chat' }) }, { rolling: false })
    const stranger = await rawClient(port, '/ws/chat', { t })
    t.equal(stranger.response.headers['set-cookie'], undefined)
    t.equal(store.texts.size, 0)
    const cookie = await login(app)
    const before = store.saves
    const client = await rawClient(port, '/ws/chat', { t, headers: { cookie } })
    t.equal(client.response.headers['set-cookie'], undefined)
    t.equal(store.saves, before)
  })

  await t.test('regenerated by a hook: the new id is in the cookie and in the store', async (t) => {
    const { app, port, store } = await withSessions(t, async (ws) => {
      ws.addHook('preHandler', async (request) => { await request.session.regenerate(['user']) })
      ws.wsView('/chat', { name: 'chat', frames: 'text', onOpen (socket) { socket.send(String(socket.request.session.user)) } })
    })
    const cookie = await login(app)
    const [oldId] = store.texts.keys()
    const client = await rawClient(port, '/ws/chat', { t, headers: { cookie } })
    t.equal((await client.next()).data, 'ann')
    t.match(client.response.headers['set-cookie'], /^sessionId=/)
    t.notMatch(client.response.headers['set-cookie'], oldId!)
    t.notOk(store.texts.has(oldId!))
  })

  await t.test('that cannot be saved: 500, no 101', async (t) => {
    const { app, port, store } = await withSessions(t, chat)
    const cookie = await login(app)
    store.set = (_id, _session, done) => { setImmediate(() => { done(new Error('the store is away')) }) }
    const answer = await answerTo(port, upgrade('/ws/chat', { cookie }))
    t.equal(answer.statusCode, 500)
    t.equal(app.wsSockets.count, 0)
  })
})

t.test('subprotocols', async (t) => {
  const offer = (t: Test, port: number, path: string, offered: string) => rawClient(port, path, { t, headers: { 'sec-websocket-protocol': offered } })
  const { port } = await startViews(t, async (ws) => {
    ws.wsView('/two', { name: 'two', subprotocols: ['chat.v2', 'chat.v1'] })
    ws.wsView('/none', { name: 'none' })
  })

  await t.test("are chosen in the server's order", async (t) => {
    for (const [offered, chosen] of [['chat.v1, chat.v2', 'chat.v2'], ['chat.v1', 'chat.v1'], ['other,chat.v1', 'chat.v1']] as const) {
      const client = await offer(t, port, '/ws/two', offered)
      t.equal(client.response.headers['sec-websocket-protocol'], chosen, offered)
      client.tcp.destroy()
    }
  })

  await t.test('without a match there is no header, and no refusal: a token is not echoed', async (t) => {
    for (const [path, offered] of [['/ws/two', 'eyJhbGciOiJIUzI1NiJ9.secret'], ['/ws/two', 'CHAT.V1'], ['/ws/none', 'chat.v1'], ['/ws/none', 'bearer, secret']] as const) {
      const lines = await linesOf101(port, path, { 'sec-websocket-protocol': offered })
      t.notOk(lines.some((line) => /^sec-websocket-protocol/i.test(line) || line.includes('secret')), offered)
    }
  })

  await t.test('are there for a hook that reads a token', async (t) => {
    const { port } = await startViews(t, async (ws) => {
      ws.wsView('/chat', {
        name: 'chat',
        subprotocols: ['chat'],
        onRequest: async (request, reply) => {
          if (!(request.headers['sec-websocket-protocol'] ?? '').split(/, ?/).includes('token')) return reply.code(401).send()
        }
      })
    })
    t.equal((await answerTo(port, upgrade('/ws/chat', { 'sec-websocket-protocol': 'chat' }))).statusCode, 401)
    const client = await offer(t, port, '/ws/chat', 'chat, token')
    t.equal(client.response.headers['sec-websocket-protocol'], 'chat')
  })
})

t.test('permessage-deflate', async (t) => {
  const text: WsViews = async (ws) => { ws.wsView('/text', { name: 'text', frames: 'text', onOpen (socket) { socket.send('x'.repeat(5000)) } }) }

  await t.test('is not negotiated unless it is configured', async (t) => {
    for (const websocket of [undefined, {}, { perMessageDeflate: false }]) {
      const { port } = await startViews(t, text, websocket === undefined ? {} : { websocket })
      const client = await rawClient(port, '/ws/text', { t, deflate: '' })
      t.equal(client.response.headers['sec-websocket-extensions'], undefined)
      t.notOk((await client.next()).isCompressed)
    }
  })

  await t.test('is, where it is configured and offered', async (t) => {
    const { port } = await startViews(t, text, { websocket: { perMessageDeflate: true } })
    const client = await rawClient(port, '/ws/text', { t, deflate: '' })
    t.match(client.response.headers['sec-websocket-extensions'], /^permessage-deflate; server_no_context_takeover/)
    const message = await client.next()
    t.ok(message.isCompressed)
    t.equal(message.data, 'x'.repeat(5000))
    client.assertClean()
    const plain = await rawClient(port, '/ws/text', { t })
    t.equal(plain.response.headers['sec-websocket-extensions'], undefined)
    t.notOk((await plain.next()).isCompressed)
  })

  await t.test('an offer of something else is ignored', async (t) => {
    const { port } = await startViews(t, text, { websocket: { perMessageDeflate: true } })
    const client = await rawClient(port, '/ws/text', { t, headers: { 'sec-websocket-extensions': 'bbf-usp-protocol; eid="x"' } })
    t.equal(client.response.headers['sec-websocket-extensions'], undefined)
  })
})

t.test('messages that come in one piece with the handshake are handled, in order, none lost', async (t) => {
  const Text = Type.Object({ n: Type.Integer() })
  const frames = Buffer.concat(Array.from({ length: 50 }, (_, n) => clientFrame({ opcode: 1, payload: JSON.stringify({ n }) })))
  const seen: number[] = []
  const { port } = await startViews(t, async (ws) => {
    ws.wsView('/chat', {
      name: 'chat',
      messageSchema: Text,
      replySchema: Text,
      // the hooks take their time, and so does the beginning of the view
      preValidation: async () => { await new Promise(setImmediate) },
      onOpen: async () => { await new Promise(setImmediate) },
      onMessage (_socket, message) { seen.push(message.n); return message }
    })
  })

  await t.test('in one TCP segment', async (t) => {
    const client = await rawClient(port, '/ws/chat', { t, head: frames })
    for (let n = 0; n < 50; n++) t.equal((await client.next()).data, `{"n":${n}}`)
    t.strictSame(seen, Array.from({ length: 50 }, (_, n) => n))
    client.sendClose(1000)
    await client.ended
  })

  await t.test('while the hooks run, and cut inside a frame', async (t) => {
    seen.length = 0
    const all = Buffer.concat([Buffer.from(upgrade('/ws/chat')), frames, closeFrame])
    const at = upgrade('/ws/chat').length + 3
    const { answers } = await exchange(port, all.subarray(0, at), { during (tcp) { setImmediate(() => { tcp.write(all.subarray(at)) }) } })
    t.equal(answers[0]!.statusCode, 101)
    t.strictSame(seen, Array.from({ length: 50 }, (_, n) => n))
  })
})
