import t from 'tap'
import { Type } from '@sinclair/typebox'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { clockMs } from '../lib/clock.ts'
import wsViews, { type WsViewsOptions } from '../lib/index.ts'
import { SessionWatch, type Credentialed } from '../lib/session-watch.ts'
import { Watch } from '../lib/watch.ts'
import { rawClient } from './fixtures/rfc6455.ts'
import { buildApp, listen } from './fixtures/server.ts'
import { logIn, SerialisingStore, withSession } from './fixtures/session.ts'
import { closedBy, deferred, Journal, logger } from './fixtures/waiting.ts'

interface Teardown { teardown (fn: () => unknown): void }

async function start (t: Teardown, options: WsViewsOptions, log = logger()): Promise<{ app: FastifyInstance, port: number, store: SerialisingStore }> {
  const app = buildApp(t, { logger: log.options })
  const store = new SerialisingStore()
  await withSession(app, store)
  await app.register(wsViews, {
    prefix: '/ws',
    sessionCheckMs: 20,
    views: async (ws) => {
      ws.wsView('/echo', { name: 'echo', messageSchema: Type.Unknown(), replySchema: Type.Unknown(), onMessage: (socket, message) => message as object })
    },
    ...options
  })
  return { app, port: await listen(app), store }
}

t.test('the store is asked once for all sockets of a session, checkSession for each of them', async (t) => {
  const asked = new Journal<FastifyRequest>()
  const { app, port, store } = await start(t, { checkSession (request) { asked.add(request); return true } })
  const headers = await logIn(app)
  for (let i = 0; i < 3; i++) await rawClient(port, '/ws/echo', { t, headers })
  // what was asked while the sockets came is over when each has been asked several times
  const before = asked.entries.length
  const { gets } = store
  await asked.until(before + 30)
  t.ok(store.gets - gets <= 11, `${store.gets - gets} questions to the store for 30 to checkSession`)
})

t.test('userOf and checkSession see the session as it is stored now, with the methods and the id of a session', async (t) => {
  const seen = new Journal<unknown>()
  const { app, port, store } = await start(t, {
    userOf: (request) => request.session.get('user'),
    checkSession (request) {
      seen.add({ note: request.session.get('note'), id: request.session.sessionId })
      return true
    }
  })
  const client = await rawClient(port, '/ws/echo', { t, headers: await logIn(app) })
  store.change({ note: 'new' })
  const before = seen.entries.length
  const [, , last] = (await seen.until(before + 3)).slice(before)
  t.strictSame(last, { note: 'new', id: [...store.texts.keys()][0] })
  client.send('"still here"')
  t.equal((await client.next()).data, '"still here"')
  store.change({ user: 'eve' })
  t.strictSame(await client.closed, { code: 4401, reason: 'session_over' })
})

t.test('a checkSession that fails for one socket ends that one with 1012, and no other of its session', async (t) => {
  const { app, port } = await start(t, {
    sessionGraceMs: 60,
    async checkSession (request) {
      if (request.query !== null && 'bad' in (request.query as object)) throw new TypeError('no answer')
      return true
    }
  })
  const headers = await logIn(app)
  const bad = await rawClient(port, '/ws/echo?bad', { t, headers })
  const good = await rawClient(port, '/ws/echo', { t, headers })
  t.strictSame(await bad.closed, { code: 1012, reason: 'session_unknown' })
  good.send('1')
  t.equal((await good.next()).data, '1')
})

t.test('a checkSession that never answers ends its socket with 1012', async (t) => {
  const { app, port } = await start(t, { sessionGraceMs: 60, checkSession: () => new Promise(() => {}) })
  const client = await rawClient(port, '/ws/echo', { t, headers: await logIn(app) })
  t.strictSame(await client.closed, { code: 1012, reason: 'session_unknown' })
})

t.test('a store that never answers is asked once, and its sockets end with 1012', async (t) => {
  const { app, port, store } = await start(t, { sessionGraceMs: 100 })
  const client = await rawClient(port, '/ws/echo', { t, headers: await logIn(app) })
  // a question that is under way is answered
  await store.calls.until(store.calls.entries.length + 2)
  const { gets } = store
  store.gate = new Promise(() => {})
  t.strictSame(await client.closed, { code: 1012, reason: 'session_unknown' })
  t.ok(store.gets - gets <= 1)
})

t.test('a user without a session, in an application that has sessions, is asked for; a visitor is not', async (t) => {
  const asked = new Journal<string>()
  const isOut = new Set<string>()
  const { port } = await start(t, {
    userOf: (request) => request.headers.authorization,
    checkSession (request) {
      asked.add(String(request.headers.authorization))
      return !isOut.has(String(request.headers.authorization))
    }
  })
  const visitor = await rawClient(port, '/ws/echo', { t })
  const user = await rawClient(port, '/ws/echo', { t, headers: { authorization: 'token' } })
  await asked.until(3)
  isOut.add('token')
  t.strictSame(await user.closed, { code: 4401, reason: 'session_over' })
  t.notOk(asked.entries.includes('undefined'))
  visitor.send('1')
  t.equal((await visitor.next()).data, '1')
})

t.test('failures are logged, without the id of the session', async (t) => {
  const log = logger('trace')
  const { app, port, store } = await start(t, { sessionGraceMs: 60 }, log)
  const client = await rawClient(port, '/ws/echo', { t, headers: await logIn(app) })
  store.error = new Error('the store is away')
  // and answered: the line is written in the turn after the close frame
  await closedBy(client)
  const warned = log.lines.entries.filter(({ level }) => level === 40)
  t.match(warned[0], { err: { message: 'the store is away' }, unanswered: 1 })
  const [id] = store.texts.keys()
  for (const line of log.lines.entries) t.notMatch(JSON.stringify(line), id!)
})

// ---------- without a server: the clock is given

class Somebody implements Credentialed {
  readonly request: FastifyRequest
  readonly user = undefined
  readonly sessionGraceMs = 1000
  readonly sessionId: string
  readonly closed: string[] = []
  constructor (sessionId: string, sessionStore: object) {
    this.sessionId = sessionId
    const session = { sessionId, encryptedSessionId: `${sessionId}.signed`, isSaved: () => true }
    this.request = { session, sessionStore } as unknown as FastifyRequest
  }

  isSameUser (): boolean { return true }
  close (code: number): void { this.closed.push(String(code)) }
}

const silent = { warn () {} }

t.test('the questions are spread over sessionCheckMs', async (t) => {
  const store = new SerialisingStore()
  const watch = new SessionWatch(new Watch(), { sessionCheckMs: 1000, checkSession: undefined }, silent)
  const now = clockMs()
  const all = Array.from({ length: 1000 }, (_, i) => new Somebody(`session ${i}`, store))
  const standings = all.map((socket) => watch.add(socket)!)
  for (const [after, least, most] of [[250, 150, 350], [500, 150, 350], [750, 150, 350], [1100, 150, 350], [1200, 0, 0]] as const) {
    const { gets } = store
    t.equal(watch.tick(now + after), true)
    t.ok(store.gets - gets >= least && store.gets - gets <= most, `${store.gets - gets} until ${after} ms`)
  }
  for (const standing of standings) watch.delete(standing)
  t.equal(watch.tick(now + 9000), false, 'nobody is left')
  await store.calls.until(2000)
})

t.test('the grace begins anew with every good answer', async (t) => {
  const store = new SerialisingStore()
  store.texts.set('a', '{}')
  const watch = new SessionWatch(new Watch(), { sessionCheckMs: 100, checkSession: undefined }, silent)
  const socket = new Somebody('a', store)
  const begin = clockMs()
  const standing = watch.add(socket)!
  /** one tick, and the answer that it asked for */
  const tick = async (after: number): Promise<void> => {
    const answered = store.calls.entries.length + 2
    watch.tick(begin + after)
    await store.calls.until(answered)
    await new Promise((resolve) => setImmediate(resolve))
  }
  store.error = new Error('away')
  for (let after = 100; after <= 900; after += 100) await tick(after)
  t.strictSame(socket.closed, [])
  store.error = undefined
  await tick(1000)
  store.error = new Error('away')
  for (let after = 1100; after <= 1900; after += 100) await tick(after)
  t.strictSame(socket.closed, [], 'away for longer than the grace, but not in one go')
  await tick(2001)
  t.equal(socket.closed[0], '1012')
  watch.delete(standing)
})

t.test('a store that answers late is heard', async (t) => {
  const store = new SerialisingStore()
  store.texts.set('a', '{}')
  const gate = deferred()
  store.gate = gate.promise
  const watch = new SessionWatch(new Watch(), { sessionCheckMs: 100, checkSession: undefined }, silent)
  const socket = new Somebody('a', store)
  const begin = clockMs()
  const standing = watch.add(socket)!
  for (const after of [101, 202, 303, 999]) watch.tick(begin + after)
  t.equal(store.gets, 1, 'no second question before the answer to the first')
  store.texts.clear()
  gate.resolve()
  await store.calls.until(2)
  await new Promise((resolve) => setImmediate(resolve))
  t.strictSame(socket.closed, ['4401'])
  watch.delete(standing)
})
