import type { FastifyRequest } from 'fastify'
import { WSV_ERR_ORIGIN_FORBIDDEN } from './errors.ts'
import { isPromise } from './is-promise.ts'
import type { Origins } from './options.ts'

/**
 * The origin check of a view (RFC 6455 §10.2): without it, any page that a visitor opens could use the visitor's
 * cookies to talk to the view. A client that sends no Origin is no browser, and passes.
 *
 * @throws WSV_ERR_ORIGIN_FORBIDDEN
 */
export function checkOrigin (request: FastifyRequest, origins: Origins): void | Promise<void> {
  const { origin } = request.headers
  if (origin === undefined || origins === '*') return
  const allowed = isAllowed(origin, request, origins)
  if (isPromise(allowed)) return allowed.then((allowed) => { refuseUnless(allowed, origin, request) })
  refuseUnless(allowed, origin, request)
}

function refuseUnless (allowed: boolean, origin: string, request: FastifyRequest): void {
  if (allowed) return
  request.log.warn({ origin, host: request.host }, "the origin is not the host of this server: list it in the option 'origins'")
  throw new WSV_ERR_ORIGIN_FORBIDDEN(origin)
}

function isAllowed (origin: string, request: FastifyRequest, origins: Exclude<Origins, '*'>): boolean | Promise<boolean> {
  if (typeof origins === 'function') return origins(origin, request)
  if (origins === 'same-host') return isSameHost(origin, request)
  return origins.some((allowed) => typeof allowed === 'string' ? allowed === origin : allowed.test(origin))
}

/** The port counts, the scheme does not: it may be a proxy that speaks TLS. */
function isSameHost (origin: string, request: FastifyRequest): boolean {
  const ours = `${request.protocol}://${request.host}`
  return originPattern.test(origin) && URL.canParse(origin) && URL.canParse(ours) && new URL(origin).host === new URL(ours).host
}

/** A scheme, a host, perhaps a port (RFC 6454 §6.2): what URL reads besides was not sent by a browser. */
const originPattern = /^[a-z][a-z0-9+.-]*:\/\/[^/?#@\s]+$/i
