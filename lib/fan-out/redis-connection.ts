import type { RedisClient } from './redis-client.ts'

/** How long the start waits for a Redis that takes the connection and says nothing, in milliseconds. */
const OPEN_TIMEOUT_MS = 3000
/** the first and the longest pause before another client is tried in place of one that has ended, in milliseconds */
const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 2000

/** The connection was lost, or not there: nobody knows what became of the call. Never leaves the fan-out. */
export class ConnectionLost extends Error {}

export interface RedisConnectionEvents {
  /** it can be used, again or for the first time */
  connected (connection: RedisConnection): void
  /** it was connected and is no more */
  lost (connection: RedisConnection): void
  /** for the log: why it does not come about */
  failed (connection: RedisConnection, reason: string): void
  /** of a channel that the client has subscribed to, for us or for others */
  received (connection: RedisConnection, channel: Buffer, message: Buffer): void
}

/** A client; or what makes a new one whenever the last has ended, `undefined` while that is not possible. */
export type ClientSource = RedisClient | (() => RedisClient | undefined)

/** One connection to Redis: a client of ioredis, and the calls that wait for its answer. */
export class RedisConnection {
  /** ours to connect and to close */
  readonly isOurs: boolean
  /** resolves when it is connected, or the first attempt has failed; never rejects */
  readonly opened: Promise<void>

  readonly #events: RedisConnectionEvents
  readonly #next: (() => RedisClient | undefined) | undefined
  #client: RedisClient | undefined
  #resolveOpened!: () => void
  #openTimer: NodeJS.Timeout | undefined
  #nextTimer: NodeJS.Timeout | undefined
  #pauseMs = FIRST_PAUSE_MS
  #isConnected = false
  readonly #waiting = new Set<(err: ConnectionLost) => void>()

  constructor (source: ClientSource, isOurs: boolean, events: RedisConnectionEvents) {
    if (typeof source === 'function') this.#next = source
    else this.#client = source
    this.isOurs = isOurs
    this.#events = events
    this.opened = new Promise((resolve) => { this.#resolveOpened = resolve })
  }

  /** Can a command be sent now? ioredis would keep it for later, or refuse it in a way of its own. */
  get isReady (): boolean {
    const client = this.#client
    return client !== undefined && client.status === 'ready' && client.stream?.writable !== false
  }

  /** It will not come back by itself: the application has closed its client, or its retryStrategy has given up. */
  get isEnded (): boolean {
    return this.#next === undefined && this.#client!.status === 'end'
  }

  open (): void {
    this.#openTimer = setTimeout(this.#settleOpened, OPEN_TIMEOUT_MS)
    if (this.#next === undefined) this.#attach(this.#client!)
    else this.#replace()
  }

  /**
   * The answer to a command. With autoResendUnfulfilledCommands off, ioredis leaves the commands of a lost connection
   * without any; so the end of the connection is looked at here.
   *
   * @throws (rejects) ConnectionLost, or the error that Redis has answered
   */
  call<T> (command: (client: RedisClient) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject)
      command(this.#client!).then((value) => {
        this.#waiting.delete(reject)
        resolve(value)
      }, (err: unknown) => {
        this.#waiting.delete(reject)
        reject(isReplyError(err) ? err : new ConnectionLost(undefined, { cause: err }))
      })
    })
  }

  /** Let go of the client; one of ours is disconnected. */
  close (): void {
    clearTimeout(this.#nextTimer)
    if (this.#client !== undefined) this.#detach(this.#client)
    this.#settleOpened()
    this.#rejectWaiting()
  }

  #attach (client: RedisClient): void {
    client.on('ready', this.#onReady)
    client.on('close', this.#onClose)
    client.on('end', this.#onEnd)
    client.on('error', this.#onError)
    client.on('messageBuffer', this.#onMessage)
    if (client.status === 'ready') this.#onReady()
    // 'wait': made with lazyConnect, by us or by the application
    else if (client.status === 'wait') client.connect().catch(ignore) // 'error' and 'close' tell of it
    // between two attempts, or after the last: nothing has to be waited for
    else if (client.status !== 'connecting' && client.status !== 'connect') this.#settleOpened()
  }

  #detach (client: RedisClient): void {
    client.off('ready', this.#onReady)
    client.off('close', this.#onClose)
    client.off('end', this.#onEnd)
    client.off('error', this.#onError)
    client.off('messageBuffer', this.#onMessage)
    if (!this.isOurs) return
    client.on('error', ignore) // without a listener ioredis writes to the console
    client.disconnect()
  }

  readonly #replace = (): void => {
    this.#client = this.#next!()
    if (this.#client === undefined) this.#replaceLater()
    else this.#attach(this.#client)
  }

  #replaceLater (): void {
    this.#nextTimer = setTimeout(this.#replace, this.#pauseMs)
    this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS)
  }

  #rejectWaiting (): void {
    for (const reject of this.#waiting) reject(new ConnectionLost())
    this.#waiting.clear()
  }

  readonly #settleOpened = (): void => {
    clearTimeout(this.#openTimer)
    this.#resolveOpened()
  }

  readonly #onReady = (): void => {
    if (this.#isConnected) return // opened between the status and its event
    this.#isConnected = true
    this.#pauseMs = FIRST_PAUSE_MS
    this.#events.connected(this)
    this.#settleOpened()
  }

  readonly #onClose = (): void => {
    this.#rejectWaiting()
    const wasConnected = this.#isConnected
    this.#isConnected = false
    if (wasConnected) this.#events.lost(this)
    this.#settleOpened()
  }

  readonly #onEnd = (): void => {
    this.#onClose()
    if (this.#next === undefined) return
    this.#detach(this.#client!)
    this.#client = undefined
    this.#replaceLater()
  }

  readonly #onError = (err: Error & { code?: string }): void => {
    // Not the error itself: ioredis puts the command on it, with the password when it is AUTH. And the message of an
    // AggregateError, for a name with several addresses, is empty.
    this.#events.failed(this, err.message || err.code || err.name)
  }

  readonly #onMessage = (channel: Buffer, message: Buffer): void => {
    this.#events.received(this, channel, message)
  }
}

/** Did Redis itself answer with an error? */
export function isReplyError (err: unknown): err is Error {
  return err instanceof Error && err.name === 'ReplyError'
}

function ignore (): void {}
