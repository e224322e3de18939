/** What `select` has asked of a source. */
export interface Asked {
  iterator: AsyncIterator<unknown>
  /** not handed out yet; it is the first of the next loop */
  next: Promise<IteratorResult<unknown>> | undefined
  /** what `next` came to */
  outcome: Outcome | undefined
  /** the loop that waits: one listener of `next` serves every loop, however many are left */
  arrived: ((outcome: Outcome) => void) | undefined
}

export type Outcome = { result: IteratorResult<unknown> } | { error: unknown }

/** A socket looks here too, when a loop over it alone begins. */
export const asked = new WeakMap<AsyncIterable<unknown>, Asked>()
