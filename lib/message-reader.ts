import { Buffer, isUtf8 } from 'node:buffer'
import type { Duplex } from 'node:stream'
import { FrameFollower } from './frame-follower.ts'
import { readIntoSharedBuffer, readWhilePaused, type SharedBufferReader } from './shared-read-buffer.ts'
import { kReader } from './symbols.ts'

/** A longer message that comes in pieces is put together by `ws`; bytes. */
const maxWaiting = 4096

type OnData = (this: Duplex, chunk: Buffer) => void

interface Read { [kReader]?: MessageReader }

export interface MessageReaderOwner {
  /** may a message be handed out now? `false` once the closing handshake has begun */
  readonly isOpen: boolean
  /** one whole message; text is valid UTF-8 */
  receive (data: string | Buffer, isBinary: boolean): void
}

/**
 * Reads the common case straight from what TCP has brought: a whole, unfragmented, masked frame of a message (RFC 6455
 * §5.2) up to `maxPayload`. Everything else, valid or not, goes to the receiver of `ws` as it came, so the protocol stays that of
 * `ws`. The reader follows the frames of what it passes on, and takes over again at the next boundary.
 *
 * It stands in the place of the one 'data' listener that `ws` puts on the TCP socket. It is only right where the
 * receiver of `ws` is done with a chunk when its listener returns: without compression, with synchronous events.
 */
export class MessageReader implements SharedBufferReader {
  readonly #owner: MessageReaderOwner
  readonly #tcp: Duplex
  readonly #onData: OnData
  readonly #maxPayload: number
  /** `ws` takes no more: the client has sent its close frame, or broke the protocol */
  #isDone = false
  #isFeeding = false
  /** the first bytes of a frame, whose rest has not come yet */
  #begun: Buffer | undefined
  /** where `ws` is in what was passed on; `undefined`: between two messages, as it is nearly always */
  #follower: FrameFollower | undefined

  /**
   * Take the place of the listener of `ws`, right after the upgrade.
   *
   * @returns `undefined` when there is not exactly one listener to take the place of: `ws` goes on alone then
   */
  static attach (owner: MessageReaderOwner, tcp: Duplex, maxPayload: number): MessageReader | undefined {
    const listeners = tcp.listeners('data')
    if (listeners.length !== 1) return undefined
    const onData = listeners[0] as OnData
    const reader = new MessageReader(owner, tcp, onData, maxPayload)
    tcp.off('data', onData)
    ;(tcp as Read)[kReader] = reader
    tcp.on('data', readChunk)
    return reader
  }

  private constructor (owner: MessageReaderOwner, tcp: Duplex, onData: OnData, maxPayload: number) {
    this.#owner = owner
    this.#tcp = tcp
    this.#onData = onData
    this.#maxPayload = maxPayload
  }

  /**
   * `ws` closes. When it does so while it reads, the client has sent its close frame or broke the protocol, and `ws`
   * reads no more: what comes now is thrown away, as it would be.
   */
  closing (): void {
    if (this.#isFeeding) this.#isDone = true
  }

  /** `ws` has found an error in what it read, which it says in the next tick. */
  stop (): void {
    this.#isDone = true
  }

  /** The TCP socket is gone. */
  detach (): void {
    this.#isDone = true
    this.#tcp.off('data', readChunk)
  }

  /** `ws` has paused TCP: that the client leaves is still to be seen. */
  paused (): void {
    const begun = this.#begun
    this.#begun = undefined
    // its end, `ws` reads without us when TCP is reset
    if (begun !== undefined && !this.#isDone && !this.#tcp.destroyed) this.#passOn(begun)
    readWhilePaused(this.#tcp)
  }

  /** What the TCP socket emits. From the next read on, where it can be had, TCP reads into the shared buffer. */
  readChunk (chunk: Buffer): void {
    this.#read(chunk, chunk.length)
    if (this.#tcp.readableLength === 0) readIntoSharedBuffer(this.#tcp, this)
  }

  /** What TCP has read into the shared buffer. */
  readShared (shared: Buffer, bytes: number): boolean {
    const tcp = this.#tcp
    // others listen, or the order is to be kept: then it goes the usual way
    if (tcp.isPaused() || tcp.readableLength > 0 || tcp.listenerCount('data') !== 1) return tcp.push(Buffer.from(shared.subarray(0, bytes)))
    this.#read(shared, bytes, true)
    return true
  }

  /** @param isShared - the chunk is good until this returns */
  #read (chunk: Buffer, end: number, isShared = false): void {
    if (this.#isDone) return
    const begun = this.#begun
    if (begun !== undefined) {
      this.#begun = undefined
      chunk = Buffer.concat([begun, chunk.subarray(0, end)])
      end = chunk.length
      isShared = false
    }
    const at = this.#isAtBoundary() && this.#owner.isOpen ? this.#readMessages(chunk, end, isShared) : 0
    if (at === end || this.#isDone) return
    const rest = chunk.subarray(at, end)
    if (this.#canWait(rest)) this.#begun = Buffer.from(rest)
    // the rest goes with it: whether `ws` finds it good is known only after this tick
    else this.#passOn(isShared ? Buffer.from(rest) : rest)
  }

  /** The beginning of a short frame is kept until its end has come. */
  #canWait (rest: Buffer): boolean {
    if (!isMessage(rest[0]!) || !this.#isAtBoundary() || !this.#owner.isOpen) return false
    // what comes while it is paused, `ws` reads without us when TCP is reset
    if (this.#tcp.isPaused()) return false
    if (rest.length === 1) return true
    const length = rest[1]!
    if (length < 0x80) return false
    if ((length & 0x7f) < 126) return (length & 0x7f) <= this.#maxPayload && rest.length < (length & 0x7f) + 6
    if (length !== 0xfe) return false
    if (rest.length < 4) return true
    const extended = rest.readUInt16BE(2)
    return extended <= maxWaiting && extended <= this.#maxPayload && rest.length < extended + 8
  }

  #isAtBoundary (): boolean {
    return this.#follower === undefined
  }

  /** @returns where the first frame begins that is not the common case */
  #readMessages (chunk: Buffer, end: number, isShared: boolean): number {
    let at = 0
    while (end - at >= 6 && isMessage(chunk[at]!) && this.#owner.isOpen) {
      const isBinary = chunk[at] === 0x82
      let length = chunk[at + 1]! & 0x7f
      // not masked, or longer than 65535
      if (chunk[at + 1]! < 0x80 || length === 127) return at
      let mask = at + 2
      if (length === 126) {
        length = chunk.readUInt16BE(mask)
        mask += 2
      }
      const start = mask + 4
      const next = start + length
      if (next > end || length > this.#maxPayload) return at
      const bits = unmask(chunk, mask, start, next)
      let data: string | Buffer
      if (isBinary) {
        const bytes = chunk.subarray(start, next)
        data = isShared ? Buffer.from(bytes) : bytes
      } else if (bits < 0x80) {
        data = chunk.toString('latin1', start, next)
      } else if (isUtf8(chunk.subarray(start, next))) {
        data = chunk.toString('utf8', start, next)
      } else {
        // `ws` has the error for it
        unmask(chunk, mask, start, next)
        return at
      }
      at = next
      this.#owner.receive(data, isBinary)
    }
    return at
  }

  #passOn (bytes: Buffer): void {
    if (this.#owner.isOpen) {
      const follower = this.#follower ?? new FrameFollower()
      follower.read(bytes)
      this.#follower = follower.isAtBoundary ? undefined : follower
    }
    this.#isFeeding = true
    this.#onData.call(this.#tcp, bytes)
    this.#isFeeding = false
  }
}

function readChunk (this: Duplex, chunk: Buffer): void {
  (this as Read)[kReader]!.readChunk(chunk)
}

/** FIN and the opcode of text or of binary, no reserved bit. */
function isMessage (first: number): boolean {
  return first === 0x81 || first === 0x82
}

/**
 * XOR with the masking key (RFC 6455 §5.3), in place.
 *
 * @returns all unmasked bytes or-ed together: below 0x80 the text is ASCII
 */
function unmask (chunk: Buffer, mask: number, start: number, end: number): number {
  const m0 = chunk[mask]!
  const m1 = chunk[mask + 1]!
  const m2 = chunk[mask + 2]!
  const m3 = chunk[mask + 3]!
  let bits = 0
  let i = start
  for (const last = end - 3; i < last; i += 4) {
    bits |= (chunk[i]! ^= m0) | (chunk[i + 1]! ^= m1) | (chunk[i + 2]! ^= m2) | (chunk[i + 3]! ^= m3)
  }
  if (i < end) bits |= chunk[i]! ^= m0
  if (++i < end) bits |= chunk[i]! ^= m1
  if (++i < end) bits |= chunk[i]! ^= m2
  return bits
}
