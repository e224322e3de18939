import { Socket as TcpSocket } from 'node:net'
import { Duplex } from 'node:stream'

/**
 * Write a Buffer past the queue of the stream, in which nothing waits: as the stream itself would, through `_write`,
 * which is for streams to implement and not for others to call. TCP nearly always takes it at once.
 *
 * @param taken - called once: within this call, or when TCP has taken the rest
 * @returns `false`, and nothing is done, where the queue is needed, this is no plain TCP socket of Node, or somebody has
 *   put a `write` of his own in the place of Node's
 */
export function writeDirectly (tcp: Duplex, chunk: Buffer, taken: (error?: Error | null) => void): boolean {
  if (tcp.writableLength > 0 || Object.getPrototypeOf(tcp) !== TcpSocket.prototype || tcp.write !== Duplex.prototype.write) return false
  tcp._write(chunk, 'buffer' as BufferEncoding, taken)
  return true
}
