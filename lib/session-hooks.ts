import type { FastifyInstance, FastifyRequest } from 'fastify'
import { rootOf } from './contexts.ts'
import { sessionIdOf, storeOf } from './session.ts'

const kSessionId = Symbol('wsViews.sessionId')
type Watched = FastifyRequest & { [kSessionId]?: string | undefined }

/**
 * Hear of every HTTP request, in every context, that ended with another session than it came with: it has logged out
 * (`destroy`) or logged in (`regenerate`), and the old session is over.
 */
export function onSessionEnd (instance: FastifyInstance, ended: (sessionId: string, request: FastifyRequest) => void): void {
  const root = rootOf(instance)
  root.addHook('preParsing', (request: Watched, _reply, payload, done) => {
    // all onRequest hooks have run: the session plugin has read the cookie
    if (storeOf(request) !== undefined) request[kSessionId] = sessionIdOf(request)
    done(null, payload)
  })
  root.addHook('onResponse', (request: Watched, _reply, done) => {
    const id = request[kSessionId]
    if (id !== undefined && id !== sessionIdOf(request)) ended(id, request)
    done()
  })
}
