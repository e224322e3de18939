import t from 'tap'
import cookie from '@fastify/cookie'
import session from '@fastify/session'
import { Type } from '@sinclair/typebox'
import wsViews, { defineChannel } from '../lib/index.ts'
import { capturePublishes, createSession, TestBroker, wsConnect } from '../lib/testing/index.ts'
import { buildApp } from './fixtures/server.ts'
import { SerialisingStore } from './fixtures/session.ts'
import { Journal } from './fixtures/waiting.ts'

const secret = 'a secret of more than thirty-two characters'

for (const { name, options, kit } of [
  { name: 'as it is by default', options: {}, kit: {} },
  { name: 'with another cookie', options: { cookieName: 'who', cookiePrefix: 's:' }, kit: { cookieName: 'who', cookiePrefix: 's:' } }
]) {
  t.test(`createSession: a client that has logged in, ${name}`, async (t) => {
    const app = buildApp(t)
    await app.register(cookie)
    const store = new SerialisingStore()
    await app.register(session, { secret, cookie: { secure: false }, store, saveUninitialized: false, ...options })
    app.get('/me', async (request) => ({ user: request.session.user ?? null }))
    await app.register(wsViews, {
      userOf: (request) => request.session.user,
      views: async (ws) => {
        ws.wsView('/who', {
          name: 'who',
          preHandler: async (request, reply) => { if (request.session.user === undefined) await reply.code(401).send() },
          messageSchema: {},
          onMessage (socket) {
            socket.session.count = (socket.session.count ?? 0) + 1
            socket.send({ user: socket.session.user, count: socket.session.count })
          }
        })
      }
    })
    await t.rejects(wsConnect(app, 'who'), { code: 'WSV_ERR_TEST_HANDSHAKE_REFUSED', statusCode: 401 })

    const ada = await createSession(app, { user: 'ada', count: 2 }, kit)
    t.strictSame([...store.texts.keys()], [ada.id], 'it is in the store of the application')
    const client = await wsConnect(app, 'who', { cookies: ada.cookies })
    client.send({})
    t.strictSame(await client.next(), { user: 'ada', count: 3 })
    t.strictSame((await app.inject({ url: '/me', cookies: ada.cookies })).json(), { user: 'ada' })
    await client.close()
    t.strictSame(await ada.read(), { user: 'ada', count: 3 })

    await ada.destroy()
    t.equal(await ada.read(), undefined)
    await t.rejects(wsConnect(app, 'who', { cookies: ada.cookies }), { code: 'WSV_ERR_TEST_HANDSHAKE_REFUSED', statusCode: 401 })
  })
}

t.test('createSession: a session destroyed behind the back of a socket closes it', async (t) => {
  const app = buildApp(t)
  await app.register(cookie)
  await app.register(session, { secret, cookie: { secure: false }, store: new SerialisingStore() })
  await app.register(wsViews, { sessionCheckMs: 20, views: async (ws) => { ws.wsView('/a', { name: 'a' }) } })
  const ada = await createSession(app, { user: 'ada' })
  const client = await wsConnect(app, 'a', { cookies: ada.cookies })
  await ada.destroy()
  t.match(await client.closed, { code: 4401 })
})

t.test('createSession needs the session plugin', async (t) => {
  await t.rejects(createSession(buildApp(t), {}), { code: 'WSV_ERR_TEST_INSTANCE', message: 'createSession needs the instance that @fastify/session is registered on' })
})

t.test('capturePublishes: what was published, as others receive it, and delivered all the same', async (t) => {
  const news = defineChannel('news', Type.Object({ text: Type.String(), list: Type.Array(Type.String()) }))
  const app = buildApp(t)
  await app.register(wsViews, {
    views: async (ws) => {
      ws.wsView('/news', {
        name: 'news',
        onOpen: (socket) => socket.subscribe(news),
        messageSchema: {},
        onMessage: async (socket) => await ws.wsFanout.publish(news, { text: 'others', list: [] }, { except: socket })
      })
    }
  })
  const client = await wsConnect(app, 'news')
  const published = capturePublishes(app)
  const message = { text: 'a', list: ['b'] }
  await app.wsFanout.publish(news, message)
  message.list.push('changed later')
  await app.wsFanout.publish(defineChannel('bytes', {}, { binary: true }), Buffer.from('abc'))
  t.strictSame(await published.next(), { channel: 'news', message: { text: 'a', list: ['b'] } })
  t.strictSame(await published.next(), { channel: 'bytes', message: Buffer.from('abc') })
  t.strictSame(await client.next(), { text: 'a', list: ['b'] })

  const next = published.next()
  client.send({})
  t.match(await next, { channel: 'news', message: { text: 'others' }, except: [...app.wsSockets][0]!.id })
  await t.rejects(app.wsFanout.publish(news, { text: 1 } as never), { code: 'WSV_ERR_CHANNEL_MESSAGE_INVALID' })
  t.equal(published.messages.length, 3, 'what was refused is not published')

  published.stop()
  await app.wsFanout.publish(news, { text: 'unseen', list: [] })
  t.equal(published.messages.length, 3)
  t.match(await client.next(), { text: 'unseen' })
  await client.close()
})

t.test('capturePublishes: each one stops by itself, in any order', async (t) => {
  const app = buildApp(t)
  await app.register(wsViews, {})
  const [first, second] = [capturePublishes(app), capturePublishes(app)]
  first.stop()
  await app.wsFanout.publish('news', 1)
  second.stop()
  await app.wsFanout.publish('news', 2)
  t.strictSame([first.messages.length, second.messages.length], [0, 1])
})

t.test('capturePublishes: next() gives up, and an application without the plugin is refused', async (t) => {
  const app = buildApp(t)
  await app.register(wsViews, {})
  const published = capturePublishes(app, { timeoutMs: 10 })
  await t.rejects(published.next(), { code: 'WSV_ERR_TEST_TIMEOUT', message: 'No published message came within 10 ms' })
  published[Symbol.dispose]()
  t.throws(() => capturePublishes(buildApp(t)), { code: 'WSV_ERR_TEST_INSTANCE' })
})

t.test('TestBroker: each application needs one of its own', async (t) => {
  const broker = new TestBroker()
  await buildApp(t).register(wsViews, { fanout: broker }).ready()
  await t.rejects(async () => { await buildApp(t).register(wsViews, { fanout: broker }).ready() }, {
    code: 'WSV_ERR_TEST_INSTANCE', message: 'TestBroker needs an application of its own'
  })
})

t.test('TestBroker: taken away and back, as Redis can be', async (t) => {
  const broker = new TestBroker()
  const gaps = new Journal<string[]>()
  const app = buildApp(t)
  await app.register(wsViews, {
    fanout: broker,
    views: async (ws) => {
      ws.wsView('/room', {
        name: 'room',
        async onOpen (socket) { await socket.subscribe('room') },
        onGap (_socket, channels) { gaps.add([...channels]) },
        messageSchema: {},
        async onMessage (socket) { socket.send(await ws.wsFanout.publish('room', 'hello').then(() => 'sent', (error: { code: string }) => error.code)) }
      })
    }
  })
  const client = await wsConnect(app, 'room')
  client.send({})
  t.strictSame(new Set([await client.next(), await client.next()]), new Set(['hello', 'sent']))
  t.equal(app.wsFanout.status, 'ready')

  broker.disconnect()
  t.equal(app.wsFanout.status, 'reconnecting')
  client.send({})
  t.equal(await client.next(), 'WSV_ERR_FANOUT_UNAVAILABLE')
  const late = await wsConnect(app, 'room') // it can subscribe meanwhile

  broker.reconnect()
  t.equal(app.wsFanout.status, 'ready')
  t.strictSame(await gaps.until(2), [['room'], ['room']])
  await app.wsFanout.publish('room', 'again')
  t.equal(await client.next(), 'again')
  t.equal(await late.next(), 'again')
  broker.reconnect()
  t.equal(gaps.entries.length, 2, 'nothing was missed')
  await Promise.all([client.close(), late.close()])
})
