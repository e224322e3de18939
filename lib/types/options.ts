import type { FastifyInstance, FastifyPluginOptions, FastifyRequest } from 'fastify'
import type { ServerOptions } from 'ws'
import type { Broker } from '../fan-out/broker.ts'
import type { FormSettings } from './form.ts'
import type { WsSocket } from './socket.ts'

/** How many messages may be invalid. */
export interface InvalidLimit {
  /** messages */
  count: number
  /** milliseconds */
  perMs: number
}

/** How many messages may come. */
export interface RateLimit {
  /** messages and pings */
  messages: number
  /** milliseconds */
  perMs: number
}

/** How it is found out that a client is gone. */
export interface Heartbeat {
  /** how long a client is silent before it is pinged, in milliseconds */
  intervalMs: number
  /** how long its answer may take, in milliseconds */
  timeoutMs: number
}

/** How much a client may do: for all views of a registration, or for one view. */
export interface Limits {
  /** Bytes of one message; more closes with 1009. Default 65536 */
  maxPayload?: number
  /** Message `count + 1` that is invalid within `perMs` closes with 1008. Default `{ count: 20, perMs: 10_000 }` */
  maxInvalid?: Partial<InvalidLimit>
  /** More messages than this get the error `rate_limited`; ten times as many close with 1008. Invalid ones and pings count. Default `false` */
  rateLimit?: RateLimit | false
  /** Messages that may wait before reading stops. Default 64 */
  backlog?: number
  /** Bytes that may wait before reading stops. Default 262144 */
  backlogBytes?: number
  /** How long reading may stop without one finished message, in milliseconds; longer closes with 1013. Default 30000 */
  maxPauseMs?: number
  /** Messages of one socket that are handled at once. Default 1: in order */
  concurrency?: number
  /** Bytes that may wait to be sent. Default 1048576 */
  maxBuffered?: number
  /** Past `maxBuffered`: close with 1013, or drop new fan-out messages. Default `'close'` */
  onSlow?: 'close' | 'drop'
  /** Channels that one socket may subscribe to. Default 1000 */
  maxSubscriptions?: number
  /** How often a silent client is pinged, and how long its answer may take, in milliseconds. Default `{ intervalMs: 30_000, timeoutMs: 10_000 }` */
  heartbeat?: Partial<Heartbeat>
  /** How long a session that cannot be checked counts as good, in milliseconds; longer closes with 1012. Default 300000 */
  sessionGraceMs?: number
}

/** The origins that may connect; a client that sends no Origin is no browser and passes. */
export type Origins = 'same-host' | '*' | readonly (string | RegExp)[] | ((origin: string, request: FastifyRequest) => boolean | Promise<boolean>)

/** What a registration sets for its views, and a view for itself. */
export interface WsViewSettings extends FormSettings, Limits {
  /** Default `'same-host'`; a list replaces it, and `'null'` passes only if listed */
  origins?: Origins | undefined
  /** A handler threw. `true`: it is answered, keep the socket. Default: log and close with 1011 */
  onHandlerError? (error: unknown, socket: WsSocket): boolean | void | Promise<boolean | void>
  /** Check what a view sends against its replySchema. Default: outside production */
  checkReplies?: boolean
}

/** An ordinary Fastify plugin that declares views. */
export type WsViews = (instance: FastifyInstance, options: FastifyPluginOptions, done: (error?: Error) => void) => void | Promise<void>

/** As for `register`, it may be an imported module. */
type ViewsPlugin = WsViews | Promise<{ default: WsViews }>

/** The part of an `ioredis` client (a `Redis` or a `Cluster`) that fan-out uses. */
export interface RedisClient {
  readonly status: string
  publish (channel: string, message: string | Buffer): Promise<unknown>
  subscribe (...channels: string[]): Promise<unknown>
  unsubscribe (...channels: string[]): Promise<unknown>
  duplicate (): RedisClient
  on (event: string, listener: (...args: unknown[]) => void): unknown
  quit (): Promise<unknown>
  disconnect (): void
}

/** Options of `ioredis`: the ones that matter most, every other one may stand beside them. */
export interface RedisConnection {
  host?: string | undefined
  port?: number | undefined
  path?: string | undefined
  username?: string | undefined
  password?: string | undefined
  tls?: object | undefined
  connectionName?: string | undefined
}

/** Two clients of an application's own; the plugin does not close them. */
export interface RedisPair {
  /** publishes */
  publisher: RedisClient
  /** subscribes, and does nothing else */
  subscriber: RedisClient
}

/** How fan-out uses Redis. */
export interface FanoutSettings {
  /** put before the names of channels at Redis. Default `''` */
  channelPrefix?: string
  /** publishes that may wait for Redis; more are WSV_ERR_FANOUT_OVERLOADED. Default 1000 */
  maxPending?: number
}

/** The options of `fastify.register(wsViews, options)`; Fastify's own `logLevel` and `logSerializers` may stand beside them. */
export interface WsViewsOptions extends WsViewSettings {
  /** URL prefix of the views. Default `''` */
  prefix?: string
  /** Plugins that declare views, loaded in one encapsulated context. */
  views?: ViewsPlugin | readonly ViewsPlugin[]
  /** Put before the names of these views: `wsUrl('v2:chat')`. Default none */
  namespace?: string
  /** An `ioredis` URL, options or client. Server-wide. Default: fan-out stays in this process */
  redis?: string | RedisConnection | object | RedisClient | RedisPair | undefined
  /** Another carrier of messages than Redis, or what is put before the names of channels at Redis. Server-wide */
  fanout?: Broker | FanoutSettings | undefined
  /** Public base of the WebSocket server, `wss://ws.example.com`; makes `wsUrl` absolute. Server-wide. Default none */
  baseUrl?: string | undefined
  /** `false`: this process knows the names and can publish, but accepts no WebSockets. Server-wide. Default `true` */
  serve?: boolean
  /** Who a socket belongs to; asked after preHandler and at every session check. Server-wide. Default: nobody */
  userOf? (request: FastifyRequest): string | null | undefined | Promise<string | null | undefined>
  /** Is this socket still allowed? Server-wide. Default: the session decides */
  checkSession? (request: FastifyRequest): boolean | Promise<boolean>
  /** How often a session is checked, in milliseconds. Server-wide. Default 30000 */
  sessionCheckMs?: number
  /** Options of the `ws` servers. Server-wide. Default none */
  websocket?: Pick<ServerOptions, 'perMessageDeflate' | 'allowSynchronousEvents' | 'maxBufferedChunks' | 'maxFragments'>
  /** How long a handshake may take, in milliseconds; then its TCP socket is destroyed. Server-wide. Default 10000 */
  handshakeTimeoutMs?: number
  /** Sockets and pending handshakes of this process; more get 503. Server-wide. Default: no limit */
  maxConnections?: number
  /** The same by `request.ip`; more get 429. Server-wide. Default: no limit */
  maxConnectionsPerAddress?: number
  /** How long `app.close()` waits for sockets, in milliseconds; then they are terminated. Server-wide. Default 5000 */
  closeTimeoutMs?: number
}
