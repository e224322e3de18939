import { clockMs } from './clock.ts'

/** Counts within a window of time: the first count after a window opens the next one. */
export class Rate {
  readonly #perMs: number
  #since = -Infinity
  #count = 0

  /** @param perMs - length of the window, in milliseconds */
  constructor (perMs: number) {
    this.#perMs = perMs
  }

  /** @returns how many there are in this window, with this one */
  add (): number {
    const now = clockMs()
    if (now - this.#since >= this.#perMs) {
      this.#since = now
      this.#count = 0
    }
    return ++this.#count
  }

  /** milliseconds until the window ends, at least one */
  get endsInMs (): number {
    return Math.max(1, Math.ceil(this.#since + this.#perMs - clockMs()))
  }
}
