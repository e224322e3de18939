import type { Writable } from 'node:stream'
import type { WebSocket } from 'ws'

type Write = (this: Writable, chunk: Buffer, encoding: BufferEncoding, done: (error?: Error | null) => void) => void

/**
 * Keep the receiver of `ws` from reading on after an error. Of the chunks that wait in a Writable, Node hands over the
 * next ones although one has failed; the receiver (8.23.0) then goes on where it has failed, and throws what nobody
 * can catch. Chunks wait where a receiver is not done at once: with compression, or with deferred events.
 */
export function guardReceiver (raw: WebSocket): void {
  // there is no public way to the receiver
  const { _receiver: receiver } = raw as WebSocket & { _receiver?: { _write: Write } }
  if (receiver !== undefined) receiver._write = writeUnlessFailed
}

const writeUnlessFailed: Write = function (chunk, encoding, done) {
  // the first error is on its way already
  if (this.errored !== null) done()
  else (Object.getPrototypeOf(this) as { _write: Write })._write.call(this, chunk, encoding, done)
}
