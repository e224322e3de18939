import { createHash } from 'node:crypto'
import t from 'tap'
import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import wsViews, { type WsViewsOptions } from '../lib/index.ts'
import { redisCommand, startRedis, type RedisServer } from './fixtures/redis.ts'
import { rawClient } from './fixtures/rfc6455.ts'
import { buildApp, listen } from './fixtures/server.ts'
import { logIn, SerialisingStore, withSession } from './fixtures/session.ts'

interface Teardown { teardown (fn: () => unknown): void }

/** Two servers of one application: they share Redis and the session store. */
async function startTwo (t: Teardown, options: WsViewsOptions = {}): Promise<{ redis: RedisServer, store: SerialisingStore, apps: FastifyInstance[], ports: number[] }> {
  const redis = await startRedis(t)
  const store = new SerialisingStore()
  const apps = await Promise.all([0, 1].map(async () => {
    const app = buildApp(t)
    await withSession(app, store)
    await app.register(wsViews, {
      prefix: '/ws',
      redis: { port: redis.port, retryStrategy: () => 20 },
      fanout: { channelPrefix: 'test:' },
      userOf: (request) => request.session.user,
      views: async (ws) => {
        ws.wsView('/echo', { name: 'echo', messageSchema: Type.Unknown(), replySchema: Type.Unknown(), onMessage: (socket, message) => message as object })
      },
      ...options
    })
    return app
  }))
  return { redis, store, apps, ports: await Promise.all(apps.map(listen)) }
}

t.test('wsSockets.close reaches the sockets of every process, by user, by session, by id and by view', async (t) => {
  const { apps, ports } = await startTwo(t)
  const ada = await logIn(apps[0]!)
  const open = (i: number): ReturnType<typeof rawClient> => rawClient(ports[i]!, '/ws/echo', { t, headers: ada })

  const byUser = await Promise.all([open(0), open(1)])
  await apps[0]!.wsSockets.close({ user: 'ada' })
  for (const client of byUser) t.strictSame(await client.closed, { code: 4401, reason: '' })

  const bySession = await open(1)
  const sessionId = [...apps[1]!.wsSockets].at(-1)!.request.session.sessionId
  await apps[0]!.wsSockets.close({ sessionId }, 4401, 'signed_out')
  t.strictSame(await bySession.closed, { code: 4401, reason: 'signed_out' })

  const byId = await open(1)
  const other = await open(1)
  await apps[0]!.wsSockets.close({ id: [...apps[1]!.wsSockets].at(-2)!.id })
  t.strictSame(await byId.closed, { code: 1000, reason: '' })
  other.send('{}')
  t.equal((await other.next()).data, '{}')

  await apps[0]!.wsSockets.close({ view: 'echo' }, 1012)
  t.strictSame(await other.closed, { code: 1012, reason: '' })
})

t.test('a function closes in its own process only', async (t) => {
  const { apps, ports } = await startTwo(t)
  const [here, there] = await Promise.all(ports.map((port) => rawClient(port, '/ws/echo', { t })))
  await apps[0]!.wsSockets.close(() => true)
  t.match(await here!.closed, { code: 1000 })
  there!.send('{}')
  t.equal((await there!.next()).data, '{}')
})

t.test('users and sessions go over the wire as SHA-256, on the control channel with the prefix', async (t) => {
  const { redis, apps } = await startTwo(t)
  const seen: string[] = []
  const { Redis } = await import('ioredis')
  const spy = new Redis({ port: redis.port })
  t.teardown(() => spy.quit())
  await spy.subscribe('test:wsv:control:1')
  const heard = new Promise<void>((resolve) => spy.on('message', (channel, text) => { seen.push(text); resolve() }))
  await apps[0]!.wsSockets.close({ user: 'ada' })
  await heard
  const { from, ...asked } = JSON.parse(seen[0]!) as Record<string, unknown>
  t.type(from, 'string')
  t.strictSame(asked, { user: createHash('sha256').update('ada').digest('hex'), code: 4401, reason: '' })
  t.notMatch(seen[0], 'ada')
})

t.test('a logout over HTTP at one process closes the sockets at the other', async (t) => {
  const { apps, ports } = await startTwo(t)
  const ada = await logIn(apps[0]!)
  const client = await rawClient(ports[1]!, '/ws/echo', { t, headers: ada })
  await apps[0]!.inject({ url: '/logout', headers: ada })
  t.strictSame(await client.closed, { code: 4401, reason: 'session_over' })
})

t.test('a malformed control message closes nobody', async (t) => {
  const { redis, apps, ports } = await startTwo(t)
  const client = await rawClient(ports[0]!, '/ws/echo', { t })
  const malformed = [
    'no JSON', '{}', '{"code":"x","reason":1}', '[]', '{"view":"echo","code":1000,"reason":"","more":1}',
    // nobody is named: it would close all
    '{"code":1000,"reason":""}', '{"code":1000,"reason":"","from":"x"}',
    // not what a server may close with
    '{"view":"echo","code":1005,"reason":""}', '{"view":"echo","code":99,"reason":""}', '{"view":"echo","code":2000,"reason":""}',
    `{"view":"echo","code":1000,"reason":"${'é'.repeat(100)}"}`, `{"view":"echo","code":1000,"reason":"${'a'.repeat(124)}"}`,
    // users go by their digest
    '{"view":"echo","user":"ada","code":1000,"reason":""}'
  ]
  for (const text of malformed) {
    await redisCommand(redis.port, 'PUBLISH', 'test:wsv:control:1', text)
  }
  // what comes after them on the same channel has been heard
  const other = await rawClient(ports[0]!, '/ws/echo', { t, headers: await logIn(apps[0]!) })
  await apps[1]!.wsSockets.close({ user: 'ada' })
  t.match(await other.closed, { code: 4401 })
  client.send('{}')
  t.equal((await client.next()).data, '{}')
})

t.test('a server does not answer its own question again: who has connected since then is not meant', async (t) => {
  const { redis, apps, ports } = await startTwo(t)
  const { Redis } = await import('ioredis')
  const spy = new Redis({ port: redis.port })
  t.teardown(() => spy.quit())
  await spy.subscribe('test:wsv:control:1')
  const heard = new Promise<string>((resolve) => spy.on('message', (channel, text) => { resolve(text) }))
  const first = await rawClient(ports[0]!, '/ws/echo', { t })
  await apps[0]!.wsSockets.close({ view: 'echo' }, 1012)
  t.match(await first.closed, { code: 1012 })

  // the same question comes once more, late
  const [again, there] = await Promise.all(ports.map((port) => rawClient(port, '/ws/echo', { t })))
  await redisCommand(redis.port, 'PUBLISH', 'test:wsv:control:1', await heard)
  t.match(await there!.closed, { code: 1012 }, 'the other server does')
  again!.send('1')
  t.equal((await again!.next()).data, '1')
})

t.test('a process that serves pages only ends sockets elsewhere', async (t) => {
  const { redis, store, ports } = await startTwo(t)
  const pages = buildApp(t)
  await withSession(pages, store)
  await pages.register(wsViews, { prefix: '/ws', serve: false, redis: { port: redis.port }, fanout: { channelPrefix: 'test:' } })
  await pages.ready()
  const ada = await logIn(pages)
  const client = await rawClient(ports[0]!, '/ws/echo', { t, headers: ada })
  await pages.inject({ url: '/logout', headers: ada })
  t.strictSame(await client.closed, { code: 4401, reason: 'session_over' })
})

t.test('with Redis away the sockets of this process are closed, then it rejects', async (t) => {
  const { redis, apps, ports } = await startTwo(t)
  const client = await rawClient(ports[0]!, '/ws/echo', { t, headers: await logIn(apps[0]!) })
  await redis.kill()
  while (apps[0]!.wsFanout.status === 'ready') await new Promise((resolve) => setImmediate(resolve))
  await t.rejects(apps[0]!.wsSockets.close({ user: 'ada' }), { code: 'WSV_ERR_FANOUT_UNAVAILABLE' } as never)
  t.match(await client.closed, { code: 4401 })
})
