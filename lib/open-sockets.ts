import { hash } from 'node:crypto'
import type { Socket } from './socket.ts'

/** Which sockets; all members given must match. Users and sessions go by their digest: other processes need not know them. */
export interface SocketFilter {
  id?: string | undefined
  view?: string | undefined
  user?: string | undefined
  sessionId?: string | undefined
}

/** SHA-256 in hex */
export function digest (text: string): string {
  return hash('sha256', text)
}

/** The sockets of this process. Those of a user or a session are found without asking all of them. */
export class OpenSockets implements Iterable<Socket> {
  readonly #sockets = new Set<Socket>()
  readonly #byUser = new Map<string, Set<Socket>>()
  readonly #bySession = new Map<string, Set<Socket>>()

  get size (): number {
    return this.#sockets.size
  }

  [Symbol.iterator] (): Iterator<Socket> {
    return this.#sockets[Symbol.iterator]()
  }

  add (socket: Socket): void {
    this.#sockets.add(socket)
    if (socket.user !== undefined) enter(this.#byUser, digest(socket.user), socket)
    if (socket.sessionId !== undefined) enter(this.#bySession, digest(socket.sessionId), socket)
  }

  delete (socket: Socket): void {
    if (!this.#sockets.delete(socket)) return
    if (socket.user !== undefined) leave(this.#byUser, digest(socket.user), socket)
    if (socket.sessionId !== undefined) leave(this.#bySession, digest(socket.sessionId), socket)
  }

  /** @returns a list of its own: closing one changes what is here */
  matching ({ id, view, user, sessionId }: SocketFilter): Socket[] {
    const ofUser = user === undefined ? undefined : this.#byUser.get(user) ?? []
    const ofSession = sessionId === undefined ? undefined : this.#bySession.get(sessionId) ?? new Set()
    return [...ofUser ?? ofSession ?? this.#sockets].filter((socket) =>
      (id === undefined || socket.id === id) &&
      (view === undefined || socket.view === view) &&
      (ofSession === undefined || ofSession.has(socket)))
  }
}

function enter (table: Map<string, Set<Socket>>, key: string, socket: Socket): void {
  const sockets = table.get(key)
  if (sockets === undefined) table.set(key, new Set([socket]))
  else sockets.add(socket)
}

function leave (table: Map<string, Set<Socket>>, key: string, socket: Socket): void {
  const sockets = table.get(key)!
  sockets.delete(socket)
  if (sockets.size === 0) table.delete(key)
}
