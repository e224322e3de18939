import { WebSocket } from 'ws'
import type { Socket } from './socket.ts'
import { kReader, kSocket } from './symbols.ts'
import type { TextReader } from './text-reader.ts'

/**
 * The `ws` socket of a view. `ws` calls `close` itself when the client has sent its close frame, or broke the
 * protocol: nothing may be written after the answer, so our socket hears of it first.
 */
export class ViewWebSocket extends WebSocket {
  [kSocket]: Socket | undefined
  [kReader]: TextReader | undefined

  override close (code?: number, reason?: string | Buffer): void {
    const socket = this[kSocket]
    const isOurs = this.readyState === WebSocket.OPEN && socket?.isOpen === false
    // where we close, `ws` reads on until the client's close frame
    if (!isOurs) this[kReader]?.closing()
    if (this.readyState === WebSocket.OPEN) socket?.closing(code ?? 1005, reason?.toString() ?? '')
    super.close(code, reason)
  }
}
