import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { Type } from '@sinclair/typebox'
import t from 'tap'
import type { Test } from 'tap'
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifyServerOptions } from 'fastify'
import wsViews, { type WsViewOptions, type WsViews, type WsViewsOptions } from '../lib/index.ts'
import { answerTo, exchange, request, upgrade, type Answer } from './fixtures/exchange.ts'
import { rawClient, type RawClient } from './fixtures/rfc6455.ts'
import { buildApp, listen, startViews } from './fixtures/server.ts'

/** One hook of each kind, which write down that they ran. */
function addHooks (instance: FastifyInstance, where: string, ran: string[]): void {
  instance.addHook('onRequest', async () => { ran.push(`${where} onRequest`) })
  instance.addHook('preParsing', async (_request, _reply, payload) => { ran.push(`${where} preParsing`); return payload })
  instance.addHook('preValidation', (_request, _reply, done) => { ran.push(`${where} preValidation`); done() })
  instance.addHook('preHandler', async () => { ran.push(`${where} preHandler`) })
  instance.addHook('onSend', async (_request, reply, payload) => { ran.push(`${where} onSend ${reply.statusCode}`); return payload })
  instance.addHook('onResponse', (_request, reply, done) => { ran.push(`${where} onResponse ${reply.statusCode}`); done() })
}

async function app (t: Test, setup: (app: FastifyInstance) => void | Promise<void>, views: WsViews, options: FastifyServerOptions = {}, viewsOptions: WsViewsOptions = {}):
Promise<{ app: FastifyInstance, port: number }> {
  const app = buildApp(t, options)
  await setup(app)
  await app.register(wsViews, { prefix: '/ws', views, ...viewsOptions })
  return { app, port: await listen(app) }
}

async function leave (client: RawClient): Promise<void> {
  client.sendClose(1000)
  await client.ended
}

t.test("every hook of Fastify's lifecycle runs once, from the outside in, before the socket opens", async (t) => {
  const ran: string[] = []
  const server = buildApp(t)
  addHooks(server, 'app', ran)
  await server.register(async (parent) => {
    addHooks(parent, 'parent', ran)
    await parent.register(wsViews, {
      prefix: '/ws',
      async views (ws) {
        addHooks(ws, 'views', ran)
        ws.wsView('/chat', {
          name: 'chat',
          onRequest: async () => { ran.push('route onRequest') },
          preParsing: async (_request, _reply, payload) => { ran.push('route preParsing'); return payload },
          preValidation: [
            async () => { ran.push('route preValidation') },
            (_request: FastifyRequest, _reply: FastifyReply, done: () => void) => { ran.push('route preValidation 2'); done() }
          ],
          preHandler: async () => { ran.push('route preHandler') },
          onSend: async (_request, reply, payload) => { ran.push(`route onSend ${reply.statusCode}`); return payload },
          onResponse: async (_request, reply) => { ran.push(`route onResponse ${reply.statusCode}`) },
          data () { ran.push('data') },
          onOpen () { ran.push('onOpen') }
        })
      }
    })
    // hooks of the instance that are added after its views run for them too, as in Fastify
    parent.addHook('preHandler', async () => { ran.push('late preHandler') })
  })
  await server.register(async (sibling) => { addHooks(sibling, 'sibling', ran) })
  const port = await listen(server)

  await leave(await rawClient(port, '/ws/chat', { t }))
  t.strictSame(ran, [
    ...['app', 'parent', 'views', 'route'].map((where) => `${where} onRequest`),
    ...['app', 'parent', 'views', 'route'].map((where) => `${where} preParsing`),
    ...['app', 'parent', 'views', 'route'].map((where) => `${where} preValidation`), 'route preValidation 2',
    ...['app', 'parent', 'views', 'late', 'route'].map((where) => `${where} preHandler`),
    'data',
    ...['app', 'parent', 'views', 'route'].map((where) => `${where} onSend 101`),
    ...['app', 'parent', 'views', 'route'].map((where) => `${where} onResponse 101`),
    'onOpen'
  ])
})

t.test('each hook can refuse, with an HTTP answer of its own', async (t) => {
  const refusals: [label: string, hook: (request: FastifyRequest, reply: FastifyReply) => unknown, check: (t: Test, answer: Answer) => void][] = [
    ['by throwing', async () => { throw Object.assign(new Error('log in first'), { statusCode: 401, code: 'LOGIN' }) }, (t, answer) => {
      t.equal(answer.statusCode, 401)
      t.strictSame(JSON.parse(answer.body), { statusCode: 401, code: 'LOGIN', error: 'Unauthorized', message: 'log in first' })
    }],
    ['by replying', async (_request, reply) => reply.code(403).header('x-reason', 'none').send({ no: true }), (t, answer) => {
      t.equal(answer.statusCode, 403)
      t.equal(answer.headers['x-reason'], 'none')
      t.equal(answer.body, '{"no":true}')
    }],
    ['by redirecting', async (_request, reply) => reply.redirect('/login'), (t, answer) => {
      t.equal(answer.statusCode, 302)
      t.equal(answer.headers.location, '/login')
    }],
    ['by sending to the not-found handler', async (_request, reply) => { reply.callNotFound(); return reply }, (t, answer) => {
      t.equal(answer.statusCode, 404)
    }],
    ['by answering on its own', async (_request, reply) => {
      reply.hijack()
      reply.raw.writeHead(418, { 'content-length': '3' })
      reply.raw.end('tea')
    }, (t, answer) => {
      t.equal(answer.statusCode, 418)
      t.equal(answer.body, 'tea')
    }]
  ]

  for (const name of ['onRequest', 'preParsing', 'preValidation', 'preHandler'] as const) {
    for (const [label, hook, check] of refusals) {
      await t.test(`${name}, ${label}`, async (t) => {
        let isOpened = false
        const { port } = await startViews(t, async (ws) => {
          ws.wsView('/chat', {
            name: 'chat',
            [name]: async (request: FastifyRequest, reply: FastifyReply) => await hook(request, reply),
            onOpen () { isOpened = true }
          } as WsViewOptions as never)
        })
        check(t, await answerTo(port, upgrade('/ws/chat')))
        t.notOk(isOpened)
      })
    }
  }

  await t.test('with a callback', async (t) => {
    const { port } = await startViews(t, async (ws) => {
      ws.addHook('preValidation', (_request, reply, _done) => { reply.code(401).send('no') })
      ws.addHook('preHandler', (_request, _reply, done) => { done(new Error('not reached')) })
      ws.wsView('/chat', { name: 'chat' })
    })
    const answer = await answerTo(port, upgrade('/ws/chat'))
    t.strictSame([answer.statusCode, answer.body], [401, 'no'])
  })

  await t.test('onSend, by another status', async (t) => {
    const { port } = await startViews(t, async (ws) => {
      ws.wsView('/chat', { name: 'chat', onSend: async (_request, reply) => { reply.code(403); return 'no' } })
    })
    const answer = await answerTo(port, upgrade('/ws/chat'))
    t.strictSame([answer.statusCode, answer.body], [403, 'no'])
  })

  await t.test('data and userOf, by throwing', async (t) => {
    const forbidden = (): never => { throw Object.assign(new Error('no'), { statusCode: 403 }) }
    const { port } = await startViews(t, async (ws) => {
      ws.wsView('/data', { name: 'data', data: forbidden })
      ws.wsView('/async', { name: 'async', data: async () => { await null; forbidden() } })
      ws.wsView('/user', { name: 'user' })
    }, { userOf: (request) => request.url === '/ws/user' ? Promise.reject(Object.assign(new Error('no'), { statusCode: 403 })) : undefined })
    for (const path of ['/ws/data', '/ws/async', '/ws/user']) t.equal((await answerTo(port, upgrade(path))).statusCode, 403, path)
  })
})

t.test("what cannot be refused with 101: a hook's status before the handler is no obstacle", async (t) => {
  const { port } = await startViews(t, async (ws) => {
    ws.wsView('/chat', { name: 'chat', onRequest: async (_request, reply) => { reply.code(404) } })
  })
  t.equal((await rawClient(port, '/ws/chat', { t })).response.statusCode, 101)
})

t.test('params, querystring and headers are checked as on any route', async (t) => {
  let seen: unknown
  const { port } = await startViews(t, async (ws) => {
    ws.wsView('/rooms/:id', {
      name: 'room',
      schema: {
        params: Type.Object({ id: Type.Integer() }),
        querystring: Type.Object({ since: Type.Integer({ default: 0 }), loud: Type.Optional(Type.Boolean()) }),
        headers: Type.Object({ 'x-client': Type.Optional(Type.String({ maxLength: 3 })) })
      },
      onOpen (socket) {
        const { id } = socket.request.params
        const { since, loud } = socket.request.query
        seen = { id, since, loud }
      }
    })
  })
  await leave(await rawClient(port, '/ws/rooms/7?since=42&loud=true', { t }))
  t.strictSame(seen, { id: 7, since: 42, loud: true })
  await leave(await rawClient(port, '/ws/rooms/7', { t }))
  t.strictSame(seen, { id: 7, since: 0, loud: undefined })

  for (const [path, headers, where] of [
    ['/ws/rooms/x', {}, 'params'], ['/ws/rooms/7?since=x', {}, 'querystring'], ['/ws/rooms/7', { 'x-client': 'long' }, 'headers']
  ] as const) {
    const answer = await answerTo(port, upgrade(path, headers))
    t.equal(answer.statusCode, 400, where)
    t.match(JSON.parse(answer.body), { code: 'FST_ERR_VALIDATION', message: new RegExp(`^${where}`) })
  }
})

t.test("a view's querystring is not checked unless it has a schema", async (t) => {
  const { port } = await startViews(t, async (ws) => {
    ws.wsView('/chat', { name: 'chat', frames: 'text', onOpen (socket) { socket.send(JSON.stringify(socket.request.query)) } })
  })
  const client = await rawClient(port, '/ws/chat?a=1&b=x&b=y', { t })
  t.equal((await client.next()).data, '{"a":"1","b":["x","y"]}')
})

t.test('errors go where the errors of any route go', async (t) => {
  await t.test('to onError and the error handler of the context', async (t) => {
    const ran: string[] = []
    const { port } = await app(t, (app) => {
      app.setErrorHandler((_error, _request, reply) => { reply.code(500).send('of the app') })
    }, async (ws) => {
      ws.addHook('onError', async (_request, _reply, error) => { ran.push(error.message) })
      ws.setErrorHandler((error: Error, _request, reply) => { reply.code(418).header('x-error', error.message).send('of the views') })
      ws.wsView('/chat', { name: 'chat', preHandler: async () => { throw new Error('broken') } })
    })
    const answer = await answerTo(port, upgrade('/ws/chat'))
    t.strictSame([answer.statusCode, answer.body, answer.headers['x-error']], [418, 'of the views', 'broken'])
    t.strictSame(ran, ['broken'])
  })

  await t.test('the refusals of the view itself too', async (t) => {
    const { port } = await app(t, (app) => {
      app.setErrorHandler((error: Error & { code: string }, _request, reply) => { reply.code(451).send(error.code) })
    }, async (ws) => { ws.wsView('/chat', { name: 'chat' }) })
    const plain = await answerTo(port, request('GET', '/ws/chat', { connection: 'close' }))
    t.strictSame([plain.statusCode, plain.body], [451, 'WSV_ERR_UPGRADE_REQUIRED'])
    const foreign = await answerTo(port, upgrade('/ws/chat', { origin: 'https://elsewhere.example' }))
    t.strictSame([foreign.statusCode, foreign.body], [451, 'WSV_ERR_ORIGIN_FORBIDDEN'])
    const route = await answerTo(port, upgrade('/nowhere'))
    t.equal(route.statusCode, 404)
  })

  await t.test('an error handler that fails as well', async (t) => {
    const { port } = await app(t, (app) => {
      app.setErrorHandler(() => { throw new Error('again') })
    }, async (ws) => { ws.wsView('/chat', { name: 'chat', preHandler: async () => { throw new Error('broken') } }) })
    t.equal((await answerTo(port, upgrade('/ws/chat'))).statusCode, 500)
  })
})

t.test('a GET that is no upgrade', async (t) => {
  const { app, port } = await startViews(t, async (ws) => {
    ws.addHook('onRequest', async (_request, reply) => { reply.header('x-hook', 'ran') })
    ws.decorate('title', 'Chat')
    ws.wsView('/chat', { name: 'chat', origins: [] })
    ws.wsView('/page', {
      name: 'page',
      page (request, reply) {
        reply.type('text/html')
        return `<h1>${(this as FastifyInstance & { title: string }).title}</h1>${request.url}`
      }
    })
    ws.wsView('/later', { name: 'later', page (_request, reply) { setImmediate(() => { reply.send('later') }) } })
    ws.wsView('/async', { name: 'async', page: async () => ({ a: 1 }) })
  })
  const refused = await answerTo(port, request('GET', '/ws/chat', { connection: 'close', origin: 'https://elsewhere.example' }))
  t.equal(refused.statusCode, 426)
  t.match(refused.headers, { upgrade: 'websocket', connection: /upgrade/i, 'x-hook': 'ran' })
  t.match(JSON.parse(refused.body), { code: 'WSV_ERR_UPGRADE_REQUIRED', message: /'chat'/ })

  for (const [path, body] of [['/ws/page', '<h1>Chat</h1>/ws/page'], ['/ws/later', 'later'], ['/ws/async', '{"a":1}']] as const) {
    const answer = await answerTo(port, request('GET', path, { connection: 'close' }))
    t.strictSame([answer.statusCode, answer.body], [200, body])
  }
  // with `Upgrade`, but to something else: ignored (RFC 9110 §7.8)
  t.equal((await answerTo(port, request('GET', '/ws/page', { connection: 'Upgrade', upgrade: 'h2c' }))).body, '<h1>Chat</h1>/ws/page')
  t.equal((await app.inject({ method: 'HEAD', url: '/ws/page' })).statusCode, 404)
})

t.test('decorators, and the instance as this', async (t) => {
  const { port } = await app(t, (app) => {
    app.decorate('greeting', 'hello')
    app.decorateRequest('member', '')
  }, async (ws) => {
    ws.decorate('inner', 'views')
    ws.addHook('preHandler', async function (request) {
      (request as FastifyRequest & { member: string }).member = `${(this as FastifyInstance & { greeting: string }).greeting} ann`
    })
    ws.wsView('/chat', {
      name: 'chat',
      frames: 'text',
      data (request) { return `${(request as FastifyRequest & { member: string }).member} in ${(this as FastifyInstance & { inner: string }).inner}` },
      onOpen (socket) { socket.send(`${socket.data} ${this === ws}`) }
    })
  })
  t.equal((await (await rawClient(port, '/ws/chat', { t })).next()).data, 'hello ann in views true')
})

t.test('constraints choose between views at one URL', async (t) => {
  const { port } = await startViews(t, async (ws) => {
    for (const host of ['a.example', 'b.example']) {
      ws.wsView('/chat', { name: host, constraints: { host }, frames: 'text', onOpen (socket) { socket.send(host) } })
    }
  })
  for (const host of ['a.example', 'b.example']) {
    t.equal((await (await rawClient(port, '/ws/chat', { t, headers: { host } })).next()).data, host)
  }
  t.equal((await answerTo(port, upgrade('/ws/chat', { host: 'c.example' }))).statusCode, 404)
})

t.test("Fastify's own deadlines", async (t) => {
  await t.test('handlerTimeout answers 503 while a hook hangs, and leaves an open socket alone', async (t) => {
    const { port } = await app(t, () => {}, async (ws) => {
      ws.wsView('/hung', { name: 'hung', preHandler: () => {} })
      ws.wsView('/echo', { name: 'echo', messageSchema: Type.Object({}), replySchema: Type.Object({}), onMessage: () => ({}) })
    }, { handlerTimeout: 30 })
    const client = await rawClient(port, '/ws/echo', { t })
    // asked for later, with the same timeout
    const hung = await answerTo(port, upgrade('/ws/hung'))
    t.equal(hung.statusCode, 503)
    client.send('{}')
    t.equal((await client.next()).data, '{}')
    await leave(client)
  })

  await t.test('connectionTimeout does not end an open socket', async (t) => {
    const { port } = await app(t, () => {}, async (ws) => {
      ws.wsView('/echo', { name: 'echo', messageSchema: Type.Object({}), replySchema: Type.Object({}), onMessage: () => ({}) })
    }, { connectionTimeout: 30 })
    const client = await rawClient(port, '/ws/echo', { t })
    // a connection that says nothing is ended after the same time
    const silent = connect(port, '127.0.0.1')
    silent.resume()
    await once(silent, 'close')
    client.send('{}')
    t.equal((await client.next()).data, '{}')
    await leave(client)
  })

  await t.test('onRequestAbort and request.signal tell hooks that the client has left', async (t) => {
    const aborted: string[] = []
    let whenAborted = (): void => {}
    let whenHung = (): void => {}
    const { port } = await app(t, () => {}, async (ws) => {
      ws.addHook('onRequestAbort', async (request) => { aborted.push(`onRequestAbort ${request.url}`); whenAborted() })
      ws.wsView('/hung', {
        name: 'hung',
        preHandler: (request) => {
          request.signal.addEventListener('abort', () => { aborted.push('signal') })
          whenHung()
        }
      })
    }, {}, { handshakeTimeoutMs: 1_000_000 })
    for (const leave of [(tcp: Socket) => tcp.resetAndDestroy(), (tcp: Socket) => tcp.destroy()]) {
      aborted.length = 0
      const tcp = connect(port, '127.0.0.1')
      tcp.write(upgrade('/ws/hung'))
      const done = new Promise<void>((resolve) => { whenAborted = resolve })
      await new Promise<void>((resolve) => { whenHung = resolve })
      leave(tcp)
      await done
      t.strictSame(aborted.sort(), ['onRequestAbort /ws/hung', 'signal'])
    }
  })

  await t.test('onTimeout runs while a hook hangs, and not for an open socket', async (t) => {
    const ran: string[] = []
    let whenRun = (): void => {}
    const { port } = await app(t, () => {}, async (ws) => {
      ws.addHook('onTimeout', async (request) => { ran.push(request.url); whenRun() })
      ws.wsView('/hung', { name: 'hung', preHandler: () => {} })
      ws.wsView('/chat', { name: 'chat' })
    }, { connectionTimeout: 30 })
    const client = await rawClient(port, '/ws/chat', { t })
    const hung = connect(port, '127.0.0.1')
    t.teardown(() => { hung.destroy() })
    const done = new Promise<void>((resolve) => { whenRun = resolve })
    hung.write(upgrade('/ws/hung'))
    await done
    t.strictSame(ran, ['/ws/hung'])
    await leave(client)
  })

  await t.test('onRequestAbort runs at the deadline of the handshake', async (t) => {
    let whenAborted = (): void => {}
    const aborted = new Promise<void>((resolve) => { whenAborted = resolve })
    const { port } = await app(t, () => {}, async (ws) => {
      ws.wsView('/hung', { name: 'hung', preHandler: () => {}, onRequestAbort: async () => { whenAborted() } })
    }, {}, { handshakeTimeoutMs: 20 })
    t.strictSame((await exchange(port, upgrade('/ws/hung'))).answers, [])
    await aborted
  })
})

t.test('the log has one line for a request and one for its end', async (t) => {
  const lines: { msg: string, req?: { url: string }, res?: { statusCode: number }, reqId: string }[] = []
  const { port } = await app(t, () => {}, async (ws) => {
    ws.wsView('/chat', { name: 'chat' })
    ws.wsView('/guarded', { name: 'guarded', onRequest: async (_request, reply) => reply.code(401).send() })
  }, { logger: { level: 'info', stream: { write (line: string) { lines.push(JSON.parse(line)) } } } })
  lines.length = 0
  await leave(await rawClient(port, '/ws/chat', { t, headers: { 'sec-websocket-protocol': 'secret-token' } }))
  await answerTo(port, upgrade('/ws/guarded'))
  const told = lines.filter(({ msg }) => msg === 'incoming request' || msg === 'request completed')
  t.match(told.map(({ msg, req, res }) => [msg, req?.url ?? res?.statusCode]), [
    ['incoming request', '/ws/chat'], ['request completed', 101], ['incoming request', '/ws/guarded'], ['request completed', 401]
  ])
  t.equal(told[0]!.reqId, told[1]!.reqId)
  t.notOk(JSON.stringify(lines).includes('secret-token'), 'the offered subprotocols are not logged')
})

t.test('hooks that @fastify/view and its like rely on: wsUrl is among the locals of a reply', async (t) => {
  const { port } = await startViews(t, async (ws) => {
    ws.wsView('/chat', { name: 'chat', page: (_request, reply) => (reply as FastifyReply & { locals: { wsUrl (name: string): string } }).locals.wsUrl('chat') })
  })
  const answer = await answerTo(port, request('GET', '/ws/chat', { host: 'a.example', connection: 'close' }))
  t.equal(answer.body, 'ws://a.example/ws/chat')
})
