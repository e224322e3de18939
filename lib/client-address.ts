import type { IncomingMessage } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { rootOf } from './contexts.ts'

export type ClientAddressOf = (request: IncomingMessage) => string | undefined

/**
 * `request.ip` of Fastify, with `trustProxy`, before there is a request of Fastify's: its getter needs the raw one only.
 *
 * Fastify keeps the class of its requests under a symbol of its own.
 *
 * @returns `undefined` where that is gone: then the address is known from the first onRequest hook on
 */
export function clientAddressOf (instance: FastifyInstance): ClientAddressOf | undefined {
  const root = rootOf(instance)
  const key = Object.getOwnPropertySymbols(root).find((symbol) => symbol.description === 'fastify.Request')
  const Request = key === undefined ? undefined : (root as unknown as Record<symbol, { prototype?: object } | undefined>)[key]
  const prototype = Request?.prototype
  if (prototype === undefined || !('ip' in prototype)) return undefined
  return (raw) => {
    try {
      return Reflect.get(prototype, 'ip', Object.create(prototype, { raw: { value: raw } })) as string | undefined
    } catch {
      // a trustProxy function of the application's own: its error is the request's, in the hook
      return undefined
    }
  }
}
