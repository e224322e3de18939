import { Buffer } from 'node:buffer'
import { frameLength, opcodes, writeFrame } from './frame.ts'

/** A frame of this size or more is a Buffer of its own, not copied where it is one already; smaller ones share one. Bytes. */
const copyBelow = 16 * 1024

/** A frame; or the text of a message, which becomes one where it is joined with the others. */
type Part = Buffer | string

/**
 * What waits for one write, as a chain: a batch is another batch and one part more.
 *
 * Sockets that are sent the same parts walk the same chain, so that a thousand of them share one joined Buffer
 * and none needs a list of its own.
 */
export class Batch {
  readonly #before: Batch | undefined
  /** the last one; the empty batch has none */
  readonly #part: Part | undefined
  /** of the message in the last frame, where it is text that has no frame yet; bytes */
  readonly #textBytes: number
  /** of the last frame */
  readonly lastBytes: number
  /** of all frames */
  readonly bytes: number
  #next: Batch | undefined
  #chunks: Buffer[] | undefined

  constructor (before?: Batch, part?: Part) {
    this.#before = before
    this.#part = part
    this.#textBytes = typeof part === 'string' ? Buffer.byteLength(part) : 0
    this.lastBytes = typeof part === 'string' ? frameLength(this.#textBytes) : part === undefined ? 0 : part.length
    this.bytes = before === undefined ? 0 : before.bytes + this.lastBytes
  }

  /** This batch and one part more: the same object as last time when it is the same part. */
  with (part: Part): Batch {
    const next = this.#next
    if (next !== undefined && next.#part === part) return next
    return (this.#next = new Batch(this, part))
  }

  /** Let go of the batch that was made last. */
  forget (): void {
    this.#next = undefined
  }

  /** The frames in order, as few Buffers as can be had without copying a large frame; the same ones every time. */
  get chunks (): Buffer[] {
    return (this.#chunks ??= this.#join())
  }

  #join (): Buffer[] {
    const batches: Batch[] = []
    for (let at: Batch = this; at.#part !== undefined; at = at.#before!) batches.push(at)
    batches.reverse()
    const chunks: Buffer[] = []
    let from = 0
    for (let i = 0; i < batches.length; i++) {
      if (batches[i]!.lastBytes < copyBelow) continue
      if (i > from) chunks.push(Batch.#joinFrames(batches, from, i))
      chunks.push(Batch.#joinFrames(batches, i, i + 1))
      from = i + 1
    }
    if (batches.length > from) chunks.push(Batch.#joinFrames(batches, from, batches.length))
    return chunks
  }

  /** The last frame of each; one alone that is a Buffer already is not copied. */
  static #joinFrames (batches: Batch[], from: number, to: number): Buffer {
    const first = batches[from]!
    if (to - from === 1 && typeof first.#part === 'object') return first.#part
    const joined = Buffer.allocUnsafe(batches[to - 1]!.bytes - first.bytes + first.lastBytes)
    let at = 0
    for (let i = from; i < to; i++) {
      const batch = batches[i]!
      if (typeof batch.#part === 'string') writeFrame(joined, at, batch.#part, batch.#textBytes, opcodes.text)
      else batch.#part!.copy(joined, at)
      at += batch.lastBytes
    }
    return joined
  }
}
