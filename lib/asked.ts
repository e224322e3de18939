/** What `select` has asked of a source. */
export interface Asked {
  iterator: AsyncIterator<unknown>
  /** not handed out yet; it is the first of the next loop */
  next: Promise<IteratorResult<unknown>> | undefined
}

/** A socket looks here too, when a loop over it alone begins. */
export const asked = new WeakMap<AsyncIterable<unknown>, Asked>()
