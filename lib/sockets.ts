import { closeCodes } from './close-codes.ts'
import type { Socket } from './socket.ts'
import type { WsSocket, WsSocketQuery, WsSockets } from './types.ts'

/** `fastify.wsSockets`: who is connected to this process. */
export class Sockets implements WsSockets {
  readonly #sockets: Set<Socket>

  constructor (sockets: Set<Socket>) {
    this.#sockets = sockets
  }

  get count (): number {
    return this.#sockets.size
  }

  [Symbol.iterator] (): Iterator<WsSocket> {
    return this.#sockets[Symbol.iterator]() as Iterator<WsSocket>
  }

  async close (filter: WsSocketQuery | ((socket: WsSocket) => boolean), code?: number, reason = ''): Promise<void> {
    const isCredential = typeof filter === 'object' && (filter.user !== undefined || filter.sessionId !== undefined)
    const matches = typeof filter === 'function' ? filter : (socket: WsSocket) => isMatch(socket as Socket, filter)
    for (const socket of [...this.#sockets]) {
      if (matches(socket as WsSocket)) socket.close(code ?? (isCredential ? closeCodes.CREDENTIALS_OVER : closeCodes.NORMAL), reason)
    }
  }
}

function isMatch (socket: Socket, { id, view, user, sessionId }: WsSocketQuery): boolean {
  return (id === undefined || socket.id === id) &&
    (view === undefined || socket.view === view) &&
    (user === undefined || socket.user === user) &&
    (sessionId === undefined || socket.sessionId === sessionId)
}
