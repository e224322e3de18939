import type { Duplex } from 'node:stream'
import type { DeflateParams } from './deflate.ts'
import type { Payload } from './payload.ts'
import { Batch } from './batch.ts'
import { writeDirectly } from './direct-write.ts'

/** What an outbox asks of the socket it belongs to. */
export interface OutboxOwner {
  /** The client reads too slowly: close with 1013. Called at most once, never from within `send` or `deliver`. */
  slow (): void
}

/** Shared by the sockets of a view that negotiated the same compression; read at every message, never copied. */
export interface OutboxOptions {
  /** bytes that may wait for the client; one message larger than this may wait beside them */
  maxBuffered: number
  /** past `maxBuffered`: `'close'` the socket, or `'drop'` fan-out messages */
  onSlow: 'close' | 'drop'
  /** what `parseDeflate` made of the handshake */
  deflate?: DeflateParams | undefined
}

/** No more than this waits for the end of the tick; bytes. */
const maxBatchBytes = 64 * 1024

/** The empty batches, by window bits (0: uncompressed): the same message is another frame in each. */
const empty = Array.from({ length: 16 }, () => new Batch())

/** Those that were sent something since the last tick. */
let dirty: Outbox[] = []

function markDirty (outbox: Outbox): void {
  // After the poll phase, so that what many clients asked for in one tick leaves together
  if (dirty.push(outbox) === 1) setImmediate(endTick)
}

function endTick (): void {
  const outboxes = dirty
  dirty = []
  for (const batch of empty) batch.forget()
  let done = 0
  try {
    while (done < outboxes.length) outboxes[done++]!.endTick()
  } finally {
    // an owner has thrown: that is not the other sockets' loss
    for (; done < outboxes.length; done++) markDirty(outboxes[done]!)
  }
}

const states = Object.freeze({ open: 0, slow: 1, ended: 2 } as const)
type State = typeof states[keyof typeof states]

interface Waiting { promise: Promise<void>, resolve: () => void, onProgress: () => void }

/**
 * The outgoing half of one socket: data frames, written to the TCP socket by ourselves.
 *
 * What is sent within one tick leaves in one write. `ws` writes its control frames to the same TCP socket, so
 * `flush()` comes before each of them. It listens to the TCP socket only while somebody waits in `drained()`; errors
 * of the TCP socket are for its owner.
 */
export class Outbox {
  readonly #tcp: Duplex
  readonly #owner: OutboxOwner
  readonly #options: OutboxOptions
  #pending: Batch | undefined
  #state: State = states.open
  #isDirty = false
  #isSlowReported = false
  /** length of a message larger than `maxBuffered` that TCP has not taken yet */
  #oversize = 0
  #dropped = 0
  #waiting: Waiting | undefined
  /** of a write past the stream's queue, until TCP has taken all of it; bytes */
  #untaken = 0
  #onTaken: ((error?: Error | null) => void) | undefined
  #onWritten: (() => void) | undefined

  constructor (tcp: Duplex, owner: OutboxOwner, options: OutboxOptions) {
    this.#tcp = tcp
    this.#owner = owner
    this.#options = options
  }

  /** A message of the view itself: never dropped. A no-op once the socket is ending. */
  send (payload: Payload): void {
    if (this.#state !== states.open) return
    // text that nobody else is sent has no need of a frame of its own
    const isText = this.#options.deflate === undefined && typeof payload.data === 'string'
    this.#push(isText ? payload.data : this.#frameOf(payload))
  }

  /** A fan-out message: with `onSlow: 'drop'` it is dropped and counted when it does not fit into `maxBuffered`. */
  deliver (payload: Payload): void {
    if (this.#state !== states.open) return
    const frame = this.#frameOf(payload)
    if (this.#options.onSlow === 'drop' && this.#isTooFullFor(frame)) this.#dropped++
    else this.#push(frame)
  }

  /** Hand everything that is pending to TCP now, in order. */
  flush (): void {
    const pending = this.#pending
    if (pending === undefined) return
    this.#pending = undefined
    const tcp = this.#tcp
    if (!tcp.writable) return
    if (this.#oversize !== 0) this.#waits()
    const chunks = pending.chunks
    if (chunks.length > 1) {
      tcp.cork() // one writev
      for (const chunk of chunks) this.#enqueue(chunk)
      tcp.uncork()
    } else if (this.#untaken > 0 || !this.#writeDirectly(chunks[0]!)) {
      this.#enqueue(chunks[0]!)
    }
    if (this.#handedOver() > this.#options.maxBuffered) this.#judge(pending.lastBytes)
    // what waited before may have left meanwhile: then TCP has no 'drain' to come
    this.#settle()
  }

  /** Bytes that the client's kernel and ours have not taken yet. */
  get bufferedAmount (): number {
    return this.#pending === undefined ? this.#handedOver() : this.#pending.bytes + this.#handedOver()
  }

  /** False while more than half of `maxBuffered` waits, and once the socket is ending or gone. */
  get writable (): boolean {
    return this.#state === states.open && this.#tcp.writable && this.bufferedAmount * 2 <= this.#options.maxBuffered
  }

  /** Resolves when the outbox is `writable` again, or has ended; never rejects. */
  drained (): Promise<void> {
    if (this.#isSettled()) return Promise.resolve()
    return (this.#waiting ??= this.#wait()).promise
  }

  /** How many fan-out messages were dropped. */
  get dropped (): number {
    return this.#dropped
  }

  /** Take no more messages and hand over those that are pending: a close frame follows. */
  end (): void {
    if (this.#state === states.ended) return
    this.flush()
    this.#state = states.ended
    this.#settle()
  }

  /** Take no more messages and forget those that are pending: the TCP socket is gone. */
  discard (): void {
    this.#pending = undefined
    this.#state = states.ended
    this.#settle()
  }

  /** The end of a tick in which something was sent. For this file. */
  endTick (): void {
    this.#isDirty = false
    this.flush()
    if (this.#state === states.slow && !this.#isSlowReported) {
      this.#isSlowReported = true
      this.#owner.slow()
    }
  }

  #frameOf (payload: Payload): Buffer {
    const deflate = this.#options.deflate
    return deflate === undefined ? payload.frame : payload.deflatedFrame(deflate.windowBits, deflate.threshold)
  }

  #push (part: Buffer | string): void {
    const { deflate, maxBuffered } = this.#options
    const pending = (this.#pending ?? empty[deflate === undefined ? 0 : deflate.windowBits]!).with(part)
    this.#pending = pending
    if (!this.#isDirty) this.#markDirty()
    if (pending.bytes >= maxBatchBytes || pending.bytes > maxBuffered) this.flush()
  }

  #markDirty (): void {
    this.#isDirty = true
    markDirty(this)
  }

  /** Bytes that TCP was given and has not taken yet. */
  #handedOver (): number {
    return this.#untaken + this.#tcp.writableLength
  }

  /** @returns `false` where the chunk has to go through the queue of the stream */
  #writeDirectly (chunk: Buffer): boolean {
    this.#untaken = chunk.length
    const isWritten = writeDirectly(this.#tcp, chunk, (this.#onTaken ??= (error) => { this.#taken(error) }))
    if (!isWritten) this.#untaken = 0
    return isWritten
  }

  #enqueue (chunk: Buffer): void {
    // TCP's 'drain' comes only after a write of at least its own mark: below that, ask to be told of each write
    if (this.#options.maxBuffered < 2 * this.#tcp.writableHighWaterMark) {
      this.#tcp.write(chunk, (this.#onWritten ??= () => this.#settle()))
    } else {
      this.#tcp.write(chunk)
    }
  }

  #taken (error: Error | null | undefined): void {
    this.#untaken = 0
    // as the stream does
    if (error != null) this.#tcp.destroy(error)
    this.#settle()
  }

  /** More than `maxBuffered` waits. Is that one large message, or a client that does not read? */
  #judge (lastFrameBytes: number): void {
    const { maxBuffered, onSlow } = this.#options
    // Fan-out stops at `maxBuffered` by itself when it is dropped: what the view sends itself gets as much again
    const limit = onSlow === 'drop' ? 2 * maxBuffered : maxBuffered
    const waits = this.#waits()
    if (waits <= limit) return
    if (this.#oversize === 0 && lastFrameBytes > maxBuffered) {
      this.#oversize = lastFrameBytes
    } else if (this.#state === states.open) {
      this.#state = states.slow
      if (!this.#isDirty) this.#markDirty()
    }
  }

  #isTooFullFor (frame: Buffer): boolean {
    const { maxBuffered } = this.#options
    if (this.bufferedAmount + frame.length <= maxBuffered) return false
    this.flush()
    return this.#handedOver() > 0 && this.#waits() + frame.length > maxBuffered
  }

  /** Bytes that TCP has not taken yet, beside one message larger than `maxBuffered`. */
  #waits (): number {
    const length = this.#handedOver()
    // a stream counts a chunk until all of it is taken
    if (length < this.#oversize) this.#oversize = 0
    return length - this.#oversize
  }

  #isSettled (): boolean {
    // not when TCP alone has ended: who waits is let go when the socket knows it, and its `signal` has aborted
    return this.#state === states.ended || this.writable
  }

  #wait (): Waiting {
    let resolve!: () => void
    const promise = new Promise<void>(_resolve => { resolve = _resolve })
    const onProgress = () => this.#settle()
    this.#tcp.on('drain', onProgress)
    return { promise, resolve, onProgress }
  }

  #settle (): void {
    const waiting = this.#waiting
    if (waiting === undefined || !this.#isSettled()) return
    this.#waiting = undefined
    this.#tcp.off('drain', waiting.onProgress)
    waiting.resolve()
  }
}
