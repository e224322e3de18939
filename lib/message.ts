import sjson from 'secure-json-parse'

/** what `parse` and `depthOf` answer for text that is no JSON, or that we refuse */
export const INVALID = Symbol('wsViews.invalid')

const safely = { protoAction: 'error', constructorAction: 'error' } as const

/**
 * Text to a value. `__proto__` and `constructor.prototype` keys are refused, and so is a value nested
 * deeper than `maxDepth`.
 */
export function parseJson (text: string, maxDepth: number): unknown {
  let value: unknown
  try {
    value = sjson.parse(text, undefined, safely)
  } catch {
    // a client's mistake, which the caller answers
    return INVALID
  }
  // n levels need n brackets on each side
  if (text.length > 2 * maxDepth && typeof value === 'object' && value !== null && isDeeper(value, maxDepth)) return INVALID
  return value
}

function isDeeper (value: object, levels: number): boolean {
  if (levels === 0) return true
  const members = Array.isArray(value) ? value : Object.values(value)
  for (let i = 0; i < members.length; i++) {
    const member: unknown = members[i]
    if (typeof member === 'object' && member !== null && isDeeper(member, levels - 1)) return true
  }
  return false
}

export type Ref = string | number | undefined

/**
 * The `ref` of a message: a string of at most 64 characters, or a finite number. Anything else is none.
 */
export function refOf (message: unknown, key: string): Ref {
  if (typeof message !== 'object' || message === null || !Object.hasOwn(message, key)) return undefined
  const ref = (message as Record<string, unknown>)[key]
  return (typeof ref === 'string' && ref.length <= 64) || typeof ref === 'number' ? ref : undefined
}

/** The message without its `ref`; the same object when it has none. */
export function withoutRef (message: unknown, key: string): unknown {
  if (typeof message !== 'object' || message === null || Array.isArray(message) || !Object.hasOwn(message, key)) return message
  const { [key]: _, ...rest } = message as Record<string, unknown>
  return rest
}

/** A serialised object with the `ref` in front. */
export function withRef (json: string, key: string, ref: Ref): string {
  if (ref === undefined || json.charCodeAt(0) !== 0x7b) return json
  const member = `{${JSON.stringify(key)}:${JSON.stringify(ref)}`
  return json.length === 2 ? `${member}}` : `${member},${json.slice(1)}`
}
