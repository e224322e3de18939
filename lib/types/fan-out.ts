import type { WsSocket } from './socket.ts'

/** A channel with a schema, made by `defineChannel`. */
export interface Channel<Message = unknown> {
  readonly name: string
  readonly schema: unknown
  /** its messages are bytes */
  readonly binary: boolean
  /** only in the types: what is published */
  readonly __message?: Message
}

export interface ChannelOptions {
  /** Its messages are bytes (Buffers), in binary frames. Default `false`: JSON */
  binary?: boolean
  /** Do not check what other programs publish at Redis against the schema. Default `false` */
  trustForeign?: boolean
}

/** The messages of one channel from now on; ends when it is unsubscribed, its signal aborts or the server closes. */
export interface Subscription<Message = unknown> extends AsyncIterable<Message>, AsyncDisposable {
  readonly channel: string
  unsubscribe (): Promise<void>
}

export interface PublishOptions {
  /** the one socket that must not get it, usually the sender's */
  except?: WsSocket
}

export interface SubscribeOptions {
  /** ends the subscription */
  signal?: AbortSignal
  /** how many messages an iterator may fall behind before it throws WSV_ERR_FANOUT_OVERFLOW, default 1024 */
  maxQueued?: number
}

export type FanoutStatus = 'connecting' | 'ready' | 'reconnecting' | 'closed'

/**
 * `fastify.wsFanout`: at most once, and in one order per channel for all sockets of all processes.
 * Another carrier for the option `fanout` is a `Broker`.
 */
export interface WsFanout {
  readonly status: FanoutStatus
  /**
   * Resolves when the broker has the message.
   *
   * @throws WSV_ERR_CHANNEL_MESSAGE_INVALID, WSV_ERR_FANOUT_UNAVAILABLE, WSV_ERR_FANOUT_OVERLOADED
   */
  publish<Message> (channel: string | Channel<Message>, message: NoInfer<Message>, options?: PublishOptions): Promise<void>
  /** Resolves when the broker has confirmed, or at once while it is away. */
  subscribe<Message> (channel: string | Channel<Message>, options?: SubscribeOptions): Promise<Subscription<Message>>
  /** The same with a listener; one that throws is logged. */
  subscribe<Message> (channel: string | Channel<Message>, listener: (message: NoInfer<Message>) => void, options?: SubscribeOptions): Promise<Subscription<Message>>
}
