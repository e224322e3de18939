import { checkClose } from './check-close.ts'
import { closeCodes } from './close-codes.ts'
import type { CloseRequest, ControlChannel } from './control-channel.ts'
import { describe } from './describe.ts'
import { WSV_ERR_OPTION_INVALID } from './errors.ts'
import { digest, type OpenSockets } from './open-sockets.ts'
import type { WsSocket, WsSocketQuery, WsSockets } from './types.ts'

/** `fastify.wsSockets`: who is connected to this process, and who must leave any of them. */
export class Sockets implements WsSockets {
  readonly #sockets: OpenSockets
  readonly #control: ControlChannel

  constructor (sockets: OpenSockets, control: ControlChannel) {
    this.#sockets = sockets
    this.#control = control
  }

  get count (): number {
    return this.#sockets.size
  }

  [Symbol.iterator] (): Iterator<WsSocket> {
    return this.#sockets[Symbol.iterator]() as Iterator<WsSocket>
  }

  async close (filter: WsSocketQuery | ((socket: WsSocket) => boolean), code?: number, reason = ''): Promise<void> {
    if (typeof filter === 'function') {
      checkClose(code ??= closeCodes.NORMAL, reason)
      // the filter may throw: then nobody is closed
      for (const socket of [...this.#sockets].filter((socket) => filter(socket as WsSocket))) socket.close(code, reason)
      return
    }
    checkQuery(filter)
    const { user, sessionId } = filter
    const isCredential = user !== undefined || sessionId !== undefined
    const request: CloseRequest = {
      ...filter,
      ...(user !== undefined && { user: digest(user) }),
      ...(sessionId !== undefined && { sessionId: digest(sessionId) }),
      code: code ?? (isCredential ? closeCodes.CREDENTIALS_OVER : closeCodes.NORMAL),
      reason
    }
    checkClose(request.code, reason)
    this.#close(request)
    await this.#control.ask(request)
  }

  /** Close what other processes ask for. */
  listen (): Promise<void> {
    return this.#control.listen((request) => { this.#close(request) })
  }

  #close (request: CloseRequest): void {
    for (const socket of this.#sockets.matching(request)) socket.close(request.code, request.reason)
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
