import { validateHeaderName, validateHeaderValue } from 'node:http'
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import { WSV_ERR_HANDSHAKE_HEADER, WSV_ERR_UPGRADE_REQUIRED } from './errors.ts'
import type { Handshake } from './handshake.ts'
import { isPromise } from './is-promise.ts'
import { checkOrigin } from './origin.ts'
import type { ServerState } from './server-state.ts'
import { shareHeaders } from './shared-headers.ts'
import { Socket } from './socket.ts'
import type { DeclaredView } from './types.ts'
import { kHandshake, kRouteKind, kView } from './symbols.ts'
import { userOf } from './user-of.ts'
import type { View } from './view.ts'

declare module 'fastify' {
  interface FastifyContextConfig { [kView]?: View }
}

type Accepted = NonNullable<Handshake['accepted']>

/**
 * A view as a Fastify route: a GET that answers an upgrade with 101 after the whole lifecycle of Fastify.
 *
 * The handler sends a reply with status 101 and no payload, so that every onSend hook runs: cookies are written,
 * sessions saved. The last onSend hook is ours; it takes the socket over and does not call on.
 */
export function viewRoute (view: View, info: DeclaredView, state: ServerState, route: Record<string, unknown>): RouteOptions {
  const { options } = view
  const schema = (route.schema ?? {}) as Record<string, unknown>
  return {
    ...route,
    method: 'GET',
    url: view.path,
    exposeHeadRoute: false,
    schema: {
      ...schema,
      // what Fastify builds its compilers for: ours are used when the server gets ready
      // (a validator compiler of the application's own may know no JSON Schema: it is there already)
      querystring: schema.querystring ?? ((view.instance.validatorCompiler as unknown) === undefined ? { type: 'object' } : undefined),
      response: { 101: { type: 'null' }, ...schema.response as object }
    },
    wsView: info,
    config: { ...route.config as object, [kRouteKind]: 'view', [kView]: view },
    onRequest: [
      function checkWsOrigin (request: FastifyRequest, _reply: FastifyReply, done: (error?: Error) => void) {
        let checked: ReturnType<typeof checkOrigin>
        try {
          checked = request.raw[kHandshake] === undefined ? undefined : checkOrigin(request, options.origins)
        } catch (error) {
          done(error as Error)
          return
        }
        if (checked === undefined) done()
        else checked.then(() => { done() }, done)
      },
      ...listOf(route.onRequest)
    ],
    onSend: [
      ...listOf(route.onSend),
      // printRoutes({ includeHooks: true }) shows it: the mark of a view
      named(`wsView ${view.name}`, (request: FastifyRequest, reply: FastifyReply, payload: unknown, done: (error: Error | null, payload?: unknown) => void) => {
        // answered meanwhile, or there is nobody to answer: the server closes, the deadline has passed, the client has left
        const handshake = request.raw[kHandshake]
        if (handshake?.isPending === false) {
          reply.hijack()
          return
        }
        const facts = handshake?.accepted
        if (handshake === undefined || facts === undefined || reply.statusCode !== 101) return done(null, payload)
        handshake.accepted = undefined
        upgrade(view, state, request, reply, handshake, facts, done)
      })
    ],
    handler (this: FastifyInstance, request: FastifyRequest, reply: FastifyReply) {
      const handshake = request.raw[kHandshake]
      if (handshake === undefined) return answerPlain(view, request, reply)
      const facts = factsOf(view, state, request)
      if (!isPromise(facts)) {
        accept(request, reply, facts)
        return
      }
      return facts.then((facts) => {
        accept(request, reply, facts)
        return reply
      })
    }
  } as unknown as RouteOptions
}

/** A GET that is no upgrade. */
function answerPlain (view: View, request: FastifyRequest, reply: FastifyReply): unknown {
  const { page } = view.options
  if (page !== undefined) return page.call(view.instance, request, reply)
  // RFC 9110 §15.5.22; HTTP/2 has no such headers (RFC 9113 §8.2.2)
  if (request.raw.httpVersionMajor < 2) reply.headers({ upgrade: 'websocket', connection: 'close, upgrade' })
  throw new WSV_ERR_UPGRADE_REQUIRED(view.name)
}

function factsOf (view: View, state: ServerState, request: FastifyRequest): Accepted | Promise<Accepted> {
  const user = userOf(state.options, request)
  // one after the other: where both fail, one rejection would be nobody's
  return isPromise(user) ? user.then((user) => withData(view, request, user)) : withData(view, request, user)
}

function withData (view: View, request: FastifyRequest, user: string | undefined): Accepted | Promise<Accepted> {
  const data = view.options.data?.call(view.instance, request)
  return isPromise(data) ? data.then((data) => ({ user, data })) : { user, data }
}

function accept (request: FastifyRequest, reply: FastifyReply, facts: Accepted): void {
  // a client that has left meanwhile, or a deadline that has passed
  const handshake = request.raw[kHandshake]
  if (handshake?.isPending !== true) {
    reply.hijack()
    return
  }
  handshake.accepted = facts
  reply.code(101).send()
}

function upgrade (view: View, state: ServerState, request: FastifyRequest, reply: FastifyReply, handshake: Handshake, { user, data }: Accepted, done: (error: Error) => void): void {
  try {
    handshake.headers = headersOf(reply)
  } catch (error) {
    done(error as Error)
    return
  }
  reply.hijack()
  state.wsServers.upgrade(handshake, view.options, (upgraded) => {
    const socket = new Socket(view, state, request, user, data, upgraded, handshake.address)
    // the socket releases it
    handshake.address = undefined
    handshake.complete()
    shareHeaders(request.raw, view.path)
    socket.open()
  })
}

/**
 * The headers of the reply as lines of the 101, without those that describe a body or the connection.
 *
 * @throws WSV_ERR_HANDSHAKE_HEADER for a line that could begin another one: that would be response splitting
 */
function headersOf (reply: FastifyReply): string[] {
  const lines: string[] = []
  for (const [name, value] of Object.entries(reply.getHeaders())) {
    if (value === undefined || notOnThe101.test(name)) continue
    for (const item of Array.isArray(value) ? value : [value]) {
      const text = String(item)
      try {
        validateHeaderName(name)
        validateHeaderValue(name, text)
      } catch (error) {
        // or the answer that tells of it could not be written either
        reply.removeHeader(name)
        throw Object.assign(new WSV_ERR_HANDSHAKE_HEADER(name), { cause: error })
      }
      lines.push(`${name}: ${text}`)
    }
  }
  return lines
}

const notOnThe101 = /^(?:connection|upgrade|sec-websocket-.*|content-.*|transfer-encoding|keep-alive|trailer|date)$/i

function named<Hook extends object> (name: string, hook: Hook): Hook {
  return Object.defineProperty(hook, 'name', { value: name })
}

function listOf (hooks: unknown): unknown[] {
  return hooks === undefined ? [] : Array.isArray(hooks) ? hooks : [hooks]
}
