import { IncomingMessage, ServerResponse } from 'node:http'
import { connect, Socket as TcpSocket } from 'node:net'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import * as v8 from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import type { Test } from 'tap'
import type { FastifyInstance } from 'fastify'
import { Type } from '@sinclair/typebox'
import wsViews, { type WsViews, type WsViewsOptions } from '../lib/index.ts'
import { Handshake } from '../lib/handshake.ts'
import { Socket } from '../lib/socket.ts'
import { answerTo, exchange, request, upgrade, type Exchange } from './fixtures/exchange.ts'
import { clientFrame, rawClient } from './fixtures/rfc6455.ts'
import { buildApp, listen, startViews } from './fixtures/server.ts'

const repetitions = 1000
const atOnce = 50

// Node knows no other way to ask for it without a flag of the command line
v8.setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void
const queryObjects = (v8 as unknown as { queryObjects (type: unknown, options: { format: 'count' }): number }).queryObjects

/** What one connection is made of, counted over the whole process. */
function countObjects (): Record<string, number> {
  const count = (type: unknown): number => queryObjects(type, { format: 'count' })
  return {
    TcpSocket: count(TcpSocket),
    IncomingMessage: count(IncomingMessage),
    ServerResponse: count(ServerResponse),
    Handshake: count(Handshake),
    Socket: count(Socket)
  }
}

function countListeners (app: FastifyInstance): Record<string, number> {
  return Object.fromEntries(app.server.eventNames().map((name) => [String(name), app.server.listenerCount(name)]))
}

/** The TCP sockets of a server: how many are open, and how many are still in memory. */
class Connections {
  #open = 0
  #wake = (): void => {}
  #all: WeakRef<TcpSocket>[] = []

  constructor (app: FastifyInstance) {
    app.server.on('connection', (tcp: TcpSocket) => {
      this.#open++
      this.#all.push(new WeakRef(tcp))
      tcp.once('close', () => {
        if (--this.#open === 0) this.#wake()
      })
    })
  }

  whenNone (): Promise<void> {
    return new Promise((resolve) => {
      if (this.#open === 0) resolve()
      else this.#wake = resolve
    })
  }

  /** Each has its request, response and handshake with it. */
  async countInMemory (): Promise<number> {
    await nextTurn()
    collectGarbage()
    return this.#all.filter((ref) => ref.deref() !== undefined).length
  }
}

const closeFrame = clientFrame({ opcode: 0x8, payload: Buffer.from([0x03, 0xe8]) })

interface Kind {
  /** how the connection begins, all in one piece */
  sent: string | Buffer | readonly string[]
  options?: WsViewsOptions
  /** instead of the usual ones */
  views?: WsViews
  /** more routes, before wsViews is registered */
  before? (app: FastifyInstance): void
  /** what the client does meanwhile */
  during? (tcp: TcpSocket): void
  /** the answer, or answers, and nothing else */
  statusCodes: number[]
  /** there is no answer, because the client has left; if it has left too late, these are the answers */
  mayBeReset?: boolean
  check? (t: Test, exchange: Exchange): void
}

const usualViews: WsViews = async (ws) => {
  ws.wsView('/chat', { name: 'chat', messageSchema: Type.Object({ text: Type.String() }), onMessage () {} })
  ws.wsView('/hung', { name: 'hung', onRequest: () => {} })
  ws.wsView('/guarded', {
    name: 'guarded',
    preValidation: async (_request, reply) => {
      await nextTurn()
      return reply.code(401).send({ sorry: true })
    }
  })
}

/** A view whose hook holds a whole batch of handshakes: until all are there, and the clients have done something. */
function gatedView (meanwhile: (tcp: TcpSocket) => void): Pick<Kind, 'views' | 'during'> {
  let clients: TcpSocket[] = []
  let waiting: (() => void)[] = []
  return {
    async views (ws) {
      ws.wsView('/gated', {
        name: 'gated',
        preValidation: async () => {
          await new Promise<void>((resolve) => {
            if (waiting.push(resolve) < atOnce) return
            for (const tcp of clients) meanwhile(tcp)
            const release = waiting
            clients = []
            waiting = []
            // two turns for what the clients did to arrive
            setImmediate(() => setImmediate(() => { for (const resolve of release) resolve() }))
          })
        }
      })
    },
    during (tcp) { clients.push(tcp) }
  }
}

async function endsEvery (t: Test, { sent, options, views = usualViews, before, during, statusCodes, mayBeReset = false, check }: Kind): Promise<void> {
  const app = buildApp(t)
  app.get('/slow', async () => {
    await nextTurn()
    return 'slow'
  })
  app.get('/plain', async () => 'plain')
  before?.(app)
  // a deadline that counted would fail the test by its timeout
  await app.register(wsViews, { prefix: '/ws', views, closeTimeoutMs: 1_000_000, handshakeTimeoutMs: 1_000_000, ...options })
  const port = await listen(app)
  const connections = new Connections(app)
  const listeners = countListeners(app)

  let wrong: Exchange | undefined
  let last: Exchange | undefined
  for (let done = 0; done < repetitions; done += atOnce) {
    const held: TcpSocket[] = []
    // the end of an open WebSocket takes both sides
    const clientOptions = { ...(statusCodes.includes(101) ? {} : { held }), ...(during === undefined ? {} : { during }) }
    const exchanges = Array.from({ length: atOnce }, () => exchange(port, sent, clientOptions))
    for (const ended of await Promise.all(exchanges)) {
      const isRight = ended.answers.map(({ statusCode }) => statusCode).join() === statusCodes.join() && (!ended.isReset || statusCodes.length === 0)
      if (!isRight && !(mayBeReset && ended.answers.length === 0)) wrong ??= ended
      last = ended
    }
    await connections.whenNone()
    for (const tcp of held) tcp.destroy()
  }

  t.equal(wrong, undefined, 'each has the same end')
  if (check !== undefined) check(t, last!)
  t.strictSame(countListeners(app), listeners, 'no listener is left on the server')
  // the odd one is on the stack, or in a pool of Node's
  t.ok(await connections.countInMemory() < 10, `nothing is kept of ${repetitions} connections`)
  await app.close()
}

/** The body of a refusal, the way Fastify words it; and the end of the connection. */
function isRefusal (statusCode: number, code: string, headers: Record<string, string> = {}) {
  return (t: Test, { answers }: Exchange): void => {
    const [answer] = answers.slice(-1)
    const body = JSON.parse(answer!.body) as Record<string, unknown>
    t.match(body, { statusCode, code, error: String, message: String })
    t.strictSame(Object.keys(body).sort(), ['code', 'error', 'message', 'statusCode'])
    t.match(answer!.headers.connection, /(?:^|, )close(?:$|,)/)
    t.match(answer!.headers, headers)
  }
}

t.setTimeout(180_000)

t.test('every upgrade ends, and leaves nothing behind', async (t) => {
  t.setTimeout(180_000)
  const before = countObjects()

  await t.test('an unknown path', (t) => endsEvery(t, { sent: upgrade('/nowhere'), statusCodes: [404] }))

  await t.test('an unknown path, answered by a page of the application', (t) => endsEvery(t, {
    sent: upgrade('/nowhere'),
    before (app) { app.setNotFoundHandler((_request, reply) => { reply.code(404).type('text/html').send('<h1>Nothing here</h1>') }) },
    statusCodes: [404],
    check (t, { answers }) { t.equal(answers[0]!.body, '<h1>Nothing here</h1>') }
  }))

  await t.test('a plain route', (t) => endsEvery(t, {
    sent: upgrade('/plain'), statusCodes: [404], check: isRefusal(404, 'WSV_ERR_NOT_A_VIEW')
  }))

  await t.test('a URL that cannot be decoded', (t) => endsEvery(t, { sent: upgrade('/ws/%zz'), statusCodes: [400] }))

  await t.test('POST', (t) => endsEvery(t, {
    sent: upgrade('/ws/chat', {}, 'POST'), statusCodes: [405], check: isRefusal(405, 'WSV_ERR_METHOD_NOT_ALLOWED', { allow: 'GET' })
  }))

  await t.test('another version', (t) => endsEvery(t, {
    sent: upgrade('/ws/chat', { 'sec-websocket-version': '8' }),
    statusCodes: [426],
    check: isRefusal(426, 'WSV_ERR_VERSION_UNSUPPORTED', { 'sec-websocket-version': '13', upgrade: 'websocket' })
  }))

  await t.test('no key', (t) => endsEvery(t, {
    sent: upgrade('/ws/chat', { 'sec-websocket-key': undefined }), statusCodes: [400], check: isRefusal(400, 'WSV_ERR_KEY_INVALID')
  }))

  await t.test('a malformed key', (t) => endsEvery(t, {
    sent: upgrade('/ws/chat', { 'sec-websocket-key': 'c2hvcnQ=' }), statusCodes: [400], check: isRefusal(400, 'WSV_ERR_KEY_INVALID')
  }))

  await t.test('h2c, which is ignored', (t) => endsEvery(t, {
    sent: request('GET', '/plain', { upgrade: 'h2c', connection: 'Upgrade, HTTP2-Settings', 'http2-settings': '' }),
    statusCodes: [200],
    check (t, { answers }) {
      t.equal(answers[0]!.body, 'plain')
      t.equal(answers[0]!.headers.connection, 'close')
    }
  }))

  await t.test('h2c with a body', (t) => endsEvery(t, {
    sent: request('POST', '/plain', { upgrade: 'h2c', connection: 'Upgrade', 'content-length': '7' }, 'a=1&b=2'),
    statusCodes: [400],
    check: isRefusal(400, 'WSV_ERR_UPGRADE_WITH_BODY')
  }))

  await t.test('behind another request', (t) => endsEvery(t, {
    sent: [request('GET', '/plain'), upgrade('/nowhere')],
    statusCodes: [200, 404]
  }))

  await t.test('behind slow requests', (t) => endsEvery(t, {
    sent: [request('GET', '/slow'), request('GET', '/slow'), upgrade('/plain')],
    statusCodes: [200, 200, 404],
    check: isRefusal(404, 'WSV_ERR_NOT_A_VIEW')
  }))

  await t.test('a good one behind slow requests, which opens', (t) => endsEvery(t, {
    sent: Buffer.concat([
      Buffer.from(request('GET', '/slow') + request('GET', '/slow') + upgrade('/ws/chat')),
      closeFrame
    ]),
    statusCodes: [200, 200, 101]
  }))

  await t.test('a good one behind a request that is never answered', (t) => endsEvery(t, {
    sent: [request('GET', '/never'), upgrade('/ws/chat')],
    before (app) { app.get('/never', () => {}) },
    options: { handshakeTimeoutMs: 20 },
    statusCodes: []
  }))

  await t.test('a hook that never answers', (t) => endsEvery(t, {
    sent: upgrade('/ws/hung'), options: { handshakeTimeoutMs: 20 }, statusCodes: []
  }))

  await t.test('a client that resets during a hook', (t) => endsEvery(t, {
    sent: upgrade('/ws/gated'), ...gatedView((tcp) => { tcp.resetAndDestroy() }), statusCodes: []
  }))

  await t.test('a client that ends during a hook', (t) => endsEvery(t, {
    sent: upgrade('/ws/gated'), ...gatedView((tcp) => { tcp.end() }), statusCodes: []
  }))

  await t.test('a client that resets while it waits behind a slow request', (t) => endsEvery(t, {
    sent: [request('GET', '/slow'), upgrade('/ws/chat')],
    during (tcp) { tcp.once('connect', () => { setImmediate(() => { tcp.resetAndDestroy() }) }) },
    statusCodes: [],
    mayBeReset: true
  }))

  await t.test('a hook that refuses', (t) => endsEvery(t, {
    sent: upgrade('/ws/guarded'),
    statusCodes: [401],
    check (t, { answers }) { t.equal(answers[0]!.body, '{"sorry":true}') }
  }))

  await t.test('a hook that throws', (t) => endsEvery(t, {
    sent: upgrade('/ws/throws'),
    views: (ws) => { ws.wsView('/throws', { name: 'throws', onRequest () { throw new Error('broken') } }) },
    statusCodes: [500]
  }))

  await t.test('a hook that takes the response and leaves it', (t) => endsEvery(t, {
    sent: upgrade('/ws/hijacked'),
    views: async (ws) => { ws.wsView('/hijacked', { name: 'hijacked', onRequest: async (_request, reply) => { reply.hijack() } }) },
    options: { handshakeTimeoutMs: 20 },
    statusCodes: []
  }))

  await t.test('a hook that destroys the connection', (t) => endsEvery(t, {
    sent: upgrade('/ws/destroyed'),
    views: async (ws) => { ws.wsView('/destroyed', { name: 'destroyed', onRequest: async (request) => { request.raw.socket.destroy() } }) },
    statusCodes: []
  }))

  await t.test('h2c to a plain route that never answers', (t) => endsEvery(t, {
    sent: request('GET', '/never', { upgrade: 'h2c', connection: 'Upgrade' }),
    before (app) { app.get('/never', () => {}) },
    options: { handshakeTimeoutMs: 20 },
    statusCodes: []
  }))

  await t.test('two upgrades in one piece', (t) => endsEvery(t, {
    sent: [upgrade('/nowhere'), upgrade('/ws/chat')], statusCodes: [404]
  }))

  await t.test('extensions that cannot be read', (t) => endsEvery(t, {
    sent: upgrade('/ws/chat', { 'sec-websocket-extensions': 'permessage-deflate; server_max_window_bits=99, ;;' }),
    options: { websocket: { perMessageDeflate: true } },
    statusCodes: [400],
    check: isRefusal(400, 'WSV_ERR_HANDSHAKE_INVALID')
  }))

  await t.test('subprotocols that cannot be read', (t) => endsEvery(t, {
    sent: upgrade('/ws/chat', { 'sec-websocket-protocol': 'chat, , chat' }),
    statusCodes: [400],
    check: isRefusal(400, 'WSV_ERR_HANDSHAKE_INVALID')
  }))

  for (const [name, count] of Object.entries(countObjects())) {
    t.ok(count - before[name]! < 100, `no ${name} is left of them all`, { before: before[name], after: count })
  }
})

t.test('an upgrade goes to views and nowhere else', async (t) => {
  const app = buildApp(t)
  const ran: string[] = []
  const plain = (name: string) => async () => { ran.push(name) }

  app.get('/root-before', plain('root before'))
  await app.register(async (sibling) => { sibling.get('/sibling-before', plain('sibling before')) })
  await app.register(async (parent) => {
    parent.get('/parent-before', plain('parent before'))
    await parent.register(async (child) => {
      child.get('/child-before', plain('child before'))
      await child.register(wsViews, { prefix: '/ws', views: usualViews })
      child.get('/child-after', plain('child after'))
    })
    await parent.register(async (sibling) => { sibling.get('/nested-sibling', plain('nested sibling')) })
    parent.get('/parent-after', plain('parent after'))
  })
  await app.register(async (sibling) => { sibling.get('/sibling-after', plain('sibling after')) })
  app.get('/root-after', plain('root after'))
  app.route({ method: ['GET', 'HEAD'], url: '/both', handler: plain('both') })
  app.all('/all/*', plain('all'))
  const port = await listen(app)

  const paths = [
    '/root-before', '/sibling-before', '/parent-before', '/child-before', '/child-after', '/nested-sibling', '/parent-after', '/sibling-after',
    '/root-after', '/both', '/all/of/it'
  ]
  for (const path of paths) {
    const answer = await answerTo(port, upgrade(path))
    t.equal(answer.statusCode, 404, path)
    t.match(JSON.parse(answer.body), { code: 'WSV_ERR_NOT_A_VIEW', message: `No WebSocket view at '${path}'` })
  }
  t.strictSame(ran, [], 'no handler has run')

  for (const path of paths) t.equal((await app.inject(path)).statusCode, 200, `${path} without an upgrade`)
  const client = await rawClient(port, '/ws/chat', { t })
  t.equal(client.response.statusCode, 101, 'the view')
})

t.test('what asks for a WebSocket', async (t) => {
  const { port } = await startViews(t, usualViews)
  const answers = async (headers: Record<string, string | string[] | undefined>): Promise<number> => {
    const { answers } = await exchange(port, Buffer.concat([Buffer.from(upgrade('/ws/chat', headers)), closeFrame]))
    return answers[0]!.statusCode
  }

  const cases: [label: string, headers: Record<string, string | string[] | undefined>, statusCode: number][] = [
    ['Upgrade in any case (RFC 6455 §4.2.1)', { upgrade: 'WebSocket' }, 101],
    ['a list of protocols with websocket in it (RFC 9110 §7.8)', { upgrade: 'h2c, websocket' }, 101],
    ['the same on two lines', { upgrade: ['h2c', 'websocket'] }, 101],
    ['a list without it is no WebSocket: the view answers plain HTTP', { upgrade: 'h2c, websocket2' }, 426],
    ['websocket in a version of its own is another protocol', { upgrade: 'websocket/2' }, 426],
    ['Connection with more than Upgrade', { connection: 'keep-alive, Upgrade' }, 101],
    ['two keys', { 'sec-websocket-key': ['dGhlIHNhbXBsZSBub25jZQ==', 'dGhlIHNhbXBsZSBub25jZQ=='] }, 400],
    ['a key of 15 bytes', { 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25j' }, 400],
    ['a key that is no base64', { 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25-ZQ==' }, 400],
    ['two versions', { 'sec-websocket-version': ['13', '13'] }, 426],
    ['no version', { 'sec-websocket-version': undefined }, 426],
    ['a version with something behind it', { 'sec-websocket-version': '13.0' }, 426],
    ['a body', { 'content-length': '6' }, 400],
    ['a body of unknown length', { 'transfer-encoding': 'chunked' }, 400],
    ['a length of nothing', { 'content-length': '0' }, 101]
  ]
  for (const [label, headers, statusCode] of cases) t.equal(await answers(headers), statusCode, label)

  const old = await exchange(port, upgrade('/ws/chat').replace('HTTP/1.1', 'HTTP/1.0'))
  t.equal(old.answers[0]!.statusCode, 426, 'in HTTP/1.0 an Upgrade is ignored (RFC 9110 §7.8)')
  t.notOk(old.isReset)
})

t.test('426 names what to upgrade to, and that the connection ends (RFC 9110 §15.5.22)', async (t) => {
  const { port } = await startViews(t, usualViews)
  const { headers } = await answerTo(port, upgrade('/ws/chat', { 'sec-websocket-version': '12' }))
  t.equal(headers.upgrade, 'websocket')
  t.strictSame(headers.connection!.toLowerCase().split(', ').sort(), ['close', 'upgrade'])
})

t.test('an answer overtakes no body that is still on its way', async (t) => {
  const { port } = await startViews(t, usualViews)
  const length = 4 * 1024 * 1024
  const head = upgrade('/ws/chat', { 'content-length': String(length) }, 'POST')
  for (let i = 0; i < 20; i++) {
    const { answers, isReset } = await exchange(port, Buffer.concat([Buffer.from(head), Buffer.alloc(length)]))
    t.equal(answers[0]?.statusCode, 405)
    t.notOk(isReset)
  }
})

t.test('a client that reads only when it has sent its whole body gets its answer', async (t) => {
  const { port } = await startViews(t, usualViews, { handshakeTimeoutMs: 1_000_000 })
  const length = 16 * 1024 * 1024
  const head = upgrade('/ws/chat', { 'content-length': String(length) }, 'POST')
  const { answers } = await exchange(port, head, {
    during (tcp) {
      tcp.pause()
      tcp.write(Buffer.alloc(length), () => { tcp.resume() })
    }
  })
  t.equal(answers[0]?.statusCode, 405)
})

t.test('a client that sends a body for ever is cut off at the deadline', async (t) => {
  const { app, port } = await startViews(t, usualViews, { handshakeTimeoutMs: 50 })
  const connections = new Connections(app)
  for (const head of [
    upgrade('/ws/chat', { 'content-length': '1000000000' }, 'POST'),
    request('POST', '/', { upgrade: 'h2c', connection: 'Upgrade', 'content-length': '1000000000' })
  ]) {
    const held: TcpSocket[] = []
    t.teardown(() => { for (const tcp of held) tcp.destroy() })
    const { answers } = await exchange(port, head, { held })
    t.ok(answers[0]!.statusCode >= 400)
    await connections.whenNone()
  }
})

t.test('a client that never reads its answer is cut off at the deadline', async (t) => {
  const app = buildApp(t)
  const page = 'x'.repeat(16 * 1024 * 1024)
  app.setNotFoundHandler((_request, reply) => { reply.code(404).send(page) })
  await app.register(wsViews, { views: usualViews, handshakeTimeoutMs: 100 })
  const port = await listen(app)
  const connections = new Connections(app)
  const tcp = connect(port, '127.0.0.1')
  t.teardown(() => tcp.destroy())
  tcp.on('error', () => {})
  tcp.pause()
  tcp.write(upgrade('/nowhere'))
  await once(app.server, 'connection')
  await connections.whenNone()
})

t.test('a handshake waits for a large answer before it, however slowly that is read', async (t) => {
  const app = buildApp(t)
  const page = Buffer.alloc(8 * 1024 * 1024, 'x')
  app.get('/large', (_request, reply) => { reply.send(Readable.from((function * () { for (let at = 0; at < page.length; at += 65536) yield page.subarray(at, at + 65536) })())) })
  await app.register(wsViews, { prefix: '/ws', views: usualViews })
  const port = await listen(app)
  const { answers } = await exchange(port, Buffer.concat([Buffer.from(request('GET', '/large') + upgrade('/ws/chat')), closeFrame]))
  t.strictSame(answers.map(({ statusCode }) => statusCode), [200, 101])
  t.equal(answers[0]!.body.length, page.length)
})

t.test('nothing happens when a hook comes back after the end', async (t) => {
  for (const where of ['onRequest', 'preParsing', 'preValidation', 'preHandler', 'onSend', 'data'] as const) {
    for (const end of ['the deadline', 'app.close()', 'a reset'] as const) {
      await t.test(`${where}, after ${end}`, async (t) => {
        const errors: unknown[] = []
        const app = buildApp(t, { logger: { level: 'error', stream: { write (line: string) { errors.push(JSON.parse(line)) } } } })
        let comeBack = (): void => {}
        let isOpened = false
        let isHung = (): void => {}
        const whenHung = new Promise<void>((resolve) => { isHung = resolve })
        app.register(wsViews, {
          handshakeTimeoutMs: end === 'the deadline' ? 20 : 1_000_000,
          closeTimeoutMs: 1_000_000,
          async views (ws) {
            ws.wsView('/hung', {
              name: 'hung',
              [where]: async (..._: unknown[]) => {
                await new Promise<void>((resolve) => {
                  comeBack = resolve
                  setImmediate(isHung)
                })
              },
              onOpen () { isOpened = true }
            } as never)
          }
        })
        const port = await listen(app)
        const connections = new Connections(app)
        const { answers } = await exchange(port, upgrade('/hung'), {
          during (tcp) {
            whenHung.then(() => {
              if (end === 'a reset') tcp.resetAndDestroy()
              if (end === 'app.close()') app.close()
            })
          }
        })
        t.strictSame(answers.map(({ statusCode }) => statusCode), end === 'app.close()' ? [503] : [])
        await connections.whenNone()
        comeBack()
        for (let turn = 0; turn < 5; turn++) await nextTurn()
        t.notOk(isOpened)
        t.equal(app.wsSockets.count, 0)
        t.strictSame(errors, [], 'nor is it an error')
      })
    }
  }
})

t.test('an open socket keeps its request, but neither reply nor response', async (t) => {
  const weak: Record<string, WeakRef<object>> = {}
  const { port } = await startViews(t, async (ws) => {
    ws.wsView('/chat', {
      name: 'chat',
      onRequest: async (request, reply) => {
        weak.request = new WeakRef(request)
        weak.reply = new WeakRef(reply)
        weak.response = new WeakRef(reply.raw)
      }
    })
  })
  const client = await rawClient(port, '/ws/chat', { t })
  for (let turn = 0; turn < 5; turn++) await nextTurn()
  collectGarbage()
  t.ok(weak.request!.deref())
  t.equal(weak.reply!.deref(), undefined)
  t.equal(weak.response!.deref(), undefined)
  client.tcp.destroy()
})

t.test('past maxConnections a handshake gets 503 before any hook, pending ones count', async (t) => {
  const app = buildApp(t)
  let hooks = 0
  let whenHung = (): void => {}
  app.addHook('onRequest', async (request) => {
    hooks++
    if (request.url === '/ws/hung') setImmediate(whenHung)
  })
  await app.register(wsViews, { prefix: '/ws', views: usualViews, maxConnections: 2 })
  const port = await listen(app)
  const open = await rawClient(port, '/ws/chat', { t })
  const pending = connect(port, '127.0.0.1')
  t.teardown(() => pending.destroy())
  pending.write(upgrade('/ws/hung'))
  await new Promise<void>((resolve) => { whenHung = resolve })
  hooks = 0

  const answer = await answerTo(port, upgrade('/ws/chat'))
  t.equal(answer.statusCode, 503)
  t.equal(JSON.parse(answer.body).code, 'WSV_ERR_TOO_MANY_CONNECTIONS')
  t.match(answer.headers['retry-after'], /^\d+$/)
  t.equal(hooks, 0)

  open.sendClose(1000)
  await open.ended
  const next = await rawClient(port, '/ws/chat', { t })
  t.equal(next.response.statusCode, 101)
})

t.test('the server has one upgrade listener, and after close none', async (t) => {
  const app = buildApp(t)
  await app.register(wsViews, { prefix: '/one', views: usualViews })
  await app.register(wsViews, { prefix: '/two', namespace: 'two', views: usualViews })
  await listen(app)
  t.equal(app.server.listenerCount('upgrade'), 1)
  await app.close()
  t.equal(app.server.listenerCount('upgrade'), 0)
})

t.test('app.close()', async (t) => {
  const whenHandling = (app: FastifyInstance, path: string): Promise<void> => new Promise((resolve) => {
    app.addHook('onRequest', async (request) => { if (request.url === path) setImmediate(resolve) })
  })

  await t.test('answers handshakes whose hooks still run with 503', async (t) => {
    const app = buildApp(t)
    const whenHung = whenHandling(app, '/ws/hung')
    await app.register(wsViews, { prefix: '/ws', views: usualViews, handshakeTimeoutMs: 1_000_000, closeTimeoutMs: 1_000_000 })
    const port = await listen(app)
    const held: TcpSocket[] = []
    t.teardown(() => { for (const tcp of held) tcp.destroy() })
    const answered = exchange(port, upgrade('/ws/hung'), { held })
    await whenHung
    await app.close()
    isRefusal(503, 'WSV_ERR_CLOSING')(t, await answered)
  })

  await t.test('lets the answer before a waiting handshake finish, then answers 503', async (t) => {
    const app = buildApp(t)
    let finish = (): void => {}
    app.get('/slow', async () => {
      await new Promise<void>((resolve) => { finish = resolve })
      return 'slow'
    })
    const whenSlow = whenHandling(app, '/slow')
    await app.register(wsViews, { prefix: '/ws', views: usualViews, handshakeTimeoutMs: 1_000_000, closeTimeoutMs: 1_000_000 })
    const whenClosing = new Promise<void>((resolve) => { app.addHook('preClose', async () => { setImmediate(resolve) }) })
    const port = await listen(app)
    const answered = exchange(port, [request('GET', '/slow'), upgrade('/ws/chat')])
    await whenSlow
    const closed = app.close()
    await whenClosing
    finish()
    await closed
    const { answers } = await answered
    t.strictSame(answers.map(({ statusCode }) => statusCode), [200, 503])
    t.equal(answers[0]!.body, 'slow')
  })

  await t.test('waits no longer than closeTimeoutMs for a client that does not read its refusal', async (t) => {
    const app = buildApp(t)
    const page = 'x'.repeat(16 * 1024 * 1024)
    app.setNotFoundHandler((_request, reply) => { reply.code(404).send(page) })
    const whenRefusing = whenHandling(app, '/nowhere')
    await app.register(wsViews, { views: usualViews, handshakeTimeoutMs: 1_000_000, closeTimeoutMs: 20 })
    const port = await listen(app)
    const tcp = connect(port, '127.0.0.1')
    t.teardown(() => tcp.destroy())
    tcp.on('error', () => {})
    tcp.pause()
    tcp.write(upgrade('/nowhere'))
    await whenRefusing
    await app.close()
  })

  await t.test('gives sockets closeTimeoutMs, also where that is more than the pluginTimeout of Fastify', async (t) => {
    const app = buildApp(t, { pluginTimeout: 60 })
    const order: string[] = []
    app.addHook('onClose', async () => { order.push('onClose of the app') })
    await app.register(wsViews, {
      closeTimeoutMs: 100,
      async views (ws) {
        ws.wsView('/chat', { name: 'chat', onClose () { order.push('onClose of the socket') } })
      }
    })
    // no answer comes to the close frame
    await rawClient(await listen(app), '/chat', { t })
    await app.close()
    t.strictSame(order, ['onClose of the socket', 'onClose of the app'])
  })

  await t.test('does not wait for a refused client that goes on sending', async (t) => {
    const { app, port } = await startViews(t, usualViews, { handshakeTimeoutMs: 1_000_000, closeTimeoutMs: 1_000_000 })
    const held: TcpSocket[] = []
    t.teardown(() => { for (const tcp of held) tcp.destroy() })
    await exchange(port, upgrade('/ws/chat', { 'content-length': '1000000000' }, 'POST'), { held })
    await app.close()
  })

  await t.test('waits no longer than closeTimeoutMs for an upgrade that nobody has taken', async (t) => {
    const app = buildApp(t)
    const whenOffered = new Promise<void>((resolve) => { app.server.on('upgrade', () => { setImmediate(resolve) }) })
    await app.register(wsViews, { views: usualViews, handshakeTimeoutMs: 1_000_000, closeTimeoutMs: 20 })
    const port = await listen(app)
    const tcp = connect(port, '127.0.0.1')
    t.teardown(() => tcp.destroy())
    tcp.write(upgrade('/nowhere'))
    await whenOffered
    await app.close()
  })
})
