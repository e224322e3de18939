// node bench/scaling.js [--rounds 3] [--seconds 2]
//
// 1, 2 and 4 processes with WebSockets on one Redis, 1,000 sockets in all, 16 messages outstanding: what a delivery costs the
// servers and Redis as processes are added. Then what one process holds.
import { parseArgs } from 'node:util'
import { kinds } from './kinds-of-work.js'
import { openAll } from './load.js'
import { median, sleep, startRedis, startServer } from './processes.js'

const { values: options } = parseArgs({ options: { rounds: { type: 'string', default: '3' }, seconds: { type: 'string', default: '2' } } })
const rounds = Number(options.rounds)
const ms = Number(options.seconds) * 1000
const sockets = 1000

async function measure (count) {
  const redis = await startRedis()
  const servers = []
  for (let i = 0; i < count; i++) servers.push(await startServer('ws-views', { REDIS_PORT: String(redis.port) }))
  try {
    const work = await kinds['redis-fan1k-16'].start(servers.map(({ port }) => port))
    await sleep(ms / 2) // warm
    const cpu = async () => (await Promise.all(servers.map(({ ask }) => ask('cpu')))).reduce((sum, { cpuUs }) => sum + cpuUs, 0)
    const before = [await cpu(), redis.cpuUs(), work.done()]
    await sleep(ms)
    const after = [await cpu(), redis.cpuUs(), work.done()]
    work.stop()
    const deliveries = after[2] - before[2]
    return {
      server: (after[0] - before[0]) / deliveries,
      redis: (after[1] - before[1]) / deliveries,
      redisMessage: (after[1] - before[1]) / (deliveries / sockets)
    }
  } finally {
    await Promise.all(servers.map(({ stop }) => stop()))
    redis.stop()
  }
}

const measured = { 1: [], 2: [], 4: [] }
for (let round = 0; round < rounds; round++) {
  for (const count of [1, 2, 4]) measured[count].push(await measure(count))
}
const ratioTo1 = (count) => median(measured[count].map(({ server }, i) => server / measured[1][i].server)).toFixed(2)
console.log('| processes | CPU of the servers per delivery | to one process | CPU of Redis per delivery | CPU of Redis per message |')
console.log('|---|---|---|---|---|')
for (const count of [1, 2, 4]) {
  const of = (name) => median(measured[count].map((values) => values[name])).toPrecision(2)
  console.log(`| ${count} | ${of('server')} µs | ${ratioTo1(count)} | ${of('redis')} µs | ${of('redisMessage')} µs |`)
}

const server = await startServer('ws-views', {})
const warm = await openAll([server.port], Array(500).fill('/echo'), () => {})
const { rss: before } = await server.ask('gc')
const begun = performance.now()
const clients = await openAll([server.port], Array(5000).fill('/echo'), () => {})
const perSecond = 5000 / (performance.now() - begun) * 1000
await sleep(500)
const { rss: after, cpuUs: cpuBefore } = await server.ask('gc')
await sleep(5000)
const { cpuUs: cpuAfter } = await server.ask('cpu')
console.log(`\nidle sockets: ${Math.round((after - before) / 5000)} bytes each, opened at ${Math.round(perSecond)} per second`)
console.log(`5,500 idle sockets took ${((cpuAfter - cpuBefore) / 5_000_000 * 100).toFixed(2)} % of one core over 5 s`)
for (const { tcp } of [...warm, ...clients]) tcp.destroy()
await server.stop()
process.exit(0)
