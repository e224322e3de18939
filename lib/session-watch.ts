import type { FastifyRequest } from 'fastify'
import { clockMs } from './clock.ts'
import { closeCodes } from './close-codes.ts'
import { hasStoredSession, readSession, storeOf, withSession, type SessionStore, type StoredSession } from './session.ts'
import type { Watch, Watched } from './watch.ts'

/** A socket whose credentials are asked for again and again. */
export interface Credentialed {
  readonly request: FastifyRequest
  readonly sessionId: string | undefined
  /** what `userOf` said */
  readonly user: string | undefined
  /** milliseconds that unanswered questions may last */
  readonly sessionGraceMs: number
  isSameUser (session: StoredSession): boolean | Promise<boolean>
  close (code: number, reason: string): void
}

export interface SessionWatchOptions {
  sessionCheckMs: number
  checkSession: ((request: FastifyRequest) => boolean | Promise<boolean>) | undefined
}

/** What is known of a socket: `add` gives it, `delete` takes it. Times are those of the watch, in milliseconds. */
export interface Standing {
  readonly socket: Credentialed
  readonly entry: Entry
  /** the last time that it was known to be allowed */
  goodAt: number
  /** asked, and not answered yet */
  askedAt: number | undefined
  /** the last question was not answered */
  isDoubtful: boolean
}

/** One session, or one socket without a session, and when it is asked for. */
interface Entry {
  readonly id: string | undefined
  readonly store: SessionStore | undefined
  readonly standings: Set<Standing>
  dueAt: number
  /** the store was asked, and has not answered yet */
  isReading: boolean
}

/**
 * Asks whether the sockets are still allowed: the store, once per session, and `checkSession`. The questions are
 * spread over `sessionCheckMs`. Who fails to answer, or takes longer than that, says neither yes nor no: the question
 * is asked again, until `sessionGraceMs` have passed since the last good answer.
 */
export class SessionWatch implements Watched {
  readonly #watch: Watch
  readonly #options: SessionWatchOptions
  readonly #log: { warn (fields: object, message: string): void }
  readonly #byId = new Map<string, Entry>()
  readonly #entries = new Set<Entry>()
  #unanswered = 0

  constructor (watch: Watch, options: SessionWatchOptions, log: { warn (fields: object, message: string): void }) {
    this.#watch = watch
    this.#options = options
    this.#log = log
  }

  /**
   * From now on ask for this socket: the store, when its session was stored as the handshake ended, and `checkSession`.
   * A visitor with neither a stored session nor a user is left alone where there is a session plugin.
   *
   * @returns `undefined`: there is nothing to ask for
   */
  add (socket: Credentialed): Standing | undefined {
    const { checkSession, sessionCheckMs } = this.#options
    const { request } = socket
    const id = hasStoredSession(request) ? socket.sessionId : undefined
    if (id === undefined) {
      const isVisitor = storeOf(request) !== undefined && socket.user === undefined
      if (checkSession === undefined || isVisitor) return undefined
    }
    const now = clockMs()
    let entry = id === undefined ? undefined : this.#byId.get(id)
    if (entry === undefined) {
      entry = { id, store: storeOf(request), standings: new Set(), dueAt: now + Math.random() * sessionCheckMs, isReading: false }
      if (id !== undefined) this.#byId.set(id, entry)
      this.#entries.add(entry)
      this.#watch.add(this, sessionCheckMs)
    }
    const standing = { socket, entry, goodAt: now, askedAt: undefined, isDoubtful: false }
    entry.standings.add(standing)
    return standing
  }

  delete (standing: Standing): void {
    const { entry } = standing
    entry.standings.delete(standing)
    if (entry.standings.size > 0) return
    this.#entries.delete(entry)
    if (entry.id !== undefined) this.#byId.delete(entry.id)
  }

  tick (now: number): boolean {
    for (const entry of this.#entries) {
      if (now >= entry.dueAt) {
        entry.dueAt = now + this.#options.sessionCheckMs
        this.#ask(entry, now)
      }
      for (const standing of entry.standings) {
        if (standing.isDoubtful) judge(standing, now)
      }
    }
    return this.#entries.size > 0
  }

  #ask (entry: Entry, now: number): void {
    if (entry.isReading) {
      for (const standing of entry.standings) standing.isDoubtful = true
      this.#report(undefined)
    } else if (entry.id === undefined || entry.store === undefined) {
      for (const standing of entry.standings) this.#askFor(standing, undefined, now)
    } else {
      entry.isReading = true
      readSession(entry.store, entry.id).then((session) => {
        entry.isReading = false
        for (const standing of entry.standings) {
          if (session === undefined) over(standing)
          else this.#askFor(standing, session, now)
        }
      }, (error: unknown) => {
        entry.isReading = false
        for (const standing of entry.standings) doubt(standing)
        this.#report(error)
      })
    }
  }

  #askFor (standing: Standing, session: StoredSession | undefined, now: number): void {
    if (standing.askedAt !== undefined) {
      standing.isDoubtful = true
      this.#report(undefined)
      return
    }
    standing.askedAt = now
    this.#isAllowed(standing.socket, session).then((isAllowed) => {
      standing.askedAt = undefined
      standing.isDoubtful = false
      standing.goodAt = now
      if (!isAllowed) over(standing)
    }, (error: unknown) => {
      standing.askedAt = undefined
      doubt(standing)
      this.#report(error)
    })
  }

  async #isAllowed (socket: Credentialed, session: StoredSession | undefined): Promise<boolean> {
    if (session !== undefined && !await socket.isSameUser(session)) return false
    const { checkSession } = this.#options
    return checkSession === undefined || await checkSession(session === undefined ? socket.request : withSession(socket.request, session))
  }

  /** One line for all that fail in one turn: when a store goes away, they are many. */
  #report (error: unknown): void {
    if (this.#unanswered++ > 0) return
    setImmediate(() => {
      this.#log.warn({ err: error, unanswered: this.#unanswered }, 'wsViews: sessions could not be checked, they will be asked for again')
      this.#unanswered = 0
    })
  }
}

function over ({ socket }: Standing): void {
  socket.close(closeCodes.CREDENTIALS_OVER, 'session_over')
}

function doubt (standing: Standing): void {
  standing.isDoubtful = true
  judge(standing, clockMs())
}

function judge ({ socket, goodAt }: Standing, now: number): void {
  if (now - goodAt > socket.sessionGraceMs) socket.close(closeCodes.SERVICE_RESTART, 'session_unknown')
}
