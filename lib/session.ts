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
  readonly sessionId?: string
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

/** The request as it would be with the session that is stored now. */
export function withSession (request: FastifyRequest, session: StoredSession): FastifyRequest {
  return Object.create(request, { session: { value: session, enumerable: true } }) as FastifyRequest
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
 */
export class SocketSession {
  /** what the handlers use */
  readonly value: StoredSession
  readonly #owner: SessionOwner
  readonly #session: StoredSession
  #saved: Map<string, string | undefined>
  #saving: Promise<void> = Promise.resolve()

  constructor (owner: SessionOwner, session: StoredSession) {
    this.#owner = owner
    this.#session = session
    this.#saved = textsOf(session)
    const methods: Record<string | symbol, unknown> = this.#methods
    this.value = new Proxy(session, {
      get: (target, key) => Object.hasOwn(methods, key) ? methods[key] : Reflect.get(target, key) as unknown
    })
  }

  /** Write what has changed since the last time; one save after the other. Rejects when the store fails. */
  save (): Promise<void> {
    this.#saving = this.#saving.catch(() => { /* was reported to who asked for it */ }).then(() => this.#save())
    return this.#saving
  }

  async #save (): Promise<void> {
    const now = textsOf(this.#session)
    const changed = [...new Set([...now.keys(), ...this.#saved.keys()])].filter((key) => now.get(key) !== this.#saved.get(key))
    if (changed.length === 0) return
    const { request } = this.#owner
    const store = storeOf(request)
    const id = sessionIdOf(request)
    if (store === undefined || id === undefined) return
    const changes = changed.map((key) => [key, this.#session[key]] as const)

    const stored = await readSession(store, id)
    if (stored === undefined || !await this.#owner.isSameUser(stored)) {
      this.#owner.sessionOver()
      return
    }
    // a copy: a memory store hands out the object that it keeps
    const merged = Object.assign(Object.create(Object.getPrototypeOf(stored) as object) as StoredSession, stored)
    for (const [key, value] of changes) {
      if (value === undefined) delete merged[key]
      else merged[key] = value
    }
    await new Promise<void>((resolve, reject) => {
      store.set(id, merged, (error) => { if (error == null) resolve(); else reject(error) })
    })
    for (const key of changed) this.#saved.set(key, now.get(key))
  }

  #methods = {
    save: (callback?: Callback): Promise<void> | undefined => settle(this.save(), callback),
    destroy: (callback?: Callback): Promise<void> | undefined => settle(this.#destroy(), callback),
    regenerate: (): never => { throw new WSV_ERR_SESSION_ON_SOCKET() },
    // a socket prolongs no session
    touch: (): void => {}
  }

  async #destroy (): Promise<void> {
    const { request } = this.#owner
    const store = storeOf(request)
    const id = sessionIdOf(request)
    if (store === undefined || id === undefined) return
    await new Promise<void>((resolve, reject) => {
      store.destroy(id, (error) => { if (error == null) resolve(); else reject(error) })
    })
    await this.#owner.sessionDestroyed(id)
  }
}

function settle (promise: Promise<void>, callback: Callback | undefined): Promise<void> | undefined {
  if (callback === undefined) return promise
  promise.then(() => { callback() }, callback)
  return undefined
}

/** What each top-level key is as JSON: changes deep inside are seen, and the cookie is left alone. */
function textsOf (session: StoredSession): Map<string, string | undefined> {
  const texts = new Map<string, string | undefined>()
  for (const key of Object.keys(session)) {
    if (key !== 'cookie') texts.set(key, JSON.stringify(session[key]))
  }
  return texts
}
