import { createHash } from 'node:crypto'
import { Type, type Static } from '@sinclair/typebox'
import { checkClose } from './check-close.ts'
import { closeCodes } from './close-codes.ts'
import { describe } from './describe.ts'
import { WSV_ERR_OPTION_INVALID } from './errors.ts'
import { defineOwnChannel } from './fan-out/channel.ts'
import type { FanOut } from './fan-out/fan-out.ts'
import type { Socket } from './socket.ts'
import type { WsSocket, WsSocketQuery, WsSockets } from './types.ts'

/** What one process asks of the others. Users and sessions go by their SHA-256: Redis need not know them. */
const Control = Type.Object({
  id: Type.Optional(Type.String()),
  view: Type.Optional(Type.String()),
  user: Type.Optional(Type.String()),
  sessionId: Type.Optional(Type.String()),
  code: Type.Integer(),
  reason: Type.String()
}, { additionalProperties: false })

const control = defineOwnChannel('wsv:control:1', Control)

/** `fastify.wsSockets`: who is connected to this process, and who must leave any of them. */
export class Sockets implements WsSockets {
  readonly #sockets: Set<Socket>
  readonly #fanOut: FanOut

  constructor (sockets: Set<Socket>, fanOut: FanOut) {
    this.#sockets = sockets
    this.#fanOut = fanOut
  }

  get count (): number {
    return this.#sockets.size
  }

  [Symbol.iterator] (): Iterator<WsSocket> {
    return this.#sockets[Symbol.iterator]() as Iterator<WsSocket>
  }

  async close (filter: WsSocketQuery | ((socket: WsSocket) => boolean), code?: number, reason = ''): Promise<void> {
    if (typeof filter === 'function') {
      checkClose(code ?? closeCodes.NORMAL, reason)
      this.#close((socket) => filter(socket as WsSocket), code ?? closeCodes.NORMAL, reason)
      return
    }
    checkQuery(filter)
    const { id, view, user, sessionId } = filter
    const isCredential = user !== undefined || sessionId !== undefined
    const question: Static<typeof Control> = {
      ...(id !== undefined && { id }),
      ...(view !== undefined && { view }),
      ...(user !== undefined && { user: digest(user) }),
      ...(sessionId !== undefined && { sessionId: digest(sessionId) }),
      code: code ?? (isCredential ? closeCodes.CREDENTIALS_OVER : closeCodes.NORMAL),
      reason
    }
    checkClose(question.code, reason)
    this.#answer(question)
    if (this.#isAlone) return
    // this process hears its own question too, when nobody is left to close
    await this.#fanOut.publish(control, question)
  }

  /** Answer what other processes ask. */
  async listen (): Promise<void> {
    if (!this.#isAlone) await this.#fanOut.subscribe(control, (question) => { this.#answer(question) })
  }

  get #isAlone (): boolean {
    return this.#fanOut.kind === 'in-process'
  }

  #answer (question: Static<typeof Control>): void {
    this.#close((socket) => isMatch(socket, question), question.code, question.reason)
  }

  #close (matches: (socket: Socket) => boolean, code: number, reason: string): void {
    for (const socket of [...this.#sockets]) {
      if (matches(socket)) socket.close(code, reason)
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

function isMatch (socket: Socket, { id, view, user, sessionId }: Static<typeof Control>): boolean {
  return (id === undefined || socket.id === id) &&
    (view === undefined || socket.view === view) &&
    (user === undefined || (socket.user !== undefined && digest(socket.user) === user)) &&
    (sessionId === undefined || (socket.sessionId !== undefined && digest(socket.sessionId) === sessionId))
}

/** SHA-256 in hex */
function digest (text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
