import type { FastifyInstance, FastifyPluginAsync, FastifyPluginCallback, FastifyReply, FastifyRequest } from 'fastify'
import type { ServerOptions as WsServerOptions } from 'ws'
import type { CloseInfo, FormErrors, WsFanout, WsSocket } from './types.ts'
import { readBaseUrl } from './absolute-url.ts'
import { describe } from './describe.ts'
import { WSV_ERR_OPTION_CONFLICT, WSV_ERR_OPTION_INVALID, WSV_ERR_OPTION_UNKNOWN } from './errors.ts'
import {
  aBoolean, aCount, aDuration, aFunction, aList, anObject, aSchema, aShape, aTable, aText, checkOption, didYouMean, either, isObject,
  isPlainObject, oneOf, rule
} from './option-rules.ts'
import type { Rule } from './option-rules.ts'

// ---------- what others get

type Awaitable<T> = T | Promise<T>
type AnySocket = WsSocket<unknown, unknown, unknown>

/** A plugin that declares views; as for `register`, it may be an imported module. */
export type ViewsPlugin = FastifyPluginCallback | FastifyPluginAsync | Promise<{ default: FastifyPluginCallback | FastifyPluginAsync }>

/** One per `http.Server`: the first registration settles them. */
export interface ServerOptions {
  /** `ioredis` URL, options, client, `Cluster`, or `{ publisher, subscriber }`; `undefined`: in-process */
  redis: string | object | undefined
  /** another fan-out, or settings of ours */
  fanout: WsFanout | FanoutSettings | undefined
  /** as `readBaseUrl` returns it */
  baseUrl: string | undefined
  serve: boolean
  websocket: Pick<WsServerOptions, 'perMessageDeflate' | 'allowSynchronousEvents' | 'maxBufferedChunks' | 'maxFragments'>
  userOf: ((request: FastifyRequest) => Awaitable<string | null | undefined>) | undefined
  checkSession: ((request: FastifyRequest) => Awaitable<boolean>) | undefined
  sessionCheckMs: number
  handshakeTimeoutMs: number
  /** `undefined`: no limit */
  maxConnections: number | undefined
  maxConnectionsPerAddress: number | undefined
  closeTimeoutMs: number
}

export interface FanoutSettings { channelPrefix?: string, maxPending?: number }

export type Origins = 'same-host' | '*' | readonly (string | RegExp)[] | ((origin: string, request: FastifyRequest) => Awaitable<boolean>)
export type OnInvalid = 'reply' | 'close' | 'ignore' |
  ((socket: AnySocket, errors: FormErrors, context: { ref: string | number | undefined, raw: unknown }) => Awaitable<void>)

/** One per registration of wsViews; a view can set each of them for itself. */
export interface ViewDefaults {
  origins: Origins
  /** `undefined`: log, and close with 1011 */
  onHandlerError: ((error: unknown, socket: AnySocket) => Awaitable<boolean | void>) | undefined
  form: 'form' | 'strict'
  unknownKeys: 'drop' | 'refuse'
  refKey: string | false
  /** `undefined`: from Accept-Language */
  locale: ((request: FastifyRequest) => string) | undefined
  /** `undefined`: Django's English texts */
  messages: ((code: string, params: Record<string, unknown>, context: { field: string, locale: string }) => string) | undefined
  onInvalid: OnInvalid
  formatError: ((errors: FormErrors, socket: AnySocket, context: { ref: string | number | undefined }) => unknown) | undefined
  maxErrors: number
  maxDepth: number
  /** bytes */
  maxPayload: number
  maxInvalid: { count: number, perMs: number }
  rateLimit: { messages: number, perMs: number } | false
  /** messages */
  backlog: number
  /** bytes */
  backlogBytes: number
  maxPauseMs: number
  /** bytes */
  maxBuffered: number
  onSlow: 'close' | 'drop'
  maxSubscriptions: number
  heartbeat: { intervalMs: number, timeoutMs: number }
  sessionGraceMs: number
  unsafePatterns: boolean
  checkReplies: boolean
  concurrency: number
}

export interface Codec {
  parse (data: string | Buffer): unknown
  serialize (message: unknown): string | Buffer
  /** its messages are binary frames */
  binary?: boolean
}
export type Frames = 'json' | 'text' | 'binary' | 'raw' | Codec

/** A handler as the plugin calls it: what its message may be is settled by the types users see. */
export type MessageHandler = (this: FastifyInstance, socket: AnySocket, message: unknown) => unknown
export type OwningHandler = (this: FastifyInstance, socket: AnySocket, request: FastifyRequest) => unknown

/** The form steps of a view, as its author gave them; which fields exist is checked where the form is compiled. */
export interface FormSteps {
  choices: Record<string, (form: unknown) => unknown> | undefined
  validators: Record<string, ((value: unknown, form: unknown) => unknown)[]> | undefined
  cleanFields: Record<string, (value: unknown, form: unknown) => unknown> | undefined
  clean: ((message: unknown, form: unknown) => unknown) | undefined
  errorMessages: Record<string, Record<string, string>> | undefined
}

/** Everything one view needs of us, complete. */
export interface ViewOptions extends ViewDefaults, FormSteps {
  /** without a namespace */
  name: string
  messageSchema: Record<string, unknown> | undefined
  replySchema: Record<string, unknown> | undefined
  frames: Frames
  data: ((request: FastifyRequest) => unknown) | undefined
  onOpen: ((this: FastifyInstance, socket: AnySocket) => unknown) | undefined
  /** one handler, or one per tag */
  onMessage: MessageHandler | Readonly<Record<string, MessageHandler>> | undefined
  onClose: ((this: FastifyInstance, socket: AnySocket, info: CloseInfo) => unknown) | undefined
  onGap: ((this: FastifyInstance, socket: AnySocket, channels: string[]) => unknown) | undefined
  preMessage: MessageHandler | undefined
  preSend: MessageHandler | undefined
  handler: OwningHandler | undefined
  subprotocols: readonly string[]
  page: ((this: FastifyInstance, request: FastifyRequest, reply: FastifyReply) => unknown) | undefined
  /** false: the view only pushes, a message to it is `unexpected` */
  takesMessages: boolean
  /** its messages go through the form: false without a `messageSchema`, and where that one takes anything */
  hasForm: boolean
}

export interface PluginOptions {
  /** `''`, or with one slash in front and none at the end */
  prefix: string
  views: ViewsPlugin[]
  namespace: string | undefined
  /** `logLevel` and `logSerializers`, as `register` takes them, for the context of the views */
  context: Record<string, unknown>
  /** only what was given */
  server: Partial<ServerOptions>
  view: ViewDefaults
}

// ---------- the defaults

export const serverDefaults: Readonly<ServerOptions> = Object.freeze({
  redis: undefined,
  fanout: undefined,
  baseUrl: undefined,
  serve: true,
  websocket: {},
  userOf: undefined,
  checkSession: undefined,
  sessionCheckMs: 30_000,
  handshakeTimeoutMs: 10_000,
  maxConnections: undefined,
  maxConnectionsPerAddress: undefined,
  closeTimeoutMs: 5_000
})

export const viewDefaults: Readonly<ViewDefaults> = Object.freeze({
  origins: 'same-host',
  onHandlerError: undefined,
  form: 'form',
  unknownKeys: 'drop',
  refKey: 'ref',
  locale: undefined,
  messages: undefined,
  onInvalid: 'reply',
  formatError: undefined,
  maxErrors: 100,
  maxDepth: 32,
  maxPayload: 64 * 1024,
  maxInvalid: { count: 20, perMs: 10_000 },
  rateLimit: false,
  backlog: 64,
  backlogBytes: 256 * 1024,
  maxPauseMs: 30_000,
  maxBuffered: 1024 * 1024,
  onSlow: 'close',
  maxSubscriptions: 1_000,
  heartbeat: { intervalMs: 30_000, timeoutMs: 10_000 },
  sessionGraceMs: 300_000,
  unsafePatterns: false,
  // read when the plugin is registered, not when it is imported
  get checkReplies () { return process.env.NODE_ENV !== 'production' },
  concurrency: 1
})

// ---------- what each option may be

const serverRules: Readonly<Record<keyof ServerOptions, Rule>> = {
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
    maxBufferedChunks: aCount(1),
    maxFragments: aCount(1)
  }),
  userOf: aFunction,
  checkSession: aFunction,
  sessionCheckMs: aDuration(1),
  handshakeTimeoutMs: aDuration(1),
  maxConnections: aCount(1),
  maxConnectionsPerAddress: aCount(1),
  closeTimeoutMs: aDuration(0)
}

const viewDefaultRules: Readonly<Record<keyof ViewDefaults, Rule>> = {
  origins: rule("'same-host', '*', a function, or an array of RegExps (without the flags g and y) and origins as browsers send them " +
    "('https://example.com', no path, no default port)", isOrigins),
  onHandlerError: aFunction,
  form: oneOf('form', 'strict'),
  unknownKeys: oneOf('drop', 'refuse'),
  refKey: either(aText, oneOf(false)),
  locale: aFunction,
  messages: aFunction,
  onInvalid: either(oneOf('reply', 'close', 'ignore'), aFunction),
  formatError: aFunction,
  maxErrors: aCount(1),
  maxDepth: aCount(1),
  maxPayload: aCount(1),
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

const registrationRules: Readonly<Record<'prefix' | 'views' | 'namespace' | 'logLevel' | 'logSerializers', Rule>> = {
  prefix: rule('a string without empty path segments', value => typeof value === 'string' && !value.includes('//')),
  views: rule('a plugin, or an array of plugins', value => (Array.isArray(value) ? value : [value]).every(isPlugin)),
  namespace: aText,
  logLevel: aText,
  logSerializers: anObject
}

type ViewOnly = Exclude<keyof ViewOptions, keyof ViewDefaults | 'takesMessages' | 'hasForm'>
const viewOnlyRules: Readonly<Record<ViewOnly | 'route', Rule>> = {
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
  preSend: aFunction,
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

const fastifyRouteOptions = [
  'schema', 'onRequest', 'preParsing', 'preValidation', 'preHandler', 'preSerialization', 'onSend', 'onResponse', 'onError', 'onTimeout',
  'onRequestAbort', 'config', 'constraints', 'attachValidation', 'errorHandler', 'bodyLimit', 'logLevel', 'logSerializers',
  'childLoggerFactory', 'exposeHeadRoute', 'prefixTrailingSlash', 'validatorCompiler', 'serializerCompiler', 'schemaErrorFormatter',
  'handlerTimeout'
]

/** Settled by `wsView` itself, so neither an option nor something for `route`. */
const routeOptionsOfOurs = ['method', 'url', 'path', 'routePath', 'prefix', 'websocket', 'wsHandler', 'wsView']

/** What `ws` knows and we settle: where to look instead. */
const wsOptionsOfOurs: Readonly<Record<string, string>> = {
  maxPayload: "; the view option 'maxPayload' sets it",
  closeTimeout: "; 'closeTimeoutMs' sets it",
  handleProtocols: "; the view option 'subprotocols' sets it",
  verifyClient: "; the view's hooks and 'origins' decide",
  backlog: '; Fastify listens',
  server: '; Fastify has the HTTP server',
  noServer: '; Fastify has the HTTP server',
  port: '; Fastify listens',
  host: '; Fastify listens',
  path: '; the URL of the view sets it'
}

const formSteps = ['choices', 'validators', 'cleanFields', 'clean', 'errorMessages'] as const

// ---------- reading them

/**
 * Read what `fastify.register(wsViews, options)` was given. An option that is `undefined` counts as not given.
 *
 * @throws WSV_ERR_OPTION_UNKNOWN, WSV_ERR_OPTION_INVALID
 */
export function readPluginOptions (raw: Record<string, unknown>): PluginOptions {
  const where = 'wsViews'
  const registration: Record<string, unknown> = {}
  const server: Record<string, unknown> = {}
  const view: Record<string, unknown> = {}
  for (const [name, value] of given(raw)) {
    if (Object.hasOwn(registrationRules, name)) registration[name] = checked(where, name, value, registrationRules)
    else if (Object.hasOwn(serverRules, name)) server[name] = readServerOption(where, name, value)
    else if (Object.hasOwn(viewDefaultRules, name)) view[name] = checked(where, name, value, viewDefaultRules)
    else if (Object.hasOwn(viewOnlyRules, name)) throw new WSV_ERR_OPTION_UNKNOWN(where, name, '; it belongs to a view')
    else {
      const known = [...Object.keys(registrationRules), ...Object.keys(serverRules), ...Object.keys(viewDefaultRules)]
      throw new WSV_ERR_OPTION_UNKNOWN(where, name, didYouMean(name, known))
    }
  }
  if (server.redis !== undefined && isFanout(server.fanout)) {
    throw new WSV_ERR_OPTION_INVALID(where, 'redis', "left out where 'fanout' is a fan-out of your own", 'both')
  }
  const { prefix = '', views = [], namespace, ...context } = registration as { prefix?: string, views?: ViewsPlugin[], namespace?: string }
  return {
    prefix: readPrefix(prefix),
    views: Array.isArray(views) ? [...views] : [views],
    namespace,
    context,
    server: server as Partial<ServerOptions>,
    view: merge(viewDefaults, view)
  }
}

/**
 * The server-wide options after one more registration. Not given, or given with the same value, is fine: object literals are compared by their
 * members, everything else (clients, functions, fan-outs) by identity.
 *
 * @param current - `undefined` at the first registration, which fills in the defaults
 * @throws WSV_ERR_OPTION_CONFLICT for another value than an earlier registration gave or left to the default
 */
export function mergeServerOptions (current: ServerOptions | undefined, given: Partial<ServerOptions>): ServerOptions {
  if (current === undefined) return { ...serverDefaults, ...given }
  for (const [name, value] of Object.entries(given)) {
    if (!isSame(current[name as keyof ServerOptions], value)) throw new WSV_ERR_OPTION_CONFLICT(name)
  }
  return current
}

/**
 * Read the options of one view.
 *
 * @param handler - the third argument of `wsView`
 * @param defaults - of the registration that the view belongs to
 * @returns our part, complete, and Fastify's with ours taken out: `{ ...route, method: 'GET', url, handler }` is a route
 * @throws WSV_ERR_OPTION_UNKNOWN, WSV_ERR_OPTION_INVALID
 */
export function readViewOptions (url: string, raw: Record<string, unknown>, handler: unknown, defaults: ViewDefaults):
{ view: ViewOptions, route: Record<string, unknown> } {
  if (typeof url !== 'string' || !/^(?:$|\/|\*)/.test(url)) {
    throw new WSV_ERR_OPTION_INVALID('wsView', 'url', "a string that is empty or begins with '/'", describe(url))
  }
  const where = `wsView '${url}'`
  if (!isObject(raw)) throw new WSV_ERR_OPTION_INVALID(where, 'options', 'an object', describe(raw))

  const own: Record<string, unknown> = {}
  const route: Record<string, unknown> = {}
  for (const [name, value] of given(raw)) {
    if (Object.hasOwn(viewDefaultRules, name)) own[name] = checked(where, name, value, viewDefaultRules)
    else if (Object.hasOwn(viewOnlyRules, name)) own[name] = checked(where, name, value, viewOnlyRules)
    else if (fastifyRouteOptions.includes(name)) route[name] = value
    else throw new WSV_ERR_OPTION_UNKNOWN(where, name, hintForView(name))
  }
  readOwningHandler(where, own, handler)
  addRouteOptions(where, route, own.route)
  delete own.route

  const view: ViewOptions = { ...viewOnlyDefaults, ...merge(defaults, own) } as ViewOptions
  view.takesMessages = view.onMessage !== undefined || view.handler !== undefined
  view.hasForm = view.messageSchema !== undefined && !takesAnything(view.messageSchema)
  checkTogether(where, view, own)
  return { view, route }
}

const viewOnlyDefaults: Readonly<Omit<ViewOptions, keyof ViewDefaults | 'name' | 'takesMessages' | 'hasForm'>> = Object.freeze({
  messageSchema: undefined,
  replySchema: undefined,
  frames: 'json',
  data: undefined,
  onOpen: undefined,
  onMessage: undefined,
  onClose: undefined,
  onGap: undefined,
  preMessage: undefined,
  preSend: undefined,
  handler: undefined,
  choices: undefined,
  validators: undefined,
  cleanFields: undefined,
  clean: undefined,
  errorMessages: undefined,
  subprotocols: [],
  page: undefined
})

function given (raw: Record<string, unknown>): [string, unknown][] {
  return Object.entries(raw).filter(([, value]) => value !== undefined)
}

function checked (where: string, name: string, value: unknown, rules: Readonly<Record<string, Rule>>): unknown {
  checkOption(where, name, value, rules[name]!)
  return value
}

function readServerOption (where: string, name: string, value: unknown): unknown {
  if (name === 'websocket' && isPlainObject(value)) {
    const ours = Object.keys(value).find(member => Object.hasOwn(wsOptionsOfOurs, member))
    if (ours !== undefined) throw new WSV_ERR_OPTION_UNKNOWN(where, `websocket.${ours}`, wsOptionsOfOurs[ours]!)
  }
  // A fan-out may be an object literal, whose members are its own affair.
  if (name === 'fanout' && isFanout(value)) return value
  checkOption(where, name, value, serverRules[name as keyof ServerOptions])
  if (name === 'redis') checkRedis(where, value)
  return name === 'baseUrl' ? readBaseUrl(value as string) : value
}

/** Defaults, then what was given; `maxInvalid` and `heartbeat` member by member. */
function merge (defaults: Readonly<ViewDefaults>, given: Record<string, unknown>): ViewDefaults {
  const merged = { ...defaults, ...given } as ViewDefaults
  merged.maxInvalid = { ...defaults.maxInvalid, ...withoutUndefined(given.maxInvalid) }
  merged.heartbeat = { ...defaults.heartbeat, ...withoutUndefined(given.heartbeat) }
  return merged
}

function withoutUndefined (value: unknown): Record<string, unknown> {
  return isObject(value) ? Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) : {}
}

function readPrefix (prefix: string): string {
  const path = prefix.replace(/\/$/, '')
  return path === '' || path.startsWith('/') ? path : `/${path}`
}

function hintForView (name: string): string {
  if (Object.hasOwn(serverRules, name)) return '; it holds for the whole server and is set where wsViews is registered'
  if (Object.hasOwn(registrationRules, name)) return '; it is set where wsViews is registered'
  if (routeOptionsOfOurs.includes(name)) return '; wsView sets it'
  const near = didYouMean(name, [...Object.keys(viewOnlyRules), ...Object.keys(viewDefaultRules), ...fastifyRouteOptions])
  return near !== '' ? near : "; another plugin's route options go into 'route'"
}

function readOwningHandler (where: string, own: Record<string, unknown>, handler: unknown): void {
  if (handler !== undefined) {
    checkOption(where, 'handler', handler, aFunction)
    if (own.handler !== undefined) throw new WSV_ERR_OPTION_INVALID(where, 'handler', 'given once, as an option or as the third argument', 'two')
    own.handler = handler
  }
  if (own.handler !== undefined && own.onMessage !== undefined) {
    throw new WSV_ERR_OPTION_INVALID(where, 'onMessage', 'left out where a handler owns the connection', 'both')
  }
}

function addRouteOptions (where: string, route: Record<string, unknown>, others: unknown): void {
  const constraints = route.constraints
  if (isObject(constraints) && constraints.version !== undefined) {
    throw new WSV_ERR_OPTION_INVALID(where, 'constraints.version', 'left out: a browser cannot send Accept-Version with a handshake', describe(constraints.version))
  }
  if (route.exposeHeadRoute === true) {
    throw new WSV_ERR_OPTION_INVALID(where, 'exposeHeadRoute', 'false: a handshake is a GET request', 'true')
  }
  route.exposeHeadRoute = false
  if (!isObject(others)) return
  for (const [name, value] of Object.entries(others)) {
    const isOurs = Object.hasOwn(viewOnlyRules, name) || Object.hasOwn(viewDefaultRules, name) || fastifyRouteOptions.includes(name)
    if (isOurs) throw new WSV_ERR_OPTION_UNKNOWN(where, `route.${name}`, "; it stands outside 'route'")
    if (routeOptionsOfOurs.includes(name)) throw new WSV_ERR_OPTION_UNKNOWN(where, `route.${name}`, '; wsView sets it')
    route[name] = value
  }
}

/** What can only be said with several options in view. */
function checkTogether (where: string, view: ViewOptions, own: Record<string, unknown>): void {
  if (own.name === undefined) throw new WSV_ERR_OPTION_INVALID(where, 'name', aText.expected, 'undefined')
  if (view.messageSchema === undefined && view.takesMessages && view.frames === 'json') {
    throw new WSV_ERR_OPTION_INVALID(where, 'messageSchema',
      'given where a JSON view takes messages (a schema without constraints, {} or Type.Unknown(), takes anything)', 'undefined')
  }
  if (!view.hasForm) {
    const reason = view.messageSchema === undefined ? 'there is no messageSchema' : 'the messageSchema takes anything'
    const step = formSteps.find(name => view[name] !== undefined)
    if (step !== undefined) throw new WSV_ERR_OPTION_INVALID(where, step, `left out: ${reason}, so there is no form`, describe(view[step]))
    if (typeof view.onMessage === 'object') {
      throw new WSV_ERR_OPTION_INVALID(where, 'onMessage', `a function: ${reason}, so there is no tag to dispatch by`, 'an object')
    }
  }
  if (own.form === 'strict' && own.unknownKeys !== undefined) {
    throw new WSV_ERR_OPTION_INVALID(where, 'unknownKeys', "left out with form 'strict': the schema's additionalProperties decides", describe(own.unknownKeys))
  }
}

const annotations = new Set(['$id', '$schema', '$comment', 'title', 'description', 'examples'])

/**
 * The schema says "anything" aloud: `{}`, `Type.Unknown()` or `Type.Any()`, annotations aside.
 */
export function takesAnything (schema: Record<string, unknown>): boolean {
  return Object.keys(schema).every(keyword => annotations.has(keyword))
}

// ---------- rules with more to them

function isRedis (value: unknown): boolean {
  return (typeof value === 'string' && value.trim() !== '') || isObject(value)
}

/** Connected already, or to be connected: only a client has commands. */
function checkRedis (where: string, redis: unknown): void {
  if (!isObject(redis)) return
  const { publisher, subscriber } = redis
  if (publisher !== undefined || subscriber !== undefined) {
    const areClients = isObject(publisher) && typeof publisher.publish === 'function' &&
      isObject(subscriber) && typeof subscriber.subscribe === 'function'
    if (!areClients) throw new WSV_ERR_OPTION_INVALID(where, 'redis', '{ publisher, subscriber } with two clients', 'something else')
    if (publisher === subscriber) {
      throw new WSV_ERR_OPTION_INVALID(where, 'redis.subscriber', 'a client of its own: one that subscribes cannot publish', 'the publisher')
    }
  }
  for (const client of [redis, publisher, subscriber]) {
    if (isObject(client) && keyPrefixOf(client) !== undefined) {
      throw new WSV_ERR_OPTION_INVALID(where, 'redis', 'without keyPrefix, which would rename channels (use fanout: { channelPrefix })', 'one with keyPrefix')
    }
  }
}

function keyPrefixOf (redis: Record<string, unknown>): unknown {
  const options = isObject(redis.options) ? redis.options : redis
  const ofNodes = isObject(options.redisOptions) ? options.redisOptions : {}
  return options.keyPrefix || ofNodes.keyPrefix || undefined
}

function isFanout (value: unknown): boolean {
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

function isSame (a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item, index) => isSame(item, b[index]))
  if (!isPlainObject(a) || !isPlainObject(b)) return false
  const names = Object.keys(a)
  return names.length === Object.keys(b).length && names.every(name => Object.hasOwn(b, name) && isSame(a[name], b[name]))
}
