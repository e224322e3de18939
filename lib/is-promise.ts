/** What can be awaited: any thenable. */
export function isPromise (value: unknown): value is Promise<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}

/** Of a promise that was refused, with an error of ours: that it rejects too ends no process. */
export function ignoreRejection (promise: Promise<unknown>): void {
  promise.then(undefined, () => { /* ours came first */ })
}

export function isAsync (value: unknown): boolean {
  return Object.prototype.toString.call(value) === '[object AsyncFunction]'
}
