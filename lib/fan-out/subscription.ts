import { isPromise } from '../is-promise.ts'
import type { Channel, Subscription } from '../types.ts'
import { WSV_ERR_FANOUT_OVERFLOW, WSV_ERR_OPTION_INVALID } from '../errors.ts'
import type { Subscriber } from './fan-out.ts'
import type { ChannelMessage } from './message.ts'

/** What a subscription asks of the hub. */
export interface SubscriptionHost {
  release (subscription: LocalSubscription): Promise<void>
  failed (err: unknown, subscription: LocalSubscription): void
}

/** What both kinds share: an end, by `unsubscribe`, by the signal or by the hub's own. */
abstract class LocalSubscription implements Subscriber {
  // no socket has it, so `except` never means a subscription
  readonly id = ''
  readonly channel: string
  /** as it was subscribed to: a name or a Channel */
  readonly target: string | Channel<any>
  readonly #host: SubscriptionHost
  readonly #signal: AbortSignal | undefined
  #ended = false

  constructor (target: string | Channel<any>, channel: string, host: SubscriptionHost, signal: AbortSignal | undefined) {
    this.target = target
    this.channel = channel
    this.#host = host
    this.#signal = signal
    signal?.addEventListener('abort', this)
  }

  get isEnded (): boolean {
    return this.#ended
  }

  abstract deliver (message: ChannelMessage): void

  /** for the signal: the object itself is the listener */
  handleEvent (): void {
    this.unsubscribe().catch((err: unknown) => { this.report(err) })
  }

  async unsubscribe (): Promise<void> {
    this.end()
    await this.#host.release(this)
  }

  [Symbol.asyncDispose] (): Promise<void> {
    return this.unsubscribe()
  }

  /** Nothing more is given out. The hub is told by whoever calls this, or knows. */
  end (): void {
    this.#ended = true
    this.#signal?.removeEventListener('abort', this)
  }

  protected report (err: unknown): void {
    this.#host.failed(err, this)
  }
}
export type { LocalSubscription }

/** `subscribe(channel, listener)` */
export class ListenerSubscription<T> extends LocalSubscription implements Subscription<T> {
  readonly #listener: (message: T) => unknown

  constructor (target: string | Channel<any>, channel: string, host: SubscriptionHost, signal: AbortSignal | undefined, listener: (message: T) => unknown) {
    super(target, channel, host, signal)
    this.#listener = listener
  }

  override deliver (message: ChannelMessage): void {
    const result = this.#listener.call(undefined, message.value as T)
    if (isPromise(result)) result.then(undefined, (err: unknown) => { this.report(err) })
  }

  [Symbol.asyncIterator] (): AsyncIterator<T> {
    throw new WSV_ERR_OPTION_INVALID(`subscribe('${this.channel}')`, 'listener', 'left out to iterate over the messages', 'a function')
  }
}

interface Waiter<T> {
  resolve (result: IteratorResult<T, undefined>): void
  reject (err: unknown): void
}

/**
 * `subscribe(channel)`: iterates over the messages from the moment of subscribing, whenever the iteration begins.
 * There is one queue: several iterations over one subscription share the messages between them.
 */
export class IteratorSubscription<T> extends LocalSubscription implements Subscription<T>, AsyncIterator<T, undefined> {
  readonly #maxQueued: number
  #queue: ChannelMessage[] = []
  // where the next message is: shift() of a long array moves them all
  #head = 0
  #waiters: Waiter<T>[] = []
  #error: unknown

  constructor (target: string | Channel<any>, channel: string, host: SubscriptionHost, signal: AbortSignal | undefined, maxQueued: number) {
    super(target, channel, host, signal)
    this.#maxQueued = maxQueued
  }

  override deliver (message: ChannelMessage): void {
    const waiter = this.#waiters.shift()
    if (waiter !== undefined) {
      waiter.resolve({ done: false, value: message.value as T })
    } else if (this.#queue.length - this.#head < this.#maxQueued) {
      this.#queue.push(message)
    } else {
      // What waits is given up at once: it is too old to be of use, and there may be many of us.
      this.#error = new WSV_ERR_FANOUT_OVERFLOW(this.channel, this.#maxQueued)
      this.handleEvent()
    }
  }

  [Symbol.asyncIterator] (): this {
    return this
  }

  next (): Promise<IteratorResult<T, undefined>> {
    if (this.#head < this.#queue.length) {
      const message = this.#queue[this.#head++]!
      if (this.#head === this.#queue.length) {
        this.#queue = []
        this.#head = 0
      } else if (this.#head >= 1024 && this.#head * 2 > this.#queue.length) {
        this.#queue = this.#queue.slice(this.#head)
        this.#head = 0
      }
      return Promise.resolve({ done: false, value: message.value as T })
    }
    if (this.#error !== undefined) {
      const err = this.#error
      this.#error = undefined // thrown once, then the iteration is over
      return Promise.reject(err)
    }
    if (this.isEnded) return Promise.resolve({ done: true, value: undefined })
    return new Promise((resolve, reject) => { this.#waiters.push({ resolve, reject }) })
  }

  /** `break` in a `for await` */
  async return (): Promise<IteratorResult<T, undefined>> {
    await this.unsubscribe()
    return { done: true, value: undefined }
  }

  override end (): void {
    super.end()
    this.#queue = []
    this.#head = 0
    for (const waiter of this.#waiters.splice(0)) waiter.resolve({ done: true, value: undefined })
  }
}
