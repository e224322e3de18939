import { Buffer } from 'node:buffer'
/** Frame opcodes (RFC 6455 §5.2). */
export const opcodes = Object.freeze({ text: 0x1, binary: 0x2, close: 0x8, ping: 0x9, pong: 0xa } as const)

/**
 * A whole message as one unmasked frame (RFC 6455 §5.2): FIN set, the shortest length form.
 *
 * @param data - a string is sent as UTF-8, bytes as they are (copied: the caller may reuse them)
 * @param isCompressed - sets RSV1: `data` is the message after permessage-deflate (RFC 7692 §6)
 */
export function encodeFrame (data: string | Buffer, opcode: number, isCompressed = false): Buffer {
  const length = typeof data === 'string' ? Buffer.byteLength(data) : data.length
  const frame = Buffer.allocUnsafe(frameLength(length))
  writeFrame(frame, 0, data, length, opcode, isCompressed)
  return frame
}

/** Of a message of this many bytes; bytes. */
export function frameLength (length: number): number {
  return length + (length < 126 ? 2 : length < 65536 ? 4 : 10)
}

/**
 * The same into a Buffer that has room for it.
 *
 * @param at - where the frame begins; bytes
 * @param length - of `data`; bytes
 */
export function writeFrame (into: Buffer, at: number, data: string | Buffer, length: number, opcode: number, isCompressed = false): void {
  into[at++] = (isCompressed ? 0xc0 : 0x80) | opcode
  if (length < 126) {
    into[at++] = length
  } else if (length < 65536) {
    into[at++] = 126
    into[at++] = length >>> 8
    into[at++] = length & 0xff
  } else {
    into[at++] = 127
    at = into.writeUInt32BE(Math.floor(length / 0x100000000), at)
    at = into.writeUInt32BE(length % 0x100000000, at)
  }
  if (typeof data !== 'string') data.copy(into, at)
  else if (length === data.length) into.write(data, at, length, 'latin1') // ASCII: a third faster than as UTF-8
  else into.write(data, at)
}
