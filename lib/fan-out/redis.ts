import type { FastifyBaseLogger } from 'fastify'
import type { WsFanout } from '../types.ts'
import {
  WSV_ERR_FANOUT_CLOSED, WSV_ERR_FANOUT_OVERLOADED, WSV_ERR_FANOUT_REFUSED, WSV_ERR_FANOUT_UNAVAILABLE
} from '../errors.ts'
import type { Broker, BrokerEvents } from './broker.ts'
import type { ChannelMessage } from './message.ts'
import { PublishBatch } from './publish-batch.ts'
import { redisClients } from './redis-client.ts'
import { ConnectionLost, isReplyError, RedisConnection, type RedisConnectionEvents } from './redis-connection.ts'

/** channels in one SUBSCRIBE when all are renewed */
const CHANNELS_PER_COMMAND = 500
/** how long `close` waits for the answers to what was published, in milliseconds */
const CLOSE_TIMEOUT_MS = 1000

const done = Promise.resolve()

/**
 * The fan-out of many processes, over Redis pub/sub (https://redis.io/docs/latest/develop/interact/pubsub/). Two
 * connections, for a connection that has subscribed can do nothing else. A process gets its own messages back from
 * Redis as well: that is what makes one order for all.
 */
export class RedisBroker implements Broker, RedisConnectionEvents {
  readonly kind = 'redis'
  readonly #log: FastifyBaseLogger
  readonly #maxPending: number
  readonly #publisher: RedisConnection
  readonly #subscriber: RedisConnection
  #events!: BrokerEvents
  #hasBeenReady = false
  #closed = false

  #batch: PublishBatch | undefined
  #pending = 0
  #onIdle: (() => void) | undefined

  /** What the hub wants; the number says which call it was. The truth about Redis follows it with every connection. */
  readonly #wanted = new Map<string, number>()
  #calls = 0
  /** channels that have lost their subscription, or could not have one yet: the ones to report when it stands */
  readonly #missed = new Set<string>()
  /** channels given up while there was no connection, which a client of the application may subscribe to again */
  readonly #stale = new Set<string>()
  #isAway = false
  #lastReason = ''

  /** @throws WSV_ERR_OPTION_INVALID for what is no `redis` option */
  constructor (redis: unknown, options: { maxPending?: number | undefined, log: FastifyBaseLogger }) {
    const clients = redisClients(redis)
    this.#log = options.log
    this.#maxPending = options.maxPending ?? 1000
    this.#publisher = new RedisConnection(clients.publisher, clients.ownsPublisher, this)
    this.#subscriber = new RedisConnection(clients.subscriber, clients.ownsSubscriber, this)
  }

  get status (): WsFanout['status'] {
    if (this.#closed || this.#publisher.isEnded || this.#subscriber.isEnded) return 'closed'
    if (this.#publisher.isReady && this.#subscriber.isReady) return 'ready'
    return this.#hasBeenReady ? 'reconnecting' : 'connecting'
  }

  async open (events: BrokerEvents): Promise<void> {
    this.#events = events
    this.#publisher.open()
    this.#subscriber.open()
    await Promise.all([this.#publisher.opened, this.#subscriber.opened])
  }

  // ---------- publishing

  publish (channel: string, message: ChannelMessage): Promise<void> {
    if (this.#closed) return Promise.reject(new WSV_ERR_FANOUT_CLOSED())
    if (!this.#publisher.isReady) return Promise.reject(new WSV_ERR_FANOUT_UNAVAILABLE())
    if (this.#pending >= this.#maxPending) return Promise.reject(new WSV_ERR_FANOUT_OVERLOADED(this.#maxPending))
    this.#pending++
    if (this.#batch === undefined) {
      this.#batch = new PublishBatch()
      setImmediate(this.#flush)
    }
    return this.#batch.add(channel, message.wire)
  }

  readonly #flush = (): void => {
    const batch = this.#batch!
    this.#batch = undefined
    this.#send(batch).catch((err: unknown) => {
      batch.reject(err)
    }).finally(() => {
      this.#pending -= batch.size
      if (this.#pending === 0) this.#onIdle?.()
    })
  }

  async #send (batch: PublishBatch): Promise<void> {
    if (!this.#publisher.isReady) throw new WSV_ERR_FANOUT_UNAVAILABLE()
    try {
      const errors = await this.#publisher.call((client) => batch.send(client))
      batch.settle(errors.map((err) => err === null ? null : this.#publishError(err)))
    } catch (err) {
      throw this.#publishError(err)
    }
  }

  #publishError (err: unknown): Error {
    if (isReplyError(err)) return new WSV_ERR_FANOUT_REFUSED('PUBLISH', err.message)
    // Not the connection but the client refuses: the application subscribes with it, or has set a commandTimeout.
    const cause = err instanceof ConnectionLost ? err.cause : err
    if (cause instanceof Error && this.#publisher.isReady) this.failed(this.#publisher, cause.message)
    return new WSV_ERR_FANOUT_UNAVAILABLE()
  }

  // ---------- subscribing

  subscribe (channel: string): Promise<void> {
    const call = ++this.#calls
    this.#wanted.set(channel, call)
    this.#stale.delete(channel)
    if (this.#subscriber.isReady) return this.#confirm(channel, call)
    if (this.#hasBeenReady) {
      this.#missed.add(channel)
      return done
    }
    return this.#subscribeOnceOpen(channel, call)
  }

  /** At the start the first attempt to connect is waited for: a process that comes up in order has missed nothing. */
  async #subscribeOnceOpen (channel: string, call: number): Promise<void> {
    await this.#subscriber.opened
    if (this.#wanted.get(channel) !== call) return // given up meanwhile
    if (this.#subscriber.isReady) await this.#confirm(channel, call)
    else this.#missed.add(channel)
  }

  async #confirm (channel: string, call: number): Promise<void> {
    try {
      await this.#subscriber.call((client) => client.subscribe(channel))
    } catch (err) {
      if (!isReplyError(err)) return // the connection was lost: made with the next one
      if (this.#wanted.get(channel) === call) this.#wanted.delete(channel)
      throw new WSV_ERR_FANOUT_REFUSED('SUBSCRIBE', err.message)
    }
  }

  async unsubscribe (channel: string): Promise<void> {
    this.#wanted.delete(channel)
    this.#missed.delete(channel)
    if (!this.#subscriber.isReady) {
      if (!this.#subscriber.isOurs) this.#stale.add(channel)
      return
    }
    try {
      await this.#subscriber.call((client) => client.unsubscribe(channel))
    } catch (err) {
      if (isReplyError(err)) throw new WSV_ERR_FANOUT_REFUSED('UNSUBSCRIBE', err.message)
      // the connection was lost, and the subscription with it
      if (!this.#subscriber.isOurs && !this.#wanted.has(channel)) this.#stale.add(channel)
    }
  }

  /** Subscribe to everything again, then report the gap: once, however often the connection broke meanwhile. */
  async #renew (): Promise<void> {
    const channels = [...this.#wanted.keys()]
    const missed = [...this.#missed]
    const stale = [...this.#stale]
    this.#stale.clear()
    const refused = new Set<string>()
    const commands: Promise<unknown>[] = []
    if (stale.length > 0) commands.push(this.#subscriber.call((client) => client.unsubscribe(...stale)))
    for (let i = 0; i < channels.length; i += CHANNELS_PER_COMMAND) {
      commands.push(this.#renewSome(channels.slice(i, i + CHANNELS_PER_COMMAND), refused))
    }
    try {
      await Promise.all(commands)
    } catch {
      return // lost again: the next connection begins anew, nothing of #missed is forgotten
    }
    const back = missed.filter((channel) => this.#missed.delete(channel) && !refused.has(channel))
    if (back.length > 0 && !this.#closed) this.#events.gap(back)
  }

  async #renewSome (channels: string[], refused: Set<string>): Promise<void> {
    try {
      await this.#subscriber.call((client) => client.subscribe(...channels))
    } catch (err) {
      if (!isReplyError(err)) throw err
      if (channels.length === 1) {
        refused.add(channels[0]!)
        this.#log.error({ channel: channels[0], reason: err.message }, 'wsFanout: Redis refuses a subscription that it had')
      } else {
        // Redis refuses the whole command for one forbidden channel
        await Promise.all(channels.map((channel) => this.#renewSome([channel], refused)))
      }
    }
  }

  // ---------- the connections

  /** @internal */
  connected (connection: RedisConnection): void {
    if (connection === this.#subscriber) this.#renew().catch((err: unknown) => { this.#log.error({ err }, 'wsFanout: renewing the subscriptions failed') })
    if (this.status !== 'ready') return
    this.#log.info(this.#hasBeenReady ? 'wsFanout: Redis is back' : 'wsFanout: connected to Redis')
    this.#hasBeenReady = true
    this.#isAway = false
    this.#lastReason = ''
  }

  /** @internal */
  lost (connection: RedisConnection): void {
    if (connection === this.#subscriber) for (const channel of this.#wanted.keys()) this.#missed.add(channel)
    if (this.#isAway) return // one line for both connections
    this.#isAway = true
    this.#log.warn('wsFanout: Redis is away')
  }

  /** @internal */
  received (connection: RedisConnection, channel: Buffer, message: Buffer): void {
    // the application's client may have subscriptions of its own
    if (connection === this.#subscriber) this.#events.message(channel.toString(), message)
  }

  /** @internal one line per outage and reason: both clients try again and again */
  failed (_connection: RedisConnection, reason: string): void {
    if (reason === this.#lastReason) return
    this.#lastReason = reason
    this.#log.error({ reason }, 'wsFanout: no connection to Redis')
  }

  async close (): Promise<void> {
    this.#closed = true
    if (this.#pending > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, CLOSE_TIMEOUT_MS)
        this.#onIdle = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    // an application's own client lives on, without our channels
    if (!this.#subscriber.isOurs && this.#subscriber.isReady && this.#wanted.size > 0) {
      this.#subscriber.call((client) => client.unsubscribe(...this.#wanted.keys())).catch(() => {}) // nobody waits for it
    }
    this.#subscriber.close()
    this.#publisher.close()
  }
}
