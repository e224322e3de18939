import cookie from '@fastify/cookie'
import session from '@fastify/session'
import { Type } from '@sinclair/typebox'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import wsViews, { type WsViewsOptions } from '../lib/index.ts'
import { certificate } from './fixtures/certificate.ts'
import { answerTo, upgrade } from './fixtures/exchange.ts'
import { HandshakeRefused, rawClient } from './fixtures/rfc6455.ts'
import { buildApp, listen } from './fixtures/server.ts'

type Origins = NonNullable<WsViewsOptions['origins']>

interface Case {
  label: string
  headers: Record<string, string | undefined>
  passes: boolean
}

async function start (t: Test, origins: Origins | undefined, options: FastifyServerOptions = {}): Promise<number> {
  const app = buildApp(t, options)
  await app.register(wsViews, { views: (ws, _options, done) => { ws.wsView('/chat', { name: 'chat' }); done() }, ...(origins === undefined ? {} : { origins }) })
  return await listen(app)
}

async function passes (t: Test, port: number, headers: Case['headers']): Promise<boolean> {
  try {
    const client = await rawClient(port, '/chat', { t, headers })
    client.tcp.destroy()
    return true
  } catch (error) {
    if (!(error instanceof HandshakeRefused)) throw error
    if (error.statusCode !== 403) t.equal(error.statusCode, 403)
    t.equal(JSON.parse(error.body).code, 'WSV_ERR_ORIGIN_FORBIDDEN')
    return false
  }
}

async function check (t: Test, port: number, cases: Case[]): Promise<void> {
  for (const { label, headers, passes: expected } of cases) t.equal(await passes(t, port, headers), expected, label)
}

t.test('by default the host of the page must be the host of the server', async (t) => {
  const port = await start(t, undefined)
  const host = 'chat.example:8000'
  await check(t, port, [
    { label: 'the same', headers: { host, origin: 'http://chat.example:8000' }, passes: true },
    { label: 'the same over TLS, which a proxy may have ended', headers: { host, origin: 'https://chat.example:8000' }, passes: true },
    { label: 'in other letters', headers: { host: 'Chat.Example:8000', origin: 'http://chat.example:8000' }, passes: true },
    { label: 'the default port, said by one of them', headers: { host: 'chat.example:80', origin: 'http://chat.example' }, passes: true },
    { label: 'an IPv6 address', headers: { host: '[::1]:8000', origin: 'http://[::1]:8000' }, passes: true },
    { label: 'no origin: no browser', headers: { host }, passes: true },
    { label: 'another port', headers: { host, origin: 'http://chat.example:8001' }, passes: false },
    { label: 'no port', headers: { host, origin: 'http://chat.example' }, passes: false },
    { label: 'another host', headers: { host, origin: 'http://evil.example:8000' }, passes: false },
    { label: 'a subdomain', headers: { host, origin: 'http://a.chat.example:8000' }, passes: false },
    { label: 'the domain above', headers: { host, origin: 'http://example:8000' }, passes: false },
    { label: 'a host that begins with ours', headers: { host, origin: 'http://chat.example:8000.evil.example' }, passes: false },
    { label: 'a host that ends with ours', headers: { host, origin: 'http://evilchat.example:8000' }, passes: false },
    { label: 'a dot at the end', headers: { host, origin: 'http://chat.example.:8000' }, passes: false },
    { label: 'a page without an origin: sandboxed, data:, file:', headers: { host, origin: 'null' }, passes: false },
    { label: 'an empty origin', headers: { host, origin: '' }, passes: false },
    { label: 'our host as the user of another one', headers: { host, origin: 'http://chat.example:8000@evil.example' }, passes: false },
    { label: 'a user', headers: { host, origin: 'http://user@chat.example:8000' }, passes: false },
    { label: 'a path', headers: { host, origin: 'http://chat.example:8000/' }, passes: false },
    { label: 'a query', headers: { host, origin: 'http://chat.example:8000?' }, passes: false },
    { label: 'two origins', headers: { host, origin: 'http://chat.example:8000 http://evil.example' }, passes: false },
    { label: 'a host alone', headers: { host, origin: 'chat.example:8000' }, passes: false },
    { label: 'garbage', headers: { host, origin: '::::' }, passes: false },
    { label: 'letters that are none', headers: { host, origin: 'http://[' }, passes: false },
    { label: 'a host that is garbage too', headers: { host: '[', origin: 'http://[' }, passes: false },
    { label: 'no host', headers: { host: undefined, origin: 'http://chat.example:8000' }, passes: false },
    { label: 'no host, and an origin like what is written for none', headers: { host: undefined, origin: 'http://undefined' }, passes: false },
    { label: 'a forwarded host, from nobody we trust', headers: { host, 'x-forwarded-host': 'evil.example', origin: 'http://evil.example' }, passes: false }
  ])

  const twice = await answerTo(port, upgrade('/chat', { host, origin: ['http://chat.example:8000', 'http://evil.example'] }))
  t.equal(twice.statusCode, 403, 'two Origin lines')
})

t.test('over TLS, 443 is the port that is not said', async (t) => {
  const app = Fastify({ https: certificate })
  t.teardown(() => app.close())
  await app.register(wsViews, { views: async (ws) => { ws.wsView('/chat', { name: 'chat' }) } })
  const port = await listen(app as unknown as FastifyInstance)
  const connects = (host: string, origin: string): Promise<boolean> => new Promise((resolve) => {
    const socket = new WebSocket(`wss://localhost:${port}/chat`, { ca: certificate.cert, headers: { host }, origin })
    socket.on('open', () => { socket.terminate(); resolve(true) })
    socket.on('error', () => { resolve(false) })
  })
  t.ok(await connects('chat.example:443', 'https://chat.example'))
  t.ok(await connects('chat.example', 'https://chat.example:443'))
  t.notOk(await connects('chat.example', 'https://chat.example:444'))
})

t.test('behind a proxy that is trusted, its word about the host counts', async (t) => {
  const port = await start(t, 'same-host', { trustProxy: '127.0.0.1' })
  const forwarded = { host: '10.0.0.7:3000', 'x-forwarded-host': 'chat.example', 'x-forwarded-proto': 'https', 'x-forwarded-for': '203.0.113.9' }
  await check(t, port, [
    { label: 'the forwarded host', headers: { ...forwarded, origin: 'https://chat.example' }, passes: true },
    { label: 'the last one of several', headers: { ...forwarded, 'x-forwarded-host': 'evil.example, chat.example', origin: 'https://chat.example' }, passes: true },
    { label: 'which the client cannot set', headers: { ...forwarded, 'x-forwarded-host': 'evil.example, chat.example', origin: 'https://evil.example' }, passes: false },
    { label: 'not the host behind the proxy', headers: { ...forwarded, origin: 'http://10.0.0.7:3000' }, passes: false },
    { label: 'with its default port', headers: { ...forwarded, 'x-forwarded-host': 'chat.example:443', origin: 'https://chat.example' }, passes: true },
    { label: 'without a forwarded host, the Host header', headers: { host: 'chat.example', origin: 'https://chat.example' }, passes: true }
  ])
})

t.test('a list replaces the host', async (t) => {
  const port = await start(t, ['https://app.example', 'https://staging.example:8443', /^https:\/\/[a-z]+\.preview\.example$/])
  const host = 'ws.example'
  await check(t, port, [
    { label: 'a listed origin', headers: { host, origin: 'https://app.example' }, passes: true },
    { label: 'the same by http', headers: { host, origin: 'http://app.example' }, passes: false },
    { label: 'with a port', headers: { host, origin: 'https://staging.example:8443' }, passes: true },
    { label: 'without it', headers: { host, origin: 'https://staging.example' }, passes: false },
    { label: 'what a RegExp matches', headers: { host, origin: 'https://pr.preview.example' }, passes: true },
    { label: 'the same again', headers: { host, origin: 'https://pr.preview.example' }, passes: true },
    { label: 'what it does not', headers: { host, origin: 'https://pr.preview.example.evil.example' }, passes: false },
    { label: 'the host of the server, which is not listed', headers: { host, origin: 'https://ws.example' }, passes: false },
    { label: "'null', which is not listed", headers: { host, origin: 'null' }, passes: false },
    { label: 'no origin', headers: { host }, passes: true }
  ])

  await t.test("'null' if it is listed", async (t) => {
    const port = await start(t, ['null'])
    await check(t, port, [
      { label: 'null', headers: { origin: 'null' }, passes: true },
      { label: 'another', headers: { origin: 'https://app.example' }, passes: false }
    ])
  })

  await t.test('nobody', async (t) => {
    const port = await start(t, [])
    await check(t, port, [{ label: 'the same host', headers: { host: 'a.example', origin: 'http://a.example' }, passes: false }])
  })
})

t.test('a function decides with the request', async (t) => {
  const port = await start(t, async (origin, request) => {
    await new Promise(setImmediate)
    return request.headers['x-tenant'] !== undefined && origin === `https://${String(request.headers['x-tenant'])}.example`
  })
  await check(t, port, [
    { label: 'yes', headers: { 'x-tenant': 'ann', origin: 'https://ann.example' }, passes: true },
    { label: 'no', headers: { 'x-tenant': 'ann', origin: 'https://bob.example' }, passes: false },
    { label: 'not asked without an origin', headers: {}, passes: true }
  ])

  await t.test('at once', async (t) => {
    const port = await start(t, (origin) => origin === 'null')
    await check(t, port, [{ label: 'yes', headers: { origin: 'null' }, passes: true }, { label: 'no', headers: { origin: 'https://a.example' }, passes: false }])
  })

  await t.test('nothing is a no', async (t) => {
    const port = await start(t, (() => {}) as never)
    await check(t, port, [{ label: 'no', headers: { origin: 'https://a.example' }, passes: false }])
  })

  await t.test('one that throws is a 500 and no socket', async (t) => {
    for (const origins of [() => { throw new Error('broken') }, async () => { throw new Error('broken') }]) {
      const port = await start(t, origins)
      t.equal((await answerTo(port, upgrade('/chat', { origin: 'https://a.example' }))).statusCode, 500)
    }
  })
})

t.test("'*' lets every page in", async (t) => {
  const port = await start(t, '*')
  await check(t, port, ['https://evil.example', 'null', '::::'].map((origin) => ({ label: origin, headers: { origin }, passes: true })))
})

t.test('a view decides for itself', async (t) => {
  const app = buildApp(t)
  await app.register(wsViews, {
    origins: ['https://app.example'],
    async views (ws) {
      ws.wsView('/chat', { name: 'chat' })
      ws.wsView('/open', { name: 'open', origins: '*' })
      ws.wsView('/closed', { name: 'closed', origins: [] })
      ws.wsView('/same', { name: 'same', origins: 'same-host' })
    }
  })
  const port = await listen(app)
  const status = async (path: string, headers: Record<string, string>): Promise<number> => {
    try {
      return (await rawClient(port, path, { t, headers })).response.statusCode
    } catch (error) {
      return (error as HandshakeRefused).statusCode
    }
  }
  const origin = 'https://app.example'
  t.strictSame(await Promise.all(['/chat', '/open', '/closed', '/same'].map((path) => status(path, { origin }))), [101, 101, 403, 403])
  t.equal(await status('/same', { host: 'app.example', origin }), 101)
})

t.test('the check is the first thing of the view itself: hooks of the instance run before it, those of the view after it', async (t) => {
  const ran: string[] = []
  const app = buildApp(t)
  await app.register(wsViews, {
    async views (ws) {
      ws.addHook('onRequest', async () => { ran.push('instance') })
      ws.wsView('/chat', { name: 'chat', onRequest: async () => { ran.push('view') }, data () { ran.push('data') } })
    }
  })
  const port = await listen(app)
  t.equal((await answerTo(port, upgrade('/chat', { origin: 'https://evil.example' }))).statusCode, 403)
  t.strictSame(ran, ['instance'])
})

t.test('a refusal is logged with both hosts and the option that would allow it', async (t) => {
  const lines: Record<string, unknown>[] = []
  const port = await start(t, undefined, { logger: { level: 'warn', stream: { write (line: string) { lines.push(JSON.parse(line) as Record<string, unknown>) } } } })
  await answerTo(port, upgrade('/chat', { host: 'ws.example', origin: 'https://app.example' }))
  t.match(lines, [{ level: 40, origin: 'https://app.example', host: 'ws.example', msg: /'origins'/ }])
})

t.test('cross-site WebSocket hijacking: a page of somebody else cannot use the cookies of its visitor', async (t) => {
  const app = buildApp(t)
  const done: string[] = []
  await app.register(cookie)
  await app.register(session, { secret: 'a secret that is long enough, it has 32 characters', cookie: { secure: false } })
  app.get('/login', async (request) => { (request.session as unknown as { user: string }).user = 'ann' })
  await app.register(wsViews, {
    async views (ws) {
      ws.addHook('preValidation', async (request, reply) => {
        if ((request.session as unknown as { user?: string }).user === undefined) return reply.code(401).send()
      })
      ws.wsView('/bank', {
        name: 'bank',
        messageSchema: Type.Object({ transfer: Type.Integer() }),
        onOpen () { done.push('open') },
        onMessage (_socket, message) { done.push(`transfer ${message.transfer}`) }
      })
    }
  })
  const port = await listen(app)
  const { cookies } = await app.inject('/login')
  const visitor = { host: 'bank.example', cookie: `sessionId=${encodeURIComponent(cookies[0]!.value)}` }

  const own = await rawClient(port, '/bank', { t, headers: { ...visitor, origin: 'https://bank.example' } })
  t.equal(own.response.statusCode, 101, 'a page of the bank is let in with these cookies')
  own.tcp.destroy()
  t.equal((await answerTo(port, upgrade('/bank', { host: 'bank.example', origin: 'https://bank.example' }))).statusCode, 401, 'and without them not')

  done.length = 0
  // what a browser sends for `new WebSocket('wss://bank.example/bank')` on each of these pages, cookies included
  for (const origin of ['https://evil.example', 'https://bank.example.evil.example', 'https://evil.bank.example', 'https://bank.example:8443', 'null']) {
    const answer = await answerTo(port, upgrade('/bank', { ...visitor, origin }) + '\x81\x90')
    t.equal(answer.statusCode, 403, origin)
  }
  t.strictSame(done, [], 'the view has not run')
  t.equal(app.wsSockets.count, 0)
})

t.test('a function that finds nothing refuses', async (t) => {
  for (const nothing of [undefined, null, 0, '']) {
    const headers = { origin: 'https://elsewhere.example' }
    t.equal(await passes(t, await start(t, (() => nothing) as never), headers), false, String(nothing))
    t.equal(await passes(t, await start(t, (async () => nothing) as never), headers), false, `a promise of ${String(nothing)}`)
  }
})
