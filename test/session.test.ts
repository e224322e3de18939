import t from 'tap'
import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import wsViews, { type WsViews, type WsViewsOptions } from '../lib/index.ts'
import { rawClient } from './fixtures/rfc6455.ts'
import { buildApp, listen } from './fixtures/server.ts'
import { logIn, SerialisingStore, withSession } from './fixtures/session.ts'

const Do = Type.Object({ do: Type.String() })
const Done = Type.Unknown()

interface Teardown { teardown (fn: () => unknown): void }
interface Started { app: FastifyInstance, port: number, store: SerialisingStore, headers: { cookie: string } }

async function start (t: Teardown, views: WsViews, options: WsViewsOptions = {}): Promise<Started> {
  const app = buildApp(t)
  const store = new SerialisingStore()
  await withSession(app, store)
  await app.register(wsViews, { prefix: '/ws', views, ...options })
  const port = await listen(app)
  return { app, port, store, headers: await logIn(app) }
}

/** A view that does what the message says with its session. */
const doer: WsViews = async (ws) => {
  ws.wsView('/do', {
    name: 'do',
    messageSchema: Do,
    replySchema: Done,
    async onMessage (socket, message) {
      const { session } = socket
      if (message.do === 'count') session.count = (session.count ?? 0) + 1
      if (message.do === 'deep') (session.cart ??= { items: [] }).items.push('tea')
      if (message.do === 'forget') delete session.note
      if (message.do === 'destroy') await session.destroy()
      if (message.do === 'regenerate') await session.regenerate()
      if (message.do === 'read') return { user: session.user, count: session.count ?? 0 }
      if (message.do === 'throw') {
        session.count = 99
        throw new TypeError('the handler broke')
      }
      return { did: message.do }
    }
  })
  ws.wsView('/idle', { name: 'idle', messageSchema: Do, replySchema: Done, onMessage: () => ({ idle: true }) })
}

t.test('what a handler changes in the session is stored before its reply is sent', async (t) => {
  const { port, store, headers } = await start(t, doer)
  const client = await rawClient(port, '/ws/do', { t, headers })
  client.send('{"do":"count"}')
  await client.next()
  t.match(store.only, { user: 'ada', count: 1 })
  client.send('{"do":"deep"}')
  await client.next()
  t.match(store.only, { user: 'ada', count: 1, cart: { items: ['tea'] } })
})

t.test('only the keys that changed are written: what HTTP wrote meanwhile stays, and nothing is prolonged', async (t) => {
  const { port, store, headers } = await start(t, doer)
  const client = await rawClient(port, '/ws/do', { t, headers })
  const { cookie } = store.only
  store.change({ note: 'written by a request', cookie: { ...cookie as object, expires: new Date(Date.now() + 30_000).toISOString() } })
  const before = store.only.cookie
  client.send('{"do":"count"}')
  await client.next()
  t.match(store.only, { count: 1, note: 'written by a request' })
  t.strictSame(store.only.cookie, before)
})

t.test('a key that a handler deletes is deleted', async (t) => {
  const { app, port, store, headers } = await start(t, doer)
  store.change({ note: 'old' })
  t.ok(app)
  const client = await rawClient(port, '/ws/do', { t, headers })
  client.send('{"do":"forget"}')
  await client.next()
  t.notOk('note' in store.only)
  t.equal(store.only.user, 'ada')
})

t.test('a handler that does not ask for the session costs no question and no write', async (t) => {
  const { port, store, headers } = await start(t, doer)
  const client = await rawClient(port, '/ws/idle', { t, headers })
  const { gets, sets } = store
  client.send('{"do":"x"}')
  await client.next()
  t.strictSame([store.gets, store.sets], [gets, sets])
})

t.test('a handler that only reads writes nothing', async (t) => {
  const { port, store, headers } = await start(t, doer)
  const client = await rawClient(port, '/ws/do', { t, headers })
  const { sets } = store
  client.send('{"do":"read"}')
  t.match(JSON.parse((await client.next()).data as string), { user: 'ada', count: 0 })
  t.equal(store.sets, sets)
})

t.test('a session that is gone is not revived: 4401 and nothing is written', async (t) => {
  const { port, store, headers } = await start(t, doer)
  const client = await rawClient(port, '/ws/do', { t, headers })
  store.texts.clear()
  client.send('{"do":"count"}')
  t.strictSame(await client.closed, { code: 4401, reason: 'session_over' })
  t.equal(store.texts.size, 0)
})

t.test('a session that has become another user\'s is not written', async (t) => {
  const { port, store, headers } = await start(t, doer, { userOf: (request) => request.session.user })
  const client = await rawClient(port, '/ws/do', { t, headers })
  store.change({ user: 'eve' })
  client.send('{"do":"count"}')
  t.strictSame(await client.closed, { code: 4401, reason: 'session_over' })
  t.notOk('count' in store.only)
})

t.test('what a handler changed before it threw is stored too', async (t) => {
  const { port, store, headers } = await start(t, doer)
  const client = await rawClient(port, '/ws/do', { t, headers })
  client.send('{"do":"throw"}')
  t.match(await client.closed, { code: 1011 })
  t.match(store.only, { count: 99 })
})

t.test('a store that fails to save ends the socket as a failing handler does', async (t) => {
  const { port, store, headers } = await start(t, doer)
  const client = await rawClient(port, '/ws/do', { t, headers })
  store.error = new Error('the store is away')
  client.send('{"do":"count"}')
  t.match(await client.closed, { code: 1011 })
})

t.test('regenerate is refused on a socket, destroy logs out and closes all sockets of the session', async (t) => {
  const { port, store, headers } = await start(t, doer, {
    onHandlerError: (error, socket) => {
      socket.send({ refused: (error as { code: string }).code })
      return true
    }
  })
  const one = await rawClient(port, '/ws/do', { t, headers })
  const two = await rawClient(port, '/ws/idle', { t, headers })
  one.send('{"do":"regenerate"}')
  t.strictSame(JSON.parse((await one.next()).data as string), { refused: 'WSV_ERR_SESSION_ON_SOCKET' })
  one.send('{"do":"destroy"}')
  t.strictSame(await one.closed, { code: 4401, reason: 'session_over' })
  t.strictSame(await two.closed, { code: 4401, reason: 'session_over' })
  t.equal(store.texts.size, 0)
})

for (const path of ['/logout', '/regenerate']) {
  t.test(`an HTTP request to ${path} closes the sockets of the session it came with, and no others`, async (t) => {
    const { app, port, headers } = await start(t, doer)
    const client = await rawClient(port, '/ws/idle', { t, headers })
    const other = await rawClient(port, '/ws/idle', { t, headers: await logIn(app) })
    await app.inject({ url: path, headers })
    t.strictSame(await client.closed, { code: 4401, reason: 'session_over' })
    other.send('{"do":"x"}')
    t.match((await other.next()).data, 'idle')
  })
}

t.test('onOpen, an owning handler at each step, and onClose save too', async (t) => {
  const ended = new Promise<void>((resolve) => {
    t.context = resolve
  })
  const { port, store, headers } = await start(t, async (ws) => {
    ws.wsView('/own', { name: 'own', messageSchema: Do, replySchema: Done }, async (socket) => {
      socket.session.note = 'opened'
      for await (const message of socket) {
        socket.session.count = (socket.session.count ?? 0) + 1
        socket.send({ did: message.do })
      }
    })
    ws.wsView('/open', {
      name: 'open',
      replySchema: Done,
      async onOpen (socket) {
        socket.session.note = 'onOpen'
        socket.send({})
      },
      onClose (socket) {
        socket.session.note = 'onClose'
        socket.closed.then(() => { (t.context as () => void)() })
      }
    })
  })
  const own = await rawClient(port, '/ws/own', { t, headers })
  own.send('{"do":"a"}')
  own.send('{"do":"b"}')
  await own.next()
  await own.next()
  t.match(store.only, { note: 'opened' })
  own.sendClose(1000)
  await own.ended

  const open = await rawClient(port, '/ws/open', { t, headers })
  await open.next()
  open.sendClose(1000)
  await ended
  t.match(store.only, { note: 'onClose', count: 2 })
})

// ---------- checking

const often = { sessionCheckMs: 20 }

t.test('a session that is deleted behind our back ends its sockets within the check interval', async (t) => {
  const { port, store, headers } = await start(t, doer, often)
  const one = await rawClient(port, '/ws/idle', { t, headers })
  const two = await rawClient(port, '/ws/idle', { t, headers })
  store.texts.clear()
  t.strictSame(await one.closed, { code: 4401, reason: 'session_over' })
  t.strictSame(await two.closed, { code: 4401, reason: 'session_over' })
})

t.test('a session that has expired, as it is stored now, ends its sockets', async (t) => {
  const { port, store, headers } = await start(t, doer, often)
  const client = await rawClient(port, '/ws/idle', { t, headers })
  store.change({ cookie: { ...store.only.cookie as object, expires: new Date(Date.now() - 1000).toISOString() } })
  t.strictSame(await client.closed, { code: 4401, reason: 'session_over' })
})

t.test('a session that has become another user\'s ends the socket', async (t) => {
  const { port, store, headers } = await start(t, doer, { ...often, userOf: async (request) => request.session.user })
  const client = await rawClient(port, '/ws/idle', { t, headers })
  store.change({ user: 'eve' })
  t.strictSame(await client.closed, { code: 4401, reason: 'session_over' })
})

t.test('a visitor whose session was never stored is left alone', async (t) => {
  const { port, store, headers } = await start(t, doer, often)
  const visitor = await rawClient(port, '/ws/idle', { t })
  const known = await rawClient(port, '/ws/idle', { t, headers })
  const before = store.gets
  // the known one has been asked for three times, the visitor had its turns
  while (store.gets < before + 3) {
    known.ping('x')
    await known.nextPong()
  }
  visitor.send('{"do":"x"}')
  t.match((await visitor.next()).data, 'idle')
})

t.test('a store that fails closes nobody before sessionGraceMs, then 1012', async (t) => {
  const { port, store, headers } = await start(t, doer, { ...often, sessionGraceMs: 300 })
  const client = await rawClient(port, '/ws/idle', { t, headers })
  const { gets } = store
  store.error = new Error('the store is away')
  t.strictSame(await client.closed, { code: 1012, reason: 'session_unknown' })
  t.ok(store.gets - gets >= 2, 'it was asked again')
})

t.test('checkSession decides without a session plugin, and with the session as it is stored now', async (t) => {
  const app = buildApp(t)
  let isAllowed = true
  await app.register(wsViews, { prefix: '/ws', views: doer, ...often, checkSession: async () => isAllowed })
  const port = await listen(app)
  const client = await rawClient(port, '/ws/idle', { t })
  isAllowed = false
  t.strictSame(await client.closed, { code: 4401, reason: 'session_over' })

  const { store, port: port2, headers } = await start(t, doer, { ...often, checkSession: (request) => request.session.note !== 'banned' })
  const second = await rawClient(port2, '/ws/idle', { t, headers })
  store.change({ note: 'banned' })
  t.strictSame(await second.closed, { code: 4401, reason: 'session_over' })
})
