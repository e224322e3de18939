import { EventEmitter } from 'node:events'
import t, { type Test } from 'tap'
import fc from 'fast-check'
import { WSV_ERR_FANOUT_UNAVAILABLE } from '../lib/errors.ts'
import type { Broker, BrokerEvents } from '../lib/fan-out/broker.ts'
import { defineChannel } from '../lib/fan-out/channel.ts'
import { createFanOut, type FanOut, type FanOutOptions } from '../lib/fan-out/fan-out.ts'
import { ChannelMessage, isSocketId } from '../lib/fan-out/message.ts'
import { compileCheck as strict } from '../lib/form/strict.ts'
import { captureLog, compileCheck, error, fanOutContract, Recorder } from './fixtures/fan-out-contract.ts'

/** The least that a broker of one's own has to do: carry bytes, in order, to all processes that want a channel. */
class BytesBroker implements Broker {
  readonly kind = 'bytes'
  status: Broker['status'] = 'ready'
  readonly wanted = new Set<string>()
  readonly calls: string[] = []
  events!: BrokerEvents
  onSubscribe: () => Promise<void> = async () => {}
  readonly #bus: EventEmitter

  constructor (bus = new EventEmitter()) {
    this.#bus = bus.setMaxListeners(0)
  }

  async open (events: BrokerEvents): Promise<void> {
    this.events = events
    this.#bus.on('message', this.#onMessage)
  }

  readonly #onMessage = (channel: string, bytes: Buffer): void => {
    if (this.wanted.has(channel)) this.events.message(channel, bytes)
  }

  async publish (channel: string, { wire }: ChannelMessage): Promise<void> {
    if (this.status !== 'ready') throw new WSV_ERR_FANOUT_UNAVAILABLE()
    await new Promise<void>((resolve) => {
      setImmediate(() => {
        this.#bus.emit('message', channel, Buffer.from(wire))
        resolve()
      })
    })
  }

  async subscribe (channel: string): Promise<void> {
    this.calls.push(`+${channel}`)
    await this.onSubscribe()
    this.wanted.add(channel)
  }

  async unsubscribe (channel: string): Promise<void> {
    this.calls.push(`-${channel}`)
    this.wanted.delete(channel)
  }

  async close (): Promise<void> {
    // what was published is on its way
    await new Promise(setImmediate)
    this.#bus.off('message', this.#onMessage)
    this.status = 'closed'
  }
}

function open (t: Test, broker: BytesBroker, options: Partial<FanOutOptions> = {}): FanOut {
  const fanOut = createFanOut({ broker, log: captureLog(), compileCheck, ...options })
  t.teardown(() => fanOut.close())
  return fanOut
}

t.test('a broker that only carries bytes makes a whole fan-out', async (t) => {
  fanOutContract(t, async (t, options) => {
    const bus = new EventEmitter()
    return [open(t, new BytesBroker(bus), options), open(t, new BytesBroker(bus), options)]
  })
})

t.test('asks the broker once per channel, when the first comes and when the last has left', async (t) => {
  const broker = new BytesBroker()
  const fanOut = open(t, broker)
  const [a, b] = [new Recorder('a'), new Recorder('b')]
  await Promise.all([fanOut.join('lobby', a), fanOut.join('lobby', b), fanOut.join('hall', a)])
  await fanOut.leave('lobby', a)
  await fanOut.leave('lobby', a)
  t.strictSame(broker.calls, ['+lobby', '+hall'])
  fanOut.leaveAll(a)
  fanOut.leaveAll(b)
  t.strictSame(broker.calls, ['+lobby', '+hall', '-hall', '-lobby'])
})

t.test('everybody who waits for a subscription that the broker refuses is told, and has not joined', async (t) => {
  const broker = new BytesBroker()
  const fanOut = open(t, broker)
  const [a, b] = [new Recorder('a'), new Recorder('b')]
  broker.onSubscribe = async () => { throw new Error('no') }
  await Promise.all([fanOut.join('lobby', a), fanOut.join('lobby', b)].map((joining) => t.rejects(joining, { message: 'no' })))
  await t.rejects(fanOut.subscribe('lobby'), { message: 'no' })
  await t.rejects(fanOut.join('hall', a), { message: 'no' })
  broker.onSubscribe = async () => {}
  await fanOut.join('lobby', b)
  await fanOut.join('hall', b)
  await fanOut.publish('lobby', 1)
  await b.got(1)
  t.strictSame(a.texts, [])
  fanOut.leaveAll(a)
  await fanOut.publish('hall', 2)
  await b.got(2)
  t.strictSame([...broker.wanted], ['lobby', 'hall'], 'what one was never in, one does not leave')
})

t.test('an answer that comes when everybody has left again, and others have come, is not theirs', async (t) => {
  const broker = new BytesBroker()
  const fanOut = open(t, broker)
  const [early, late] = [new Recorder('early'), new Recorder('late')]
  let refuse!: (err: Error) => void
  broker.onSubscribe = async () => { await new Promise((_resolve, reject) => { refuse = reject }) }
  const joining = fanOut.join('lobby', early)
  await fanOut.leave('lobby', early)
  broker.onSubscribe = async () => {}
  await fanOut.join('lobby', late)
  refuse(new Error('no'))
  await t.rejects(joining, { message: 'no' })
  await fanOut.publish('lobby', 1)
  await late.got(1)
})

t.test('a gap is told once to each subscriber with all of its channels, by their own names', async (t) => {
  const log = captureLog()
  const broker = new BytesBroker()
  const fanOut = open(t, broker, { channelPrefix: 'app:', log })
  const [a, b, bad] = [new Recorder('a'), new Recorder('b'), new Recorder('bad')]
  bad.gap = () => { throw new Error('no') }
  await fanOut.join('lobby', bad)
  for (const channel of ['lobby', 'hall', 'kitchen']) await fanOut.join(channel, a)
  await fanOut.join('kitchen', b)
  await fanOut.subscribe('lobby')
  broker.events.gap(['app:lobby', 'app:kitchen', 'app:nobody has it'])
  t.strictSame(a.gaps, [['lobby', 'kitchen']])
  t.strictSame(b.gaps, [['kitchen']])
  t.match(log.lines.filter((line) => line.level === error), [{ subscriber: 'bad' }])
})

t.test('its status is the broker\'s until it is closed', async (t) => {
  const broker = new BytesBroker()
  const fanOut = open(t, broker)
  t.equal(fanOut.kind, 'bytes')
  broker.status = 'reconnecting'
  t.equal(fanOut.status, 'reconnecting')
  await t.rejects(fanOut.publish('lobby', 1), { code: 'WSV_ERR_FANOUT_UNAVAILABLE' })
})

t.test('any message comes out of its wire form as it went in', (t) => {
  const id = fc.string({ minLength: 1 }).filter(isSocketId)
  const except = fc.option(id, { nil: undefined })
  fc.assert(fc.property(fc.json(), except, (text, except) => {
    const message = ChannelMessage.fromWire(Buffer.from(new ChannelMessage(text, except, undefined).wire), false, undefined)
    return message instanceof ChannelMessage && message.data === text && message.except === except && message.isValue()
  }))
  const bytes = fc.oneof(
    fc.uint8Array(),
    fc.tuple(id, fc.uint8Array()).map(([id, rest]) => Buffer.concat([Buffer.from(`\u0001${id}\n`), rest])),
    fc.uint8Array().map((rest) => Buffer.concat([Buffer.from('\u0001'), rest]))
  )
  fc.assert(fc.property(bytes, except, (bytes, except) => {
    const message = ChannelMessage.fromWire(Buffer.from(new ChannelMessage(Buffer.from(bytes), except, undefined).wire), true, undefined)
    return message instanceof ChannelMessage && Buffer.compare(message.data as Buffer, bytes) === 0 &&
      (message.except === except || (except === undefined && !isSocketId(message.except)))
  }))
  t.end()
})

t.test('a message from outside that its schema cannot follow to the end is dropped, and costs no other message', async (t) => {
  const Tree = { $id: 'Tree', type: 'object', properties: { of: { $ref: 'Tree' } } }
  const broker = new BytesBroker()
  const fanOut = createFanOut({ broker, log: captureLog(), compileCheck: (schema, name) => strict(schema, { name, schemas: {} }) })
  t.teardown(() => fanOut.close())
  const recorder = new Recorder()
  await fanOut.join(defineChannel('trees', Tree), recorder)
  const depth = 100_000
  broker.events.message('trees', Buffer.from('{"of":'.repeat(depth) + '{}' + '}'.repeat(depth)))
  broker.events.message('trees', Buffer.from('{"of":{}}'))
  t.strictSame(recorder.texts, ['{"of":{}}'])
  t.equal(fanOut.dropped, 1)
})

t.test('a broker that throws where it should reject keeps nobody from leaving', async (t) => {
  const log = captureLog()
  const broker = new BytesBroker()
  broker.unsubscribe = () => { throw new Error('not connected') }
  const fanOut = open(t, broker, { log })
  const recorder = new Recorder()
  await Promise.all([fanOut.join('lobby', recorder), fanOut.join('hall', recorder), fanOut.join('kitchen', recorder)])
  await t.rejects(fanOut.leave('kitchen', recorder), { message: 'not connected' })
  fanOut.leaveAll(recorder)
  await log.seen('could not unsubscribe', 2)
})
