import { BAD } from './report.ts'

/** Without the white space around; the same string where there is none. */
export function strip (text: string): string {
  const length = text.length
  if (length === 0) return text
  const first = text.charCodeAt(0)
  const last = text.charCodeAt(length - 1)
  // printable ASCII at both ends is what nearly every string has
  return first > 32 && first < 127 && last > 32 && last < 127 ? text : text.trim()
}

/** A string, or a number as its JSON text. */
export function toText (value: unknown): unknown {
  if (typeof value === 'string') return value
  return typeof value === 'number' && Number.isFinite(value) ? JSON.stringify(value) : BAD
}

const wholeNumber = /^\s*[+-]?\d+(?:\.0*)?\s*$/

/** A whole number within ±(2^53 − 1), or decimal text of one. */
export function toInteger (value: unknown): unknown {
  if (typeof value === 'string') {
    if (!wholeNumber.test(value)) return BAD
    value = Number(value)
  }
  return Number.isSafeInteger(value) ? value : BAD
}

const decimal = /^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*$/

/** A finite number, or decimal or exponent text of one. */
export function toNumber (value: unknown): unknown {
  if (typeof value === 'string') {
    if (!decimal.test(value)) return BAD
    value = Number(value)
  }
  return Number.isFinite(value) ? value : BAD
}

export function toBoolean (value: unknown): unknown {
  if (typeof value === 'boolean') return value
  if (value === 1) return true
  if (value === 0) return false
  if (typeof value !== 'string' || value.length > 64) return BAD
  const text = value.trim().toLowerCase()
  return text === 'true' || text === '1' ? true : text === 'false' || text === '0' ? false : BAD
}

const bareUuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const anyUuid = /^(?:urn:uuid:)?\{?([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})\}?$/i

/** A UUID in any of its spellings to lower case with dashes. */
export function toUuid (text: string): unknown {
  if (bareUuid.test(text)) return text
  const parts = anyUuid.exec(text)
  return parts === null ? BAD : parts.slice(1).join('-').toLowerCase()
}

/** Length in code points. */
export function codePoints (text: string): number {
  let count = text.length
  for (let i = 0; i < text.length - 1; i++) {
    if ((text.charCodeAt(i) & 0xfc00) === 0xd800 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00) {
      count--
      i++
    }
  }
  return count
}

/** Is a number off the steps, further than the 1e-9 that floating point may cost? */
export function isOffStep (value: number, step: number): boolean {
  const rest = Math.abs(value % step)
  return !(rest <= 1e-9 || Math.abs(step) - rest <= 1e-9)
}
