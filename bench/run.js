// node bench/run.js [--rounds 5] [--seconds 2] [--kinds echo16,fan1k-1] [--servers raw-ws,ws-views] [--json FILE]
//
// CPU of the server's process per message, all servers in turn within each round, medians of the rounds. Only the
// ratios within one run say something: absolute times depend on the machine. Where `taskset` exists, servers run on
// one core and the clients, with Redis, on another.
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { kinds } from './kinds-of-work.js'
import { logIn, openAll, speak } from './load.js'
import { median, sleep, startRedis, startServer } from './processes.js'

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '2' },
    kinds: { type: 'string', default: Object.keys(kinds).join() },
    servers: { type: 'string', default: 'raw-ws,fastify-websocket,socket-io,ws-views' },
    json: { type: 'string' }
  }
})
const rounds = Number(options.rounds)
const ms = Number(options.seconds) * 1000
const servers = options.servers.split(',')
/** cookies, sessions and hooks are Fastify's */
const withSession = new Set(['fastify-websocket', 'ws-views'])

/** @returns `cost`: microseconds of CPU per unit, or bytes per idle socket; `inKernel`: the kernel's share of the CPU */
async function measure (name, kind) {
  const redis = kind.redis === true ? await startRedis() : undefined
  const env = { ...(redis && { REDIS_PORT: String(redis.port) }), ...(kind.session && { WITH_SESSION: '1' }) }
  const processes = []
  try {
    for (let i = 0; i < (kind.processes ?? 1); i++) processes.push(await startServer(name, env))
    const ports = processes.map(({ port }) => port)
    speak(processes[0].protocol)
    if (kind.idle !== undefined) return { cost: await measureIdle(processes[0], kind.idle) }
    const work = await kind.start(ports)
    await sleep(kind.warmSeconds === undefined ? ms / 2 : kind.warmSeconds * 1000) // until the hot functions are compiled
    const before = await Promise.all(processes.map(({ ask }) => ask('cpu')))
    const doneBefore = work.done()
    await sleep(ms)
    const after = await Promise.all(processes.map(({ ask }) => ask('cpu')))
    const units = work.done() - doneBefore
    work.stop()
    const spent = (name) => after.reduce((sum, answer, i) => sum + answer[name] - before[i][name], 0)
    return { cost: spent('cpuUs') / units, inKernel: spent('kernelUs') / spent('cpuUs') }
  } finally {
    await Promise.all(processes.map(({ stop }) => stop()))
    redis?.stop()
  }
}

async function measureIdle (server, count) {
  const headers = await logIn(server.port)
  const warm = await openAll([server.port], Array(500).fill('/echo'), () => {}, headers)
  const { rss: before } = await server.ask('gc')
  const clients = await openAll([server.port], Array(count).fill('/echo'), () => {}, headers)
  await sleep(500)
  const { rss: after } = await server.ask('gc')
  for (const { tcp } of [...warm, ...clients]) tcp.destroy()
  return (after - before) / count
}

const results = {}
for (const key of options.kinds.split(',')) {
  const kind = kinds[key]
  const present = kind.session ? servers.filter((name) => withSession.has(name)) : servers
  const measured = Object.fromEntries(present.map((name) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    for (const name of round % 2 === 0 ? present : present.toReversed()) measured[name].push(await measure(name, kind))
  }
  const reference = present[0]
  console.log(`${kind.title} (${key})`)
  results[key] = {}
  for (const name of present) {
    const medianOf = (valueOf) => Number(median(measured[name].map(valueOf)).toPrecision(3))
    const cost = medianOf(({ cost }) => cost)
    const timesCheaper = medianOf(({ cost }, round) => measured[reference][round].cost / cost)
    const inKernel = kind.idle === undefined ? medianOf(({ inKernel }) => inKernel) : undefined
    results[key][name] = inKernel === undefined ? { bytes: cost, timesCheaper } : { cpuUs: cost, inKernel, timesCheaper }
    const unit = inKernel === undefined ? 'bytes' : `µs, ${Math.round(inKernel * 100)} % in the kernel`
    console.log(`  ${name.padEnd(18)} ${cost} ${unit}   ${timesCheaper} times cheaper than ${reference}`)
  }
}
if (options.json !== undefined) writeFileSync(options.json, JSON.stringify(results, null, 2))
process.exit(0)
