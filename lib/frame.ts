/** Frame opcodes (RFC 6455 §5.2). */
export const opcodes = Object.freeze({ text: 0x1, binary: 0x2, close: 0x8, ping: 0x9, pong: 0xa } as const)

/** A whole message as one unmasked frame (RFC 6455 §5.2): FIN set, the shortest length form. */
export function encodeFrame (data: string | Buffer, opcode: number): Buffer {
  const length = typeof data === 'string' ? Buffer.byteLength(data) : data.length
  const header = length < 126 ? 2 : length < 65536 ? 4 : 10
  const frame = Buffer.allocUnsafe(header + length)
  frame[0] = 0x80 | opcode
  if (header === 2) {
    frame[1] = length
  } else if (header === 4) {
    frame[1] = 126
    frame.writeUInt16BE(length, 2)
  } else {
    frame[1] = 127
    frame.writeUInt32BE(0, 2)
    frame.writeUInt32BE(length, 6)
  }
  if (typeof data === 'string') frame.write(data, header, length, 'utf8')
  else data.copy(frame, header)
  return frame
}
