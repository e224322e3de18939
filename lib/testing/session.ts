import type { FastifyInstance } from 'fastify'
import { WSV_ERR_TEST_INSTANCE } from './errors.ts'

// What this file knows of @fastify/session: the decorator `decryptSession`, which gives a request its session, and the
// methods of a session.

interface Session extends Record<string, unknown> {
  readonly sessionId: string
  readonly encryptedSessionId: string
  save (): Promise<void>
  destroy (): Promise<void>
}

interface SessionRequest { session?: Session, raw: object, headers: object, protocol: string }

type DecryptSession = (cookie: string, request: SessionRequest, callback: (error?: Error | null) => void) => void

/** The options of `createSession`. */
export interface CreateSessionOptions {
  /** as given to @fastify/session. Default `'sessionId'` */
  cookieName?: string
  /** as given to @fastify/session. Default `''` */
  cookiePrefix?: string
}

/** A session in the application's store. */
export interface TestSession {
  /** as in `socket.session.sessionId` and `wsSockets.close({ sessionId })` */
  readonly id: string
  /** the signed cookie, for `wsConnect(app, 'chat', { cookies })` and `app.inject({ url, cookies })` */
  readonly cookies: Record<string, string>
  /** What the store has now; `undefined` when the session is gone. */
  read (): Promise<Record<string, unknown> | undefined>
  /** Take it out of the store behind the application's back, as another process may. */
  destroy (): Promise<void>
}

/**
 * Write a session to the store of the application, as its login would.
 *
 * @param app - the instance that @fastify/session is registered on; it is made ready
 * @param data - what the session holds
 * @throws (rejects) WSV_ERR_TEST_INSTANCE, and what the store fails with
 */
export async function createSession (app: FastifyInstance, data: object, options: CreateSessionOptions = {}): Promise<TestSession> {
  await app.ready()
  if (!app.hasDecorator('decryptSession')) throw new WSV_ERR_TEST_INSTANCE('createSession', 'the instance that @fastify/session is registered on')
  const { cookieName = 'sessionId', cookiePrefix = '' } = options
  // a cookie that is none: a new session
  const session = Object.assign(await readSession(app, ''), data)
  await session.save()
  const { sessionId, encryptedSessionId } = session
  return {
    id: sessionId,
    cookies: { [cookieName]: cookiePrefix + encryptedSessionId },
    async read () {
      const stored = await readSession(app, encryptedSessionId)
      if (stored.sessionId !== sessionId) return undefined
      // as the store would give it, without the session's methods and its cookie
      const { cookie: _, ...rest } = JSON.parse(JSON.stringify(stored)) as Record<string, unknown>
      return rest
    },
    async destroy () {
      const stored = await readSession(app, encryptedSessionId)
      if (stored.sessionId === sessionId) await stored.destroy()
    }
  }
}

function readSession (app: FastifyInstance, cookie: string): Promise<Session> {
  const { decryptSession } = app as unknown as { decryptSession: DecryptSession }
  return new Promise((resolve, reject) => {
    const request: SessionRequest = { raw: {}, headers: {}, protocol: 'http' }
    decryptSession(cookie, request, (error) => {
      if (error != null) reject(error)
      else resolve(request.session!)
    })
  })
}
