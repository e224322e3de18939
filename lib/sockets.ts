import { closeCodes } from './close-codes.ts'
import { describe } from './describe.ts'
import { WSV_ERR_OPTION_INVALID } from './errors.ts'
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
    if (typeof filter !== 'function') checkQuery(filter)
    const isCredential = typeof filter === 'object' && (filter.user !== undefined || filter.sessionId !== undefined)
    const matches = typeof filter === 'function' ? filter : (socket: WsSocket) => isMatch(socket as Socket, filter)
    for (const socket of [...this.#sockets]) {
      if (matches(socket as WsSocket)) socket.close(code ?? (isCredential ? closeCodes.CREDENTIALS_OVER : closeCodes.NORMAL), reason)
    }
  }
}

const queryNames = ['id', 'view', 'user', 'sessionId']

/** A name that is missing or misspelt would close everybody's sockets. */
function checkQuery (query: object): void {
  const members = Object.entries(query ?? {})
  const wrong = members.find(([name, value]) => !queryNames.includes(name) || typeof value !== 'string')
  if (wrong === undefined && members.length > 0) return
  const got = wrong === undefined ? describe(query) : `${wrong[0]}: ${describe(wrong[1])}`
  throw new WSV_ERR_OPTION_INVALID('wsSockets.close', 'filter', `a function, or an object with strings for ${queryNames.join(', ')}`, got)
}

function isMatch (socket: Socket, { id, view, user, sessionId }: WsSocketQuery): boolean {
  return (id === undefined || socket.id === id) &&
    (view === undefined || socket.view === view) &&
    (user === undefined || socket.user === user) &&
    (sessionId === undefined || socket.sessionId === sessionId)
}
