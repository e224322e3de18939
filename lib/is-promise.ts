/** What can be awaited: any thenable. */
export function isPromise (value: unknown): value is Promise<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}

export function isAsync (value: unknown): boolean {
  return Object.prototype.toString.call(value) === '[object AsyncFunction]'
}
