import { isAsync } from './is-promise.ts'

/** A value in a few words, for an error message: scalars as they are, text cut at 60 characters; of anything else only the kind. */
export function describe (value: unknown): string {
  if (typeof value === 'string') return `'${value.length > 60 ? `${value.slice(0, 60)}…` : value}'`
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  return kindOf(value)
}

/** The kind of a value, which gives nothing away: `a string`, `an array`, `null`. */
export function kindOf (value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (Array.isArray(value)) return 'an array'
  if (isAsync(value)) return 'an async function'
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}
