import type { WsSocket } from './socket.ts'

/** A channel with a schema, made by `defineChannel`. */
export interface Channel<Message = unknown> {
  /** as at Redis, without the `channelPrefix` */
  readonly name: string
  /** what a message must be */
  readonly schema: unknown
  /** its messages are bytes */
  readonly binary: boolean
  /** only in the types: what is published */
  readonly __message?: Message
}

/** The options of `defineChannel`. */
export interface ChannelOptions {
  /** Its messages are bytes (Buffers), in binary frames. Default `false`: JSON */
  binary?: boolean
  /** Do not check what other programs publish at Redis against the schema. Default `false` */
  trustForeign?: boolean
}

/**
 * The messages of one channel from now on; ends when it is unsubscribed, its signal aborts or the server closes.
 * Iterating throws WSV_ERR_FANOUT_OVERFLOW, once, when it fell `maxQueued` messages behind; then it is unsubscribed.
 */
export interface Subscription<Message = unknown> extends AsyncIterable<Message>, AsyncDisposable {
  /** the channel's name */
  readonly channel: string
  /**
   * Ends it; resolves when the broker has confirmed.
   *
   * @throws WSV_ERR_FANOUT_REFUSED
   */
  unsubscribe (): Promise<void>
}

/** The options of `publish`. */
export interface PublishOptions {
  /** the one socket that must not get it, usually the sender's */
  except?: WsSocket
}

/** The options of `wsFanout.subscribe`. */
export interface SubscribeOptions {
  /** ends the subscription */
  signal?: AbortSignal
  /** how many messages an iterator may fall behind before it throws WSV_ERR_FANOUT_OVERFLOW, default 1024 */
  maxQueued?: number
}

/** How the connection to the broker stands; in the process it is `'ready'` until the server closes. */
export type FanoutStatus = 'connecting' | 'ready' | 'reconnecting' | 'closed'

/**
 * `fastify.wsFanout`: at most once, and in one order per channel for all sockets of all processes.
 * Another carrier for the option `fanout` is a `Broker`.
 */
export interface WsFanout {
  /** how the connection to the broker stands */
  readonly status: FanoutStatus
  /**
   * Resolves when the broker has the message.
   *
   * @param message - what the channel's schema describes: a JSON value, bytes on a binary channel
   * @throws WSV_ERR_CHANNEL_INVALID, WSV_ERR_SCHEMA_INVALID, WSV_ERR_NOT_SERIALIZABLE, WSV_ERR_CHANNEL_MESSAGE_INVALID,
   *   WSV_ERR_OPTION_INVALID (`except`), WSV_ERR_FANOUT_UNAVAILABLE, WSV_ERR_FANOUT_OVERLOADED, WSV_ERR_FANOUT_REFUSED,
   *   WSV_ERR_FANOUT_CLOSED
   */
  publish<Message> (channel: string | Channel<Message>, message: NoInfer<Message>, options?: PublishOptions): Promise<void>
  /**
   * Resolves when the broker has confirmed, or at once while it is away.
   *
   * @throws WSV_ERR_CHANNEL_INVALID, WSV_ERR_SCHEMA_INVALID, WSV_ERR_OPTION_INVALID (`maxQueued`), WSV_ERR_FANOUT_REFUSED,
   *   WSV_ERR_FANOUT_CLOSED
   */
  subscribe<Message> (channel: string | Channel<Message>, options?: SubscribeOptions): Promise<Subscription<Message>>
  /** The same with a listener; one that throws or rejects is logged. */
  subscribe<Message> (channel: string | Channel<Message>, listener: (message: NoInfer<Message>) => void, options?: SubscribeOptions): Promise<Subscription<Message>>
}
