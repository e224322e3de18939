import type { FastifyBaseLogger } from 'fastify'
import type { Channel, FormErrors, WsFanout } from '../types.ts'
import type { Broker } from './broker.ts'
import type { ChannelMessage } from './message.ts'
import { Hub } from './hub.ts'
import { InProcessBroker } from './in-process.ts'
import { RedisBroker } from './redis.ts'

/** Who gets messages without asking for each: a socket. One object per socket, whatever it subscribes to. */
export interface Subscriber {
  /** what `except` names; messages that leave this one out are not delivered to it */
  readonly id: string
  /** `true`: a text that is no JSON is good too (text and raw views). Fixed while it is subscribed. Default `false` */
  readonly anyText?: boolean
  /** Synchronous and quick: every other subscriber waits. `message` is shared with them. */
  deliver (message: ChannelMessage): void
  /** After an outage, once, when the subscriptions stand again: messages of these channels may have been missed. */
  gap? (channels: string[]): void
}

/** `fastify.wsFanout` as the rest of the plugin sees it. */
export interface FanOut extends WsFanout {
  /** what carries the messages: `'in-process'`, `'redis'`, … */
  readonly kind: string
  /** messages from outside that were not delivered, because they were not what the channel allows */
  readonly dropped: number
  /** Resolves when the broker is connected, or its first attempt has failed; never rejects. To be awaited before `ready`. */
  readonly opened: Promise<void>
  /**
   * @returns resolves when the broker has confirmed; at once while it is away. Joining twice is joining once
   * @throws (rejects) WSV_ERR_CHANNEL_INVALID, WSV_ERR_SCHEMA_INVALID, WSV_ERR_FANOUT_REFUSED, WSV_ERR_FANOUT_CLOSED
   */
  join (channel: string | Channel<any>, subscriber: Subscriber): Promise<void>
  /** From this call on nothing of the channel is delivered to it. Leaving where one is not is fine. */
  leave (channel: string | Channel<any>, subscriber: Subscriber): Promise<void>
  /** A socket has ended. */
  leaveAll (subscriber: Subscriber): void
  /** In `onClose`, after the sockets. What was published before is still delivered; subscriptions end. */
  close (): Promise<void>
}

/** Compiles a channel's schema; the function says what is wrong with a value, or null. */
export type CompileCheck = (schema: unknown, name: string) => (value: unknown) => FormErrors | null

export interface FanOutOptions {
  /** `ioredis` URL, options, client, or `{ publisher, subscriber }`. Default: nothing leaves this process */
  redis?: unknown
  /** another carrier of messages, in place of `redis` */
  broker?: Broker
  /** how many publishes may wait for Redis. Default 1,000 */
  maxPending?: number
  /** put before every channel's name at the broker. Default `''` */
  channelPrefix?: string
  /** how many messages may wait in an iterator. Default 1,024 */
  maxQueued?: number
  log: FastifyBaseLogger
  /** asked once per schema object; without it schemas are not checked */
  compileCheck?: CompileCheck
}

/** @throws WSV_ERR_OPTION_INVALID for a `redis` that is none. A Redis that is not there is no error but a `status`. */
export function createFanOut (options: FanOutOptions): FanOut {
  return new Hub(options.broker ?? brokerFor(options), options)
}

function brokerFor (options: FanOutOptions): Broker {
  return options.redis === undefined ? new InProcessBroker() : new RedisBroker(options.redis, options)
}
