import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createInterface } from 'node:readline'
import { decode, encode } from '@msgpack/msgpack'
import t from 'tap'
import { build as withAutoload } from '../example/with-autoload/app.ts'
import { build as withHelmet } from '../example/with-helmet/app.ts'
import { build as withJwt } from '../example/with-jwt/app.ts'
import { build as withMsgpack } from '../example/with-msgpack/app.ts'
import { build as withRateLimit } from '../example/with-rate-limit/app.ts'
import { build as withSecureSession } from '../example/with-secure-session/app.ts'
import { build as withUnderPressure } from '../example/with-under-pressure/app.ts'
import { wsConnect } from '../lib/testing/index.ts'
import { childEnv } from './fixtures/child-env.ts'
import { rawClient } from './fixtures/rfc6455.ts'
import { listen } from './fixtures/server.ts'

// The examples in example/with-*: other plugins beside the views.

t.test('@fastify/autoload: files are plugins with views, folders are prefixes', async (t) => {
  const app = await withAutoload()
  t.teardown(() => app.close())
  const echo = await wsConnect(app, 'echo')
  echo.send('hi')
  t.equal(await echo.next(), 'hi')
  t.equal(app.wsUrl('room', { id: '7' }), '/ws/rooms/7')
  const room = await wsConnect(app, '/ws/rooms/7')
  room.send('hi')
  t.equal(await room.next(), '7: hi')
})

t.test('@fastify/jwt: a header, a cookie or a subprotocol carries the token, which is never sent back', async (t) => {
  const app = await withJwt({ secret: 'a secret of the test', sessionCheckMs: 100 })
  t.teardown(() => app.close())
  const token = app.jwt.sign({ sub: 'ada' })
  for (const [options, protocol] of [
    [{ headers: { authorization: `Bearer ${token}` } }, undefined],
    [{ cookies: { token } }, undefined],
    [{ protocols: ['app.v1', `bearer.${token}`] }, 'app.v1']
  ] as const) {
    const client = await wsConnect(app, 'me', options)
    t.equal(client.response.headers['sec-websocket-protocol'], protocol)
    t.notMatch(JSON.stringify(client.response), token)
    client.send({})
    t.strictSame(await client.next(), { sub: 'ada' })
  }
  // a client that offers nothing but the token gets no subprotocol; `ws` would not put up with that
  const port = await listen(app)
  const bare = await rawClient(port, '/ws/me', { t, headers: { 'sec-websocket-protocol': `bearer.${token}` } })
  t.notMatch(JSON.stringify(bare.response), token)
  t.equal(bare.response.headers['sec-websocket-protocol'], undefined)
  await t.rejects(wsConnect(app, '/ws/me'), { code: 'WSV_ERR_TEST_HANDSHAKE_REFUSED', statusCode: 401 })
  await t.rejects(wsConnect(app, '/ws/me', { headers: { authorization: `Bearer ${token}x` } }), { code: 'WSV_ERR_TEST_HANDSHAKE_REFUSED', statusCode: 401 })

  const short = await wsConnect(app, '/ws/me', { headers: { authorization: `Bearer ${app.jwt.sign({ sub: 'ada' }, { expiresIn: '1s' })}` } })
  t.match(await short.closed, { code: 4401 }, 'closed when it has expired')
})

t.test('@fastify/secure-session: the session of the handshake, its cookie on the 101, and a logout that closes', async (t) => {
  const app = await withSecureSession(randomBytes(32))
  t.teardown(() => app.close())
  await t.rejects(wsConnect(app, '/ws/me'), { code: 'WSV_ERR_TEST_HANDSHAKE_REFUSED', statusCode: 401 })
  const cookieOf = (header: unknown): string => String(header).split(';')[0]!
  let cookie = cookieOf((await app.inject({ method: 'POST', url: '/login?user=ada' })).headers['set-cookie'])
  for (const visits of [1, 2]) {
    const client = await wsConnect(app, '/ws/me', { headers: { cookie } })
    cookie = cookieOf(client.response.headers['set-cookie'])
    client.send({})
    t.strictSame(await client.next(), { user: 'ada', visits })
  }
  const client = await wsConnect(app, '/ws/me', { headers: { cookie } })
  await app.inject({ method: 'POST', url: '/logout', headers: { cookie } })
  t.match(await client.closed, { code: 4401 })
})

t.test('@fastify/rate-limit: too many handshakes get 429, too many messages an error', async (t) => {
  const app = await withRateLimit()
  t.teardown(() => app.close())
  const first = await wsConnect(app, '/ws/echo')
  t.equal(first.response.headers['x-ratelimit-remaining'], '1')
  await wsConnect(app, '/ws/echo')
  await t.rejects(wsConnect(app, '/ws/echo'), { code: 'WSV_ERR_TEST_HANDSHAKE_REFUSED', statusCode: 429, headers: { 'retry-after': String } })
  for (let i = 0; i < 3; i++) {
    first.send('hi')
    t.equal(await first.next(), 'hi')
  }
  first.send('hi')
  await first.expectErrors({ __all__: ['rate_limited'] })
})

t.test('@fastify/under-pressure: no more handshakes, and open sockets stay', async (t) => {
  let isHealthy = true
  const app = await withUnderPressure(async () => isHealthy, 10)
  t.teardown(() => app.close())
  const open = await wsConnect(app, '/ws/echo')
  isHealthy = false
  while (!app.isUnderPressure()) await new Promise((resolve) => setImmediate(resolve))
  await t.rejects(wsConnect(app, '/ws/echo'), { code: 'WSV_ERR_TEST_HANDSHAKE_REFUSED', statusCode: 503, headers: { 'retry-after': '50' } })
  open.send('hi')
  t.equal(await open.next(), 'hi')
})

t.test('@fastify/helmet: pages have its headers, with the host of the sockets; a 101 has none', async (t) => {
  const app = await withHelmet('wss://ws.example.com/base')
  t.teardown(() => app.close())
  const page = await app.inject('/')
  t.match(page.headers['content-security-policy'], /connect-src 'self' wss:\/\/ws\.example\.com$/)
  t.match(page.body, 'wss://ws.example.com/base/ws/echo')
  const client = await wsConnect(app, '/ws/echo')
  t.notOk(Object.keys(client.response.headers).some((name) => /^(content-security-policy|x-|cross-origin|strict-transport)/.test(name)))
  client.send('hi')
  t.equal(await client.next(), 'hi')
})

t.test('fastify-cli: `fastify start` serves the views of a plugin', async (t) => {
  const child = spawn(process.execPath, ['node_modules/fastify-cli/cli.js', 'start', '--port', '0', '--address', '127.0.0.1', '--log-level', 'info', 'example/with-fastify-cli/plugin.js'],
    { env: childEnv(), stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise((resolve) => child.once('exit', resolve))
  t.teardown(() => child.kill('SIGKILL'))
  let port: number | undefined
  for await (const line of createInterface(child.stdout)) {
    port = Number(/127\.0\.0\.1:(\d+)/.exec(line)?.[1])
    if (port > 0) break
  }
  child.stdout.resume()
  const url = await (await fetch(`http://127.0.0.1:${port}/`)).text()
  const client = await rawClient(port!, url, { t })
  client.send('hi')
  t.equal((await client.next()).data, 'hi')
  child.kill('SIGINT')
  t.match(await client.closed, { code: 1001 })
  client.sendClose(1001)
  t.equal(await ended, 0)
})

t.test('@msgpack/msgpack: a codec, whose messages are checked like any other', async (t) => {
  const app = await withMsgpack()
  t.teardown(() => app.close())
  const client = await wsConnect(app, '/ws/mirror')
  const ask = async (data: Uint8Array | string): Promise<unknown> => {
    client.send(data)
    const reply = await client.next<Buffer>()
    t.ok(Buffer.isBuffer(reply))
    return decode(reply)
  }
  t.strictSame(await ask(encode({ x: 1, y: 2.5, label: ' a ' })), { x: 2.5, y: 1, label: 'a' })
  t.match(await ask(encode({ x: 'one', y: 2 })), { type: 'error', errors: { x: [{ code: 'invalid' }] } })
  const invalid = { type: 'error', errors: { __all__: [{ code: 'invalid' }] } }
  t.match(await ask(Buffer.from([0xc1])), invalid, 'a byte that MessagePack does not have')
  t.match(await ask('{}'), invalid, 'text')
  t.match(await ask(encode([1, 2])), invalid, 'no object')
  t.match(await ask(Buffer.alloc(60_000, 0x91)), invalid, 'lists in lists without an end')
  t.match(await ask(Buffer.from([0x81, 0xa9, ...Buffer.from('__proto__'), 0x80])), invalid, 'a key that must not be')
  t.match(await ask(Buffer.from([0xdf, 0xff, 0xff, 0xff, 0xff])), invalid, 'a map that claims to be huge')
  t.strictSame(await ask(encode({ x: 3, y: 4 })), { x: 4, y: 3 }, 'and it goes on')
})
