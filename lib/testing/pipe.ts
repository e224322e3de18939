import { Duplex } from 'node:stream'

/** What the two kernels of a connection would hold of one direction; bytes. */
const capacity = 64 * 1024

export interface PipeAddress {
  /** who the client seems to be: `request.ip`. Default `'127.0.0.1'` */
  remoteAddress?: string | undefined
  /** the connection counts as TLS: `request.protocol` is `'https'` */
  encrypted?: boolean | undefined
}

/**
 * One end of a connection inside the process, close enough to a `net.Socket` for an HTTP server. As with TCP, bytes
 * arrive in a later turn of the event loop and are nobody's own Buffer, those already taken over arrive although their
 * sender is destroyed, and a peer that does not read makes the writer wait. (`stream.duplexPair()` hands the very Buffer
 * over at once, and tells nobody that the other end is destroyed.)
 */
export class PipeEnd extends Duplex {
  remoteAddress = '127.0.0.1'
  remotePort = 0
  remoteFamily = 'IPv4'
  encrypted = false
  bytesRead = 0
  bytesWritten = 0
  #peer!: PipeEnd
  #arrived: Buffer[] = []
  #arrivedBytes = 0
  #hasEnded = false
  #isWanted = false
  #isScheduled = false
  /** the write of the peer that waits for room */
  #waiting: (() => void) | undefined

  static join (one: PipeEnd, other: PipeEnd): void {
    one.#peer = other
    other.#peer = one
  }

  override _write (chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.bytesWritten += chunk.length
    this.#peer.#take(Buffer.from(chunk), done)
  }

  override _writev (chunks: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), 'binary', done)
  }

  override _final (done: () => void): void {
    this.#peer.#end()
    done()
  }

  override _read (): void {
    this.#isWanted = true
    if (this.#arrived.length > 0 || this.#hasEnded) this.#schedule()
  }

  override _destroy (error: Error | null, done: (error: Error | null) => void): void {
    this.#arrived = []
    this.#peer.#end()
    // what the peer writes is never read: a TCP connection is reset
    if (this.#waiting !== undefined) this.#peer.destroy()
    done(error)
  }

  #take (chunk: Buffer, done: () => void): void {
    if (this.destroyed) {
      this.#peer.destroy()
      done()
      return
    }
    // in pieces, as a kernel hands them over: the reader can pause between two
    for (let from = 0; from < chunk.length; from += capacity) this.#arrived.push(chunk.subarray(from, from + capacity))
    this.#arrivedBytes += chunk.length
    this.#waiting = done
    this.#schedule()
  }

  #end (): void {
    this.#hasEnded = true
    this.#schedule()
  }

  #schedule (): void {
    if (this.#isScheduled || this.destroyed) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      if (!this.destroyed) this.#deliver()
    })
  }

  #deliver (): void {
    while (this.#isWanted && this.#arrived.length > 0) {
      const chunk = this.#arrived.shift()!
      this.#arrivedBytes -= chunk.length
      this.bytesRead += chunk.length
      this.#isWanted = this.push(chunk)
    }
    if (this.#hasEnded && this.#arrived.length === 0) this.push(null)
    if (this.#arrivedBytes < capacity) {
      const done = this.#waiting
      this.#waiting = undefined
      done?.()
    }
  }

  // ---------- what HTTP servers and applications call on a net.Socket

  destroySoon (): void {
    this.end()
    if (this.writableFinished) this.destroy()
    else this.once('finish', () => { this.destroy() })
  }

  setTimeout (): this { return this }
  setNoDelay (): this { return this }
  setKeepAlive (): this { return this }
  ref (): this { return this }
  unref (): this { return this }
}

/**
 * A connection inside the process. While both ends are open it keeps the process alive, as a TCP connection does.
 */
export function openPipe ({ remoteAddress = '127.0.0.1', encrypted = false }: PipeAddress = {}): { client: PipeEnd, server: PipeEnd } {
  const client = new PipeEnd()
  const server = new PipeEnd()
  PipeEnd.join(client, server)
  server.remoteAddress = remoteAddress
  server.remoteFamily = remoteAddress.includes(':') ? 'IPv6' : 'IPv4'
  server.encrypted = encrypted
  const keepAlive = setInterval(() => {}, 2 ** 30)
  const release = (): void => { clearInterval(keepAlive) }
  client.once('close', release)
  server.once('close', release)
  return { client, server }
}
