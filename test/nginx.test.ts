import t from 'tap'
import { Type } from '@sinclair/typebox'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import wsViews, { defineChannel } from '../lib/index.ts'
import { buildApp as buildSandbox } from '../example/app.ts'
import { startNginx } from './fixtures/nginx.ts'
import { startRedis } from './fixtures/redis.ts'
import { rawClient, type RawClient } from './fixtures/rfc6455.ts'
import { spawnSandbox } from './fixtures/sandbox.ts'
import { buildApp, listen } from './fixtures/server.ts'

t.setTimeout(120_000)

const news = defineChannel('news', Type.Object({ title: Type.String() }))
const seen = ({ method, url, headers, host, protocol, ip }: FastifyRequest): object => ({ method, url, host, protocol, ip, headers })

let tell: (how: object) => void
const told = new Promise<object>((resolve) => { tell = resolve })

let handle: () => void
const handling = new Promise<void>((resolve) => { handle = resolve })
let finish: () => void
const finished = new Promise<void>((resolve) => { finish = resolve })

interface Teardown { teardown (fn: () => unknown): void }

async function startViews (t: Teardown, redis: number, requests: object[]): Promise<{ app: FastifyInstance, port: number }> {
  const app = buildApp(t, { trustProxy: '127.0.0.1' })
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
      ws.wsView('/busy', {
        name: 'busy',
        messageSchema: {},
        onMessage () {
          handle()
          return finished
        }
      })
      ws.wsView('/closed', { name: 'closed', onOpen: (socket) => { socket.close(4321, 'as_said') } })
      ws.wsView('/told', { name: 'told', onClose: (socket, how) => { tell(how) } })
      ws.wsView('/private', { name: 'private', preHandler: async (_request, reply) => reply.code(401).send({ error: 'who?' }) })
    }
  })
  return { app, port: await listen(app) }
}

t.test('pages and views behind one port, as example/nginx.conf has it', async (t) => {
  const redis = await startRedis(t)
  const pages = buildApp(t, { trustProxy: '127.0.0.1' })
  await pages.register(wsViews, { prefix: '/ws', serve: false, redis: { port: redis.port }, fanout: { channelPrefix: 'nginx:' } })
  pages.all('/*', async (request) => seen(request))
  const viewRequests: Record<string, unknown>[] = []
  const first = await startViews(t, redis.port, viewRequests as object[])
  const second = await startViews(t, redis.port, viewRequests as object[])
  const port = await startNginx(t, await listen(pages), [first.port, second.port])
  const origin = `http://127.0.0.1:${port}`

  // What a client says of itself is kept in front, where nobody believes it, or replaced.
  const spoofed = { 'x-forwarded-for': '6.6.6.6', 'x-forwarded-proto': 'https', 'x-forwarded-host': 'evil.example' }
  const forwarded = { 'x-forwarded-for': '6.6.6.6, 127.0.0.1', 'x-forwarded-proto': 'http', 'x-forwarded-host': `127.0.0.1:${port}`, host: `127.0.0.1:${port}` }

  t.test('a request goes to the pages, with Host and its port, path and query, and who asked', async (t) => {
    const answer = await (await fetch(`${origin}/a/b%20c?q=1&r=%26`, { headers: spoofed })).json() as Record<string, unknown>
    t.match(answer, { url: '/a/b%20c?q=1&r=%26', host: `127.0.0.1:${port}`, protocol: 'http', ip: '6.6.6.6', headers: forwarded })
    t.notOk('upgrade' in (answer.headers as object))
  })

  t.test('an upgrade goes to the views, in any case, with the same', async (t) => {
    for (const upgrade of ['websocket', 'WebSocket', 'WEBSOCKET']) {
      const client = await rawClient(port, '/ws/news?q=1&r=%26', { t, headers: { origin, upgrade, ...spoofed } })
      t.match(viewRequests.at(-1), { url: '/ws/news?q=1&r=%26', host: `127.0.0.1:${port}`, protocol: 'http', headers: forwarded })
      client.sendClose(1000)
      t.match(await client.closed, { code: 1000 })
    }
  })

  t.test('the origin is compared with the host that nginx was asked for: the same passes, another does not', async (t) => {
    const client = await rawClient(port, '/ws/news', { t, headers: { origin } })
    t.equal(client.response.statusCode, 101)
    client.destroy()
    for (const other of ['http://elsewhere.example', `http://127.0.0.1:${first.port}`]) {
      t.match(await rawClient(port, '/ws/news', { t, headers: { origin: other } }).catch((error: unknown) => error), { statusCode: 403 })
    }
  })

  t.test('a refusal of a hook and an unknown path come through as HTTP answers', async (t) => {
    const refused = async (path: string, headers: Record<string, string> = {}): Promise<unknown> =>
      rawClient(port, path, { t, headers }).catch((error: unknown) => error)
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

  t.test('close codes and reasons come through, of either side', async (t) => {
    const client = await rawClient(port, '/ws/closed', { t, headers: { origin } })
    t.strictSame(await client.closed, { code: 4321, reason: 'as_said' })

    const other = await rawClient(port, '/ws/told', { t, headers: { origin } })
    other.sendClose(4000, 'enough')
    t.strictSame(await told, { code: 4000, reason: 'enough' })
  })

  t.test('sockets of two processes hear each other, and what the pages publish', async (t) => {
    // by then nginx has counted them as gone too
    while (first.app.wsSockets.count + second.app.wsSockets.count > 0) await new Promise((resolve) => setImmediate(resolve))
    const clients = await Promise.all(Array.from({ length: 4 }, () => rawClient(port, '/ws/news', { t, headers: { origin } })))
    t.ok(first.app.wsSockets.count > 0 && second.app.wsSockets.count > 0, 'nginx uses both')
    // a socket is open before its subscription stands
    while (((await redis.command('PUBSUB', 'NUMSUB', 'nginx:news')) as unknown[])[1] !== 2) await new Promise((resolve) => setImmediate(resolve))
    clients[0]!.send('{"title":"from a socket"}')
    for (const client of clients) t.equal((await client.next()).data, '{"title":"from a socket"}')
    await pages.wsFanout.publish(news, { title: 'from a page' })
    for (const client of clients) t.equal((await client.next()).data, '{"title":"from a page"}')
  })

  t.test('while one process closes, but still listens, sockets go to the other', async (t) => {
    const busy = await rawClient(first.port, '/ws/busy', { t, headers: { origin: `http://127.0.0.1:${first.port}` } })
    busy.send('{}')
    await handling
    const closed = first.app.close()
    t.match(await rawClient(first.port, '/ws/news', { t }).catch((error: unknown) => error), { statusCode: 503 })
    for (let i = 0; i < 4; i++) await rawClient(port, '/ws/news', { t, headers: { origin } })
    finish()
    t.match(await busy.closed, { code: 1001 })
    busy.sendClose(1001)
    await closed
    await rawClient(port, '/ws/news', { t, headers: { origin } })
    t.ok(second.app.wsSockets.count >= 5)
  })
})

t.test('the sandbox in three processes: two people chat, each at another one', async (t) => {
  const redis = await startRedis(t)
  const env = { REDIS_URL: redis.url, SESSION_SECRET: 'a secret that all three processes share', TRUST_PROXY: '127.0.0.1' }
  const [pages, ...views] = await Promise.all(['pages', 'views', 'views'].map((PART) => spawnSandbox(t, 0, '127.0.0.1', { ...env, PART })))
  const port = await startNginx(t, pages!.port, views.map((process) => process.port))
  const origin = `http://127.0.0.1:${port}`

  const join = async (name: string): Promise<RawClient> => {
    const answer = await fetch(`${origin}/chat/`, { method: 'POST', body: new URLSearchParams({ name, colour: 'blue' }), redirect: 'manual' })
    const client = await rawClient(port, '/ws/chat', { t, headers: { origin, cookie: answer.headers.get('set-cookie')!.split(';')[0] } })
    client.send('{"type":"hello"}')
    t.match(JSON.parse((await client.next()).data as string), { type: 'welcome', name })
    return client
  }
  const [ada, grace] = [await join('Ada'), await join('Grace')]
  for (const { url } of views) t.match(await (await fetch(`${url}/ready`)).json(), { fanout: 'ready', sockets: 1 })

  const hear = async (client: RawClient, from: string): Promise<unknown> => {
    for (;;) {
      const message = JSON.parse((await client.next()).data as string) as { type: string, from?: string, text?: string }
      if (message.type === 'said' && message.from === from) return message.text
    }
  }
  ada.send('{"type":"say","text":"Good morning"}')
  t.equal(await hear(grace, 'Ada'), 'Good morning')
  grace.send('{"type":"say","text":"Hello Ada"}')
  t.equal(await hear(ada, 'Grace'), 'Hello Ada')
})

t.test('the sandbox believes X-Forwarded-* of the proxies it was told of, and nobody else', async (t) => {
  const page = async (trustProxy?: string): Promise<string> => {
    const app = await buildSandbox({ trustProxy })
    t.teardown(() => app.close())
    return (await app.inject({ url: '/echo/', headers: { host: 'inside', 'x-forwarded-proto': 'https', 'x-forwarded-host': 'www.example.com' } })).body
  }
  t.match(await page('127.0.0.1'), 'wss://www.example.com/ws/echo')
  t.match(await page('10.0.0.1'), 'ws://inside/ws/echo')
  t.match(await page(), 'ws://inside/ws/echo')
})
