import { Type } from '@sinclair/typebox'
import { Cluster, Redis } from 'ioredis'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { defineChannel } from '../lib/fan-out/channel.ts'
import { createFanOut, type FanOut, type FanOutOptions } from '../lib/fan-out/fan-out.ts'
import { captureLog, compileCheck, fanOutContract, Recorder, socketWithId, TextRecorder, warn, error } from './fixtures/fan-out-contract.ts'
import { startRedis } from './fixtures/redis.ts'

const redis = await startRedis(t)

async function open (t: Test, options: Partial<FanOutOptions> = {}): Promise<FanOut> {
  const fanOut = createFanOut({ redis: redis.url, log: captureLog(), compileCheck, ...options })
  t.teardown(() => fanOut.close())
  await fanOut.opened
  return fanOut
}

t.test('the promises of every fan-out', async (t) => {
  fanOutContract(t, async (t, options) => [await open(t, options), await open(t, options)])
})

/** A client of the application. */
function client (t: Test, options: object = {}): Redis {
  const client = new Redis(redis.port, '127.0.0.1', options)
  t.teardown(() => { client.disconnect() })
  return client
}

async function connections (): Promise<number> {
  // without the one that asks
  return String(await redis.command('CLIENT', 'LIST')).trim().split('\n').length - 1
}

async function subscribed (): Promise<string[]> {
  return (await redis.command('PUBSUB', 'CHANNELS') as string[]).sort()
}

t.test('has two connections and one subscription a channel, however many sockets, and none when they have left', async (t) => {
  const before = await connections()
  const fanOut = await open(t)
  t.equal(fanOut.kind, 'redis')
  t.equal(fanOut.status, 'ready')
  const recorders = Array.from({ length: 200 }, (_, i) => new Recorder(`socket-${i}`))
  await Promise.all(recorders.flatMap((recorder) => [fanOut.join('lobby', recorder), fanOut.join(`user:${recorder.id}`, recorder)]))
  t.equal(await connections(), before + 2)
  t.equal((await subscribed()).length, 201)
  t.strictSame(await redis.command('PUBSUB', 'NUMSUB', 'lobby'), ['lobby', 1])
  for (const recorder of recorders.slice(1)) fanOut.leaveAll(recorder)
  await fanOut.leave('user:socket-0', recorders[0]!)
  t.strictSame(await subscribed(), ['lobby'])
  await fanOut.leave('lobby', recorders[0]!)
  t.strictSame(await subscribed(), [])
  await fanOut.close()
})

t.test('is subscribed exactly to what the last calls say, after any race', async (t) => {
  const fanOut = await open(t)
  const recorder = new Recorder()
  const calls: Promise<void>[] = []
  for (let i = 0; i < 101; i++) {
    calls.push(i % 2 === 0 ? fanOut.join('a', recorder) : fanOut.leave('a', recorder))
    calls.push(i % 2 === 1 ? fanOut.join('b', recorder) : fanOut.leave('b', recorder))
    if (i % 10 === 0) await new Promise(setImmediate)
  }
  await Promise.all(calls)
  t.strictSame(await subscribed(), ['a'])
})

t.test('sends the messages of one turn in one write', async (t) => {
  const publisher = client(t)
  const fanOut = await open(t, { redis: publisher })
  let writes = 0
  for (const name of ['_write', '_writev'] as const) {
    const { stream } = publisher
    const original = stream[name]!.bind(stream) as (...args: unknown[]) => void
    stream[name] = (...args: unknown[]) => {
      writes++
      original(...args)
    }
  }
  await Promise.all(Array.from({ length: 500 }, (_, i) => fanOut.publish('nobody', i)))
  t.equal(writes, 1, '500 messages')
  await Promise.all([fanOut.publish('nobody', 'x'.repeat(100_000)), fanOut.publish('nobody', 1)])
  t.equal(writes, 2, 'however large')
})

t.test('what comes from Redis is parsed once in a process, whoever reads it', async (t) => {
  const [one, other] = [await open(t), await open(t)]
  const channel = defineChannel('lobby', Type.Object({ text: Type.String() }))
  const recorders = Array.from({ length: 20 }, (_, i) => new Recorder(`socket-${i}`))
  await Promise.all(recorders.map((recorder) => other.join(channel, recorder)))
  const listened: unknown[] = []
  await other.subscribe(channel, (message) => { listened.push(message) })
  const { parse } = JSON
  t.teardown(() => { JSON.parse = parse })
  let parsed = 0
  JSON.parse = (text: string, ...rest) => {
    if (text === '{"text":"hello"}') parsed++
    return parse(text, ...rest) as unknown
  }
  await one.publish(channel, { text: 'hello' })
  await Promise.all(recorders.map((recorder) => recorder.got(1)))
  for (const { messages: [message] } of recorders) t.strictSame(message!.value, { text: 'hello' })
  t.strictSame(listened, [{ text: 'hello' }])
  t.equal(parsed, 1)
})

t.test('carries the plain text of a message, so that other programs can read and send', async (t) => {
  const fanOut = await open(t, { channelPrefix: 'app:' })
  const recorder = new Recorder('me')
  const other = client(t)
  const read: string[] = []
  await other.subscribe('app:lobby')
  other.on('message', (_channel, message) => { read.push(message) })
  await fanOut.join('lobby', recorder)
  await fanOut.publish('lobby', { text: 'ä' })
  await fanOut.publish('lobby', { text: 'for others' }, { except: socketWithId('me') })
  await redis.command('PUBLISH', 'app:lobby', ' {"from": "elsewhere"}\n')
  await redis.command('PUBLISH', 'app:lobby', '\u0001me\n"not for me"')
  await redis.command('PUBLISH', 'app:lobby', '\u0001you\n"last"')
  await recorder.got(3)
  t.strictSame(recorder.texts, ['{"text":"ä"}', ' {"from": "elsewhere"}\n', '"last"'])
  t.strictSame(read.slice(0, 3), ['{"text":"ä"}', '\u0001me\n{"text":"for others"}', ' {"from": "elsewhere"}\n'])
})

t.test('drops and counts what is no message, for each subscriber as it needs', async (t) => {
  const log = captureLog()
  const fanOut = await open(t, { log })
  const [json, text] = [new Recorder('json'), new TextRecorder('text')]
  const listened: unknown[] = []
  const checked = new Recorder('checked')
  await fanOut.join('lobby', text)
  await fanOut.join('checked', checked)
  await redis.command('PUBLISH', 'lobby', 'plain text')
  await text.got(1)
  t.equal(fanOut.dropped, 0, 'any text is good where nobody needs JSON')
  await fanOut.join('lobby', json)
  await fanOut.subscribe('lobby', (message) => { listened.push(message) })
  const bad = [Buffer.from([0xff, 0xfe]), Buffer.from([0xc0, 0x80]), '\u0001no newline', '\u0001\n1', '\u0001two words\n1', `\u0001${'x'.repeat(200)}\n1`]
  for (const message of bad) await redis.command('PUBLISH', 'lobby', message)
  const noJson = ['{"half":', '', '\ufeff1', 'NaN']
  for (const message of noJson) await redis.command('PUBLISH', 'lobby', message)
  await redis.command('PUBLISH', 'lobby', '"good"')
  await json.got(1)
  t.strictSame(json.texts, ['"good"'])
  t.strictSame(text.texts, ['plain text', ...noJson, '"good"'])
  t.strictSame(listened, ['good'])
  t.equal(fanOut.dropped, bad.length + noJson.length)

  fanOut.leaveAll(checked)
  await fanOut.join(defineChannel('checked', Type.Object({ n: Type.Number() })), checked)
  for (const message of ['nonsense', '{"n":"1"}', '{"n":1}']) await redis.command('PUBLISH', 'checked', message)
  await checked.got(1)
  t.strictSame(checked.texts, ['{"n":1}'])
  t.match(log.lines.filter((line) => line.level === warn), [{ channel: 'lobby', reason: 'utf8' }, { channel: 'checked', reason: 'json' }])
})

t.test('publishes on a client of the application, subscribes on a duplicate, and closes only its own', async (t) => {
  const mine = client(t)
  await once(mine, 'ready')
  const before = await connections()
  const fanOut = await open(t, { redis: mine })
  t.equal(await connections(), before + 1)
  const recorder = new Recorder()
  await fanOut.join('lobby', recorder)
  await fanOut.publish('lobby', 1)
  await recorder.got(1)
  const listeners = mine.listenerCount('ready') + mine.listenerCount('error')
  await fanOut.close()
  t.equal(await mine.ping(), 'PONG')
  t.equal(mine.listenerCount('ready') + mine.listenerCount('error'), listeners - 2, 'its listeners are gone')
})

t.test('takes a pair of clients and leaves both open, without our channels', async (t) => {
  const [publisher, subscriber] = [client(t), client(t)]
  await subscriber.subscribe('of the application')
  const fanOut = await open(t, { redis: { publisher, subscriber } })
  const recorder = new Recorder()
  await fanOut.join('lobby', recorder)
  await fanOut.publish('lobby', 1)
  await publisher.publish('of the application', 'nothing of ours')
  await fanOut.publish('lobby', 2)
  await recorder.got(2)
  t.strictSame(recorder.texts, ['1', '2'])
  t.strictSame(await subscribed(), ['lobby', 'of the application'])
  await fanOut.close()
  t.equal(await publisher.ping(), 'PONG')
  await subscriber.subscribe('still alive')
  t.strictSame(await subscribed(), ['of the application', 'still alive'])
})

t.test('connects clients that were made with lazyConnect, and takes options', async (t) => {
  for (const option of [client(t, { lazyConnect: true }), { host: '127.0.0.1', port: redis.port, enableOfflineQueue: true }, `${redis.url}/3`]) {
    const fanOut = await open(t, { redis: option })
    const recorder = new Recorder()
    await fanOut.join('lobby', recorder)
    await fanOut.publish('lobby', 1)
    await recorder.got(1)
    t.equal(fanOut.status, 'ready')
    await fanOut.close()
  }
})

t.test('refuses what is no Redis, without repeating a password', (t) => {
  const one = new Redis({ lazyConnect: true })
  const cases: [string, unknown, RegExp][] = [
    ['a word', 'localhost', /a string/],
    ['another scheme', 'http://user:s3cret@localhost', /scheme 'http:'/],
    ['a port', 6379, /number/],
    ['null', null, /null/],
    ['a URL with a broken escape', 'redis://user:s3cret%zz@localhost', /cannot read/],
    ['keyPrefix of a client', new Redis({ lazyConnect: true, keyPrefix: 'p:', password: 's3cret' }), /keyPrefix.*channelPrefix/],
    ['keyPrefix in options', { keyPrefix: 'p:', password: 's3cret' }, /keyPrefix/],
    ['keyPrefix in a URL', 'redis://:s3cret@localhost?keyPrefix=p:', /keyPrefix/],
    ['one client for both', { publisher: one, subscriber: one }, /one client for both/],
    ['an array', [redis.url], /array/],
    ['a client of another library', { publish () {}, subscribe () {}, duplicate () {}, on () {} }, /another library/],
    ['half a pair', { publisher: one }, /pair/],
    ['keyPrefix of a Cluster', new Cluster([], { lazyConnect: true, redisOptions: { keyPrefix: 'p:' } }), /keyPrefix/]
  ]
  for (const [what, option, said] of cases) {
    try {
      createFanOut({ redis: option, log: captureLog() })
      t.fail(what)
    } catch (err) {
      t.match(err, { code: 'WSV_ERR_OPTION_INVALID', message: said }, what)
      t.notMatch((err as Error).message, /s3cret/)
    }
  }
  t.end()
})

t.test('a wrong password is a status and one line in the log, without the password', async (t) => {
  const locked = await startRedis(t)
  await locked.command('CONFIG', 'SET', 'requirepass', 'right')
  const log = captureLog()
  const fanOut = await open(t, { redis: { port: locked.port, host: '127.0.0.1', password: 's3cret', retryStrategy: () => 5 }, log })
  t.equal(fanOut.status, 'connecting')
  await t.rejects(fanOut.publish('lobby', 1), { code: 'WSV_ERR_FANOUT_UNAVAILABLE' })
  await fanOut.join('lobby', new Recorder())
  await log.seen('WRONGPASS')
  t.equal(log.lines.filter((line) => line.level === error).length, 1)
  t.notMatch(JSON.stringify(log.lines), /s3cret/)
})

t.test('tells which of many publishes Redis refuses, and which subscriptions', async (t) => {
  await redis.command('ACL', 'SETUSER', 'limited', 'on', '>pw', '+@all', 'resetchannels', '&open:*')
  const fanOut = await open(t, { redis: `redis://limited:pw@127.0.0.1:${redis.port}` })
  const recorder = new Recorder()
  await fanOut.join('open:1', recorder)
  const refused = { code: 'WSV_ERR_FANOUT_REFUSED', message: /NOPERM/ }
  await Promise.all([fanOut.join('secret', recorder), fanOut.join('secret', new Recorder())].map((joining) => t.rejects(joining, refused)))
  await t.rejects(fanOut.subscribe('secret'), refused)
  const results = await Promise.allSettled([fanOut.publish('open:1', 1), fanOut.publish('secret', 2), fanOut.publish('open:1', 3)])
  t.match(results, [{ status: 'fulfilled' }, { status: 'rejected', reason: refused }, { status: 'fulfilled' }])
  await recorder.got(2)
  t.strictSame(recorder.texts, ['1', '3'])
  await redis.command('ACL', 'SETUSER', 'limited', '&secret')
  await fanOut.join('secret', recorder)
  await fanOut.publish('secret', 4)
  await recorder.got(3)
})

t.test('an outage after which Redis refuses one of many subscriptions: the others stand, and it is said', async (t) => {
  await redis.command('ACL', 'SETUSER', 'limited', 'on', '>pw', '+@all', 'resetchannels', '&*')
  const log = captureLog()
  const fanOut = await open(t, { redis: { host: '127.0.0.1', port: redis.port, username: 'limited', password: 'pw', retryStrategy: () => 5 }, log })
  const recorder = new Recorder()
  for (const channel of ['open:1', 'open:2', 'secret']) await fanOut.join(channel, recorder)
  // Redis closes the connections whose subscriptions are no longer allowed
  await redis.command('ACL', 'SETUSER', 'limited', 'resetchannels', '&open:*')
  await recorder.missed(1)
  t.strictSame(recorder.gaps.map((channels) => channels.sort()), [['open:1', 'open:2']])
  t.match(log.lines.filter((line) => line.level === error), [{ channel: 'secret', reason: /NOPERM/ }])
  await fanOut.publish('open:2', 1)
  await recorder.got(1)

  await redis.command('ACL', 'SETUSER', 'limited', '-unsubscribe')
  await t.rejects(fanOut.leave('open:1', recorder), { code: 'WSV_ERR_FANOUT_REFUSED', message: /UNSUBSCRIBE.*NOPERM/ })
  fanOut.leaveAll(recorder)
  await log.seen('could not unsubscribe')
})

t.test('hears nothing that a client of the application has subscribed to, or heard for it', async (t) => {
  const [publisher, subscriber] = [client(t), client(t)]
  await publisher.subscribe('lobby').catch(() => {})
  const fanOut = await open(t, { redis: { publisher, subscriber } })
  const recorder = new Recorder()
  await fanOut.join('lobby', recorder)
  await redis.command('PUBLISH', 'lobby', '1')
  await redis.command('PUBLISH', 'lobby', '2')
  await recorder.got(2)
  t.strictSame(recorder.texts, ['1', '2'], 'each once')
})

t.test('says why it cannot publish on a client that the application subscribes with', async (t) => {
  const log = captureLog()
  const publisher = client(t, { protocol: 2 })
  await publisher.subscribe('mine')
  const fanOut = await open(t, { redis: publisher, log })
  await t.rejects(fanOut.publish('lobby', 1), { code: 'WSV_ERR_FANOUT_UNAVAILABLE' })
  await Promise.all([1, 2].map((n) => t.rejects(fanOut.publish('lobby', n), { code: 'WSV_ERR_FANOUT_UNAVAILABLE' })))
  t.match(log.lines.filter((line) => line.level === error), [{ reason: /subscriber mode/ }], 'once')
})
