export interface LivenessLimits {
  /** a client that was silent for `intervalMs` is pinged, and has `timeoutMs` for its answer */
  heartbeat: { intervalMs: number, timeoutMs: number }
  /** milliseconds that reading may stop without one finished message */
  maxPauseMs: number
}

/** What is to be done about a socket. */
export type Verdict = 'fine' | 'ping' | 'dead' | 'overloaded'

/**
 * Is the client still there, and do its messages move on? Times are milliseconds of one monotonic clock.
 *
 * While we have stopped reading, nothing can be seen of the client: the clock of its heartbeat stands still, and that of
 * the pause runs.
 */
export class Liveness {
  readonly #limits: LivenessLimits
  #lastSeen: number
  #pingedAt: number | undefined
  #bytesWhenPinged = 0
  #pausedAt: number | undefined
  #handledWhenPaused = 0

  constructor (limits: LivenessLimits, now: number) {
    this.#limits = limits
    this.#lastSeen = now
  }

  /** Something came from the client. */
  seen (now: number): void {
    this.#lastSeen = now
    this.#pingedAt = undefined
  }

  /** @param handled - messages whose handling has ended so far */
  pause (now: number, handled: number): void {
    this.#pausedAt = now
    this.#handledWhenPaused = handled
  }

  resume (now: number): void {
    this.#pausedAt = undefined
    this.seen(now)
  }

  /**
   * @param handled - messages whose handling has ended so far
   * @param bytesRead - of the TCP socket so far
   */
  judge (now: number, handled: number, bytesRead: number): Verdict {
    const { heartbeat, maxPauseMs } = this.#limits
    if (this.#pausedAt !== undefined) {
      if (handled === this.#handledWhenPaused) return now - this.#pausedAt > maxPauseMs ? 'overloaded' : 'fine'
      this.pause(now, handled)
    } else if (this.#pingedAt !== undefined) {
      if (now - this.#pingedAt <= heartbeat.timeoutMs) return 'fine'
      // within a long frame there is no place for a pong
      if (bytesRead === this.#bytesWhenPinged) return 'dead'
      this.seen(now)
    } else if (now - this.#lastSeen >= heartbeat.intervalMs) {
      this.#pingedAt = now
      this.#bytesWhenPinged = bytesRead
      return 'ping'
    }
    return 'fine'
  }
}
