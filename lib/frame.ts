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
  const header = length < 126 ? 2 : length < 65536 ? 4 : 10
  const frame = Buffer.allocUnsafe(header + length)
  frame[0] = (isCompressed ? 0xc0 : 0x80) | opcode
  if (header === 2) {
    frame[1] = length
  } else if (header === 4) {
    frame[1] = 126
    frame[2] = length >>> 8
    frame[3] = length & 0xff
  } else {
    frame[1] = 127
    frame.writeUInt32BE(Math.floor(length / 0x100000000), 2)
    frame.writeUInt32BE(length % 0x100000000, 6)
  }
  if (typeof data !== 'string') data.copy(frame, header)
  else if (length === data.length) frame.write(data, header, length, 'latin1') // ASCII: a third faster than as UTF-8
  else frame.write(data, header)
  return frame
}
