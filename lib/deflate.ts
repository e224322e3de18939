import { constants, deflateRawSync } from 'node:zlib'

/** How the messages of one socket may be compressed (permessage-deflate, RFC 7692). */
export interface DeflateParams {
  /** base-2 logarithm of the LZ77 window that the client keeps, 9 to 15 */
  readonly windowBits: number
  /** smaller messages are sent as they are; bytes */
  readonly threshold: number
}

/**
 * Read what was negotiated out of the header of the 101 (RFC 7692 §7.1).
 *
 * @param header - `Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10`, or its value alone
 * @param threshold - messages of fewer bytes are not compressed
 * @returns `undefined` when this socket gets its messages uncompressed, which is allowed always (RFC 7692 §6)
 */
export function parseDeflate (header: string, threshold = 1024): DeflateParams | undefined {
  const value = header.replace(/^\s*sec-websocket-extensions\s*:/i, '')
  for (const extension of value.split(',')) {
    const [name, ...params] = extension.split(';').map(part => part.trim())
    if (name !== 'permessage-deflate') continue
    let windowBits = 15
    for (const param of params) {
      const bits = /^server_max_window_bits\s*=\s*"?(\d+)"?$/.exec(param)
      if (bits !== null) windowBits = Number(bits[1])
    }
    // zlib makes no raw stream with a window of 2^8: it takes 2^9, further back than such a client can look
    return windowBits < 9 ? undefined : { windowBits, threshold }
  }
  return undefined
}

/**
 * Compress one message with no context from earlier ones (RFC 7692 §7.2.1), so that the result is right for every
 * client with this window, whether or not `server_no_context_takeover` was negotiated (§7.1.1.1).
 */
export function deflateMessage (bytes: Buffer, windowBits: number): Buffer {
  const deflated = deflateRawSync(bytes, { windowBits, finishFlush: constants.Z_SYNC_FLUSH })
  // RFC 7692 §7.2.1: the 00 00 ff ff of the empty block at the end is left out
  return deflated.subarray(0, deflated.length - 4)
}
