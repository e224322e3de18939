import t from 'tap'
import { duplexPair } from 'node:stream'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { encodeFrame, opcodes } from '../lib/frame.ts'
import { Outbox, type OutboxOptions } from '../lib/outbox.ts'
import { Payload } from '../lib/payload.ts'
import { Rfc6455Reader } from './fixtures/rfc6455.ts'
import { tcpPair, tick } from './fixtures/tcp-pair.ts'

const options: OutboxOptions = { maxBuffered: 1024 * 1024, onSlow: 'close' }
const owner = { slow () { throw new Error('slow') } }
const KiB = 1024

t.test('what a socket is sent within one tick leaves in one write, in order', async t => {
  const { server, reader, writes, received } = await tcpPair(t)
  const outbox = new Outbox(server, owner, options)
  const expected = []
  for (let i = 0; i < 50; i++) {
    outbox.send(new Payload(`reply ${i}`))
    outbox.deliver(new Payload(Buffer.from(`fan-out ${i}`)))
    expected.push(`reply ${i}`, `fan-out ${i}`)
  }
  t.equal(writes.length, 0, 'nothing is written while the tick runs')
  await Promise.resolve()
  outbox.send(new Payload('from a promise'))
  process.nextTick(() => outbox.send(new Payload('from a next tick')))
  expected.push('from a promise', 'from a next tick')
  await received(expected.length)
  t.same(reader.messages.map(message => String(message.data)), expected)
  t.equal(writes.length, 1)
  t.equal(writes[0]!.length, 1, 'one Buffer')

  outbox.send(new Payload('later'))
  await received(expected.length + 1)
  t.equal(writes.length, 2)
})

t.test('a burst to many sockets is joined once', async t => {
  const pairs = await Promise.all(Array.from({ length: 8 }, () => tcpPair(t)))
  const outboxes = pairs.map(({ server }) => new Outbox(server, owner, options))
  const payloads = Array.from({ length: 16 }, (_, i) => new Payload(`message ${i}`))
  for (const payload of payloads) for (const outbox of outboxes) outbox.deliver(payload)
  await Promise.all(pairs.map(pair => pair.received(16)))
  const [first] = pairs
  for (const { reader, writes } of pairs) {
    t.same(reader.messages.map(message => message.data), payloads.map(payload => payload.data))
    t.equal(writes.length, 1)
    t.equal(writes[0]!.length, 1)
    t.equal(writes[0]![0], first!.writes[0]![0], 'the same Buffer')
  }
  const [one] = payloads
  for (const outbox of outboxes) outbox.deliver(one!)
  await tick()
  for (const { writes } of pairs) t.equal(writes[1]![0], one!.frame, 'a single frame is not copied at all')
})

t.test('sockets that are sent other things in between get theirs, in their order', async t => {
  const pairs = await Promise.all(Array.from({ length: 6 }, () => tcpPair(t)))
  const outboxes = pairs.map(({ server }) => new Outbox(server, owner, options))
  const expected: string[][] = pairs.map(() => [])
  for (let i = 0; i < 10; i++) {
    const shared = new Payload(`to all ${i}`)
    outboxes.forEach((outbox, n) => {
      if (n === 2 && i === 3) return // the one who published it
      outbox.deliver(shared)
      expected[n]!.push(`to all ${i}`)
      if (n === 1 && i % 3 === 0) {
        outbox.send(new Payload(`reply ${i}`))
        expected[n]!.push(`reply ${i}`)
      }
    })
    if (i === 5) outboxes[4]!.flush()
  }
  await Promise.all(pairs.map((pair, n) => pair.received(expected[n]!.length)))
  pairs.forEach(({ reader }, n) => t.same(reader.messages.map(message => message.data), expected[n]))
  t.equal(pairs[0]!.writes[0]![0], pairs[3]!.writes[0]![0], 'the ones that got the same still share it')
  t.equal(pairs[0]!.writes[0]![0], pairs[5]!.writes[0]![0])
})

t.test('a tick leaves nothing behind that a later one could send', async t => {
  const { server, reader, received } = await tcpPair(t)
  const other = await tcpPair(t)
  const outbox = new Outbox(server, owner, options)
  const otherOutbox = new Outbox(other.server, owner, options)
  const [a, b] = [new Payload('a'), new Payload('b')]
  for (const payload of [a, b]) outbox.send(payload)
  await tick()
  outbox.send(a)
  otherOutbox.send(a)
  await tick()
  for (const payload of [a, b, a]) otherOutbox.send(payload)
  await Promise.all([received(3), other.received(4)])
  t.same(reader.messages.map(message => message.data), ['a', 'b', 'a'])
  t.same(other.reader.messages.map(message => message.data), ['a', 'a', 'b', 'a'])
})

t.test('frames that have left are not held', async t => {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  const { server, received } = await tcpPair(t)
  const outbox = new Outbox(server, owner, options)
  const frames = Array.from({ length: 5 }, (_, i) => {
    const payload = new Payload(`message ${i}`)
    outbox.deliver(payload)
    return new WeakRef(payload.frame)
  })
  await received(5)
  await tick() // a WeakRef is strong in the tick it was made in
  gc()
  t.same(frames.map(frame => frame.deref()), [undefined, undefined, undefined, undefined, undefined])
})

t.test('flush hands over at once, so that a control frame can follow', async t => {
  const { server, reader, writes, received } = await tcpPair(t)
  const outbox = new Outbox(server, owner, options)
  outbox.flush()
  t.equal(writes.length, 0, 'nothing pending, nothing written')
  outbox.send(new Payload('before'))
  outbox.flush()
  t.equal(writes.length, 1)
  server.write(encodeFrame('ping', opcodes.ping))
  outbox.send(new Payload('after'))
  await received(2)
  t.same(reader.frames.map(frame => String(frame.payload)), ['before', 'ping', 'after'])
  t.equal(writes.length, 3)
})

t.test('a long burst does not wait for the end of the tick as a whole', async t => {
  const { server, reader, writes, received } = await tcpPair(t)
  const outbox = new Outbox(server, owner, options)
  const payload = new Payload('x'.repeat(KiB))
  let most = 0
  for (let i = 0; i < 200; i++) {
    outbox.send(payload)
    most = Math.max(most, outbox.bufferedAmount - server.writableLength)
  }
  t.ok(most < 64 * KiB, `at most 64 KiB wait for the end of the tick, ${most} bytes did`)
  t.equal(writes.length, 3)
  await received(200)
  t.equal(writes.length, 4)
  t.ok(reader.messages.every(message => message.data === payload.data))
})

t.test('a large frame is not copied, and still leaves in one write with its neighbours', async t => {
  const { server, reader, writes, received } = await tcpPair(t)
  const outbox = new Outbox(server, owner, options)
  const large = new Payload('L'.repeat(40 * KiB))
  const texts = ['1', '2', large, '3', large, large].map(one => typeof one === 'string' ? new Payload(one) : one)
  // the first large one and 3 wait together, the second large one is more than the bound
  for (const payload of texts) outbox.deliver(payload)
  await received(texts.length)
  t.same(reader.messages.map(message => message.data), texts.map(payload => payload.data))
  t.equal(writes.length, 2)
  const chunks = writes[0]!
  t.equal(chunks.length, 4)
  t.equal(chunks[1], large.frame)
  t.equal(chunks[2], texts[3]!.frame)
  t.equal(chunks[3], large.frame)
  t.same(writes[1], [large.frame])
})

t.test('sockets with compression, with another window and without it are served side by side', async t => {
  const params = [{ windowBits: 15, threshold: 100 }, undefined, { windowBits: 9, threshold: 100 }, { windowBits: 15, threshold: 100 }]
  const pairs = await Promise.all(params.map(deflate => tcpPair(t, deflate === undefined ? {} : { deflate })))
  const outboxes = pairs.map(({ server }, i) => new Outbox(server, owner, { ...options, deflate: params[i] }))
  const payloads = Array.from({ length: 10 }, (_, i) => new Payload(i % 2 === 0 ? `short ${i}` : `long ${i} `.repeat(200)))
  for (const payload of payloads) for (const outbox of outboxes) outbox.deliver(payload)
  await Promise.all(pairs.map(pair => pair.received(10)))
  pairs.forEach(({ reader, writes }, n) => {
    t.same(reader.messages.map(message => message.data), payloads.map(payload => payload.data))
    t.same(reader.messages.map(message => message.isCompressed), payloads.map((_, i) => params[n] !== undefined && i % 2 === 1))
    t.equal(writes.length, 1)
  })
  t.equal(pairs[0]!.writes[0]![0], pairs[3]!.writes[0]![0], 'the same window, the same Buffer')
  t.ok(pairs[0]!.writes[0]![0]!.length < pairs[1]!.writes[0]![0]!.length / 5)
})

t.test('end: what is pending is handed over, nothing more is taken', async t => {
  const { server, client, reader, received } = await tcpPair(t)
  const outbox = new Outbox(server, owner, options)
  t.equal(outbox.writable, true)
  outbox.send(new Payload('last'))
  outbox.end()
  server.end(encodeFrame(Buffer.from([3, 232]), opcodes.close)) // as ws does
  t.equal(outbox.writable, false)
  outbox.send(new Payload('too late'))
  outbox.deliver(new Payload('too late'))
  outbox.flush()
  outbox.end()
  await outbox.drained()
  await received(1)
  if (!client.readableEnded) await new Promise(resolve => client.once('end', resolve))
  t.same(reader.messages.map(message => message.data), ['last'])
  t.same(reader.close, { code: 1000, reason: '' })
  t.equal(outbox.bufferedAmount, 0)
  t.equal(outbox.dropped, 0)
})

t.test('discard: what is pending is forgotten', async t => {
  const { server, reader, writes } = await tcpPair(t)
  const outbox = new Outbox(server, owner, options)
  outbox.send(new Payload('never'))
  outbox.discard()
  t.equal(outbox.bufferedAmount, 0)
  t.equal(outbox.writable, false)
  outbox.send(new Payload('never'))
  await tick()
  await outbox.drained()
  t.equal(writes.length, 0)
  t.equal(reader.messages.length, 0)
})

t.test('on a TCP socket that is gone sending is a no-op', async t => {
  for (const [label, finish] of [
    ['destroyed', (server: any) => server.destroy()],
    ['destroyed with an error', (server: any) => server.destroy(new Error('reset'))],
    ['ended', (server: any) => server.end()]
  ] as const) {
    t.test(label, async t => {
      const { server, writes } = await tcpPair(t)
      let errors = 0
      server.on('error', () => { errors++ })
      const outbox = new Outbox(server, owner, options)
      outbox.send(new Payload('pending'))
      finish(server)
      for (let i = 0; i < 5; i++) {
        outbox.send(new Payload('x'.repeat(30 * KiB)))
        outbox.deliver(new Payload('after'))
      }
      outbox.flush()
      await tick()
      outbox.end()
      outbox.discard()
      await outbox.drained()
      t.equal(writes.length, 0)
      t.equal(errors, label === 'destroyed with an error' ? 1 : 0, 'no error of our making')
    })
  }

  t.test('reset by the client in the middle of a burst', async t => {
    const { server, client } = await tcpPair(t)
    const outbox = new Outbox(server, owner, options)
    client.resetAndDestroy()
    while (!server.destroyed) {
      outbox.send(new Payload('x'.repeat(100)))
      await tick()
    }
    outbox.send(new Payload('after'))
    outbox.discard()
    await outbox.drained()
    t.pass('no throw')
  })
})

t.test('it writes to any Duplex', async t => {
  const [server, client] = duplexPair()
  const outbox = new Outbox(server, owner, options)
  const reader = new Rfc6455Reader()
  for (let i = 0; i < 100; i++) outbox.send(new Payload('x'.repeat(KiB)))
  t.equal(outbox.writable, true)
  await new Promise<void>(resolve => client.on('data', chunk => {
    reader.feed(chunk)
    if (reader.messages.length === 100) resolve()
  }))
  t.equal(outbox.bufferedAmount, 0)
})

t.test('an owner that throws does not cost the other sockets their messages', async t => {
  const small: OutboxOptions = { maxBuffered: 10, onSlow: 'close' }
  const stuck = duplexPair()[0] // nobody reads the other end
  const { server, reader, received } = await tcpPair(t)
  const failing = new Outbox(stuck, { slow () { throw new Error('an owner failed') } }, small)
  const outbox = new Outbox(server, owner, options)
  for (let i = 0; i < 3; i++) failing.send(new Payload('123456789'))
  outbox.send(new Payload('not lost'))
  const thrown = new Promise<Error>(resolve => process.once('uncaughtException', resolve))
  t.match(await thrown, { message: 'an owner failed' })
  await received(1)
  t.equal(reader.messages[0]!.data, 'not lost')
})
