/** Follows the frames of a client (RFC 6455 §5.2) through a stream of bytes, without looking at what is in them. */
export class FrameFollower {
  #isFragmented = false
  #headerBytes = 0
  #lengthEnd = 0
  #headerEnd = 0
  #first = 0
  #length = 0
  /** bytes of the frame's payload that are still to come */
  #payload = 0

  /** Here one message has ended, and no other has begun. */
  get isAtBoundary (): boolean {
    return !this.#isFragmented && this.#headerBytes === 0 && this.#payload === 0
  }

  read (bytes: Buffer): void {
    let at = 0
    while (at < bytes.length) {
      if (this.#payload === 0) {
        this.#readHeader(bytes[at++]!)
      } else {
        const step = Math.min(this.#payload, bytes.length - at)
        this.#payload -= step
        at += step
      }
    }
  }

  #readHeader (byte: number): void {
    const i = this.#headerBytes++
    if (i === 0) {
      this.#first = byte
      return
    }
    if (i === 1) {
      const length = byte & 0x7f
      const extended = length === 126 ? 2 : length === 127 ? 8 : 0
      this.#lengthEnd = 2 + extended
      this.#headerEnd = this.#lengthEnd + (byte >= 0x80 ? 4 : 0)
      this.#length = extended === 0 ? length : 0
    } else if (i < this.#lengthEnd) {
      this.#length = this.#length * 256 + byte
    }
    if (this.#headerBytes < this.#headerEnd) return
    const opcode = this.#first & 0x0f
    // control frames may stand between the fragments of a message (RFC 6455 §5.4)
    if (opcode < 8) this.#isFragmented = this.#first < 0x80
    this.#payload = this.#length
    this.#headerBytes = 0
  }
}
