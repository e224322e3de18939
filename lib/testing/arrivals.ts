import { callSite } from './call-site.ts'
import { WSV_ERR_TEST_TIMEOUT } from './errors.ts'

interface Waiting<Item> { resolve (item: Item): void, reject (error: Error): void, timer: NodeJS.Timeout }

/** What arrives, in order, for those who wait for it. */
export class Arrivals<Item> {
  readonly #what: string
  readonly #timeoutMs: number
  readonly #items: Item[] = []
  readonly #waiting: Waiting<Item>[] = []
  #watcher: (() => void) | undefined
  #end: (() => Error) | undefined

  /**
   * @param what - for the error: `'message'`
   * @param timeoutMs - how long `next` waits, in milliseconds
   */
  constructor (what: string, timeoutMs: number) {
    this.#what = what
    this.#timeoutMs = timeoutMs
  }

  add (item: Item): void {
    const waiting = this.#waiting.shift()
    if (waiting === undefined) {
      this.#items.push(item)
    } else {
      clearTimeout(waiting.timer)
      waiting.resolve(item)
    }
    this.#watcher?.()
  }

  /** Nothing more arrives; what has arrived can still be taken. */
  end (error: () => Error): void {
    this.#end = error
    for (const { reject, timer } of this.#waiting.splice(0)) {
      clearTimeout(timer)
      reject(error())
    }
    this.#watcher?.()
  }

  /** why there is nothing more to come */
  get ended (): Error | undefined {
    return this.#end?.()
  }

  /** has arrived, and nobody has taken it */
  get waiting (): readonly Item[] {
    return this.#items
  }

  /**
   * The next one, in the order of the calls.
   *
   * @throws (rejects) WSV_ERR_TEST_TIMEOUT, and what `end` was given
   */
  next (): Promise<Item> {
    if (this.#items.length > 0) return Promise.resolve(this.#items.shift()!)
    if (this.#end !== undefined) return Promise.reject(this.#end())
    const fromHere = callSite()
    return new Promise((resolve, reject) => {
      const waiting: Waiting<Item> = {
        resolve,
        reject: (error) => { reject(fromHere(error)) },
        timer: setTimeout(() => {
          this.#waiting.splice(this.#waiting.indexOf(waiting), 1)
          waiting.reject(new WSV_ERR_TEST_TIMEOUT(this.#what, this.#timeoutMs))
        }, this.#timeoutMs)
      }
      this.#waiting.push(waiting)
    })
  }

  /** Resolves after `ms` milliseconds, or as soon as something arrives or nothing more can. */
  quiet (ms: number): Promise<void> {
    if (this.#items.length > 0 || this.#end !== undefined) return Promise.resolve()
    return new Promise((resolve) => {
      const settle = (): void => {
        this.#watcher = undefined
        clearTimeout(timer)
        resolve()
      }
      // a process that was busy all the time may have bytes it has not read yet
      const timer = setTimeout(() => { setImmediate(() => { setImmediate(settle) }) }, ms)
      this.#watcher = settle
    })
  }
}
