import dns from 'node:dns'
import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { connect, type AddressInfo } from 'node:net'
import fastifyWebsocket from '@fastify/websocket'
import { Type } from '@sinclair/typebox'
import Fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import wsViews, { type WsViews } from '../lib/index.ts'
import { certificate } from './fixtures/certificate.ts'
import { answerTo, upgrade } from './fixtures/exchange.ts'
import { rawClient } from './fixtures/rfc6455.ts'
import { buildApp, listen, startViews } from './fixtures/server.ts'

const Text = Type.Object({ text: Type.String() })

/** A view that says its name to whoever connects. */
function named (name: string, url = `/${name}`): WsViews {
  return async (ws) => { ws.wsView(url, { name, frames: 'text', onOpen (socket) { socket.send(name) } }) }
}

async function greeting (t: Test, port: number, path: string): Promise<string> {
  const client = await rawClient(port, path, { t })
  const { data } = await client.next()
  client.sendClose(1000)
  await client.ended
  return String(data)
}

t.test('a view is at the prefix of its registration', async (t) => {
  await t.test('at the root of the application', async (t) => {
    const { app, port } = await startViews(t, named('chat'))
    t.equal(app.wsUrl('chat'), '/ws/chat')
    t.equal(await greeting(t, port, '/ws/chat'), 'chat')
  })

  await t.test('without one', async (t) => {
    const { app, port } = await startViews(t, named('chat'), { prefix: '' })
    t.equal(app.wsUrl('chat'), '/chat')
    t.equal(await greeting(t, port, '/chat'), 'chat')
  })

  await t.test('in a nested context, below its prefix', async (t) => {
    const app = buildApp(t)
    await app.register(async (v1) => {
      await v1.register(wsViews, { prefix: '/ws', views: named('chat') })
      t.equal(v1.wsUrl('chat'), '/v1/ws/chat')
    }, { prefix: '/v1' })
    t.notOk(app.hasDecorator('wsView'), 'decorators follow encapsulation')
    const port = await listen(app)
    t.equal(await greeting(t, port, '/v1/ws/chat'), 'chat')
  })

  await t.test('in siblings, which share names and sockets', async (t) => {
    const app = buildApp(t)
    const counts: (() => number)[] = []
    for (const name of ['a', 'b']) {
      await app.register(async (sibling) => {
        await sibling.register(wsViews, { prefix: '/ws', views: named(name) })
        counts.push(() => sibling.wsSockets.count)
        sibling.get('/urls', async () => [sibling.wsUrl('a'), sibling.wsUrl('b')])
      }, { prefix: `/${name}` })
    }
    const port = await listen(app)
    t.equal(await greeting(t, port, '/a/ws/a'), 'a')
    t.equal(await greeting(t, port, '/b/ws/b'), 'b')
    t.strictSame((await app.inject('/a/urls')).json(), ['/a/ws/a', '/b/ws/b'])
    const client = await rawClient(port, '/b/ws/b', { t })
    await client.next()
    t.strictSame(counts.map((count) => count()), [1, 1])
  })

  await t.test('registered twice on one instance', async (t) => {
    const app = buildApp(t)
    await app.register(wsViews, { prefix: '/one', views: [named('a'), named('b')] })
    await app.register(wsViews, { prefix: '/two', views: named('c') })
    const port = await listen(app)
    t.strictSame(['a', 'b', 'c'].map((name) => app.wsUrl(name)), ['/one/a', '/one/b', '/two/c'])
    t.equal(await greeting(t, port, '/one/b'), 'b')
    t.equal(await greeting(t, port, '/two/c'), 'c')
  })

  await t.test('inside the views of another one', async (t) => {
    const app = buildApp(t)
    await app.register(wsViews, {
      prefix: '/outer',
      async views (ws) {
        ws.wsView('/b', { name: 'b', frames: 'text', onOpen (socket) { socket.send('b') } })
        await ws.register(wsViews, { prefix: '/inner', views: named('a') })
      }
    })
    const port = await listen(app)
    t.strictSame([app.wsUrl('a'), app.wsUrl('b')], ['/outer/inner/a', '/outer/b'])
    t.equal(await greeting(t, port, '/outer/inner/a'), 'a')
    t.equal(await greeting(t, port, '/outer/b'), 'b')
  })

  await t.test('at the prefix itself, with and without a slash', async (t) => {
    const { app, port } = await startViews(t, named('chat', '/'))
    t.equal(app.wsUrl('chat'), '/ws')
    t.equal(await greeting(t, port, '/ws'), 'chat')
    t.equal(await greeting(t, port, '/ws/'), 'chat')
  })

  await t.test('the outer after the inner', async (t) => {
    const app = buildApp(t)
    await app.register(async (inner) => { await inner.register(wsViews, { prefix: '/inner', views: named('a') }) })
    await app.register(wsViews, { prefix: '/outer', views: named('b') })
    const port = await listen(app)
    t.equal(await greeting(t, port, '/inner/a'), 'a')
    t.equal(await greeting(t, port, '/outer/b'), 'b')
    t.strictSame([app.wsUrl('a'), app.wsUrl('b')], ['/inner/a', '/outer/b'])
  })
})

t.test('wsView outside the views of a registration', async (t) => {
  await t.test('gets its prefix', async (t) => {
    const app = buildApp(t)
    await app.register(wsViews, { prefix: '/ws' })
    app.wsView('/root', { name: 'root', frames: 'text', onOpen (socket) { socket.send('root') } })
    await app.register(async (child) => {
      child.wsView('/child', { name: 'child', frames: 'text', onOpen (socket) { socket.send('child') } })
    }, { prefix: '/v1' })
    const port = await listen(app)
    t.strictSame([app.wsUrl('root'), app.wsUrl('child')], ['/ws/root', '/v1/ws/child'])
    t.equal(await greeting(t, port, '/ws/root'), 'root')
    t.equal(await greeting(t, port, '/v1/ws/child'), 'child')
  })

  await t.test('runs the hooks of the instance it is declared on, and no others', async (t) => {
    const app = buildApp(t)
    const ran: string[] = []
    await app.register(wsViews, { prefix: '/ws', async views (ws) { ws.addHook('onRequest', async () => { ran.push('views') }) } })
    app.addHook('onRequest', async () => { ran.push('root') })
    await app.register(async (child) => {
      child.addHook('onRequest', async () => { ran.push('child') })
      child.wsView('/child', { name: 'child', frames: 'text', onOpen (socket) { socket.send('child') } })
    })
    const port = await listen(app)
    await greeting(t, port, '/ws/child')
    t.strictSame(ran, ['root', 'child'])
  })

  await t.test('needs no await where a plugin declares the view', async (t) => {
    const app = buildApp(t)
    app.register(wsViews, { prefix: '/ws' })
    app.register(async (child) => {
      child.wsView('/chat', { name: 'chat', frames: 'text', onOpen (socket) { socket.send('chat') } })
    })
    const port = await listen(app)
    t.equal(await greeting(t, port, '/ws/chat'), 'chat')
  })

  await t.test('is ambiguous where two registrations could be meant', async (t) => {
    const app = buildApp(t)
    await app.register(wsViews, { prefix: '/one' })
    await app.register(wsViews, { prefix: '/two' })
    t.throws(() => app.wsView('/chat', { name: 'chat' }), { code: 'WSV_ERR_PREFIX_AMBIGUOUS' })
    await app.register(async (child) => {
      t.throws(() => child.wsView('/chat', { name: 'chat' }), { code: 'WSV_ERR_PREFIX_AMBIGUOUS' })
    })
    await app.register(wsViews, { prefix: '/three', views: named('chat') })
    await app.ready()
    t.equal(app.wsUrl('chat'), '/three/chat')
  })

  await t.test('belongs to the nearest registration', async (t) => {
    const app = buildApp(t)
    await app.register(wsViews, { prefix: '/outer' })
    await app.register(async (child) => {
      await child.register(wsViews, { prefix: '/inner' })
      child.wsView('/chat', { name: 'chat' })
    })
    await app.ready()
    t.equal(app.wsUrl('chat'), '/inner/chat')
  })

  await t.test('is too late once the server is ready', async (t) => {
    const app = buildApp(t)
    await app.register(wsViews)
    await app.ready()
    t.throws(() => app.wsView('/chat', { name: 'chat' }), { code: 'WSV_ERR_VIEW_TOO_LATE' })
  })
})

t.test('what goes wrong in the views stops the application', async (t) => {
  const cases: [label: string, views: WsViews, code: string][] = [
    ['a plugin that throws', async () => { throw Object.assign(new Error('broken'), { code: 'BROKEN' }) }, 'BROKEN'],
    ['a URL that is taken', async (ws) => { ws.get('/chat', async () => {}); ws.wsView('/chat', { name: 'chat' }) }, 'FST_ERR_DUPLICATED_ROUTE'],
    ['an option that does not exist', async (ws) => { ws.wsView('/chat', { name: 'chat', onMesage () {} } as never) }, 'WSV_ERR_OPTION_UNKNOWN']
  ]
  for (const [label, views, code] of cases) {
    const app = Fastify()
    app.register(wsViews, { views })
    await t.rejects(async () => { await app.ready() }, { code }, label)
    await app.close()
    t.equal(app.server.listenerCount('upgrade'), 0, 'and leaves no listener')
  }
})

t.test('names', async (t) => {
  await t.test('one name for two views is refused, also across registrations', async (t) => {
    const app = buildApp(t)
    await app.register(wsViews, { prefix: '/one', views: named('chat') })
    await t.rejects(async () => { await app.register(wsViews, { prefix: '/two', views: named('chat') }) }, { code: 'WSV_ERR_VIEW_NAME_TAKEN' })
  })

  await t.test('a namespace keeps them apart', async (t) => {
    const app = buildApp(t)
    await app.register(wsViews, { prefix: '/v1', views: named('chat') })
    await app.register(wsViews, { prefix: '/v2', namespace: 'v2', views: named('chat') })
    await app.ready()
    t.strictSame([app.wsUrl('chat'), app.wsUrl('v2:chat')], ['/v1/chat', '/v2/chat'])
  })

  await t.test('two applications in one process share nothing', async (t) => {
    const apps = [buildApp(t), buildApp(t)]
    for (const app of apps) await app.register(wsViews, { prefix: '/ws', views: named('chat') })
    const ports = await Promise.all(apps.map(listen))
    const client = await rawClient(ports[0]!, '/ws/chat', { t })
    await client.next()
    t.strictSame(apps.map((app) => app.wsSockets.count), [1, 0])
  })
})

t.test('server-wide options', async (t) => {
  const checkSession = async (): Promise<boolean> => true
  const cases: [label: string, first: object, second: object][] = [
    ['another number', { handshakeTimeoutMs: 1000 }, { handshakeTimeoutMs: 2000 }],
    ['another value than the default', {}, { closeTimeoutMs: 1 }],
    ['another function', { checkSession }, { checkSession: async () => true }],
    ['another object', { websocket: { perMessageDeflate: true } }, { websocket: { perMessageDeflate: { threshold: 1 } } }]
  ]
  for (const [label, first, second] of cases) {
    const app = Fastify()
    await app.register(wsViews, first)
    await t.rejects(async () => { await app.register(wsViews, second) }, { code: 'WSV_ERR_OPTION_CONFLICT' }, label)
    await app.close()
  }

  const app = buildApp(t)
  await app.register(wsViews, { handshakeTimeoutMs: 1000, checkSession, websocket: { perMessageDeflate: { threshold: 1 } } })
  await app.register(wsViews, { handshakeTimeoutMs: 1000, checkSession, websocket: { perMessageDeflate: { threshold: 1 } } })
  await app.register(wsViews, {})
  await t.resolves(async () => { await app.ready() }, 'the same value, or none, is fine')
})

t.test("beside the application's own @fastify/websocket", async (t) => {
  async function build (t: Test): Promise<{ app: FastifyInstance, port: number, hooks: string[] }> {
    const app = buildApp(t)
    const hooks: string[] = []
    app.addHook('onRequest', async (request) => { hooks.push(`onRequest ${request.url}`) })
    await app.register(fastifyWebsocket)
    app.get('/before', { websocket: true }, (socket) => { socket.send('before') })
    app.route({ method: 'GET', url: '/both', handler: async () => 'page', wsHandler (socket) { socket.send('both') } })
    app.get('/plain-before', async (request) => { hooks.push(`handler ${request.url}`) })
    await app.register(wsViews, { prefix: '/ws', views: named('chat') })
    app.get('/plain-after', async (request) => { hooks.push(`handler ${request.url}`) })
    app.get('/after', { websocket: true }, (socket) => { socket.send('after') })
    app.addHook('onResponse', async (request) => { hooks.push(`onResponse ${request.url}`) })
    await app.register(async (child) => {
      child.get('/child', { websocket: true, preHandler: async (request) => { hooks.push(`preHandler ${request.url}`) } }, (socket) => {
        socket.on('message', (data) => { socket.send(`child got ${String(data)}`) })
      })
    })
    return { app, port: await listen(app), hooks }
  }

  await t.test('its routes and the views both work', async (t) => {
    const { app, port } = await build(t)
    t.equal(await greeting(t, port, '/before'), 'before')
    t.equal(await greeting(t, port, '/after'), 'after')
    t.equal(await greeting(t, port, '/both'), 'both')
    t.equal(await greeting(t, port, '/ws/chat'), 'chat')
    t.equal((await app.inject('/both')).body, 'page')
  })

  await t.test('a message that comes with the handshake reaches its route', async (t) => {
    const { port } = await build(t)
    const socket = new WebSocket(`ws://127.0.0.1:${port}/child`)
    await once(socket, 'open')
    socket.send('hi')
    t.equal(String((await once(socket, 'message'))[0]), 'child got hi')
    socket.terminate()
  })

  await t.test('hooks run once', async (t) => {
    const { port, hooks } = await build(t)
    await greeting(t, port, '/ws/chat')
    t.strictSame(hooks, ['onRequest /ws/chat', 'onResponse /ws/chat'])
    hooks.length = 0
    const client = await rawClient(port, '/child', { t })
    t.strictSame(hooks, ['onRequest /child', 'preHandler /child'])
    client.tcp.destroy()
  })

  await t.test('unknown paths and plain routes are still answered', async (t) => {
    const { port, hooks } = await build(t)
    t.equal((await answerTo(port, upgrade('/nowhere'))).statusCode, 404)
    const plain = await answerTo(port, upgrade('/plain-after'))
    t.equal(plain.statusCode, 404)
    t.equal(JSON.parse(plain.body).code, 'WSV_ERR_NOT_A_VIEW')
    // whether this one takes WebSockets only @fastify/websocket knows, which opens and closes it
    const client = await rawClient(port, '/plain-before', { t })
    t.match(await client.closed, { code: 1005 })
    client.sendClose()
    await client.ended
    t.notOk(hooks.some((hook) => hook.startsWith('handler')), 'no handler has run')
  })

  await t.test('the server has one upgrade listener', async (t) => {
    const { app } = await build(t)
    t.equal(app.server.listenerCount('upgrade'), 1)
  })

  await t.test('injectWS reaches both', async (t) => {
    const { app } = await build(t)
    for (const [path, greeting] of [['/before', 'before'], ['/after', 'after'], ['/ws/chat', 'chat']] as const) {
      const received = new Promise<string>((resolve) => {
        app.injectWS(path, {}, { onInit (ws) { ws.on('message', (data) => { resolve(String(data)) }) } }).then((ws) => {
          t.teardown(() => { ws.terminate() })
        }, (error) => { resolve(String(error)) })
      })
      t.equal(await received, greeting)
    }
    await t.rejects(app.injectWS('/nowhere'), { message: 'Unexpected server response: 404' })
    await t.rejects(app.injectWS('/plain-after'), { message: 'Unexpected server response: 404' })
  })

  await t.test('app.close() ends the sockets of both', async (t) => {
    const { app, port } = await build(t)
    const view = await rawClient(port, '/ws/chat', { t })
    await view.next()
    const own = await rawClient(port, '/before', { t })
    await own.next()
    const closed = app.close()
    t.strictSame(await view.closed, { code: 1001, reason: 'server_closing' })
    view.sendClose(1001)
    t.match(await own.closed, { code: 1005 })
    own.sendClose()
    await closed
    await Promise.all([view.ended, own.ended])
  })

  await t.test('in a context of its own', async (t) => {
    const app = buildApp(t)
    await app.register(async (own) => {
      await own.register(fastifyWebsocket)
      own.get('/own', { websocket: true }, (socket) => { socket.send('own') })
    })
    await app.register(wsViews, { prefix: '/ws', views: named('chat') })
    app.get('/ours', { websocket: true }, (socket) => { socket.send('ours') })
    const port = await listen(app)
    t.equal(await greeting(t, port, '/own'), 'own')
    t.equal(await greeting(t, port, '/ours'), 'ours')
    t.equal(await greeting(t, port, '/ws/chat'), 'chat')
  })
})

t.test('without the application registering @fastify/websocket', async (t) => {
  await t.test('websocket: true routes work, here and in the views', async (t) => {
    const app = buildApp(t)
    await app.register(wsViews, {
      prefix: '/ws',
      async views (ws) {
        ws.get('/plain', { websocket: true }, (socket) => { socket.send('in the views') })
        await named('chat')(ws, {}, () => {})
      }
    })
    app.get('/plain', { websocket: true }, (socket) => { socket.send('on the root') })
    const port = await listen(app)
    t.equal(await greeting(t, port, '/ws/plain'), 'in the views')
    t.equal(await greeting(t, port, '/plain'), 'on the root')
    t.equal(await greeting(t, port, '/ws/chat'), 'chat')
    t.equal((await app.inject('/plain')).statusCode, 404, 'such a route answers no plain GET')
  })

  await t.test('injectWS works for a view: hooks, form and reply', async (t) => {
    const app = buildApp(t)
    let hooks = 0
    app.addHook('onRequest', async () => { hooks++ })
    await app.register(wsViews, {
      async views (ws) { ws.wsView('/echo', { name: 'echo', messageSchema: Text, replySchema: Text, onMessage: (_socket, message) => message }) }
    })
    await app.ready()
    const ws = await app.injectWS('/echo')
    const received = once(ws, 'message')
    ws.send('{"text":" hi "}')
    t.equal(String((await received)[0]), '{"text":"hi"}')
    t.equal(hooks, 1)
    ws.terminate()
  })

  await t.test('app.close() ends an injected socket', async (t) => {
    const app = buildApp(t)
    await app.register(wsViews, { views: named('chat'), closeTimeoutMs: 1_000_000 })
    await app.ready()
    const ws = await app.injectWS('/chat')
    const closed = once(ws, 'close')
    await app.close()
    const [code, reason] = await closed
    t.strictSame([code, String(reason)], [1001, 'server_closing'])
  })

  await t.test('siblings each have it', async (t) => {
    const app = buildApp(t)
    for (const name of ['a', 'b']) {
      await app.register(async (sibling) => {
        await sibling.register(wsViews, { prefix: `/${name}`, views: named(name) })
        sibling.get(`/${name}/plain`, { websocket: true }, (socket) => { socket.send(`plain ${name}`) })
      })
    }
    const port = await listen(app)
    for (const name of ['a', 'b']) {
      t.equal(await greeting(t, port, `/${name}/plain`), `plain ${name}`)
      t.equal(await greeting(t, port, `/${name}/${name}`), name)
    }
  })
})

t.test('an upgrade listener of somebody else', async (t) => {
  await t.test('keeps its own paths: a ws server', async (t) => {
    const app = buildApp(t)
    const foreign = new WebSocketServer({ server: app.server as never, path: '/foreign' })
    foreign.on('connection', (socket) => { socket.send('foreign') })
    t.teardown(() => { for (const socket of foreign.clients) socket.terminate() })
    await app.register(wsViews, { prefix: '/ws', views: named('chat') })
    const port = await listen(app)
    t.equal(await greeting(t, port, '/foreign'), 'foreign')
    t.equal(await greeting(t, port, '/ws/chat'), 'chat')
  })

  await t.test('one that is added when the server listens already', async (t) => {
    const { app, port } = await startViews(t, named('chat'))
    const foreign = new WebSocketServer({ noServer: true })
    app.server.on('upgrade', (request, tcp, head) => {
      if (request.url !== '/foreign') return
      foreign.handleUpgrade(request, tcp, head, (socket) => {
        t.teardown(() => { socket.terminate() })
        socket.send('foreign')
      })
    })
    t.equal(await greeting(t, port, '/foreign'), 'foreign')
    t.equal(await greeting(t, port, '/ws/chat'), 'chat')
  })

  await t.test('one that takes its time', async (t) => {
    const app = buildApp(t)
    const foreign = new WebSocketServer({ noServer: true })
    const urls: unknown[] = []
    app.server.on('upgrade', async (request, tcp, head) => {
      urls.push(request.url)
      // as they do: without a thought for requests that are not like any other
      const { pathname } = new URL(request.url!, 'http://localhost')
      await new Promise(setImmediate)
      if (pathname !== '/foreign') return
      foreign.handleUpgrade(request, tcp, head, (socket) => {
        t.teardown(() => { socket.terminate() })
        socket.send('foreign')
      })
    })
    await app.register(wsViews, { prefix: '/ws', views: named('chat') })
    const port = await listen(app)
    t.equal(await greeting(t, port, '/foreign'), 'foreign')
    t.equal(await greeting(t, port, '/ws/chat'), 'chat')
    t.strictSame(urls, ['/foreign'], 'it sees what is its own')
  })

  await t.test('what it does not take is destroyed at the deadline', async (t) => {
    const app = buildApp(t)
    const urls: unknown[] = []
    app.server.on('upgrade', (request) => { urls.push(request.url) })
    await app.register(wsViews, { prefix: '/ws', views: named('chat'), handshakeTimeoutMs: 20 })
    const port = await listen(app)
    await t.rejects(rawClient(port, '/nowhere', { t }), { message: 'the connection ended before an answer to the handshake' })
    t.strictSame(urls, ['/nowhere'], 'it has seen this one, and nothing else')
    t.equal(await greeting(t, port, '/ws/chat'), 'chat')
  })

  await t.test('a client that resets meanwhile does not crash the process', async (t) => {
    const app = buildApp(t)
    app.server.on('upgrade', () => {})
    await app.register(wsViews, { prefix: '/ws', views: named('chat') })
    const port = await listen(app)
    const client = connect(port, '127.0.0.1')
    t.teardown(() => { client.destroy() })
    client.write(upgrade('/nowhere'))
    const [, tcp] = await once(app.server, 'upgrade')
    const closed = new Promise((resolve) => { tcp.once('close', resolve) })
    client.resetAndDestroy()
    await closed
  })
})

t.test('kinds of servers', async (t) => {
  async function overTls (t: Test, app: FastifyInstance): Promise<number> {
    await app.register(wsViews, { prefix: '/ws', views: named('chat') })
    const port = await listen(app)
    const socket = new WebSocket(`wss://localhost:${port}/ws/chat`, { ca: certificate.cert, origin: `https://localhost:${port}` })
    t.equal(String((await once(socket, 'message'))[0]), 'chat')
    const closed = once(socket, 'close')
    socket.close(1000)
    t.equal((await closed)[0], 1000)
    return port
  }

  await t.test('HTTP/2 alone cannot serve WebSockets', async (t) => {
    const plain = Fastify({ http2: true })
    await t.rejects(async () => { await plain.register(wsViews) }, { code: 'WSV_ERR_HTTP2' })
    const secure = Fastify({ http2: true, https: certificate })
    await t.rejects(async () => { await secure.register(wsViews) }, { code: 'WSV_ERR_HTTP2' })
    const refused = Fastify({ http2: true, https: { ...certificate, allowHTTP1: false } })
    await t.rejects(async () => { await refused.register(wsViews) }, { code: 'WSV_ERR_HTTP2' })
  })

  await t.test('HTTPS', async (t) => {
    const app = Fastify({ https: certificate })
    t.teardown(() => app.close())
    await overTls(t, app as unknown as FastifyInstance)
  })

  await t.test('HTTP/2 that allows HTTP/1.1, which answers a page over HTTP/2', async (t) => {
    const app = Fastify({ http2: true, https: { ...certificate, allowHTTP1: true } })
    t.teardown(() => app.close())
    const port = await overTls(t, app as unknown as FastifyInstance)
    const client = connectHttp2(`https://localhost:${port}`, { ca: certificate.cert })
    t.teardown(() => { client.destroy() })
    const stream = client.request({ ':path': '/ws/chat' })
    const [headers] = await once(stream, 'response')
    t.equal(headers[':status'], 426)
    client.close()
  })

  await t.test('a host with two addresses', async (t) => {
    const { lookup } = dns
    t.teardown(() => { dns.lookup = lookup })
    // as it is with ::1 and 127.0.0.1 where there is IPv6
    dns.lookup = ((host: string, options: { all?: boolean }, done: (...results: unknown[]) => void) => {
      if (host === 'localhost' && options.all === true) done(null, [{ address: '127.0.0.1', family: 4 }, { address: '127.0.0.2', family: 4 }])
      else (lookup as (...all: unknown[]) => void)(host, options, done)
    }) as never
    const app = buildApp(t)
    await app.register(wsViews, { prefix: '/ws', views: named('chat') })
    await app.listen({ port: 0, host: 'localhost' })
    t.equal(app.addresses().length, 2)
    const { port } = app.server.address() as AddressInfo
    for (const host of ['127.0.0.1', '127.0.0.2']) {
      const client = await rawClient(port, '/ws/chat', { t, host })
      t.equal((await client.next()).data, 'chat')
      t.equal((await answerTo(port, upgrade('/nowhere'), { host })).statusCode, 404)
    }
    t.equal(app.wsSockets.count, 2)
  })
})
