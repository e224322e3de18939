import { WebSocket } from 'ws'
import type { Socket } from './socket.ts'
import { kReader, kSocket } from './symbols.ts'
import type { MessageReader } from './message-reader.ts'

/**
 * The `ws` socket of a view. `ws` calls `close` itself when the client has sent its close frame, or broke the
 * protocol: nothing may be written after the answer, so our socket hears of it first.
 */
export class ViewWebSocket extends WebSocket {
  [kSocket]: Socket | undefined
  [kReader]: MessageReader | undefined

  /**
   * What `ws` tells goes to our socket first, then to whoever else listens. (Listeners of ours would be a table of them
   * per socket, about as large as the socket itself.)
   */
  override emit (event: string | symbol, ...args: unknown[]): boolean {
    const socket = this[kSocket]
    if (socket !== undefined) {
      if (event === 'message') socket.receive(args[0] as Buffer, args[1] as boolean)
      else if (event === 'close') socket.gone(args[0] as number, String(args[1]))
      else if (event === 'ping') socket.pinged()
      else if (event === 'pong') socket.seen()
      else if (event === 'error') {
        socket.failed(args[0] as Error)
        // without a listener it would be thrown
        if (this.listenerCount('error') === 0) return true
      }
    }
    return super.emit(event, ...args)
  }

  override pause (): void {
    super.pause()
    this[kReader]?.paused()
  }

  override close (code?: number, reason?: string | Buffer): void {
    const socket = this[kSocket]
    const isOurs = this.readyState === WebSocket.OPEN && socket?.isOpen === false
    // where we close, `ws` reads on until the client's close frame
    if (!isOurs) this[kReader]?.closing()
    if (this.readyState === WebSocket.OPEN) socket?.closing(code ?? 1005, reason?.toString() ?? '')
    super.close(code, reason)
  }
}
