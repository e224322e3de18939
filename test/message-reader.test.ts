// Our reader of messages beside the receiver of `ws` alone: whatever comes, in whatever pieces, the same happens.
import t from 'tap'
import { Duplex } from 'node:stream'
import { WebSocket } from 'ws'
import { kReader, kSocket } from '../lib/symbols.ts'
import { MessageReader } from '../lib/message-reader.ts'
import { ViewWebSocket } from '../lib/view-websocket.ts'
import { clientFrame, type FrameOut } from './fixtures/rfc6455.ts'

const maxPayload = 300
const turn = () => new Promise(resolve => setImmediate(resolve))

/** A TCP socket without a network. */
class Tcp extends Duplex {
  readonly written: Buffer[] = []
  hasEnded = false
  override _read (): void {}
  override _write (chunk: Buffer, encoding: string, done: () => void): void {
    this.written.push(Buffer.from(chunk))
    done()
  }

  override _final (done: () => void): void {
    this.hasEnded = true
    done()
  }
}

interface Scene {
  chunks: Buffer[]
  /** is there a turn of the event loop after the chunk? */
  turns: boolean[]
  /** at which message we close, or pause; -1: never */
  closeAt: number
  pauseAt: number
  /** before which chunk reading is stopped, until TCP is gone without an end; -1: never */
  stopAt: number
}

/** What `ws` needs of a socket; these parts of it are not public. */
type Raw = WebSocket & {
  _isServer: boolean
  setSocket (tcp: Duplex, head: Buffer, options: object): void
}

/** Who reads: `ws` alone; our reader, from what TCP emits; our reader, from the buffer that TCP has read into. */
type Way = 'ws' | 'chunks' | 'shared buffer'

const shared = Buffer.alloc(64 * 1024)

/** @returns everything that happened */
async function play ({ chunks, turns, closeAt, pauseAt, stopAt }: Scene, way: Way): Promise<string[]> {
  const withReader = way !== 'ws'
  const events: string[] = []
  const tcp = new Tcp()
  const options = { autoPong: true, closeTimeout: 1000, maxPendingAutoPongs: 60 }
  const raw = new (withReader ? ViewWebSocket : WebSocket)(null as never, undefined, options as never) as unknown as Raw
  raw._isServer = true
  const reading = raw as unknown as ViewWebSocket
  const kept: { data: Buffer, hex: string }[] = []
  let count = 0
  let hasClosed = false
  const receive = (data: Buffer | string, isBinary: boolean): void => {
    if (raw.readyState !== WebSocket.OPEN) return
    const hex = Buffer.from(data as string).toString('hex')
    events.push(`${isBinary ? 'binary' : 'text'} ${hex}`)
    if (typeof data === 'object') kept.push({ data, hex })
    if (count === closeAt) {
      hasClosed = true
      raw.close(4000, 'ours')
    }
    if (count === pauseAt) {
      raw.pause()
      setImmediate(() => raw.resume())
    }
    count++
  }
  raw.setSocket(tcp, Buffer.alloc(0), { allowSynchronousEvents: true, maxPayload, maxFragments: 5, maxBufferedChunks: 1000, skipUTF8Validation: false })
  raw.on('message', (data, isBinary) => receive(data as Buffer, isBinary))
  for (const kind of ['ping', 'pong'] as const) {
    raw.on(kind, data => { if (raw.readyState === WebSocket.OPEN) events.push(`${kind} ${data.toString('hex')}`) })
  }
  raw.on('error', error => {
    events.push(`error ${(error as Error & { code?: string }).code}`)
    reading[kReader]?.stop()
  })
  raw.on('close', (code, reason) => {
    events.push(`close ${code} ${reason}`)
    reading[kReader]?.detach()
  })
  if (withReader) {
    const nothing = (): void => {}
    const socket = { closing: nothing, receive: nothing, gone: nothing, pinged: nothing, seen: nothing, failed: nothing, get isOpen () { return !hasClosed } }
    reading[kSocket] = socket as unknown as NonNullable<ViewWebSocket[typeof kSocket]>
    const owner = { receive, get isOpen () { return raw.readyState === WebSocket.OPEN } }
    reading[kReader] = MessageReader.attach(owner, tcp, maxPayload)
    if (reading[kReader] === undefined) throw new Error('the reader did not take over')
  }
  for (const [i, chunk] of chunks.entries()) {
    if (i === stopAt) raw.pause()
    if (way === 'shared buffer' && i > 0) {
      chunk.copy(shared)
      reading[kReader]!.readShared(shared, chunk.length)
      shared.fill(0x81) // as the next socket would
    } else {
      tcp.push(Buffer.from(chunk)) // both unmask in place
    }
    if (turns[i] === true) await turn()
  }
  for (let i = 0; i < 3; i++) await turn()
  for (const { data, hex } of kept) if (data.toString('hex') !== hex) events.push(`overwritten ${hex}`)
  events.push(`written ${Buffer.concat(tcp.written).toString('hex')}, ended ${tcp.hasEnded}, paused ${tcp.isPaused()}`)
  if (stopAt === -1) tcp.push(null)
  await turn()
  tcp.destroy()
  for (let i = 0; i < 2; i++) await turn()
  return events
}

/** Numbers that are the same in every run. */
function generator (seed: number) {
  let state = seed
  const fraction = (): number => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff
    return (state >>> 8) / (0x7fffffff >>> 8)
  }
  const below = (n: number): number => Math.min(n - 1, Math.floor(fraction() * n))
  return { fraction, below, of: <T>(list: readonly T[]): T => list[below(list.length)]! }
}

function sceneOf (seed: number): Scene {
  const { fraction, below, of } = generator(seed)
  const sizes = [0, 1, 2, 5, 20, 124, 125, 126, 127, 200, 299, 300]
  const textOf = (size: number): string => of(['a', 'é', '€', '𝄞']).repeat(size).slice(0, Math.floor(size / 4) * 2)
  const good: (() => FrameOut[])[] = [
    () => [{ opcode: 1, payload: textOf(of(sizes)) }],
    () => [{ opcode: 1, payload: 'a'.repeat(of(sizes)) }],
    () => [{ opcode: 1, payload: textOf(20), mask: Buffer.alloc(4) }],
    () => [{ opcode: 2, payload: Buffer.alloc(of(sizes), 0xff) }],
    () => [{ opcode: of([9, 10]), payload: Buffer.alloc(Math.min(125, of(sizes)), 'p') }],
    () => {
      const parts = 2 + below(3)
      return Array.from({ length: parts }, (_, i) => [
        { opcode: i === 0 ? of([1, 2]) : 0, fin: i === parts - 1, payload: 'abc'.slice(below(4)) },
        ...fraction() < 0.3 ? [{ opcode: 9, payload: 'between' }] : []
      ]).flat()
    },
    () => [{ opcode: 1, payload: 'abc', lengthForm: of([16, 64] as const) }]
  ]
  const bad: (() => FrameOut[])[] = [
    () => [{ opcode: 1, payload: Buffer.alloc(1 + below(10), 0xff) }],
    () => [{ opcode: 1, payload: Buffer.from('€').subarray(0, 2) }],
    () => [{ opcode: 1, payload: 'a'.repeat(301) }],
    () => [{ opcode: 1, payload: 'x', mask: false }],
    () => [{ opcode: of([0, 1, 3, 11]), rsv: of([0, 0x40, 0x20, 0x10]), payload: 'x' }],
    () => [{ opcode: 9, payload: 'x', fin: false }],
    () => [{ opcode: 8, payload: of([Buffer.alloc(0), Buffer.from([3, 232]), Buffer.from([15, 160, 0x61]), Buffer.from([1]), Buffer.from([3, 237])]) }]
  ]
  const frames = Array.from({ length: 1 + below(12) }, () => of(fraction() < 0.9 ? good : bad)())
  const bytes = Buffer.concat(frames.flat().map(clientFrame))
  const chunks: Buffer[] = []
  const most = of([1, 8, 200, Infinity])
  for (let at = 0; at < bytes.length;) {
    const size = most === Infinity ? bytes.length : 1 + below(most)
    chunks.push(bytes.subarray(at, at + size))
    at += size
  }
  return {
    chunks,
    turns: chunks.map(() => fraction() < 0.5),
    closeAt: fraction() < 0.2 ? below(5) : -1,
    pauseAt: fraction() < 0.2 ? below(5) : -1,
    stopAt: fraction() < 0.2 ? below(chunks.length) : -1
  }
}

t.test('what it does not read itself it hands to ws, and ws does what it always does', async t => {
  let texts = 0
  let errors = 0
  let closes = 0
  for (let seed = 1; seed <= 1_500; seed++) {
    const scene = sceneOf(seed)
    const expected = await play(scene, 'ws')
    for (const way of ['chunks', 'shared buffer'] as const) {
      const found = await play(scene, way)
      if (JSON.stringify(found) === JSON.stringify(expected)) continue
      t.same(found, expected, `seed ${seed}, ${way}`)
      return
    }
    texts += expected.filter(event => event.startsWith('text')).length
    errors += expected.filter(event => event.startsWith('error')).length
    closes += expected.filter(event => event.startsWith('close 4000')).length
  }
  t.ok(texts > 2_000 && errors > 200 && closes > 20, `${texts} texts, ${errors} errors, ${closes} closes were among it`)
})

t.test('it is left out where ws does not read alone', async t => {
  const tcp = new Tcp()
  const owner = { isOpen: true, receive () {} }
  t.equal(MessageReader.attach(owner, tcp, maxPayload), undefined, 'nobody reads')
  tcp.on('data', () => {})
  tcp.on('data', () => {})
  t.equal(MessageReader.attach(owner, tcp, maxPayload), undefined, 'two read')
})
