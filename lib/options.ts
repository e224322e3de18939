import type { FastifyInstance, FastifyPluginAsync, FastifyPluginCallback, FastifyReply, FastifyRequest } from 'fastify'
import type { ServerOptions as WsServerOptions } from 'ws'
import type { CloseInfo, FanoutSettings, FormErrors, WsFanout, WsSocket } from './types.ts'

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
  messages: ((code: string, params: Record<string, unknown>, context: { field: string, locale: string }) => string | undefined) | undefined
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
  serialize (message: unknown): string | Uint8Array
  /** the kind of frame it sends; `undefined`: binary for bytes, text for a string */
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
  /** without a namespace; `undefined`: `wsUrl` does not know the view */
  name: string | undefined
  messageSchema: Record<string, unknown> | undefined
  replySchema: Record<string, unknown> | undefined
  frames: Frames
  data: ((this: FastifyInstance, request: FastifyRequest) => unknown) | undefined
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

export const viewOnlyDefaults: Readonly<Omit<ViewOptions, keyof ViewDefaults | 'takesMessages' | 'hasForm'>> = Object.freeze({
  name: undefined,
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
