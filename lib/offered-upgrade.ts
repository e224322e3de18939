import { Socket as TcpSocket } from 'node:net'
import type { Duplex } from 'node:stream'
import { destroyThis } from './handshake.ts'
import type { Watched } from './watch.ts'

/**
 * An upgrade to a path that no route has, left to the upgrade listeners of others. Whoever takes it writes to
 * it; what nobody has written to by the deadline is destroyed.
 */
export class OfferedUpgrade implements Watched {
  readonly tcp: Duplex
  #deadline: number
  #written: number

  constructor (tcp: Duplex, deadline: number) {
    this.tcp = tcp
    this.#deadline = deadline
    this.#written = bytesWrittenTo(tcp)
    // Node has taken its own listener off: a reset would end the process
    tcp.on('error', destroyThis)
  }

  /** The server closes. */
  close (deadline: number): void {
    this.#deadline = Math.min(this.#deadline, deadline)
  }

  tick (now: number): boolean {
    if (this.tcp.destroyed || bytesWrittenTo(this.tcp) !== this.#written) return false
    if (now < this.#deadline) return true
    this.tcp.destroy()
    return false
  }
}

function bytesWrittenTo (tcp: Duplex): number {
  return tcp instanceof TcpSocket ? tcp.bytesWritten : 0
}
