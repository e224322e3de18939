// node bench/run.js [--rounds 5] [--seconds 2] [--kinds echo16,fan1k-1] [--servers raw-ws,ws-views] [--json FILE]
//
// CPU of the server's process per message, all servers in turn within each round, medians of the rounds. Only the
// ratios within one run say something: absolute times depend on the machine. Where `taskset` exists, servers run on
// one core and the clients, with Redis, on another.
import { fork, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { openAll } from './load.js'
import { kinds } from './kinds-of-work.js'

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '2' },
    kinds: { type: 'string', default: Object.keys(kinds).join() },
    servers: { type: 'string', default: 'raw-ws,fastify-websocket,ws-views' },
    json: { type: 'string' }
  }
})
const rounds = Number(options.rounds)
const ms = Number(options.seconds) * 1000
const servers = options.servers.split(',')
const pins = spawnSync('taskset', ['--version']).status === 0 && availableParallelism() > 1
if (pins) spawnSync('taskset', ['-cp', '1', String(process.pid)])

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]

async function startServer (name, env) {
  const child = fork(new URL(`servers/${name}.js`, import.meta.url), {
    env: { ...process.env, NODE_ENV: 'production', ...env }, execArgv: ['--expose-gc'], stdio: ['ignore', 'inherit', 'inherit', 'ipc']
  })
  const port = await new Promise((resolve, reject) => {
    child.once('message', ({ port }) => resolve(port))
    child.once('exit', () => reject(new Error(`${name} did not start`)))
  })
  if (pins) spawnSync('taskset', ['-acp', '0', String(child.pid)])
  return {
    port,
    ask: (question) => new Promise((resolve) => {
      child.once('message', resolve)
      child.send(question)
    }),
    stop: () => new Promise((resolve) => {
      child.once('exit', resolve)
      child.kill()
    })
  }
}

async function startRedis () {
  const port = await new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address()
      probe.close(() => resolve(port))
    })
  })
  const dir = mkdtempSync(join(tmpdir(), 'bench-redis-'))
  const { findRedis } = await import('../test/fixtures/redis.ts')
  const binary = findRedis()
  const child = spawn(binary.path, ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', dir], { env: binary.env, stdio: 'ignore' })
  await sleep(500)
  if (pins) spawnSync('taskset', ['-acp', '1', String(child.pid)])
  return { port, stop: () => { child.kill('SIGKILL'); rmSync(dir, { recursive: true, force: true }) } }
}

/** @returns microseconds of CPU per unit, or bytes per idle socket */
async function measure (name, kind) {
  const redis = kind.redis === true ? await startRedis() : undefined
  const env = { ...(redis && { REDIS_PORT: String(redis.port) }), ...(kind.session && { WITH_SESSION: '1' }) }
  const processes = []
  try {
    for (let i = 0; i < (kind.processes ?? 1); i++) processes.push(await startServer(name, env))
    const ports = processes.map(({ port }) => port)
    if (kind.idle !== undefined) return await measureIdle(processes[0], kind.idle)
    const work = await kind.start(ports)
    await sleep(ms / 2) // warm
    const before = await Promise.all(processes.map(({ ask }) => ask('cpu')))
    const doneBefore = work.done()
    await sleep(ms)
    const after = await Promise.all(processes.map(({ ask }) => ask('cpu')))
    const units = work.done() - doneBefore
    work.stop()
    return after.reduce((sum, { cpuUs }, i) => sum + cpuUs - before[i].cpuUs, 0) / units
  } finally {
    await Promise.all(processes.map(({ stop }) => stop()))
    redis?.stop()
  }
}

async function measureIdle (server, count) {
  const warm = await openAll([server.port], Array(500).fill('/echo'), () => {})
  const { rss: before } = await server.ask('gc')
  const clients = await openAll([server.port], Array(count).fill('/echo'), () => {})
  await sleep(500)
  const { rss: after } = await server.ask('gc')
  for (const { tcp } of [...warm, ...clients]) tcp.destroy()
  return (after - before) / count
}

const results = {}
for (const key of options.kinds.split(',')) {
  const kind = kinds[key]
  const present = kind.session ? servers.filter((name) => name !== 'raw-ws') : servers
  const measured = Object.fromEntries(present.map((name) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    for (const name of round % 2 === 0 ? present : present.toReversed()) measured[name].push(await measure(name, kind))
  }
  const reference = present[0]
  results[key] = Object.fromEntries(present.map((name) => [name, {
    [kind.idle === undefined ? 'cpuUs' : 'bytes']: Number(median(measured[name]).toPrecision(3)),
    timesCheaper: Number(median(measured[name].map((value, i) => measured[reference][i] / value)).toPrecision(3))
  }]))
  console.log(`${kind.title} (${key})`)
  for (const [name, { cpuUs, bytes, timesCheaper }] of Object.entries(results[key])) {
    console.log(`  ${name.padEnd(18)} ${bytes === undefined ? `${cpuUs} µs` : `${bytes} bytes`}   ${timesCheaper} times cheaper than ${reference}`)
  }
}
if (options.json !== undefined) writeFileSync(options.json, JSON.stringify(results, null, 2))
process.exit(0)
