import { Buffer } from 'node:buffer'
/** What waits: a message as it was read, unparsed. */
export interface Waiting { data: Buffer | string, isBinary: boolean }

export interface InboxLimits {
  /** messages */
  backlog: number
  /** bytes */
  backlogBytes: number
  /** messages handled at once */
  concurrency: number
}

export interface InboxOwner {
  /**
   * Handle one message. Never throws and never rejects; returns nothing when it is done already.
   */
  handle (data: Buffer | string, isBinary: boolean): void | Promise<void>
  /** stop reading TCP */
  pause (): void
  /** read TCP again */
  resume (): void
  /** nothing runs and nothing waits any more */
  idle (): void
}

/**
 * Incoming messages of one socket: in order, `concurrency` at a time, kept while the view is not ready,
 * bounded by `backlog` and `backlogBytes`. Above either bound TCP is no longer read; what `ws` has read
 * already still arrives and is kept.
 *
 * Two ways to empty it: `open()` pushes every message into `owner.handle`; `take()` pulls one.
 */
export class Inbox {
  /** messages thrown away because we closed the socket */
  dropped = 0
  /** messages whose handling has ended */
  handled = 0
  #owner: InboxOwner
  #limits: InboxLimits
  #queue: Waiting[] | undefined
  #head = 0
  #bytes = 0
  #running = 0
  #open = false
  #ended = false
  #paused = false
  #pumping = false
  #takers: ((waiting: Waiting | undefined) => void)[] | undefined
  #done: (() => void) | undefined

  constructor (owner: InboxOwner, limits: InboxLimits) {
    this.#owner = owner
    this.#limits = limits
  }

  /** messages that wait */
  get size (): number {
    return this.#queue === undefined ? 0 : this.#queue.length - this.#head
  }

  get isIdle (): boolean {
    return this.#running === 0 && this.size === 0
  }

  /** messages that are being handled */
  get running (): number {
    return this.#running
  }

  receive (data: Buffer | string, isBinary: boolean): void {
    if (this.#ended) {
      this.dropped++
      return
    }
    if (this.#open && !this.#pumping && this.#running < this.#limits.concurrency && this.size === 0) {
      this.#run(data, isBinary)
      return
    }
    const taker = this.#takers?.shift()
    if (taker !== undefined) {
      taker({ data, isBinary })
      return
    }
    (this.#queue ??= []).push({ data, isBinary })
    this.#bytes += byteLength(data)
    if (!this.#paused && (this.size > this.#limits.backlog || this.#bytes > this.#limits.backlogBytes)) {
      this.#paused = true
      this.#owner.pause()
    }
  }

  /** The view is ready: hand out what waits, and from now on everything as it comes. */
  open (): void {
    this.#open = true
    this.#pump()
  }

  /** The next message; `undefined` once the socket has ended and nothing waits. */
  take (): Promise<Waiting | undefined> {
    const waiting = this.#shift()
    if (waiting !== undefined || this.#ended) return Promise.resolve(waiting)
    return new Promise((resolve) => { (this.#takers ??= []).push(resolve) })
  }

  /** No more messages will come; those that wait are still handed out. */
  end (): void {
    this.#ended = true
    if (this.#takers !== undefined) {
      for (const taker of this.#takers.splice(0)) taker(undefined)
    }
  }

  /** No more messages will come, and those that wait are dropped. */
  drop (): void {
    this.dropped += this.size
    this.#queue = undefined
    this.#head = 0
    this.#bytes = 0
    this.end()
  }

  #shift (): Waiting | undefined {
    const queue = this.#queue
    if (queue === undefined) return undefined
    const waiting = queue[this.#head++]!
    this.#bytes -= byteLength(waiting.data)
    if (this.#head === queue.length) {
      this.#queue = undefined
      this.#head = 0
    } else if (this.#head === 1024) {
      queue.splice(0, 1024)
      this.#head = 0
    }
    if (this.#paused && this.size <= this.#limits.backlog / 2 && this.#bytes <= this.#limits.backlogBytes / 2) {
      this.#paused = false
      this.#owner.resume()
    }
    return waiting
  }

  #run (data: Buffer | string, isBinary: boolean): void {
    this.#running++
    const running = this.#owner.handle(data, isBinary)
    if (running === undefined) {
      this.#running--
      this.handled++
      if (!this.#pumping && this.isIdle) this.#owner.idle()
    } else {
      // one function per socket that has a slow handler, not one per message
      running.then(this.#done ??= () => {
        this.#running--
        this.handled++
        this.#pump()
      })
    }
  }

  #pump (): void {
    if (this.#pumping) return
    this.#pumping = true
    while (this.#running < this.#limits.concurrency) {
      const waiting = this.#shift()
      if (waiting === undefined) break
      this.#run(waiting.data, waiting.isBinary)
    }
    this.#pumping = false
    if (this.isIdle) this.#owner.idle()
  }
}

function byteLength (data: Buffer | string): number {
  return typeof data === 'string' ? Buffer.byteLength(data) : data.length
}
