import { WSV_ERR_OPTION_INVALID } from './errors.ts'
import type { ServerOptions, ViewDefaults, ViewOptions } from './options.ts'
import {
  aBoolean, aCount, aDuration, aFunction, aLimitOfWs, aList, anObject, aSchema, aShape, aSyncFunction, aTable, aText, either, isObject, isPlainObject, oneOf, rule
} from './rule.ts'
import type { Rule } from './rule.ts'

/** Options that hold for the whole server. */
export const serverRules: Readonly<Record<keyof ServerOptions, Rule>> = {
  redis: { ...rule('an ioredis URL, options, a client, a Cluster, or { publisher, subscriber }', isRedis), secret: true },
  fanout: {
    expected: 'a fan-out (publish, subscribe, status), or an object { channelPrefix, maxPending }',
    accepts: value => isFanout(value) || isPlainObject(value),
    members: { channelPrefix: rule('a string', value => typeof value === 'string'), maxPending: aCount(1) }
  },
  baseUrl: aText,
  serve: aBoolean,
  websocket: aShape({
    perMessageDeflate: either(aBoolean, anObject),
    allowSynchronousEvents: aBoolean,
    maxBufferedChunks: aLimitOfWs(1),
    maxFragments: aLimitOfWs(1)
  }),
  userOf: aFunction,
  checkSession: aFunction,
  sessionCheckMs: aDuration(1),
  handshakeTimeoutMs: aDuration(1),
  maxConnections: aCount(1),
  maxConnectionsPerAddress: aCount(1),
  closeTimeoutMs: aDuration(0)
}

/** Options of a registration that a view can set for itself. */
export const viewDefaultRules: Readonly<Record<keyof ViewDefaults, Rule>> = {
  origins: rule("'same-host', '*', a function, or an array of RegExps (without the flags g and y) and origins as browsers send them " +
    "('https://example.com', no path, no default port)", isOrigins),
  onHandlerError: aFunction,
  form: oneOf('form', 'strict'),
  unknownKeys: oneOf('drop', 'refuse'),
  refKey: either(aText, oneOf(false)),
  locale: aFunction,
  messages: aFunction,
  onInvalid: either(oneOf('reply', 'close', 'ignore'), aFunction),
  formatError: aSyncFunction,
  maxErrors: aCount(1),
  maxDepth: aCount(1),
  maxPayload: aLimitOfWs(1),
  maxInvalid: aShape({ count: aCount(0), perMs: aDuration(1) }),
  rateLimit: {
    ...aShape({ messages: aCount(1), perMs: aDuration(1) }, ['messages', 'perMs']),
    expected: 'an object { messages, perMs }, or false',
    accepts: value => value === false || isPlainObject(value)
  },
  backlog: aCount(1),
  backlogBytes: aCount(1),
  maxPauseMs: aDuration(1),
  maxBuffered: aCount(1),
  onSlow: oneOf('close', 'drop'),
  maxSubscriptions: aCount(0),
  heartbeat: aShape({ intervalMs: aDuration(1), timeoutMs: aDuration(1) }),
  sessionGraceMs: aDuration(0),
  unsafePatterns: aBoolean,
  checkReplies: aBoolean,
  concurrency: aCount(1)
}

/** Options of one registration of wsViews. */
export const registrationRules: Readonly<Record<'prefix' | 'views' | 'namespace' | 'logLevel' | 'logSerializers', Rule>> = {
  prefix: rule('a string without empty path segments', value => typeof value === 'string' && !value.includes('//')),
  views: rule('a plugin, or an array of plugins', value => (Array.isArray(value) ? value : [value]).every(isPlugin)),
  namespace: aText,
  logLevel: aText,
  logSerializers: anObject
}

type ViewOnly = Exclude<keyof ViewOptions, keyof ViewDefaults | 'takesMessages' | 'hasForm'>
/** Options of one view. */
export const viewOnlyRules: Readonly<Record<ViewOnly | 'route', Rule>> = {
  name: aText,
  messageSchema: aSchema,
  replySchema: aSchema,
  frames: rule("'json', 'text', 'binary', 'raw', or a codec { parse, serialize, binary? }", isFrames),
  data: aFunction,
  onOpen: aFunction,
  onMessage: rule('a function, or an object of functions, one for each tag', isMessageHandler),
  onClose: aFunction,
  onGap: aFunction,
  preMessage: aFunction,
  preSend: aSyncFunction,
  handler: aFunction,
  choices: aTable('an object of functions, by field', aFunction),
  validators: aTable('an object of arrays of functions, by field', aList('', aFunction)),
  cleanFields: aTable('an object of functions, by field', aFunction),
  clean: aFunction,
  errorMessages: aTable('an object of objects of strings, by field and code', aTable('', aText)),
  subprotocols: rule('an array of different tokens (RFC 7230 §3.2.6)', isSubprotocols),
  page: aFunction,
  route: anObject
}

/** Options of a view that are Fastify's own. */
export const fastifyRouteOptions = [
  'schema', 'onRequest', 'preParsing', 'preValidation', 'preHandler', 'preSerialization', 'onSend', 'onResponse', 'onError', 'onTimeout',
  'onRequestAbort', 'config', 'constraints', 'attachValidation', 'errorHandler', 'bodyLimit', 'logLevel', 'logSerializers',
  'childLoggerFactory', 'exposeHeadRoute', 'prefixTrailingSlash', 'validatorCompiler', 'serializerCompiler', 'schemaErrorFormatter',
  'handlerTimeout'
]

/** Settled by `wsView` itself, so neither an option nor something for `route`. */
export const routeOptionsOfOurs = ['method', 'url', 'path', 'routePath', 'prefix', 'websocket', 'wsHandler', 'wsView']

/** What `ws` knows and we settle: where to look instead. */
export const wsOptionsOfOurs: Readonly<Record<string, string>> = {
  maxPayload: "; the view option 'maxPayload' sets it",
  closeTimeout: "; 'closeTimeoutMs' sets it",
  handleProtocols: "; the view option 'subprotocols' sets it",
  verifyClient: "; the view's hooks and 'origins' decide",
  skipUTF8Validation: '; text messages are always checked (RFC 6455 §8.1)',
  autoPong: '; a ping is always answered (RFC 6455 §5.5.2)',
  clientTracking: '; the sockets are in fastify.wsSockets',
  backlog: '; Fastify listens',
  server: '; Fastify has the HTTP server',
  noServer: '; Fastify has the HTTP server',
  port: '; Fastify listens',
  host: '; Fastify listens',
  path: '; the URL of the view sets it'
}

function isRedis (value: unknown): boolean {
  return (typeof value === 'string' && value.trim() !== '') || isObject(value)
}

/** What `isRedis` lets pass may still be of no use. */
export function checkRedis (where: string, redis: unknown): void {
  if (!isObject(redis)) return
  // A Cluster has a `subscriber` of its own, so only an object literal is a pair.
  const { publisher, subscriber } = isPlainObject(redis) ? redis : {}
  if (publisher !== undefined || subscriber !== undefined) {
    const areClients = isObject(publisher) && typeof publisher.publish === 'function' &&
      isObject(subscriber) && typeof subscriber.subscribe === 'function'
    if (!areClients) throw new WSV_ERR_OPTION_INVALID(where, 'redis', '{ publisher, subscriber } with two clients', 'something else')
    if (publisher === subscriber) {
      throw new WSV_ERR_OPTION_INVALID(where, 'redis.subscriber', 'a client of its own: one that subscribes cannot publish', 'the publisher')
    }
  }
  for (const client of [redis, publisher, subscriber]) {
    if (isObject(client) && hasKeyPrefix(client)) {
      throw new WSV_ERR_OPTION_INVALID(where, 'redis', 'without keyPrefix, which would rename channels (use fanout: { channelPrefix })', 'one with keyPrefix')
    }
  }
}

/** @param redis - options, or a client, which has its options under `options`; those of a Cluster's nodes are one level further down */
function hasKeyPrefix (redis: Record<string, unknown>): boolean {
  const options = isObject(redis.options) ? redis.options : redis
  const ofNodes = isObject(options.redisOptions) ? options.redisOptions : {}
  return Boolean(options.keyPrefix) || Boolean(ofNodes.keyPrefix)
}

export function isFanout (value: unknown): boolean {
  return isObject(value) && typeof value.publish === 'function' && typeof value.subscribe === 'function'
}

function isPlugin (value: unknown): boolean {
  return typeof value === 'function' || (isObject(value) && (typeof value.default === 'function' || typeof value.then === 'function'))
}

function isOrigins (value: unknown): boolean {
  return value === 'same-host' || value === '*' || typeof value === 'function' || (Array.isArray(value) && value.every(isOriginOrPattern))
}

/** A RegExp with g or y remembers where it stopped, and would refuse every other handshake. */
function isOriginOrPattern (value: unknown): boolean {
  if (value instanceof RegExp) return !value.global && !value.sticky
  if (typeof value !== 'string') return false
  if (value === 'null') return true
  if (!/^[a-z][a-z0-9+.-]*:\/\/[^/?#@\s]+$/.test(value) || !URL.canParse(value)) return false
  const { origin } = new URL(value)
  // RFC 6454 §6.2; schemes like chrome-extension: have no origin in URL's eyes
  return origin === 'null' || origin === value
}

function isFrames (value: unknown): boolean {
  if (typeof value === 'string') return ['json', 'text', 'binary', 'raw'].includes(value)
  return isObject(value) && typeof value.parse === 'function' && typeof value.serialize === 'function' &&
    (value.binary === undefined || typeof value.binary === 'boolean')
}

function isMessageHandler (value: unknown): boolean {
  if (typeof value === 'function') return true
  const handlers = isPlainObject(value) ? Object.values(value) : []
  return handlers.length > 0 && handlers.every(handler => typeof handler === 'function')
}

function isSubprotocols (value: unknown): boolean {
  return Array.isArray(value) && new Set(value).size === value.length &&
    value.every(item => typeof item === 'string' && /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(item))
}
