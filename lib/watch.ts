import { clockMs } from './clock.ts'

/** Something that has a deadline: asked on every tick, gone when it says so. */
export interface Watched {
  /**
   * @param now - milliseconds, a monotonic clock read once per tick
   * @returns false when there is nothing left to watch
   */
  tick (now: number): boolean
}

/**
 * The one timer of a server: deadlines of handshakes and paused sockets, heartbeats, the end at shutdown.
 * It runs only while something is watched, and never keeps the process alive.
 */
export class Watch {
  /** the clock of the last tick, or of the last time somebody asked: cheap enough for every message */
  now = clockMs()
  #watched = new Set<Watched>()
  #timer: NodeJS.Timeout | undefined
  #everyMs = Infinity
  #wasLate = false

  /**
   * @param withinMs - how late the tick may come
   */
  add (watched: Watched, withinMs: number): void {
    this.#watched.add(watched)
    const everyMs = Math.min(1000, Math.max(5, Math.ceil(withinMs / 4)))
    if (everyMs < this.#everyMs || this.#timer === undefined) {
      this.#everyMs = Math.min(everyMs, this.#everyMs)
      clearInterval(this.#timer)
      this.#timer = setInterval(() => { this.#tick() }, this.#everyMs).unref()
      this.now = clockMs()
    }
  }

  delete (watched: Watched): void {
    this.#watched.delete(watched)
  }

  /** how many are watched */
  get size (): number {
    return this.#watched.size
  }

  #tick (): void {
    const now = clockMs()
    // The process itself was away: what the clients have sent meanwhile is read before anybody is judged
    const isLate = now - this.now > 2 * this.#everyMs && !this.#wasLate
    this.now = now
    this.#wasLate = isLate
    if (isLate) return
    for (const watched of this.#watched) {
      if (!watched.tick(this.now)) this.#watched.delete(watched)
    }
    if (this.#watched.size === 0) {
      clearInterval(this.#timer)
      this.#timer = undefined
      this.#everyMs = Infinity
    }
  }
}
