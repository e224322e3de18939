import t from 'tap'
import { Type } from '@sinclair/typebox'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import wsViews, { defineChannel } from '../lib/index.ts'
import { startNginx } from './fixtures/nginx.ts'
import { startRedis } from './fixtures/redis.ts'
import { rawClient } from './fixtures/rfc6455.ts'
import { buildApp, listen } from './fixtures/server.ts'

const news = defineChannel('news', Type.Object({ title: Type.String() }))
const seen = ({ method, url, headers, host, protocol, ip }: FastifyRequest): object => ({ method, url, host, protocol, ip, headers })

interface Teardown { teardown (fn: () => unknown): void }

async function startViews (t: Teardown, redis: number, requests: object[]): Promise<{ app: FastifyInstance, port: number }> {
  const app = buildApp(t, { trustProxy: true })
  await app.register(wsViews, {
    prefix: '/ws',
    redis: { port: redis },
    fanout: { channelPrefix: 'nginx:' },
    views: async (ws) => {
      ws.addHook('onRequest', async (request) => { requests.push(seen(request)) })
      ws.wsView('/news', {
        name: 'news',
        messageSchema: Type.Object({ title: Type.String() }),
        onOpen: (socket) => socket.subscribe(news),
        onMessage (socket, message) { return this.wsFanout.publish(news, message) as Promise<void> }
      })
      ws.wsView('/closed', { name: 'closed', onOpen: (socket) => { socket.close(4321, 'as_said') } })
      ws.wsView('/private', { name: 'private', preHandler: async (_request, reply) => reply.code(401).send({ error: 'who?' }) })
    }
  })
  return { app, port: await listen(app) }
}

t.test('pages and views behind one port, as example/nginx.conf has it', async (t) => {
  const redis = await startRedis(t)
  const pageRequests: FastifyRequest[] = []
  const pages = buildApp(t, { trustProxy: true })
  await pages.register(wsViews, { prefix: '/ws', serve: false, redis: { port: redis.port }, fanout: { channelPrefix: 'nginx:' } })
  pages.all('/*', async (request) => {
    pageRequests.push(request)
    return seen(request)
  })
  const viewRequests: Record<string, unknown>[] = []
  const first = await startViews(t, redis.port, viewRequests as object[])
  const second = await startViews(t, redis.port, viewRequests as object[])
  const port = await startNginx(t, await listen(pages), [first.port, second.port])
  const origin = `http://127.0.0.1:${port}`

  t.test('a request goes to the pages, with Host and its port, path and query', async (t) => {
    const answer = await (await fetch(`${origin}/a/b%20c?q=1&r=%26`)).json() as Record<string, unknown>
    t.match(answer, { url: '/a/b%20c?q=1&r=%26', host: `127.0.0.1:${port}`, protocol: 'http', ip: '127.0.0.1' })
    t.match(answer.headers, { 'x-forwarded-for': '127.0.0.1', 'x-forwarded-proto': 'http', 'x-forwarded-host': `127.0.0.1:${port}` })
    t.notOk('upgrade' in (answer.headers as object))
  })

  t.test('an upgrade goes to the views, in any case, with the same, and its origin is the same host', async (t) => {
    const client = await rawClient(port, '/ws/news?since=7', { t, headers: { origin, upgrade: 'WebSocket' } })
    t.match(viewRequests.at(-1), { url: '/ws/news?since=7', host: `127.0.0.1:${port}`, headers: { 'x-forwarded-host': `127.0.0.1:${port}` } })
    client.sendClose(1000)
    t.match(await client.closed, { code: 1000 })
  })

  t.test('another origin, a refusal of a hook and an unknown path come through as HTTP answers', async (t) => {
    const refused = async (path: string, headers: Record<string, string> = {}): Promise<unknown> =>
      rawClient(port, path, { t, headers }).catch((error: unknown) => error)
    t.match(await refused('/ws/news', { origin: 'http://elsewhere.example' }), { statusCode: 403 })
    t.match(await refused('/ws/private', { origin }), { statusCode: 401, body: '{"error":"who?"}' })
    t.match(await refused('/ws/nothing', { origin }), { statusCode: 404 })
  })

  t.test('an upgrade to h2c stays with the pages, as plain HTTP', async (t) => {
    const before = viewRequests.length
    const answer = await rawClient(port, '/page', { t, headers: { upgrade: 'h2c', connection: 'Upgrade, HTTP2-Settings', 'http2-settings': 'AAMAAABkAARAAAAAAAIAAAAA' } })
      .catch((error: unknown) => error)
    t.match(answer, { statusCode: 200, body: /"url":"\/page"/ })
    t.notMatch((answer as { body: string }).body, /"upgrade"/)
    t.equal(viewRequests.length, before)
  })

  t.test('close codes and reasons come through', async (t) => {
    const client = await rawClient(port, '/ws/closed', { t, headers: { origin } })
    t.strictSame(await client.closed, { code: 4321, reason: 'as_said' })
  })

  t.test('sockets of two processes hear each other, and what the pages publish', async (t) => {
    const clients = await Promise.all(Array.from({ length: 4 }, () => rawClient(port, '/ws/news', { t, headers: { origin } })))
    t.ok(first.app.wsSockets.count > 0 && second.app.wsSockets.count > 0, 'nginx uses both')
    // a socket is open before its subscription stands
    while (((await redis.command('PUBSUB', 'NUMSUB', 'nginx:news')) as unknown[])[1] !== 2) await new Promise((resolve) => setImmediate(resolve))
    clients[0]!.send('{"title":"from a socket"}')
    for (const client of clients) t.equal((await client.next()).data, '{"title":"from a socket"}')
    await pages.wsFanout.publish(news, { title: 'from a page' })
    for (const client of clients) t.equal((await client.next()).data, '{"title":"from a page"}')
  })

  t.test('a quiet socket outlives the heartbeat', async (t) => {
    const { readFileSync } = await import('node:fs')
    const seconds = Number(/proxy_read_timeout (\d+)s/.exec(readFileSync('example/nginx.conf', 'utf8'))![1])
    const { viewDefaults } = await import('../lib/options.ts')
    t.ok(seconds * 1000 > viewDefaults.heartbeat.intervalMs + viewDefaults.heartbeat.timeoutMs)
  })
})
