import { hash } from 'node:crypto'
import type { Socket } from './socket.ts'
import type { Watched } from './watch.ts'

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
export class OpenSockets implements Iterable<Socket>, Watched {
  readonly #sockets = new Set<Socket>()
  readonly #byUser: Table = new Map()
  readonly #bySession: Table = new Map()

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

  tick (now: number): boolean {
    for (const socket of this.#sockets) socket.tick(now)
    return this.#sockets.size > 0
  }

  /** @returns a list of its own: closing one changes what is here */
  matching ({ id, view, user, sessionId }: SocketFilter): Socket[] {
    const ofUser = user === undefined ? undefined : listed(this.#byUser.get(user))
    const ofSession = sessionId === undefined ? undefined : listed(this.#bySession.get(sessionId))
    return [...ofUser ?? ofSession ?? this.#sockets].filter((socket) =>
      (id === undefined || socket.id === id) &&
      (view === undefined || socket.view === view) &&
      (ofUser === undefined || ofSession === undefined || ofSession.has(socket)))
  }
}

/** Most users and sessions have one socket: that one needs no set. */
type Table = Map<string, Socket | Set<Socket>>

function enter (table: Table, key: string, socket: Socket): void {
  const known = table.get(key)
  if (known === undefined) table.set(key, socket)
  else if (known instanceof Set) known.add(socket)
  else table.set(key, new Set([known, socket]))
}

function leave (table: Table, key: string, socket: Socket): void {
  const known = table.get(key)
  if (known instanceof Set) known.delete(socket)
  if (known === socket || (known instanceof Set && known.size === 0)) table.delete(key)
}

function listed (known: Socket | Set<Socket> | undefined): Set<Socket> {
  return known instanceof Set ? known : new Set(known === undefined ? [] : [known])
}
