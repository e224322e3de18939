import type { FastifyInstance, FastifyRequest } from 'fastify'
import { rootOf } from './contexts.ts'
import { readSession, sessionIdOf, storeOf } from './session.ts'

const kSessionId = Symbol('wsViews.sessionId')
type Marked = FastifyRequest & { [kSessionId]?: string | undefined }

/**
 * Hear of every HTTP request, in every context, that ended with another session than it came with: it has logged out
 * (`destroy`) or logged in (`regenerate`), and the old session is no longer stored.
 */
export function onSessionEnd (instance: FastifyInstance, ended: (sessionId: string, request: FastifyRequest) => void): void {
  // Twice: as early as possible where the session plugin was registered before us, and after all onRequest hooks where not
  function remember (request: Marked): void {
    if (request[kSessionId] === undefined && storeOf(request) !== undefined) request[kSessionId] = sessionIdOf(request)
  }

  function compare (request: Marked): void {
    const id = request[kSessionId]
    if (id === undefined || id === sessionIdOf(request)) return
    request[kSessionId] = undefined
    // a store that failed to delete it has it still, and its sockets may stay
    readSession(storeOf(request)!, id).then((session) => {
      if (session === undefined) ended(id, request)
    }, (error: unknown) => {
      request.log.warn({ err: error }, 'wsViews: is a session over? the store did not say, its sockets are asked for as always')
    })
  }

  const root = rootOf(instance)
  root.addHook('onRequest', function rememberWsSession (request, _reply, done) {
    remember(request)
    done()
  })
  root.addHook('preParsing', function rememberWsSession (request, _reply, payload, done) {
    remember(request)
    done(null, payload)
  })
  // Also where the client has left, and there is no response to finish
  root.addHook('onSend', function compareWsSession (request, _reply, payload, done) {
    compare(request)
    done(null, payload)
  })
  // and where a handler has taken the response over
  root.addHook('onResponse', function compareWsSession (request, _reply, done) {
    compare(request)
    done()
  })
}
