// The short form of bench/fuzz.js. `FUZZ_SEED=7 npx tap test/fuzz.test.ts` runs it with other clients.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import type { Test } from 'tap'
import { constants, deflateRawSync } from 'node:zlib'
import type { WsViewsOptions } from '../lib/index.ts'
import { Dice } from './fixtures/dice.ts'
import { startTarget, whatIsLeft } from './fixtures/fuzz-server.ts'
import { clientFrame, rawClient } from './fixtures/rfc6455.ts'
import { startViews } from './fixtures/server.ts'
import { play, streams, viewsReader, wsReader, type Reader } from './fixtures/three-readers.ts'
import { deferred } from './fixtures/waiting.ts'

const seed = Number(process.env.FUZZ_SEED ?? 1)
t.comment(`seed ${seed}`)

// ---------- a server among hostile clients

const settings: { label: string, websocket: NonNullable<WsViewsOptions['websocket']>, clients: number }[] = [
  { label: 'as it is by default', websocket: {}, clients: 400 },
  { label: 'with compression', websocket: { perMessageDeflate: true }, clients: 150 },
  { label: 'with deferred events', websocket: { allowSynchronousEvents: false }, clients: 150 }
]
for (const { label, websocket, clients } of settings) {
  t.test(`noise as handshakes, as frames and as JSON touches no healthy socket, ${label}`, async t => {
    const target = await startTarget(websocket)
    let next = seed * 100_000
    const last = next + clients
    await Promise.all(Array.from({ length: 16 }, async () => { while (next < last) await target.attack(new Dice(next++)) }))
    await target.stop()
    t.strictSame(target.problems, [])
    const { frames, handshakes, opened, answered } = target.counts
    t.ok(frames > 30 * clients && handshakes > clients / 5 && opened > clients / 2 && answered > clients,
      `${handshakes} noisy handshakes, ${opened} sockets, ${frames} frames; ${answered} answers to healthy sockets`)
  })
}

t.test('no socket and no handshake of it is left in memory', async t => {
  t.strictSame(await whatIsLeft(), [])
})

// ---------- our reader of text frames beside the receiver of ws

async function readers (t: Test, ...made: Promise<Reader>[]): Promise<Reader[]> {
  const all = await Promise.all(made)
  for (const reader of all) t.teardown(() => reader.stop())
  return all
}

t.test('a stream of frames, right or wrong, is the same to us with our reader, without it, and to ws alone', async t => {
  const [ours, switchedOff, alone] = await readers(t, viewsReader(false), viewsReader(true), wsReader()) as [Reader, Reader, Reader]
  const codes: Record<string, number> = {}
  await fc.assert(fc.asyncProperty(streams(true), async stream => {
    const one = await play(ours, stream)
    const two = await play(switchedOff, stream)
    const three = await play(alone, stream)
    assert.deepEqual(one, two, 'with our reader, and without it')
    // what ws says of the end is another thing
    assert.deepEqual({ ...one, told: one.told.slice(0, -1) }, three, 'with our reader, and ws alone')
    const code = String(one.close?.code ?? 'none')
    codes[code] = (codes[code] ?? 0) + 1
  }), { seed, numRuns: 250 })
  t.match(codes, { 1000: Number, 1002: Number, 1007: Number, 1009: Number, none: Number }, 'every way to end was among them')
})

t.test('handlers that take their time: what a good client sent is handled in the same order, and its close is told last', async t => {
  const [ours, switchedOff] = await readers(t, viewsReader(false, true), viewsReader(true, true)) as [Reader, Reader]
  const messages = (told: string[]): string[] => told.filter(line => !line.startsWith('p'))
  await fc.assert(fc.asyncProperty(streams(false), async stream => {
    const one = messages((await play(ours, stream)).told)
    assert.deepEqual(one, messages((await play(switchedOff, stream)).told))
    assert.equal(one.at(-1), 'closed 4000 b')
  }), { seed, numRuns: 100 })
})

// ---------- what was found

const compressed = deflateRawSync(Buffer.alloc(60_000, 'a'), { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4)
const found: { label: string, websocket: NonNullable<WsViewsOptions['websocket']>, deflate?: string, first: Buffer }[] = [
  {
    label: 'while a message is inflated',
    websocket: { perMessageDeflate: true },
    deflate: '',
    first: Buffer.concat(Array.from({ length: 40 }, () => clientFrame({ opcode: 1, rsv: 0x40, payload: compressed })))
  },
  {
    label: 'while events are deferred',
    websocket: { allowSynchronousEvents: false },
    first: Buffer.concat(Array.from({ length: 40 }, () => clientFrame({ opcode: 1, payload: 'a' })))
  }
]
for (const { label, websocket, deflate, first } of found) {
  t.test(`a wrong close code, and bytes behind it, ${label}: 1002, and the process goes on`, async t => {
    const received = deferred()
    const { port } = await startViews(t, async ws => {
      ws.wsView('/text', { frames: 'text', onMessage () { received.resolve() } })
    }, { websocket })
    const client = await rawClient(port, '/ws/text', { t, ...deflate === undefined ? {} : { deflate } })
    client.tcp.setNoDelay(true)
    client.sendRaw(first)
    await received.promise
    // two chunks, both of which wait behind the first
    client.sendRaw(clientFrame({ opcode: 8, payload: Buffer.from([0, 0]) }))
    await new Promise(resolve => setImmediate(resolve))
    await new Promise(resolve => setImmediate(resolve))
    client.sendRaw(Buffer.alloc(10))
    t.strictSame(await client.closed, { code: 1002, reason: '' })
    client.tcp.end()
    await client.ended
    const next = await rawClient(port, '/ws/text', { t })
    next.send('still there')
    next.sendClose(1000)
    await next.ended
  })
}

t.test('a close frame that the end of TCP overtakes within ws is told with its reason', async t => {
  const told = deferred<unknown>()
  const { port } = await startViews(t, async ws => {
    ws.wsView('/raw', { frames: 'raw', onMessage: (_socket, message) => message, onClose (_socket, info) { told.resolve(info) } })
  }, { websocket: { allowSynchronousEvents: false } })
  const client = await rawClient(port, '/ws/raw', { t })
  client.tcp.end(Buffer.concat([
    clientFrame({ opcode: 1, fin: false }), clientFrame({ opcode: 9, payload: 'between' }), clientFrame({ opcode: 0 }),
    clientFrame({ opcode: 8, payload: Buffer.from([0x0f, 0xa0, 0x62]) })
  ]))
  t.strictSame(await told.promise, { code: 4000, reason: 'b' })
  await client.ended
})
