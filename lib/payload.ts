import { deflateMessage } from './deflate.ts'
import { encodeFrame, opcodes } from './frame.ts'

/**
 * A message on its way out, to one socket or to thousands: serialised once by whoever made it,
 * framed once by whoever asks first, compressed at most once per window size.
 */
export class Payload {
  /** text of a text frame, bytes of a binary one */
  readonly data: string | Buffer
  /** the id of a socket that must not get it */
  readonly except: string | undefined
  #frame: Buffer | undefined
  #deflated: (Buffer | undefined)[] | undefined

  constructor (data: string | Buffer, except?: string) {
    this.data = data
    this.except = except
  }

  get isBinary (): boolean {
    return typeof this.data !== 'string'
  }

  /** The unmasked, uncompressed frame (RFC 6455 §5.2), the same Buffer every time. */
  get frame (): Buffer {
    return (this.#frame ??= encodeFrame(this.data, this.isBinary ? opcodes.binary : opcodes.text))
  }

  /**
   * The frame for a client with permessage-deflate (RFC 7692), the same Buffer every time.
   *
   * @param windowBits - base-2 logarithm of the client's window, 9 to 15
   * @param threshold - bytes; a shorter message is not compressed, nor one that would not get smaller
   */
  deflatedFrame (windowBits: number, threshold = 0): Buffer {
    const plain = this.frame
    const header = plain.length < 128 ? 2 : plain.length < 65540 ? 4 : 10
    if (plain.length - header < threshold) return plain
    const deflated = (this.#deflated ??= [])
    return (deflated[windowBits] ??= this.#deflate(plain, plain.subarray(header), windowBits))
  }

  #deflate (plain: Buffer, message: Buffer, windowBits: number): Buffer {
    const deflated = deflateMessage(message, windowBits)
    if (deflated.length >= message.length) return plain
    return encodeFrame(deflated, this.isBinary ? opcodes.binary : opcodes.text, true)
  }
}
