import t from 'tap'
import cookie from '@fastify/cookie'
import session from '@fastify/session'
import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import { RedisSessionStore } from '../example/session-store.ts'
import wsViews from '../lib/index.ts'
import { startRedis } from './fixtures/redis.ts'
import { rawClient } from './fixtures/rfc6455.ts'
import { buildApp, listen } from './fixtures/server.ts'
import { logIn } from './fixtures/session.ts'

// The same promises on the store that @fastify/session brings, which hands out the objects it keeps, and on Redis.

interface Teardown { teardown (fn: () => unknown): void }

const stores: Record<string, (t: Teardown, app: FastifyInstance) => Promise<object>> = {
  'the memory store': async () => ({}),
  Redis: async (t, app) => {
    const store = new RedisSessionStore((await startRedis(t)).url, app.log)
    app.addHook('onClose', async () => { store.close() })
    return { store }
  }
}

for (const [name, makeStore] of Object.entries(stores)) {
  t.test(`sessions that live, on ${name}`, async (t) => {
    const app = buildApp(t)
    await app.register(cookie)
    await app.register(session, {
      secret: 'a secret with at least thirty-two characters', saveUninitialized: false, cookie: { secure: false, maxAge: 60_000 }, ...await makeStore(t, app)
    })
    app.get('/login', async (request) => { request.session.user = 'ada' })
    app.get('/logout', async (request) => { await request.session.destroy() })
    app.get('/session', async (request) => request.session)
    let store: { destroy (id: string, done: (error?: unknown) => void): void } | undefined
    app.addHook('onRequest', async (request) => { store = (request as unknown as { sessionStore: typeof store }).sessionStore })
    await app.register(wsViews, {
      prefix: '/ws',
      sessionCheckMs: 20,
      views: async (ws) => {
        ws.wsView('/count', {
          name: 'count',
          messageSchema: Type.Object({}),
          replySchema: Type.Object({ count: Type.Integer() }),
          onMessage (socket) {
            socket.session.count = (socket.session.count ?? 0) + 1
            return { count: socket.session.count }
          }
        })
      }
    })
    const port = await listen(app)

    const headers = await logIn(app)
    const client = await rawClient(port, '/ws/count', { t, headers })
    t.match(client.response.headers['set-cookie'], 'sessionId=', 'the rolled cookie is on the 101')
    for (const count of [1, 2]) {
      client.send('{}')
      t.strictSame(JSON.parse((await client.next()).data as string), { count })
    }
    t.match((await app.inject({ url: '/session', headers })).json(), { user: 'ada', count: 2 })

    await app.inject({ url: '/logout', headers })
    t.strictSame(await client.closed, { code: 4401, reason: 'session_over' })
    t.strictSame((await app.inject({ url: '/session', headers })).json().user, undefined, 'the socket has not revived it')

    const second = await logIn(app)
    const gone = await rawClient(port, '/ws/count', { t, headers: second })
    const socket = [...app.wsSockets].at(-1)
    // behind the back of every hook: the store alone knows
    await new Promise<void>((resolve) => { store!.destroy(socket!.request.session.sessionId, () => { resolve() }) })
    t.strictSame(await gone.closed, { code: 4401, reason: 'session_over' })
  })
}
