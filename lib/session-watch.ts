import type { FastifyRequest } from 'fastify'
import { closeCodes } from './close-codes.ts'
import { hasStoredSession, readSession, sessionIdOf, storeOf, withSession, type SessionStore, type StoredSession } from './session.ts'
import type { Watch, Watched } from './watch.ts'

/** A socket whose credentials are asked for again and again. */
export interface Credentialed {
  readonly request: FastifyRequest
  /** milliseconds that unanswered questions may last */
  readonly sessionGraceMs: number
  isSameUser (session: StoredSession): boolean | Promise<boolean>
  close (code: number, reason: string): void
}

export interface SessionWatchOptions {
  sessionCheckMs: number
  checkSession: ((request: FastifyRequest) => boolean | Promise<boolean>) | undefined
}

/** One session, or one socket without a session, and when it is asked for. */
interface Entry {
  id: string | undefined
  store: SessionStore | undefined
  sockets: Set<Credentialed>
  dueAt: number
  goodAt: number
  isAsking: boolean
}

/**
 * Asks whether the sockets are still allowed: the store, once per session, and `checkSession`. The questions are
 * spread over `sessionCheckMs`. A store that fails says neither yes nor no: it is asked again.
 */
export class SessionWatch implements Watched {
  readonly #watch: Watch
  readonly #options: SessionWatchOptions
  readonly #log: { warn (fields: object, message: string): void }
  readonly #byId = new Map<string, Entry>()
  readonly #entries = new Set<Entry>()
  readonly #entryOf = new WeakMap<Credentialed, Entry>()

  constructor (watch: Watch, options: SessionWatchOptions, log: { warn (fields: object, message: string): void }) {
    this.#watch = watch
    this.#options = options
    this.#log = log
  }

  /** From now on ask for this socket, where there is something to ask: a stored session, or `checkSession`. */
  add (socket: Credentialed): void {
    const { checkSession, sessionCheckMs } = this.#options
    const id = hasStoredSession(socket.request) ? sessionIdOf(socket.request) : undefined
    if (id === undefined && checkSession === undefined) return
    let entry = id === undefined ? undefined : this.#byId.get(id)
    if (entry === undefined) {
      const { now } = this.#watch
      entry = { id, store: storeOf(socket.request), sockets: new Set(), dueAt: now + Math.random() * sessionCheckMs, goodAt: now, isAsking: false }
      if (id !== undefined) this.#byId.set(id, entry)
      this.#entries.add(entry)
      this.#watch.add(this, sessionCheckMs)
    }
    entry.sockets.add(socket)
    this.#entryOf.set(socket, entry)
  }

  delete (socket: Credentialed): void {
    const entry = this.#entryOf.get(socket)
    if (entry === undefined) return
    entry.sockets.delete(socket)
    if (entry.sockets.size > 0) return
    this.#entries.delete(entry)
    if (entry.id !== undefined) this.#byId.delete(entry.id)
  }

  tick (now: number): boolean {
    for (const entry of this.#entries) {
      if (entry.isAsking || now < entry.dueAt) continue
      entry.dueAt = now + this.#options.sessionCheckMs
      entry.isAsking = true
      this.#ask(entry, now).then(() => { entry.isAsking = false })
    }
    return this.#entries.size > 0
  }

  /** Never rejects. */
  async #ask (entry: Entry, now: number): Promise<void> {
    try {
      let session: StoredSession | undefined
      if (entry.id !== undefined && entry.store !== undefined) {
        session = await readSession(entry.store, entry.id)
        if (session === undefined) {
          for (const socket of entry.sockets) socket.close(closeCodes.CREDENTIALS_OVER, 'session_over')
          return
        }
      }
      for (const socket of entry.sockets) await this.#askFor(socket, session)
      entry.goodAt = now
    } catch (error) {
      this.#log.warn({ err: error, sockets: entry.sockets.size }, 'a session could not be checked')
      for (const socket of entry.sockets) {
        if (now - entry.goodAt > socket.sessionGraceMs) socket.close(closeCodes.SERVICE_RESTART, 'session_unknown')
      }
    }
  }

  async #askFor (socket: Credentialed, session: StoredSession | undefined): Promise<void> {
    if (session !== undefined && !await socket.isSameUser(session)) {
      socket.close(closeCodes.CREDENTIALS_OVER, 'session_over')
      return
    }
    const { checkSession } = this.#options
    if (checkSession === undefined) return
    const request = session === undefined ? socket.request : withSession(socket.request, session)
    if (!await checkSession(request)) socket.close(closeCodes.CREDENTIALS_OVER, 'session_over')
  }
}
