import type { FastifyRequest } from 'fastify'
import { WSV_ERR_SESSION_ON_SOCKET } from './errors.ts'

// What this file knows of @fastify/session: `request.session`, `request.sessionStore`, and that the store takes and
// gives sessions whose `cookie.expires` says how long they last.

type Callback = (error?: unknown, session?: StoredSession | null) => void

export interface SessionStore {
  get (id: string, callback: Callback): void
  set (id: string, session: StoredSession, callback: Callback): void
  destroy (id: string, callback: Callback): void
}

export type StoredSession = Record<string, unknown> & { cookie?: { expires?: Date | string | number | null } }

interface RequestSession extends StoredSession {
  readonly sessionId?: string | undefined
  readonly encryptedSessionId?: string
  isSaved? (): boolean
}

type SessionRequest = FastifyRequest & { session?: RequestSession | null, sessionStore?: SessionStore, cookies?: Record<string, string | undefined> }

export function sessionIdOf (request: FastifyRequest): string | undefined {
  return (request as SessionRequest).session?.sessionId
}

export function storeOf (request: FastifyRequest): SessionStore | undefined {
  return (request as SessionRequest).sessionStore
}

/**
 * Is the session of this request in the store, now that the handshake has ended? A visitor without one may have a
 * session object that was never saved: there is nothing to check then.
 */
export function hasStoredSession (request: FastifyRequest): boolean {
  const { session, cookies } = request as SessionRequest
  if (session?.encryptedSessionId === undefined) return false
  if (session.isSaved?.() === true) return true
  // it came from the store, and nothing had to be written
  const { encryptedSessionId } = session
  return Object.values(cookies ?? {}).some((cookie) => cookie?.endsWith(encryptedSessionId) === true)
}

/** Read a session from the store; `undefined` when it is gone, or has expired as it is stored now. */
export function readSession (store: SessionStore, id: string): Promise<StoredSession | undefined> {
  return new Promise((resolve, reject) => {
    store.get(id, (error, session) => {
      // as @fastify/session reads the answer of a store of files
      if (error != null && (error as { code?: unknown }).code !== 'ENOENT') reject(error)
      else resolve(session == null || isExpired(session) ? undefined : session)
    })
  })
}

function isExpired (session: StoredSession): boolean {
  const expires = session.cookie?.expires
  return expires != null && new Date(expires).getTime() <= Date.now()
}

/** The request as it would be with the session that is stored now: what reads a user from it finds the methods too. */
export function withSession (request: FastifyRequest, stored: StoredSession): FastifyRequest {
  const live = (request as SessionRequest).session ?? {}
  const session = Object.create(Object.getPrototypeOf(live) as object) as Record<string | symbol, unknown>
  // where a session keeps its id
  for (const key of Object.getOwnPropertySymbols(live)) session[key] = (live as unknown as Record<symbol, unknown>)[key]
  return Object.create(request, { session: { value: Object.assign(session, stored), enumerable: true } }) as FastifyRequest
}

export interface SessionOwner {
  readonly request: FastifyRequest
  /** does the stored session still belong to who opened the socket? */
  isSameUser (session: StoredSession): boolean | Promise<boolean>
  /** the session is gone, has expired, or is another user's */
  sessionOver (): void
  /** the handler has logged out */
  sessionDestroyed (id: string): Promise<void>
}

/**
 * The session of one socket, once a handler has asked for it.
 *
 * What a handler changes is put on the session as it is stored at that moment, top-level key by key: a socket lives
 * long, and HTTP requests write the same session meanwhile. A socket never creates, revives or prolongs a session.
 * (Stores have no compare-and-set: what another process writes between our reading and our writing is lost.)
 */
export class SocketSession {
  /** what handlers use: looking at it sets `isUsed` */
  readonly value: StoredSession
  /** has anybody looked at it since the last save? */
  isUsed = false
  readonly #owner: SessionOwner
  readonly #session: StoredSession
  readonly #store: SessionStore
  readonly #id: string
  /** what is stored of each top-level key, as far as we know */
  #marks: Map<string, unknown>
  #saving: Promise<void> = Promise.resolve()

  /** @returns `undefined` when there is nothing to save: no session plugin, one without a store, or none for this path */
  static of (owner: SessionOwner): SocketSession | undefined {
    const { session, sessionStore } = owner.request as SessionRequest
    if (session?.sessionId === undefined || sessionStore === undefined) return undefined
    return new SocketSession(owner, session, sessionStore, session.sessionId)
  }

  private constructor (owner: SessionOwner, session: StoredSession, store: SessionStore, id: string) {
    this.#owner = owner
    this.#session = session
    this.#store = store
    this.#id = id
    this.#marks = marksOf(session)
    const methods: Record<string | symbol, unknown> = this.#methods
    this.value = new Proxy(session, {
      get: (target, key) => {
        this.isUsed = true
        return Object.hasOwn(methods, key) ? methods[key] : Reflect.get(target, key) as unknown
      },
      set: (target, key, value) => {
        this.isUsed = true
        return Reflect.set(target, key, value)
      },
      deleteProperty: (target, key) => {
        this.isUsed = true
        return Reflect.deleteProperty(target, key)
      }
    })
  }

  /**
   * Write what has changed since the last time; one save after the other.
   *
   * @returns rejects when the store fails; `undefined` when nothing has changed
   */
  save (): Promise<void> | undefined {
    this.isUsed = false
    return this.#changed(marksOf(this.#session)).length === 0 ? undefined : this.#inTurn(() => this.#save())
  }

  async #save (): Promise<void> {
    const marks = marksOf(this.#session)
    const changed = this.#changed(marks)
    if (changed.length === 0) return
    const stored = await this.#read()
    if (stored === undefined) return
    // a copy: a memory store hands out the object that it keeps
    const merged = Object.assign(Object.create(Object.getPrototypeOf(stored) as object) as StoredSession, stored)
    for (const key of changed) {
      if (this.#session[key] === undefined) delete merged[key]
      else merged[key] = this.#session[key]
    }
    await settled((callback) => { this.#store.set(this.#id, merged, callback) })
    for (const key of changed) this.#marks.set(key, marks.get(key))
  }

  /** @returns `undefined` when the session is over, which its owner has been told */
  async #read (): Promise<StoredSession | undefined> {
    const stored = await readSession(this.#store, this.#id)
    if (stored !== undefined && await this.#owner.isSameUser(stored)) return stored
    this.#owner.sessionOver()
    return undefined
  }

  #changed (marks: Map<string, unknown>): string[] {
    const changed: string[] = []
    for (const [key, mark] of marks) if (mark !== this.#marks.get(key)) changed.push(key)
    for (const [key, mark] of this.#marks) if (mark !== undefined && !marks.has(key)) changed.push(key)
    return changed
  }

  #inTurn (step: () => Promise<void>): Promise<void> {
    const done = this.#saving.then(step)
    this.#saving = done.catch(() => { /* reported to who asked for it */ })
    return done
  }

  /** What a session of a request does with its cookie, or with the whole session, a socket does otherwise. */
  #methods = {
    save: (callback?: Callback): Promise<void> | undefined => answer(this.save() ?? Promise.resolve(), callback),
    destroy: (callback?: Callback): Promise<void> | undefined => answer(this.#inTurn(() => this.#destroy()), callback),
    reload: (callback?: Callback): Promise<void> | undefined => answer(this.#inTurn(() => this.#reload()), callback),
    regenerate: (): never => { throw new WSV_ERR_SESSION_ON_SOCKET() },
    // a socket prolongs no session
    touch: (): void => {},
    isModified: (): boolean => this.#changed(marksOf(this.#session)).length > 0
  }

  async #destroy (): Promise<void> {
    await settled((callback) => { this.#store.destroy(this.#id, callback) })
    await this.#owner.sessionDestroyed(this.#id)
  }

  /** As it is stored now; what was changed and not saved is lost. */
  async #reload (): Promise<void> {
    const stored = await this.#read()
    if (stored === undefined) return
    // the object of a memory store may be the session itself
    const members = Object.entries(stored).filter(([key]) => key !== 'cookie')
    for (const key of Object.keys(this.#session)) if (key !== 'cookie') delete this.#session[key]
    for (const [key, value] of members) this.#session[key] = value
    this.#marks = marksOf(this.#session)
  }
}

function settled (call: (callback: Callback) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    call((error) => { if (error == null) resolve(); else reject(error) })
  })
}

/** As @fastify/session: a promise, unless there is a callback. */
function answer (promise: Promise<void>, callback: Callback | undefined): Promise<void> | undefined {
  if (callback === undefined) return promise
  promise.then(() => { callback() }, callback)
  return undefined
}

/** Each top-level key as JSON: so changes deep inside are seen. The cookie is left alone. */
function marksOf (session: StoredSession): Map<string, unknown> {
  const marks = new Map<string, unknown>()
  for (const key of Object.keys(session)) {
    if (key !== 'cookie') marks.set(key, markOf(session[key]))
  }
  return marks
}

function markOf (value: unknown): unknown {
  try {
    return JSON.stringify(value)
  } catch {
    // no JSON, which the store may know better: known by its identity
    return value
  }
}
