import type { WsFanout } from '../types.ts'
import type { ChannelMessage } from './message.ts'

/**
 * What carries messages between processes: the part of the fan-out to write for another one than Redis (option
 * `fanout`). It knows channel names and bytes, no sockets and no schemas; the hub above it counts subscribers.
 *
 * The promises: at most once; the messages of one channel reach every process in one order; calls for one channel take
 * effect in the order they were made, also when one is made before the last is confirmed.
 */
export interface Broker {
  /** for the log: `'in-process'`, `'redis'` */
  readonly kind: string
  /** how the connection stands */
  readonly status: WsFanout['status']

  /**
   * Called once, before everything else.
   *
   * @returns resolves when it is known how it stands: connected, or the first attempt has failed. Never rejects:
   *   an absent broker is a `status`, and the application goes on
   */
  open (events: BrokerEvents): Promise<void>

  /**
   * Carry `message.wire`, to this process too.
   *
   * @returns resolves when the broker has it
   * @throws (rejects) WSV_ERR_FANOUT_UNAVAILABLE at once while there is no connection: nothing is kept for later
   */
  publish (channel: string, message: ChannelMessage): Promise<void>

  /**
   * Called when a channel gets its first local subscriber.
   *
   * @returns resolves when the subscription stands; at once while there is no connection: then the subscription is made
   *   with the next connection and reported to `gap`
   */
  subscribe (channel: string): Promise<void>

  /** Called when a channel has lost its last local subscriber. */
  unsubscribe (channel: string): Promise<void>

  /** Take no more, finish what was taken, let go of everything this object has opened. Called once. */
  close (): Promise<void>
}

/** What a broker tells the hub. */
export interface BrokerEvents {
  /**
   * Never called from within a call to the broker: the hub relies on messages coming one after the other.
   *
   * @param message - the bytes of `wire`, which are then checked, or the object that was given to `publish`
   */
  message (channel: string, message: Buffer | ChannelMessage): void

  /** After an outage: these subscriptions stand again, messages may have been missed. Once per outage. */
  gap (channels: string[]): void
}
