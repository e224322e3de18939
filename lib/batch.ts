/** A frame of this size or more is handed to TCP as it is; smaller ones are copied together. Bytes. */
const copyBelow = 16 * 1024

/**
 * The frames that wait for one write, as a chain: a batch is another batch and one frame more.
 *
 * Sockets that are sent the same frames walk the same chain, so that a thousand of them share one joined Buffer
 * and none needs a list of its own.
 */
export class Batch {
  readonly #before: Batch | undefined
  /** the last frame; the empty batch has none */
  readonly frame: Buffer | undefined
  /** of all frames */
  readonly bytes: number
  #next: Batch | undefined
  #chunks: Buffer[] | undefined

  constructor (before?: Batch, frame?: Buffer) {
    this.#before = before
    this.frame = frame
    this.bytes = before === undefined || frame === undefined ? 0 : before.bytes + frame.length
  }

  /** This batch and one frame more: the same object as last time when it is the same frame. */
  with (frame: Buffer): Batch {
    const next = this.#next
    if (next !== undefined && next.frame === frame) return next
    return (this.#next = new Batch(this, frame))
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
    const frames: Buffer[] = []
    for (let at: Batch = this; at.frame !== undefined; at = at.#before!) frames.push(at.frame)
    if (frames.length < 2) return frames
    frames.reverse()
    const chunks: Buffer[] = []
    let from = 0
    for (let i = 0; i <= frames.length; i++) {
      if (i < frames.length && frames[i]!.length < copyBelow) continue
      if (i - from > 1) chunks.push(Buffer.concat(frames.slice(from, i)))
      else if (i > from) chunks.push(frames[from]!)
      if (i < frames.length) chunks.push(frames[i]!)
      from = i + 1
    }
    return chunks
  }
}
