import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo } from 'node:net'
import { readdirSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import t from 'tap'
import { childEnv } from './fixtures/child-env.ts'
import { freePort } from './fixtures/free-port.ts'
import { startRedis } from './fixtures/redis.ts'
import { rawClient, type RawClient } from './fixtures/rfc6455.ts'

t.setTimeout(120_000)

interface Teardown { teardown (fn: () => unknown): void }
type Ports = Record<'PORT' | 'WS_PORT' | 'NGINX_PORT' | 'REDIS_PORT', number>
interface Split {
  child: ChildProcess
  ports: Ports
  /** until it says that all of it is there; fails with what it said when it ends before */
  ready: Promise<void>
  /** what it said, when it has ended */
  ended: Promise<string>
}

async function startSplit (t: Teardown, args: string[] = [], more: Record<string, string> = {}): Promise<Split> {
  return start(t, [process.execPath, '--import', 'tsx', 'example/split.ts', ...args], more)
}

/** @param command - what starts it */
async function start (t: Teardown, command: string[], more: Record<string, string> = {}): Promise<Split> {
  const ports: Ports = { PORT: await freePort(), WS_PORT: await freePort(), NGINX_PORT: await freePort(), REDIS_PORT: await freePort() }
  const env = Object.fromEntries(Object.entries(ports).map(([name, port]) => [name, String(port)]))
  const child = spawn(command[0]!, command.slice(1), {
    env: childEnv({ ...env, REDIS_URL: '', ...more }), stdio: ['ignore', 'pipe', 'pipe']
  })
  let said = ''
  const ended = once(child, 'close').then(() => said)
  const ready = new Promise<void>((resolve, reject) => {
    for (const input of [child.stdout, child.stderr]) {
      createInterface({ input }).on('line', (line) => {
        said += `${line}\n`
        if (line.startsWith('The sandbox is on')) resolve()
      })
    }
    ended.then((said) => { reject(new Error(said)) })
  })
  ready.catch(() => {}) // for tests of one that does not start
  t.teardown(async () => {
    child.kill('SIGTERM')
    await ended
  })
  return { child, ports, ready, ended }
}

async function isListening (port: number): Promise<boolean> {
  const tcp = connect(port, '127.0.0.1')
  try {
    await once(tcp, 'connect')
    return true
  } catch {
    return false
  } finally {
    tcp.destroy()
  }
}

async function nothingListens (t: { notOk (value: unknown, message: string): unknown }, ports: Ports): Promise<void> {
  for (const [name, port] of Object.entries(ports)) t.notOk(await isListening(port), `nothing listens on ${name}`)
}

/** @returns the cookie of a session with a name, which the pages gave */
async function chooseName (pages: string, name: string): Promise<string> {
  const answer = await fetch(`${pages}/chat/`, { method: 'POST', body: new URLSearchParams({ name, colour: 'blue' }), redirect: 'manual' })
  return answer.headers.get('set-cookie')!.split(';')[0]!
}

/** Connected, and told who it speaks for; a socket is open before its subscription stands, and messages wait for that. */
async function joinChat (t: Teardown, port: number, origin: string, cookie: string): Promise<{ client: RawClient, welcome: unknown }> {
  const client = await rawClient(port, '/ws/chat', { t, headers: { origin, cookie } })
  client.send('{"type":"hello"}')
  return { client, welcome: JSON.parse((await client.next()).data as string) }
}

t.test('a name chosen at the pages is known to the sockets, and two people talk: all of it ends with SIGTERM', async (t) => {
  const { child, ports, ready, ended } = await startSplit(t)
  await ready
  const pages = `http://127.0.0.1:${ports.PORT}`
  t.match(await (await fetch(`${pages}/chat/`)).text(), `ws://localhost:${ports.WS_PORT}/ws/chat`)
  t.match(await rawClient(ports.PORT, '/ws/chat', { t }).catch((error: unknown) => error), { statusCode: 404 }, 'the pages accept no WebSocket')

  const origin = `http://localhost:${ports.PORT}`
  t.match(await rawClient(ports.WS_PORT, '/ws/chat', { t, headers: { origin } }).catch((error: unknown) => error), { statusCode: 401 }, 'nor the sockets one without a name')
  const ada = await joinChat(t, ports.WS_PORT, origin, await chooseName(pages, 'Ada'))
  const grace = await joinChat(t, ports.WS_PORT, origin, await chooseName(pages, 'Grace'))
  t.strictSame(ada.welcome, { type: 'welcome', name: 'Ada', colour: 'blue' })
  ada.client.send('{"type":"say","text":"Good morning"}')
  t.match(JSON.parse((await grace.client.next()).data as string), { type: 'said', from: 'Ada', text: 'Good morning' })

  child.kill('SIGTERM')
  t.match(await grace.client.closed, { code: 1001 })
  await ended
  t.equal(child.exitCode, 0)
  await nothingListens(t, ports)
})

t.test('with nginx one port has both', async (t) => {
  const { child, ports, ready, ended } = await startSplit(t, ['--nginx'])
  await ready
  const origin = `http://127.0.0.1:${ports.NGINX_PORT}`
  t.match(await (await fetch(`${origin}/echo/`)).text(), `ws://127.0.0.1:${ports.NGINX_PORT}/ws/echo`)
  const { client, welcome } = await joinChat(t, ports.NGINX_PORT, origin, await chooseName(origin, 'Ada'))
  t.match(welcome, { name: 'Ada' })
  child.kill('SIGINT')
  t.match(await client.closed, { code: 1001 }, 'nginx is stopped after the servers')
  client.sendClose(1001)
  await ended
  t.equal(child.exitCode, 0)
  await nothingListens(t, ports)
})

t.test('one that ends takes the others with it', { skip: process.platform !== 'linux' && 'finds the children in /proc' }, async (t) => {
  const { child, ports, ready, ended } = await startSplit(t)
  await ready
  const redis = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim().split(' ').map(Number)
    .find((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`:${ports.REDIS_PORT}`))
  process.kill(redis!, 'SIGKILL')
  t.match(await ended, 'redis has ended (SIGKILL): stopping the others')
  t.equal(child.exitCode, 1)
  await nothingListens(t, ports)
})

t.test('a Redis that is there already is used, and left running', async (t) => {
  const redis = await startRedis(t)
  const { child, ports, ready, ended } = await startSplit(t, [], { REDIS_URL: redis.url })
  await ready
  t.notOk(await isListening(ports.REDIS_PORT), 'no Redis of its own is started')
  t.match(await (await fetch(`http://127.0.0.1:${ports.WS_PORT}/ready`)).json(), { fanout: 'ready' })
  child.kill('SIGTERM')
  await ended
  await nothingListens(t, ports)
  t.equal(await redis.command('PING'), 'PONG')
})

t.test('npm that is killed takes all of it along', { skip: process.platform === 'win32' && 'a parent that is gone cannot be noticed' }, async (t) => {
  const { child: npm, ports, ready, ended } = await start(t, ['npm', 'run', 'start:split'])
  await ready
  // npm passes this on to its shell only
  npm.kill('SIGTERM')
  await ended
  await nothingListens(t, ports)
})

t.test('what is missing is named before anything is started, and nothing is left behind', async (t) => {
  const server = createServer()
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => new Promise((resolve) => { server.close(resolve) }))
  const { port } = server.address() as AddressInfo
  const tmp = t.testdir({})

  const taken = await startSplit(t, [], { PORT: String(port), TMPDIR: tmp })
  t.equal(await taken.ended, `port ${port} cannot be used (EADDRINUSE): set PORT to another one\n`)
  t.equal(taken.child.exitCode, 1)

  const withoutNginx = await startSplit(t, ['--nginx'], { NGINX: '/nonexistent', TMPDIR: tmp })
  t.equal(await withoutNginx.ended, 'NGINX=/nonexistent does not run\n')
  t.equal(withoutNginx.child.exitCode, 1)
  await nothingListens(t, withoutNginx.ports)

  const withoutRedis = await startSplit(t, [], { REDIS_URL: `redis://user:password@127.0.0.1:${await freePort()}`, TMPDIR: tmp })
  t.match(await withoutRedis.ended, /^Redis cannot be used at REDIS_URL: connect ECONNREFUSED [\d.:]+\n$/)
  t.equal(withoutRedis.child.exitCode, 1)
  await nothingListens(t, withoutRedis.ports)
  t.strictSame(readdirSync(tmp).filter((name) => name.startsWith('fastify-ws-views-')), [])
})
