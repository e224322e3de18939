import { encodeFrame, opcodes } from './frame.ts'

/**
 * A message on its way out, to one socket or to thousands: serialised once by whoever made it,
 * framed once by whoever asks first.
 */
export class Payload {
  /** text of a text frame, bytes of a binary one */
  readonly data: string | Buffer
  /** the id of a socket that must not get it */
  readonly except: string | undefined
  #frame: Buffer | undefined

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
}
