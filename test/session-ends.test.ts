import t from 'tap'
import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import wsViews, { type WsViews } from '../lib/index.ts'
import { rawClient } from './fixtures/rfc6455.ts'
import { buildApp, listen } from './fixtures/server.ts'
import { logIn, SerialisingStore, withSession } from './fixtures/session.ts'

// HTTP requests that end a session. Nothing is checked in these tests: sessionCheckMs has its default.

interface Teardown { teardown (fn: () => unknown): void }

const echo: WsViews = async (ws) => {
  ws.wsView('/echo', { name: 'echo', messageSchema: Type.Unknown(), replySchema: Type.Unknown(), onMessage: (socket, message) => message as object })
}

const over = { code: 4401, reason: 'session_over' }

async function build (t: Teardown, more: (app: FastifyInstance) => unknown = () => {}): Promise<{ app: FastifyInstance, store: SerialisingStore, port: number }> {
  const app = buildApp(t)
  const store = new SerialisingStore()
  await withSession(app, store)
  await more(app)
  await app.register(wsViews, { prefix: '/ws', views: echo })
  return { app, store, port: await listen(app) }
}

t.test('a hook that logs out, before the handler and before us', async (t) => {
  const { app, port } = await build(t, (app) => {
    app.addHook('preParsing', async (request) => { if (request.url === '/out') await request.session.destroy() })
    app.get('/out', async () => 'out')
  })
  const headers = await logIn(app)
  const client = await rawClient(port, '/ws/echo', { t, headers })
  await app.inject({ url: '/out', headers })
  t.strictSame(await client.closed, over)
})

t.test('an onRequest hook that logs out, after us', async (t) => {
  const app = buildApp(t)
  await withSession(app, new SerialisingStore())
  await app.register(wsViews, { prefix: '/ws', views: echo })
  await app.register(async (pages) => {
    pages.addHook('onRequest', async (request) => { await request.session.destroy() })
    pages.get('/out', async () => 'out')
  })
  const port = await listen(app)
  const headers = await logIn(app)
  const client = await rawClient(port, '/ws/echo', { t, headers })
  await app.inject({ url: '/out', headers })
  t.strictSame(await client.closed, over)
})

t.test('a session plugin that was registered after us', async (t) => {
  const app = buildApp(t)
  await app.register(wsViews, { prefix: '/ws', views: echo })
  await withSession(app, new SerialisingStore())
  const port = await listen(app)
  const headers = await logIn(app)
  const client = await rawClient(port, '/ws/echo', { t, headers })
  await app.inject({ url: '/logout', headers })
  t.strictSame(await client.closed, over)
})

t.test('a logout in a context that was there before us', async (t) => {
  const { app, port } = await build(t, async (app) => {
    await app.register(async (pages) => {
      pages.get('/pages/out', async (request) => { await request.session.destroy() })
    })
  })
  const headers = await logIn(app)
  const client = await rawClient(port, '/ws/echo', { t, headers })
  await app.inject({ url: '/pages/out', headers })
  t.strictSame(await client.closed, over)
})

t.test('a handler that logs out and answers by itself', async (t) => {
  const { app, port } = await build(t, (app) => {
    app.get('/own', async (request, reply) => {
      await request.session.destroy()
      reply.hijack()
      reply.raw.end('out')
    })
  })
  const headers = await logIn(app)
  const client = await rawClient(port, '/ws/echo', { t, headers })
  t.equal((await app.inject({ url: '/own', headers })).payload, 'out')
  t.strictSame(await client.closed, over)
})

t.test('a store that fails to delete the session: its sockets stay', async (t) => {
  const { app, store, port } = await build(t, (app) => {
    app.get('/try', async (request) => {
      const { destroy } = store
      store.destroy = (id, callback) => { callback(new Error('away')) }
      try {
        await request.session.destroy()
      } finally {
        store.destroy = destroy
      }
    })
  })
  const headers = await logIn(app)
  const client = await rawClient(port, '/ws/echo', { t, headers })
  const before = store.calls.entries.length
  t.equal((await app.inject({ url: '/try', headers })).statusCode, 500)
  await store.calls.until(before + 4)
  client.send('1')
  t.equal((await client.next()).data, '1')
  await app.inject({ url: '/logout', headers })
  t.strictSame(await client.closed, over)
})

t.test('a handshake that begins a new session ends the sockets of the old one', async (t) => {
  const { app, port } = await build(t, (app) => {
    app.addHook('preValidation', async (request) => { if (request.url.includes('fresh')) await request.session.regenerate(['user']) })
  })
  const headers = await logIn(app)
  const old = await rawClient(port, '/ws/echo', { t, headers })
  const fresh = await rawClient(port, '/ws/echo?fresh', { t, headers })
  t.strictSame(await old.closed, over)
  fresh.send('1')
  t.equal((await fresh.next()).data, '1')
  t.match(fresh.response.headers['set-cookie'], 'sessionId=')
})
