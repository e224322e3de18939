import { Buffer } from 'node:buffer'
import { Socket as TcpSocket } from 'node:net'
import type { Duplex } from 'node:stream'

/** As much as Node reads at once; bytes. One for all sockets: what is in it is used up when the reader returns. */
const buffer = Buffer.allocUnsafeSlow(64 * 1024)

export interface SharedBufferReader {
  /**
   * Bytes have come; the buffer is theirs until this returns.
   *
   * @returns `false` to stop reading
   */
  readShared (buffer: Buffer, bytes: number): boolean
}

interface PrivateFields {
  _handle?: { useUserBuffer?: (buffer: Buffer) => void } | null
  _read: (bytes: number) => void
  [field: symbol]: unknown
}

/** Where Node keeps what the public option `onread` of a socket that connects has set. */
const { kBuffer, kBufferCb } = findFields()

/**
 * Have TCP read into one buffer that all sockets share, as Node does with its public option `onread`, which a server
 * cannot set: no 64 KiB of memory per read, and nothing of `Readable`. The socket emits no 'data' then. Private fields
 * of Node, found by what the option does with them; nothing happens where they are not as expected.
 *
 * To be called while nothing that was read waits in the socket.
 */
export function readIntoSharedBuffer (tcp: Duplex, reader: SharedBufferReader): void {
  if (kBuffer === undefined || kBufferCb === undefined || Object.getPrototypeOf(tcp) !== TcpSocket.prototype) return
  const fields = tcp as unknown as PrivateFields
  const handle = fields._handle
  if (fields[kBuffer] !== null || typeof handle?.useUserBuffer !== 'function') return
  fields[kBuffer] = buffer
  fields[kBufferCb] = (bytes: number) => reader.readShared(buffer, bytes)
  handle.useUserBuffer(buffer)
}

/** `pause()` stops reading such a socket at once: read on until the socket's own buffer is full, as others do. */
export function readWhilePaused (tcp: Duplex): void {
  const fields = tcp as unknown as PrivateFields
  if (tcp.destroyed || tcp.readableLength >= tcp.readableHighWaterMark) return
  if (kBuffer !== undefined && fields[kBuffer] === buffer) fields._read(0)
}

function findFields (): { kBuffer?: symbol | undefined, kBufferCb?: symbol | undefined } {
  const callback = () => true
  const probe = new TcpSocket({ onread: { buffer, callback } } as object) as unknown as PrivateFields
  const symbols = Object.getOwnPropertySymbols(probe)
  return {
    kBuffer: symbols.find((symbol) => probe[symbol] === buffer),
    kBufferCb: symbols.find((symbol) => probe[symbol] === callback)
  }
}
