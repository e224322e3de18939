import type { RedisClient } from './redis-client.ts'

/** How long the start waits for a Redis that takes the connection and says nothing, in milliseconds. */
const OPEN_TIMEOUT_MS = 3000

/** The connection was lost, or not there: nobody knows what became of the call. Never leaves the fan-out. */
export class ConnectionLost extends Error {}

export interface RedisConnectionEvents {
  /** it can be used, again or for the first time */
  connected (connection: RedisConnection): void
  /** it was connected and is no more */
  lost (connection: RedisConnection): void
  /** for the log: why it does not come about */
  failed (connection: RedisConnection, reason: string): void
}

/** One connection to Redis: a client of ioredis, and the calls that wait for its answer. */
export class RedisConnection {
  readonly client: RedisClient
  readonly isOurs: boolean
  /** resolves when it is connected, or the first attempt has failed; never rejects */
  readonly opened: Promise<void>

  readonly #events: RedisConnectionEvents
  #resolveOpened!: () => void
  #openTimer: NodeJS.Timeout | undefined
  #isConnected = false
  readonly #waiting = new Set<(err: ConnectionLost) => void>()

  constructor (client: RedisClient, isOurs: boolean, events: RedisConnectionEvents) {
    this.client = client
    this.isOurs = isOurs
    this.#events = events
    this.opened = new Promise((resolve) => { this.#resolveOpened = resolve })
  }

  /** Can a command be sent now? ioredis would keep it for later, or refuse it in a way of its own. */
  get isReady (): boolean {
    return this.client.status === 'ready' && this.client.stream?.writable !== false
  }

  open (): void {
    const { client } = this
    client.on('ready', this.#onReady)
    client.on('close', this.#onClose)
    client.on('end', this.#onClose)
    client.on('error', this.#onError)
    this.#openTimer = setTimeout(this.#settleOpened, OPEN_TIMEOUT_MS)
    if (client.status === 'ready') this.#onReady()
    // 'wait': made with lazyConnect, by us or by the application
    else if (client.status === 'wait') client.connect().catch(ignore) // 'error' and 'close' tell of it
    // between two attempts, or after the last: nothing has to be waited for
    else if (client.status !== 'connecting' && client.status !== 'connect') this.#settleOpened()
  }

  /**
   * The answer to a command. With autoResendUnfulfilledCommands off, ioredis leaves the commands of a lost connection
   * without any; so the end of the connection is looked at here.
   *
   * @throws (rejects) ConnectionLost, or what the command rejects with
   */
  call<T> (answer: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject)
      answer.then((value) => {
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
    const { client } = this
    client.off('ready', this.#onReady)
    client.off('close', this.#onClose)
    client.off('end', this.#onClose)
    client.off('error', this.#onError)
    this.#settleOpened()
    this.#rejectWaiting()
    if (!this.isOurs) return
    client.on('error', ignore) // without a listener ioredis writes to the console
    client.disconnect()
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

  readonly #onError = (err: Error & { code?: string }): void => {
    // Not the error itself: ioredis puts the command on it, with the password when it is AUTH. And the message of an
    // AggregateError, for a name with several addresses, is empty.
    this.#events.failed(this, err.message || err.code || err.name)
  }
}

/** Did Redis itself answer with an error? */
export function isReplyError (err: unknown): err is Error {
  return err instanceof Error && err.name === 'ReplyError'
}

function ignore (): void {}
