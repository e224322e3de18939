// The sandbox as two processes: pages on PORT (8000), WebSockets on WS_PORT (8001), Redis between them. With `--nginx`,
// nginx puts both behind one port, NGINX_PORT (8080). One that ends takes the others with it.
import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import { nginxConfig } from './nginx-config.ts'
import { findNginx, findRedis, onPath, type Program } from './programs.ts'

const { PORT = '8000', WS_PORT = '8001', NGINX_PORT = '8080', REDIS_PORT = '6390' } = process.env
const hasNginx = process.argv.includes('--nginx')
// util-linux: SIGTERM from the kernel, should this process be killed and unable to stop its children
const guard = onPath('setpriv')
const children = new Map<string, ChildProcess>()
let isStopping = false

/** The servers first: their 1001 still passes through nginx, and Redis is there for the last sessions. */
async function stop (exitCode: number): Promise<void> {
  if (isStopping) return
  isStopping = true
  process.exitCode = exitCode
  await Promise.all([end('views'), end('pages')])
  await end('nginx')
  await end('redis')
  rmSync(dir, { recursive: true, force: true })
}

async function end (name: string): Promise<void> {
  const child = children.get(name)
  if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  await gone
}

function start (name: string, command: string, args: string[], env: NodeJS.ProcessEnv): void {
  if (isStopping) return
  const argv = guard === undefined ? [command, ...args] : [guard, '--pdeathsig', 'TERM', command, ...args]
  // detached: Ctrl-C is for this process, which stops them in order
  const child = spawn(argv[0]!, argv.slice(1), { env, stdio: ['ignore', 'inherit', 'inherit'], detached: true })
  children.set(name, child)
  child.once('error', (error) => {
    console.error(`${name}: ${error.message}`)
    stop(1)
  })
  child.once('exit', (code, signal) => {
    if (isStopping) return
    console.error(`${name} has ended (${signal ?? code}): stopping the others`)
    stop(1)
  })
}

function startServer (name: string, env: Record<string, string>): void {
  const server = fileURLToPath(new URL('server.ts', import.meta.url))
  start(name, process.execPath, ['--import', 'tsx', server], { ...process.env, HOST: '127.0.0.1', REDIS_URL: redisUrl, SESSION_SECRET: secret, ...env })
}

function giveUp (why: string): never {
  console.error(why)
  process.exit(1)
}

async function checkFree (port: string, variable: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const probe = createServer().once('error', reject).listen(Number(port), '127.0.0.1', () => { probe.close(() => resolve()) })
  }).catch((error: NodeJS.ErrnoException) => giveUp(`port ${port} cannot be used (${error.code}): set ${variable} to another one`))
}

/** The servers would start without, and wait. The URL may have a password: it is not repeated. */
async function checkRedis (url: string): Promise<void> {
  const client = new Redis(url, { lazyConnect: true, retryStrategy: () => null })
  let reason: unknown
  client.once('error', (error) => { reason = error })
  try {
    await client.connect()
    await client.ping()
  } catch (error) {
    giveUp(`Redis cannot be used at REDIS_URL: ${((reason ?? error) as Error).message}`)
  } finally {
    client.disconnect()
  }
}

function findOrGiveUp (find: () => Program): Program {
  try {
    return find()
  } catch (error) {
    giveUp((error as Error).message)
  }
}

/** Until the server at this port listens and has Redis, or everything is being stopped. */
async function untilReady (port: string): Promise<void> {
  const answer = await fetch(`http://127.0.0.1:${port}/ready`).catch(() => undefined)
  if (answer?.status === 200 || isStopping) return
  await sleep(50)
  await untilReady(port)
}

const secret = process.env.SESSION_SECRET ?? randomBytes(32).toString('hex')
const needsRedis = (process.env.REDIS_URL ?? '') === ''
const redisUrl = needsRedis ? `redis://127.0.0.1:${REDIS_PORT}` : process.env.REDIS_URL!

// Whatever is missing is better said before anything is started.
await checkFree(PORT, 'PORT')
await checkFree(WS_PORT, 'WS_PORT')
if (hasNginx) await checkFree(NGINX_PORT, 'NGINX_PORT')
if (needsRedis) await checkFree(REDIS_PORT, 'REDIS_PORT')
else await checkRedis(redisUrl)
const redis = needsRedis ? findOrGiveUp(findRedis) : undefined
const nginx = hasNginx ? findOrGiveUp(findNginx) : undefined

const dir = mkdtempSync(join(tmpdir(), 'fastify-ws-views-'))
// nginx started by root works as another user, who has to reach its files in here
chmodSync(dir, 0o711)
process.once('SIGINT', () => { stop(0) }).once('SIGTERM', () => { stop(0) })
// npm that is killed does not pass it on: this process gets another parent, and nothing else.
const parent = process.ppid
setInterval(() => { if (process.ppid !== parent) stop(0) }, 500).unref()

if (redis !== undefined) {
  start('redis', redis.path, ['--port', REDIS_PORT, '--bind', '127.0.0.1', '--save', '', '--dir', dir, '--loglevel', 'warning'], redis.env)
}
// Behind nginx both have one host: the views compare it with the origin, and the pages make the sockets' URLs from it.
const proxy = { TRUST_PROXY: '127.0.0.1' }
startServer('views', { PART: 'views', PORT: WS_PORT, ...(hasNginx ? proxy : { PAGES_ORIGIN: `http://localhost:${PORT}` }) })
startServer('pages', { PART: 'pages', PORT, ...(hasNginx ? proxy : { WS_BASE_URL: `ws://localhost:${WS_PORT}` }) })
await Promise.all([untilReady(WS_PORT), untilReady(PORT)])
if (nginx !== undefined) {
  const config = join(dir, 'nginx.conf')
  writeFileSync(config, nginxConfig({ port: NGINX_PORT, pages: PORT, views: [WS_PORT] }, dir))
  start('nginx', nginx.path, ['-p', dir, '-c', config, '-e', 'stderr'], nginx.env)
  await untilReady(NGINX_PORT)
}
if (!isStopping) console.log(`The sandbox is on http://localhost:${hasNginx ? NGINX_PORT : PORT}/`)
