/**
 * A clock that never goes back, in whole milliseconds. Whole: V8 keeps a small integer in its field, and gives any other
 * number an object of its own.
 */
export function clockMs (): number {
  return Math.trunc(performance.now())
}
