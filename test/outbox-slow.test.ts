import t from 'tap'
import { Duplex } from 'node:stream'
import { encodeFrame, opcodes } from '../lib/frame.ts'
import { Outbox } from '../lib/outbox.ts'
import { Payload } from '../lib/payload.ts'
import { tcpPair, tick, type TcpPair } from './fixtures/tcp-pair.ts'

const KiB = 1024
const MiB = 1024 * KiB
const sixteenKiB = new Payload('x'.repeat(16 * KiB))

class Owner {
  calls = 0
  isSending = false
  onSlow: () => void = () => {}
  slow () {
    if (this.isSending) throw new Error('told in the middle of a send')
    this.calls++
    this.onSlow()
  }
}

/** Send until the kernel of a client that does not read takes no more. */
async function stall (pair: TcpPair, outbox: Outbox, payload = sixteenKiB): Promise<number> {
  pair.client.pause()
  let sent = 0
  while (pair.server.writableLength === 0) {
    outbox.send(payload)
    sent++
    await tick()
  }
  return sent
}

t.test("onSlow 'close': a client that does not read is told of once, and gets no more", async t => {
  const pair = await tcpPair(t)
  const owner = new Owner()
  const outbox = new Outbox(pair.server, owner, { maxBuffered: MiB, onSlow: 'close' })
  let sent = await stall(pair, outbox)
  t.equal(owner.calls, 0)
  t.equal(outbox.writable, true, 'a little waits')
  while (outbox.bufferedAmount <= MiB) {
    t.equal(owner.calls, 0, 'not before the limit')
    owner.isSending = true
    outbox.deliver(sixteenKiB)
    owner.isSending = false
    sent++
    await tick()
  }
  t.equal(owner.calls, 1)
  const atLimit = outbox.bufferedAmount
  t.ok(atLimit <= MiB + sixteenKiB.frame.length)
  for (let i = 0; i < 100; i++) {
    outbox.send(sixteenKiB)
    outbox.deliver(sixteenKiB)
    await tick()
  }
  t.equal(outbox.bufferedAmount, atLimit, 'nothing more is taken')
  t.equal(outbox.writable, false)
  t.equal(owner.calls, 1)
  t.equal(outbox.dropped, 0)

  const ended = outbox.drained()
  outbox.end()
  await ended
  pair.server.end(encodeFrame(Buffer.from([3, 245]), opcodes.close))
  pair.client.resume()
  await new Promise(resolve => pair.client.once('end', resolve))
  pair.reader.end()
  t.equal(pair.reader.messages.length, sent, 'whole messages, up to the limit')
  t.same(pair.reader.close, { code: 1013, reason: '' })
})

t.test("onSlow 'close': a burst within one tick is bounded too, and told of after it", async t => {
  const pair = await tcpPair(t)
  const owner = new Owner()
  const outbox = new Outbox(pair.server, owner, { maxBuffered: MiB, onSlow: 'close' })
  await stall(pair, outbox)
  owner.isSending = true
  for (let i = 0; i < 1000; i++) outbox.send(sixteenKiB)
  owner.isSending = false
  t.equal(owner.calls, 0)
  t.ok(outbox.bufferedAmount <= MiB + 80 * KiB, `${outbox.bufferedAmount} bytes wait`)
  const reported = new Promise<void>(resolve => { owner.onSlow = resolve })
  await reported
  await tick()
  t.equal(owner.calls, 1)
})

t.test('an owner that closes when it is told may flush and end from there', async t => {
  const pair = await tcpPair(t)
  const owner = new Owner()
  const outbox = new Outbox(pair.server, owner, { maxBuffered: 64 * KiB, onSlow: 'close' })
  owner.onSlow = () => {
    outbox.flush()
    outbox.end()
    pair.server.end(encodeFrame(Buffer.from([3, 245]), opcodes.close))
  }
  await stall(pair, outbox)
  const drained = new Promise<void>(resolve => {
    for (let i = 0; i < 20; i++) outbox.send(sixteenKiB)
    resolve(outbox.drained())
  })
  await drained
  t.equal(owner.calls, 1)
  pair.client.resume()
  await new Promise(resolve => pair.client.once('end', resolve))
  t.same(pair.reader.close, { code: 1013, reason: '' })
})

t.test('a socket that was ended first is not told of', async t => {
  const pair = await tcpPair(t)
  const owner = new Owner()
  const outbox = new Outbox(pair.server, owner, { maxBuffered: 64 * KiB, onSlow: 'close' })
  await stall(pair, outbox)
  for (let i = 0; i < 20; i++) outbox.send(sixteenKiB)
  outbox.end()
  await tick()
  await tick()
  t.equal(owner.calls, 0)
})

t.test('one message larger than maxBuffered is allowed, with others behind it', async t => {
  const owner = new Owner()
  const pair = await tcpPair(t)
  const outbox = new Outbox(pair.server, owner, { maxBuffered: MiB, onSlow: 'close' })
  const large = new Payload(Buffer.alloc(16 * MiB, 7))
  pair.client.pause()
  outbox.send(new Payload('first'))
  outbox.send(large)
  t.ok(outbox.bufferedAmount > 16 * MiB)
  await tick()
  t.equal(outbox.writable, false)
  for (let i = 0; i < 10; i++) {
    outbox.send(sixteenKiB)
    await tick()
  }
  t.equal(owner.calls, 0, 'what is sent after it has maxBuffered of its own')
  const drained = outbox.drained()
  pair.client.resume()
  await pair.received(12)
  await drained
  t.equal(outbox.writable, true)
  t.ok((pair.reader.messages[1]!.data as Buffer).equals(large.data as Buffer))

  // the allowance went with the large message
  await stall(pair, outbox)
  let sent = 0
  while (owner.calls === 0) {
    outbox.send(sixteenKiB)
    sent++
    await tick()
  }
  t.ok(sent * sixteenKiB.frame.length < 2 * MiB)
})

t.test('a larger one may follow when the first has been taken', async t => {
  const owner = new Owner()
  const pair = await tcpPair(t)
  const outbox = new Outbox(pair.server, owner, { maxBuffered: MiB, onSlow: 'close' })
  outbox.send(new Payload(Buffer.alloc(12 * MiB)))
  await pair.received(1)
  await outbox.drained()
  pair.client.pause()
  outbox.send(new Payload(Buffer.alloc(24 * MiB)))
  for (let i = 0; i < 10; i++) {
    outbox.send(sixteenKiB)
    await tick()
  }
  t.equal(owner.calls, 0)
  pair.client.resume()
  await pair.received(12)
})

t.test('a message larger than a small maxBuffered does not count against what follows it in the same tick', async t => {
  const owner = new Owner()
  const server = new Duplex({ read () {}, write () {} }) // takes nothing, ever
  const outbox = new Outbox(server, owner, { maxBuffered: 100, onSlow: 'close' })
  outbox.send(new Payload('x'.repeat(200)))
  outbox.send(new Payload('x'.repeat(50)))
  await tick()
  t.equal(owner.calls, 0)
  outbox.send(new Payload('x'.repeat(60)))
  await tick()
  t.equal(owner.calls, 1)
})

t.test('a second one behind it is one too many', async t => {
  const owner = new Owner()
  const pair = await tcpPair(t)
  const outbox = new Outbox(pair.server, owner, { maxBuffered: MiB, onSlow: 'close' })
  pair.client.pause()
  const large = new Payload(Buffer.alloc(16 * MiB, 7))
  outbox.send(large)
  await tick()
  t.equal(owner.calls, 0)
  outbox.send(large)
  await tick()
  t.equal(owner.calls, 1)
})

t.test("onSlow 'drop': fan-out messages are dropped and counted, the others arrive in order", async t => {
  const pair = await tcpPair(t)
  const owner = new Owner()
  const outbox = new Outbox(pair.server, owner, { maxBuffered: 256 * KiB, onSlow: 'drop' })
  pair.client.pause()
  let tried = 0
  while (outbox.dropped < 10) {
    outbox.deliver(new Payload(`${tried++} `.padEnd(16 * KiB, 'x')))
    await tick()
  }
  t.equal(outbox.dropped, 10)
  t.ok(outbox.bufferedAmount <= 256 * KiB, `no more than maxBuffered waits: ${outbox.bufferedAmount}`)
  outbox.send(new Payload('a reply'))
  await tick()
  t.equal(owner.calls, 0)
  const drained = outbox.drained()
  pair.client.resume()
  await pair.received(tried - 10 + 1)
  await drained
  outbox.deliver(new Payload('and on it goes'))
  await pair.received(tried - 10 + 2)
  const numbers = pair.reader.messages.map(message => (message.data as string).trimEnd().split(' x')[0])
  t.same(numbers, [...Array.from({ length: tried - 10 }, (_, i) => String(i)), 'a reply', 'and on it goes'])
  t.equal(outbox.dropped, 10)
})

t.test("onSlow 'drop': a burst within one tick that the kernel would take is not dropped", async t => {
  const pair = await tcpPair(t)
  const outbox = new Outbox(pair.server, new Owner(), { maxBuffered: 20 * KiB, onSlow: 'drop' })
  for (let i = 0; i < 30; i++) outbox.deliver(new Payload('x'.repeat(4 * KiB)))
  outbox.deliver(new Payload('y'.repeat(30 * KiB)))
  await pair.received(31)
  t.equal(outbox.dropped, 0)
})

t.test("onSlow 'drop': replies alone do not grow without a bound", async t => {
  const pair = await tcpPair(t)
  const owner = new Owner()
  const outbox = new Outbox(pair.server, owner, { maxBuffered: 256 * KiB, onSlow: 'drop' })
  await stall(pair, outbox)
  let most = 0
  for (let i = 0; i < 100; i++) {
    outbox.send(sixteenKiB)
    await tick()
    most = Math.max(most, outbox.bufferedAmount)
  }
  t.equal(owner.calls, 1)
  t.ok(most > 512 * KiB && most <= (512 + 16) * KiB + 4, `${most} bytes waited`)
})

t.test('writable is about half of maxBuffered, and drained tells when', async t => {
  for (const maxBuffered of [MiB, 128 * KiB, 16 * KiB, KiB]) {
    t.test(`maxBuffered ${maxBuffered}`, async t => {
      const pair = await tcpPair(t)
      const outbox = new Outbox(pair.server, new Owner(), { maxBuffered, onSlow: 'drop' })
      const small = new Payload('x'.repeat(maxBuffered / 16 - 4))
      await outbox.drained()
      pair.client.pause()
      while (outbox.writable) {
        if (outbox.bufferedAmount > maxBuffered / 2) t.fail('writable too long')
        outbox.send(small)
        if (outbox.writable) outbox.flush()
      }
      t.ok(outbox.bufferedAmount > maxBuffered / 2)
      await tick()
      if (outbox.writable) return // the kernel took it after all
      let isDrained = false
      const all = [outbox.drained(), outbox.drained()].map(async promise => { await promise; isDrained = true })
      await tick()
      t.equal(isDrained, false)
      t.equal(pair.server.listenerCount('drain'), 1, 'one listener for all who wait')
      pair.client.resume()
      await Promise.all(all)
      t.equal(outbox.writable, true)
      t.equal(pair.server.listenerCount('drain'), 0, 'and none when nobody does')
    })
  }
})

t.test('drained resolves for what only waits for the end of the tick', async t => {
  const pair = await tcpPair(t)
  const outbox = new Outbox(pair.server, new Owner(), { maxBuffered: 100, onSlow: 'close' })
  outbox.send(new Payload('x'.repeat(60)))
  t.equal(outbox.writable, false)
  await outbox.drained()
  t.equal(outbox.writable, true)
  await pair.received(1)
})

t.test('drained resolves when TCP took what waited before the end of the tick, and nothing was left to tell of it', async t => {
  const taken: (() => void)[] = []
  const tcp = new Duplex({
    writableHighWaterMark: 64 * KiB,
    read () {},
    write (_chunk, _encoding, done) { taken.push(done) }
  })
  const outbox = new Outbox(tcp, new Owner(), { maxBuffered: 128 * KiB, onSlow: 'close' })
  outbox.send(new Payload('x'.repeat(50 * KiB)))
  await tick()
  t.equal(taken.length, 1, 'less than the mark above which TCP tells')
  outbox.send(new Payload('x'.repeat(30 * KiB)))
  t.equal(outbox.writable, false)
  const drained = outbox.drained()
  taken.shift()!()
  await tick()
  t.equal(outbox.writable, true)
  await drained
})

t.test('drained resolves when the socket ends, in whatever way', async t => {
  for (const [label, finish] of [
    ['end', (outbox: Outbox) => outbox.end()],
    ['discard', (outbox: Outbox) => outbox.discard()]
  ] as const) {
    t.test(label, async t => {
      const pair = await tcpPair(t)
      const outbox = new Outbox(pair.server, new Owner(), { maxBuffered: 64 * KiB, onSlow: 'drop' })
      await stall(pair, outbox)
      while (outbox.writable) { outbox.send(sixteenKiB); await tick() }
      const drained = outbox.drained()
      finish(outbox)
      await drained
      t.equal(outbox.writable, false)
      await outbox.drained()
      t.equal(pair.server.listenerCount('drain'), 0)
    })
  }
})

t.test('drained waits on when TCP has ended and the socket does not know it yet: a loop over it would let nothing else run', async t => {
  for (const [label, finish] of [
    ['destroyed', (pair: TcpPair) => pair.server.destroy()],
    ['reset by the client', (pair: TcpPair) => pair.client.resetAndDestroy()]
  ] as const) {
    t.test(label, async t => {
      const pair = await tcpPair(t)
      pair.server.on('error', () => {})
      const outbox = new Outbox(pair.server, new Owner(), { maxBuffered: 64 * KiB, onSlow: 'drop' })
      await stall(pair, outbox)
      while (outbox.writable) { outbox.send(sixteenKiB); await tick() }
      let isLetGo = false
      const drained = outbox.drained().then(() => { isLetGo = true })
      const closed = new Promise((resolve) => { pair.server.once('close', resolve) })
      finish(pair)
      await closed
      await tick()
      t.equal(isLetGo, false)
      t.equal(outbox.writable, false)
      outbox.discard()
      await drained
    })
  }
})

t.test('a stream of messages that heeds writable keeps within maxBuffered', async t => {
  const pair = await tcpPair(t)
  const owner = new Owner()
  const outbox = new Outbox(pair.server, owner, { maxBuffered: 128 * KiB, onSlow: 'close' })
  let most = 0
  let waits = 0
  for (let i = 0; i < 2000; i++) {
    outbox.send(new Payload(`${i}`.padEnd(8 * KiB)))
    most = Math.max(most, outbox.bufferedAmount)
    if (!outbox.writable) {
      waits++
      await outbox.drained()
    }
  }
  await pair.received(2000)
  t.same(pair.reader.messages.map(message => Number(message.data)), Array.from({ length: 2000 }, (_, i) => i))
  t.ok(waits > 0)
  t.ok(most <= 128 * KiB)
  t.equal(owner.calls, 0)
})
