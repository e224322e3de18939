import { Redis } from 'ioredis'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { createFanOut, type FanOut, type FanOutOptions } from '../lib/fan-out/fan-out.ts'
import { captureLog, error, Recorder, type Log } from './fixtures/fan-out-contract.ts'
import { freePort } from './fixtures/free-port.ts'
import { startRedis } from './fixtures/redis.ts'

const unavailable = { code: 'WSV_ERR_FANOUT_UNAVAILABLE', statusCode: 503 }
const retryStrategy = (): number => 5

async function open (t: Test, port: number, options: Partial<FanOutOptions> = {}): Promise<{ fanOut: FanOut, log: Log }> {
  const log = captureLog()
  const fanOut = createFanOut({ redis: { port, host: '127.0.0.1', retryStrategy }, log, ...options })
  t.teardown(() => fanOut.close())
  await fanOut.opened
  return { fanOut, log }
}

// Passed-in clients have the defaults of ioredis: an offline queue, automatic subscription, commands sent again. Only
// what waits is never given up by ioredis itself.
const maxRetriesPerRequest = null
const forms: [string, (t: Test, port: number) => unknown][] = [
  ['options', (_t, port) => ({ port, host: '127.0.0.1', retryStrategy, maxRetriesPerRequest })],
  ['a client', (t, port) => clientOf(t, port)],
  ['a pair of clients', (t, port) => ({ publisher: clientOf(t, port), subscriber: clientOf(t, port) })]
]

function clientOf (t: Test, port: number): Redis {
  const client = new Redis(port, '127.0.0.1', { retryStrategy, maxRetriesPerRequest })
  client.on('error', () => {})
  t.teardown(() => { client.disconnect() })
  return client
}

for (const [what, make] of forms) {
  t.test(`Redis killed and back (${what}): refuses meanwhile, delivers nothing late, subscribes again and tells each subscriber once`, async (t) => {
    let redis = await startRedis(t)
    const { fanOut, log } = await open(t, redis.port, { redis: make(t, redis.port), maxPending: 10 })
    await log.seen('connected to Redis')
    const [before, meanwhile, left, came] = [new Recorder('before'), new Recorder('meanwhile'), new Recorder('left'), new Recorder('came')]
    await fanOut.join('lobby', before)
    await fanOut.join('kitchen', before)
    await fanOut.join('gone', left)
    await fanOut.publish('lobby', 1)
    await before.got(1)

    await redis.kill()
    await log.seen('Redis is away')
    t.equal(fanOut.status, 'reconnecting')
    // at once: they do not wait for each other, nor fill up what maxPending allows
    const refused = await Promise.allSettled(Array.from({ length: 20 }, () => fanOut.publish('lobby', 'refused')))
    for (const result of refused) t.match(result, { status: 'rejected', reason: unavailable })
    await fanOut.join('lobby', meanwhile)
    await fanOut.join('hall', meanwhile)
    await fanOut.leave('gone', left)
    t.strictSame(before.texts, ['1'], 'not even here')

    redis = await startRedis(t, redis.port)
    await Promise.all([before.missed(1), meanwhile.missed(1), log.seen('Redis is back')])
    t.equal(fanOut.status, 'ready')
    t.strictSame(before.gaps.map((channels) => channels.sort()), [['kitchen', 'lobby']])
    t.strictSame(meanwhile.gaps.map((channels) => channels.sort()), [['hall', 'lobby']])
    t.strictSame((await redis.command('PUBSUB', 'CHANNELS') as string[]).sort(), ['hall', 'kitchen', 'lobby'])
    await fanOut.join('lobby', came)
    await fanOut.publish('lobby', 2)
    await Promise.all([before.got(2), meanwhile.got(1), came.got(1)])
    t.strictSame(before.texts, ['1', '2'])
    t.strictSame(meanwhile.texts, ['2'])

    await redis.kill()
    await log.seen('Redis is away', 2)
    redis = await startRedis(t, redis.port)
    await Promise.all([before.missed(2), came.missed(1)])
    t.equal(before.gaps.length, 2, 'again for the next outage')
    t.strictSame(left.gaps, [])
    t.strictSame(came.gaps, [['lobby']])
  })
}

t.test('a Redis that is started later: the app starts without it, and learns of it', async (t) => {
  const port = await freePort()
  const { fanOut, log } = await open(t, port)
  const recorder = new Recorder()
  t.equal(fanOut.status, 'connecting')
  await fanOut.join('lobby', recorder)
  await t.rejects(fanOut.publish('lobby', 1), unavailable)
  t.match(log.lines.filter((line) => line.level === error), [{ reason: /ECONNREFUSED/ }], 'one line, however often it tries')
  await startRedis(t, port)
  await recorder.missed(1)
  await log.seen('connected to Redis')
  t.strictSame(recorder.gaps, [['lobby']])
  await fanOut.publish('lobby', 2)
  await recorder.got(1)
  t.strictSame(recorder.texts, ['2'])
})

t.test('a subscription made while the first connection comes about has missed nothing', async (t) => {
  const redis = await startRedis(t)
  const fanOut = createFanOut({ redis: redis.url, log: captureLog() })
  t.teardown(() => fanOut.close())
  const [stays, leaves] = [new Recorder('stays'), new Recorder('leaves')]
  t.equal(fanOut.status, 'connecting')
  await Promise.all([fanOut.join('lobby', stays), fanOut.join('hall', leaves), fanOut.leave('hall', leaves)])
  await fanOut.opened
  await fanOut.publish('lobby', 1)
  await stays.got(1)
  t.strictSame(stays.gaps, [])
  t.strictSame(await redis.command('PUBSUB', 'CHANNELS'), ['lobby'])
})

t.test('a silent Redis: maxPending publishes wait, the next are refused, and all is delivered when it wakes up', async (t) => {
  const redis = await startRedis(t)
  const { fanOut } = await open(t, redis.port, { maxPending: 10 })
  const recorder = new Recorder()
  await fanOut.join('lobby', recorder)
  redis.freeze()
  const waiting = Array.from({ length: 10 }, (_, i) => fanOut.publish('lobby', i))
  await new Promise(setImmediate)
  for (let i = 0; i < 3; i++) {
    await t.rejects(fanOut.publish('lobby', 'too many'), { code: 'WSV_ERR_FANOUT_OVERLOADED', statusCode: 503, message: /10 publishes/ })
  }
  redis.thaw()
  await Promise.all(waiting)
  await recorder.got(10)
  await fanOut.publish('lobby', 'room again')
  await recorder.got(11)
  t.strictSame(recorder.texts, [...Array.from({ length: 10 }, (_, i) => String(i)), '"room again"'])
  t.strictSame(recorder.gaps, [])
})

for (const [what, make] of forms) {
  t.test(`a Redis that dies with calls on the way (${what}): publishes reject, subscribing resolves and is made up for`, async (t) => {
    let redis = await startRedis(t)
    const { fanOut, log } = await open(t, redis.port, { redis: make(t, redis.port) })
    await log.seen('connected to Redis')
    const recorder = new Recorder()
    redis.freeze()
    const publishing = Promise.allSettled([fanOut.publish('lobby', 1), fanOut.publish('hall', 2)])
    const joining = fanOut.join('lobby', recorder)
    const leaving = fanOut.join('hall', recorder).then(() => fanOut.leave('hall', recorder))
    await new Promise(setImmediate)
    await redis.kill()
    t.match(await publishing, [{ status: 'rejected', reason: unavailable }, { status: 'rejected', reason: unavailable }])
    await Promise.all([joining, leaving])
    redis = await startRedis(t, redis.port)
    await recorder.missed(1)
    t.strictSame(recorder.gaps, [['lobby']])
    t.strictSame(await redis.command('PUBSUB', 'CHANNELS'), ['lobby'])
    await fanOut.publish('lobby', 3)
    await recorder.got(1)
  })
}

t.test('starts and ends in bounded time when Redis takes connections and says nothing', async (t) => {
  const redis = await startRedis(t)
  redis.freeze()
  const { fanOut } = await open(t, redis.port)
  t.equal(fanOut.status, 'connecting')
  await fanOut.join('lobby', new Recorder())
  await t.rejects(fanOut.publish('lobby', 1), unavailable)
  await fanOut.close()
  redis.thaw()
  const { fanOut: second } = await open(t, redis.port)
  await second.join('lobby', new Recorder())
  redis.freeze()
  const refused = t.rejects(second.publish('lobby', 1), unavailable, 'what was not answered is rejected at the end')
  await second.close()
  await refused
})

t.test('closes while Redis is away, and while it is not even tried', async (t) => {
  const { fanOut } = await open(t, await freePort())
  await fanOut.close()
  t.equal(fanOut.status, 'closed')
  const unopened = createFanOut({ redis: { port: await freePort(), host: '127.0.0.1' }, log: captureLog() })
  await unopened.close()
  await unopened.opened
})

t.test('a client that the application has ended is a closed fan-out, not a crash', async (t) => {
  const redis = await startRedis(t)
  const mine = clientOf(t, redis.port)
  const { fanOut } = await open(t, redis.port, { redis: mine })
  const ended = once(mine, 'end')
  mine.disconnect()
  await ended
  t.equal(fanOut.status, 'closed')
  await t.rejects(fanOut.publish('lobby', 1), unavailable)
  const again = once(mine, 'ready')
  await mine.connect()
  await again
  t.equal(fanOut.status, 'ready')
  await fanOut.publish('lobby', 1)
})
