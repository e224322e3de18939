import { EventEmitter } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'

export type UpgradeListener = (request: IncomingMessage, tcp: Duplex, head: Buffer) => void

/**
 * The two keys under which `@fastify/websocket` keeps an upgrade's socket and head on the raw request. They are
 * what makes it upgrade a `websocket: true` route, and they are symbols of its own.
 */
export interface UpgradeMarks { socket: symbol, head: symbol }

/**
 * Find the marks by calling a listener of `@fastify/websocket` with a request that stops it right after it has
 * set them, before it answers or logs anything.
 *
 * @returns `undefined` when the listener is somebody else's
 */
export function learnMarks (listener: UpgradeListener): UpgradeMarks | undefined {
  // that one is no async function, and one that is would reject
  if (listener.constructor.name === 'AsyncFunction') return undefined
  const stop = Symbol('stop')
  const tcp = new EventEmitter()
  const head = Buffer.alloc(0)
  // `new ServerResponse(request)` reads the method first
  const request = { get method (): never { throw stop } }
  try {
    const result: unknown = listener(request as unknown as IncomingMessage, tcp as unknown as Duplex, head)
    Promise.resolve(result).catch(() => {})
  } catch {
    // our own `stop`, or whatever another listener makes of such a request
  }
  let socket: symbol | undefined
  let headMark: symbol | undefined
  for (const key of Object.getOwnPropertySymbols(request)) {
    const value = (request as Record<symbol, unknown>)[key]
    if (value === tcp) socket = key
    if (value === head) headMark = key
  }
  return socket === undefined || headMark === undefined ? undefined : { socket, head: headMark }
}
