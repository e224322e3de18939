// Writing past the queue of the stream: what is sent arrives in order, what waits is counted, and a failure is told.
import { once } from 'node:events'
import { Socket as TcpSocket } from 'node:net'
import { Duplex, duplexPair } from 'node:stream'
import t from 'tap'
import { writeDirectly } from '../lib/direct-write.ts'
import { Outbox, type OutboxOptions } from '../lib/outbox.ts'
import { Payload } from '../lib/payload.ts'
import { tcpPair, tick } from './fixtures/tcp-pair.ts'
import { until } from './fixtures/waiting.ts'

const KiB = 1024
const options: OutboxOptions = { maxBuffered: 64 * KiB * KiB, onSlow: 'close' }
const owner = { slow () { throw new Error('slow') } }
const large = (byte: string) => new Payload(byte.repeat(8 * KiB * KiB))

t.test('TCP takes it within the call, and the queue stays empty', async (t) => {
  const { server, reader, received } = await tcpPair(t)
  const calls: unknown[] = []
  t.equal(writeDirectly(server, new Payload('hello').frame, (error) => { calls.push(error) }), true)
  t.equal(calls.length, 1)
  t.notOk(calls[0])
  t.equal(server.writableLength, 0)
  await received(1)
  t.equal(reader.messages[0]!.data, 'hello')
  t.equal(server.bytesWritten, 7, 'Node counts')
})

t.test('nothing is done where the queue is needed', async (t) => {
  const never = (): void => { throw new Error('it was told') }
  const [stream] = duplexPair()
  t.equal(writeDirectly(stream, Buffer.from('a'), never), false, 'another stream')

  const { server, client } = await tcpPair(t)
  client.pause()
  while (server.writableLength === 0) server.write(Buffer.alloc(256 * KiB))
  t.equal(writeDirectly(server, Buffer.from('a'), never), false, 'bytes wait already')

  const { server: other } = await tcpPair(t)
  const { write } = other
  other.write = write.bind(other)
  t.equal(writeDirectly(other, Buffer.from('a'), never), false, 'somebody counts its writes')

  const { server: third } = await tcpPair(t)
  const prototype = TcpSocket.prototype as { write?: unknown }
  t.equal(Object.hasOwn(prototype, 'write'), false)
  t.teardown(() => { delete prototype.write })
  prototype.write = function (this: unknown, ...args: unknown[]) { return Reflect.apply(Duplex.prototype.write, this, args) as boolean }
  t.equal(writeDirectly(third, Buffer.from('a'), never), false, 'or those of all')
})

t.test('what TCP has not taken is counted, and what follows it keeps its place', async (t) => {
  const { server, client, reader, received } = await tcpPair(t)
  const outbox = new Outbox(server, owner, options)
  client.pause()
  outbox.send(large('a'))
  await tick()
  const waits = outbox.bufferedAmount
  t.equal(waits, 8 * KiB * KiB + 10, 'a stream counts a chunk until all of it is taken, and so do we')
  t.equal(server.writableLength, 0, 'it is not in the queue')
  outbox.send(new Payload('b'))
  await tick()
  server.write(new Payload('c').frame) // as ws writes its control frames
  t.ok(server.writableLength > 0, 'what comes now is')
  t.equal(outbox.bufferedAmount, waits + 6)
  client.resume()
  await received(3)
  t.same(reader.messages.map(({ data }) => String(data).slice(0, 1)), ['a', 'b', 'c'])
  await until(() => outbox.bufferedAmount === 0)
  outbox.send(new Payload('d'))
  await received(4)
  t.equal(reader.messages[3]!.data, 'd')
})

t.test('drained is told when TCP has taken it', async (t) => {
  const { server, client } = await tcpPair(t)
  const outbox = new Outbox(server, owner, { ...options, maxBuffered: 9 * KiB * KiB })
  client.pause()
  outbox.send(large('a'))
  await tick()
  t.equal(outbox.writable, false)
  let isDrained = false
  const drained = outbox.drained().then(() => { isDrained = true })
  await tick()
  t.equal(isDrained, false)
  client.resume()
  await drained
  t.equal(outbox.bufferedAmount, 0)
})

t.test('the end of TCP comes after it', async (t) => {
  const { server, client, reader } = await tcpPair(t)
  const outbox = new Outbox(server, owner, options)
  client.pause()
  outbox.send(large('a'))
  outbox.end()
  server.end()
  t.equal(server.writableLength, 0)
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.equal(server.writableFinished, false, 'not finished while it waits')
  const ended = once(client, 'end')
  client.resume()
  await ended
  t.equal(reader.messages.length, 1)
})

t.test('TCP goes while it waits: whoever waits is let go, and the error is told as ever', async (t) => {
  const { server, client } = await tcpPair(t)
  const outbox = new Outbox(server, owner, { ...options, maxBuffered: 9 * KiB * KiB })
  client.pause()
  outbox.send(large('a'))
  await tick()
  const drained = outbox.drained()
  const errors: (Error & { code?: string })[] = []
  server.on('error', (error) => { errors.push(error) })
  const closed = new Promise((resolve) => { server.once('close', resolve) })
  client.resetAndDestroy()
  await closed
  t.strictSame(errors.map(({ code }) => code), ['ECONNRESET'])
  t.equal(outbox.bufferedAmount, 0)
  outbox.discard()
  await drained
})

t.test('a write that fails at once destroys the socket, as one through the queue does', async (t) => {
  const { server } = await tcpPair(t)
  const outbox = new Outbox(server, owner, options)
  const handle = (server as unknown as { _handle: { writeBuffer: () => number } })._handle
  handle.writeBuffer = () => -32 // EPIPE, which libuv says when the other side is known to be gone
  const failed = once(server, 'error') as Promise<[Error & { code: string }]>
  outbox.send(new Payload('a'))
  const [error] = await failed
  t.equal(error.code, 'EPIPE')
  t.equal(server.destroyed, true)
})
