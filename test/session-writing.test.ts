import t from 'tap'
import session from '@fastify/session'
import cookie from '@fastify/cookie'
import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import wsViews, { select, ValidationError, type WsSocket, type WsViews, type WsViewsOptions } from '../lib/index.ts'
import { createSession, TestBroker, wsConnect } from '../lib/testing/index.ts'
import { rawClient, type RawClient } from './fixtures/rfc6455.ts'
import { buildApp, listen } from './fixtures/server.ts'
import { logIn, SerialisingStore, withSession } from './fixtures/session.ts'
import { closedBy, deferred, logger } from './fixtures/waiting.ts'

const Do = Type.Object({ do: Type.String() })
const Done = Type.Unknown()

interface Teardown { teardown (fn: () => unknown): void }
interface Started { app: FastifyInstance, port: number, store: SerialisingStore, open (path: string): Promise<RawClient> }

async function start (t: Teardown, views: WsViews, options: WsViewsOptions = {}, log = logger()): Promise<Started> {
  const app = buildApp(t, { logger: log.options })
  const store = new SerialisingStore()
  await withSession(app, store)
  await app.register(wsViews, { prefix: '/ws', views, ...options })
  const port = await listen(app)
  const headers = await logIn(app)
  return { app, port, store, open: (path) => rawClient(port, path, { t, headers }) }
}

async function ask (client: RawClient, what: string): Promise<Record<string, unknown>> {
  client.send(JSON.stringify({ do: what }))
  return JSON.parse((await client.next()).data as string) as Record<string, unknown>
}

t.test('a session that a handler has kept is saved after every handler that uses it', async (t) => {
  const { store, open } = await start(t, async (ws) => {
    ws.wsView('/own', { name: 'own', messageSchema: Do, replySchema: Done }, async (socket) => {
      const { session } = socket
      for await (const message of socket) {
        // the step before this one has been saved
        socket.send({ did: message.do, stored: store.only.count })
        session.count = (session.count ?? 0) + 1
      }
    })
    const kept: { session?: { note?: string } } = {}
    ws.wsView('/kept', {
      name: 'kept',
      messageSchema: Do,
      replySchema: Done,
      onOpen (socket) { kept.session = socket.session },
      onMessage (socket, message) {
        kept.session!.note = message.do
        return {}
      }
    })
  })
  const own = await open('/ws/own')
  t.strictSame(await ask(own, 'a'), { did: 'a' })
  t.strictSame(await ask(own, 'b'), { did: 'b', stored: 1 })
  t.strictSame(await ask(own, 'c'), { did: 'c', stored: 2 })

  const kept = await open('/ws/kept')
  await ask(kept, 'x')
  t.equal(store.only.note, 'x')
  await ask(kept, 'y')
  t.equal(store.only.note, 'y')
})

t.test('a handler that does not look at the session costs no comparison, also where another one has', async (t) => {
  let compared = 0
  const { open } = await start(t, async (ws) => {
    ws.wsView('/view', {
      name: 'view',
      messageSchema: Do,
      replySchema: Done,
      onOpen (socket) {
        socket.session.cart = { items: [], toJSON () { compared++; return {} } } as never
      },
      onMessage (socket, message) {
        if (message.do === 'look') return { user: socket.session.user }
        return { compared }
      }
    })
  })
  const client = await open('/ws/view')
  const { compared: before } = await ask(client, 'x')
  t.not(before, 0)
  t.equal((await ask(client, 'x')).compared, before)
  t.strictSame(await ask(client, 'look'), { user: 'ada' })
  t.not((await ask(client, 'x')).compared, before)
})

t.test('what steps of the form and preMessage change is saved, whether the message goes on or not', async (t) => {
  const { store, open } = await start(t, async (ws) => {
    ws.wsView('/form', {
      name: 'form',
      messageSchema: Do,
      replySchema: Done,
      clean (message, form) {
        const { session } = form.socket as unknown as { session: { note: string } }
        session.note = `cleaned ${message.do}`
        if (message.do === 'unclean') throw new ValidationError('No.')
      },
      preMessage (socket, message) {
        socket.session.count = message.do.length
        if (message.do === 'forbidden') throw new ValidationError('No.')
      },
      onMessage: () => ({ done: true })
    })
  })
  const client = await open('/ws/form')
  t.strictSame(await ask(client, 'good'), { done: true })
  t.match(store.only, { note: 'cleaned good', count: 4 })
  for (const [what, stored] of [['forbidden', { note: 'cleaned forbidden', count: 9 }], ['unclean', { note: 'cleaned unclean', count: 9 }]] as const) {
    const before = store.calls.entries.length
    t.match(await ask(client, what), { type: 'error' })
    // the reply to a message that is refused does not wait for its save
    t.strictSame((await store.calls.until(before + 4)).slice(before), ['get', 'got', 'set', 'done'])
    t.match(store.only, stored)
  }
})

t.test('a step that closes the socket: what it has put into the session is saved', async (t) => {
  const { store, open } = await start(t, async (ws) => {
    const strike = (socket: WsSocket<any, any, any>, message: { do?: string }): void => {
      socket.session.note = message.do!
      socket.close(4000, 'a strike')
    }
    const handled = { messageSchema: Do, replySchema: Done, onMessage: () => ({ done: true }) }
    ws.wsView('/preMessage', { ...handled, name: 'preMessage', preMessage: strike })
    ws.wsView('/clean', { ...handled, name: 'clean', clean: (message, form) => { strike(form.socket!, message) } })
  })
  for (const step of ['preMessage', 'clean']) {
    const client = await open(`/ws/${step}`)
    const before = store.calls.entries.length
    client.send(JSON.stringify({ do: step }))
    t.strictSame(await closedBy(client), { code: 4000, reason: 'a strike' })
    await store.calls.until(before + 4) // get, got, set, done
    t.match(store.only, { note: step })
  }
})

t.test('several handlers at once: what one changes deep inside is saved, although another has saved meanwhile', async (t) => {
  const gate = deferred()
  const { store, open } = await start(t, async (ws) => {
    ws.wsView('/two', {
      name: 'two',
      concurrency: 2,
      messageSchema: Do,
      replySchema: Done,
      async onMessage (socket, message) {
        const cart = (socket.session.cart ??= { items: [] })
        if (message.do === 'slow') {
          await gate.promise
          cart.items.push('late')
        }
        return { did: message.do }
      }
    })
  })
  const client = await open('/ws/two')
  client.send(JSON.stringify({ do: 'slow' }))
  t.strictSame(await ask(client, 'quick'), { did: 'quick' })
  t.match(store.only, { cart: { items: [] } })
  gate.resolve()
  t.match(JSON.parse((await client.next()).data as string), { did: 'slow' })
  t.match(store.only, { cart: { items: ['late'] } })
  const { sets, gets } = store
  await ask(client, 'quick')
  t.strictSame([store.sets, store.gets], [sets, gets], 'once it is saved, it is')
})

t.test('a ValidationError of a handler: what it changed before is stored when the error reply comes', async (t) => {
  const { store, open } = await start(t, async (ws) => {
    ws.wsView('/try', {
      name: 'try',
      messageSchema: Do,
      replySchema: Done,
      onMessage (socket) {
        socket.session.count = (socket.session.count ?? 0) + 1
        throw new ValidationError('Wrong password.', { code: 'password' })
      }
    })
  })
  const client = await open('/ws/try')
  for (const count of [1, 2]) {
    t.match(await ask(client, 'x'), { type: 'error', errors: { __all__: [{ code: 'password' }] } })
    t.equal(store.only.count, count)
  }
})

t.test('select: each step saves, whichever source began it', async (t) => {
  const { app, store, open } = await start(t, async (ws) => {
    ws.wsView('/feed', { name: 'feed', messageSchema: Do, replySchema: Done }, async function (socket) {
      const feed = await this.wsFanout.subscribe('feed', { signal: socket.signal })
      socket.send({ ready: true })
      for await (const [source] of select({ client: socket, feed })) {
        if (source === 'feed') socket.session.note = 'from the feed'
        else socket.session.count = 7
      }
    })
  })
  const client = await open('/ws/feed')
  await client.next()
  const before = store.calls.entries.length
  await app.wsFanout.publish('feed', {})
  await store.calls.until(before + 4)
  t.match(store.only, { note: 'from the feed' })
  client.send('{"do":"x"}')
  await store.calls.until(before + 8)
  t.match(store.only, { note: 'from the feed', count: 7 })
})

t.test('select: a store that fails ends the socket with 1011', async (t) => {
  const { app, store, open } = await start(t, async (ws) => {
    ws.wsView('/feed', { name: 'feed', messageSchema: Do, replySchema: Done }, async function (socket) {
      const feed = await this.wsFanout.subscribe('feed', { signal: socket.signal })
      socket.send({ ready: true })
      for await (const [source] of select({ client: socket, feed })) socket.session.note = source
    })
  })
  const client = await open('/ws/feed')
  await client.next()
  store.error = new Error('the store is away')
  await app.wsFanout.publish('feed', {})
  t.match(await client.closed, { code: 1011 })
})

t.test('the saves of a socket follow one another, and both keys are there in the end', async (t) => {
  const second = deferred()
  const { store, open } = await start(t, async (ws) => {
    ws.wsView('/both', {
      name: 'both',
      messageSchema: Do,
      replySchema: Done,
      concurrency: 2,
      onMessage (socket, message) {
        if (message.do === 'note') {
          socket.session.note = 'mine'
        } else {
          socket.session.count = 3
          second.resolve()
        }
        return { did: message.do }
      }
    })
  })
  const client = await open('/ws/both')
  const before = store.calls.entries.length
  const gate = deferred()
  store.gate = gate.promise
  client.send('{"do":"note"}')
  await store.calls.until(before + 1)
  client.send('{"do":"count"}')
  await second.promise
  t.strictSame(store.calls.entries.slice(before), ['get'])
  gate.resolve()
  await client.next()
  await client.next()
  t.strictSame(store.calls.entries.slice(before), ['get', 'got', 'set', 'done', 'get', 'got', 'set', 'done'])
  t.match(store.only, { note: 'mine', count: 3 })
})

t.test('a save that failed is tried again with the next one', async (t) => {
  const { store, open } = await start(t, async (ws) => {
    ws.wsView('/again', {
      name: 'again',
      messageSchema: Do,
      replySchema: Done,
      onMessage (socket, message) {
        if (message.do === 'note') socket.session.note = 'kept'
        else socket.session.count = 1
        return { did: message.do }
      }
    })
  }, { onHandlerError: (error, socket) => { socket.send({ failed: (error as Error).message }); return true } })
  const client = await open('/ws/again')
  const { set } = store
  store.set = (id, session, callback) => { callback(new Error('away')) }
  t.strictSame(await ask(client, 'note'), { failed: 'away' })
  store.set = set
  t.strictSame(await ask(client, 'count'), { did: 'count' })
  t.match(store.only, { note: 'kept', count: 1 })
})

t.test('session.save, reload, isModified and touch, with promises and with callbacks', async (t) => {
  const { store, open } = await start(t, async (ws) => {
    ws.wsView('/methods', {
      name: 'methods',
      messageSchema: Do,
      replySchema: Done,
      async onMessage (socket, message) {
        const { session } = socket
        if (message.do === 'reload') {
          await session.reload()
          return { note: session.note, count: session.count, user: session.user }
        }
        if (message.do === 'callback') {
          session.note = 'by callback'
          const modified = [session.isModified()]
          await new Promise<void>((resolve) => session.save(() => { resolve() }))
          modified.push(session.isModified())
          return { modified, stored: store.only.note }
        }
        session.touch()
        session.set('count', 5)
        await session.save()
        return { stored: store.only.count, got: session.get('count'), id: session.sessionId === socket.request.session.sessionId }
      }
    })
  })
  const client = await open('/ws/methods')
  const { cookie } = store.only
  t.strictSame(await ask(client, 'set'), { stored: 5, got: 5, id: true })
  store.change({ note: 'by a request', count: 6 })
  t.strictSame(await ask(client, 'reload'), { note: 'by a request', count: 6, user: 'ada' })
  t.strictSame(await ask(client, 'callback'), { modified: [true, false], stored: 'by callback' })
  t.strictSame(store.only.cookie, cookie, 'no save and no touch has prolonged it')
  store.texts.clear()
  client.send('{"do":"reload"}')
  t.strictSame(await client.closed, { code: 4401, reason: 'session_over' })
})

t.test('a destroy that the store refuses is the handler\'s error, and ends no session', async (t) => {
  const { store, open } = await start(t, async (ws) => {
    ws.wsView('/out', {
      name: 'out',
      messageSchema: Do,
      replySchema: Done,
      async onMessage (socket) {
        await socket.session.destroy()
      }
    })
  }, { onHandlerError: (error, socket) => { socket.send({ failed: (error as Error).message }); return true } })
  const client = await open('/ws/out')
  store.error = new Error('away')
  t.strictSame(await ask(client, 'out'), { failed: 'away' })
  store.error = undefined
  t.equal(store.texts.size, 1)
  client.send('{"do":"out"}')
  t.strictSame(await client.closed, { code: 4401, reason: 'session_over' })
  t.equal(store.texts.size, 0)
})

t.test('onOpen: a store that fails to save is logged and closes with 1011, also where onOpen has thrown', async (t) => {
  for (const isThrowing of [false, true]) {
    const log = logger()
    const { store, open } = await start(t, async (ws) => {
      ws.wsView('/open', {
        name: 'open',
        replySchema: Done,
        async onOpen (socket) {
          socket.session.note = 'never stored'
          store.error = new Error('away')
          if (isThrowing) throw new ValidationError('No.')
        }
      })
    }, {}, log)
    const client = await open('/ws/open')
    t.match(await client.closed, { code: 1011 })
    t.ok(log.lines.entries.some(({ level, err }) => level === 50 && err?.message === 'away'))
    t.equal(log.lines.entries.some(({ level, err }) => level === 50 && err?.message === 'No.'), isThrowing)
  }
})

t.test('onClose is waited for until its save is done', async (t) => {
  const { app, store, open } = await start(t, async (ws) => {
    ws.wsView('/end', { name: 'end', replySchema: Done, onClose (socket) { socket.session.note = 'gone' } })
  })
  const client = await open('/ws/end')
  const [socket] = [...app.wsSockets]
  const gate = deferred()
  store.gate = gate.promise
  const before = store.calls.entries.length
  client.sendClose(1000)
  await client.ended
  await store.calls.until(before + 1)
  t.equal(app.wsSockets.count, 1)
  gate.resolve()
  await socket!.closed
  t.equal(store.only.note, 'gone')
  t.equal(app.wsSockets.count, 0)
})

t.test('a visitor whose session is not stored cannot make one on a socket: 4401, nothing is written', async (t) => {
  const { port, store } = await start(t, async (ws) => {
    ws.wsView('/note', {
      name: 'note', messageSchema: Do, replySchema: Done, onMessage (socket) { socket.session.note = 'x' }
    })
  })
  const visitor = await rawClient(port, '/ws/note', { t })
  const { sets } = store
  visitor.send('{"do":"x"}')
  t.strictSame(await visitor.closed, { code: 4401, reason: 'session_over' })
  t.equal(store.sets, sets)
})

t.test('what JSON cannot say does not stop a handler from using the session', async (t) => {
  const app = buildApp(t)
  await app.register(cookie)
  await app.register(session, { secret: 'a secret with at least thirty-two characters', cookie: { secure: false } })
  const cycle: Record<string, unknown> = {}
  cycle.self = cycle
  app.get('/login', async (request) => { Object.assign(request.session, { user: 'ada', cycle, big: 5n }) })
  await app.register(wsViews, {
    prefix: '/ws',
    views: async (ws) => {
      ws.wsView('/user', {
        name: 'user',
        messageSchema: Do,
        replySchema: Done,
        onMessage (socket) {
          socket.session.count = (socket.session.count ?? 0) + 1
          return { user: socket.session.user, count: socket.session.count }
        }
      })
    }
  })
  const port = await listen(app)
  const client = await rawClient(port, '/ws/user', { t, headers: await logIn(app) })
  t.strictSame(await ask(client, 'x'), { user: 'ada', count: 1 })
  t.strictSame(await ask(client, 'x'), { user: 'ada', count: 2 })
})

t.test('socket.session without a session plugin, with one that has no store, and where the cookie has another path', async (t) => {
  const seen: WsViews = async (ws) => {
    ws.wsView('/seen', {
      name: 'seen',
      messageSchema: Do,
      replySchema: Done,
      onMessage (socket) {
        const { session } = socket as { session: { user?: string, note?: string } | undefined }
        if (session !== undefined) session.note = 'x'
        return { session, isSame: session === (socket.request as { session?: unknown }).session }
      }
    })
  }
  const none = buildApp(t)
  await none.register(wsViews, { prefix: '/ws', views: seen })
  t.strictSame(await ask(await rawClient(await listen(none), '/ws/seen', { t }), 'x'), { isSame: true })

  // as @fastify/secure-session: the whole session is in the cookie
  const stateless = buildApp(t)
  stateless.decorateRequest('session', undefined as never)
  stateless.addHook('onRequest', async (request) => { request.session = { user: 'ada' } as never })
  await stateless.register(wsViews, { prefix: '/ws', views: seen })
  const client = await rawClient(await listen(stateless), '/ws/seen', { t })
  t.strictSame(await ask(client, 'x'), { session: { user: 'ada', note: 'x' }, isSame: true })
  t.strictSame(await ask(client, 'x'), { session: { user: 'ada', note: 'x' }, isSame: true })

  const store = new SerialisingStore()
  const elsewhere = buildApp(t)
  await elsewhere.register(cookie)
  await elsewhere.register(session, {
    secret: 'a secret with at least thirty-two characters', store: store as never, cookie: { secure: false, path: '/elsewhere' }
  })
  await elsewhere.register(wsViews, { prefix: '/ws', views: seen })
  t.strictSame(await ask(await rawClient(await listen(elsewhere), '/ws/seen', { t }), 'x'), { session: { note: 'x' }, isSame: true })
  t.equal(store.sets, 0)
})

t.test('what onGap puts into the session is saved', async (t) => {
  const app = buildApp(t)
  const store = new SerialisingStore()
  await withSession(app, store)
  const broker = new TestBroker()
  await app.register(wsViews, {
    fanout: broker,
    views: async (ws) => {
      ws.wsView('/a', {
        name: 'a',
        onOpen: (socket) => socket.subscribe('news'),
        onGap (socket, channels) {
          socket.session.note = channels.join()
          socket.send('missed')
        }
      })
    }
  })
  const ada = await createSession(app, { user: 'ada' })
  const client = await wsConnect(app, '/a', { cookies: ada.cookies })
  await app.wsFanout.publish('news', 'it is subscribed')
  await client.next()
  const saved = store.calls.until(store.calls.entries.length + 4) // get, got, set, done
  broker.disconnect()
  broker.reconnect()
  t.equal(await client.next(), 'missed')
  await saved
  t.match(await ada.read(), { user: 'ada', note: 'news' })
  await client.close()
})
