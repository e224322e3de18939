/**
 * Text that is the same for equal JSON values and for no others: members are sorted.
 * Linear in the size of the value, but for the sorting of keys.
 */
function canonical (value: unknown): string {
  if (typeof value !== 'object' || value === null) {
    if (typeof value === 'string') return JSON.stringify(value)
    return value === 0 ? '0' : String(value)
  }
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  const members = Object.keys(value).sort()
    .map((key) => `${JSON.stringify(key)}:${canonical((value as Record<string, unknown>)[key])}`)
  return `{${members.join(',')}}`
}

/** `uniqueItems`, by hashing. */
export function hasDuplicates (list: readonly unknown[]): boolean {
  const scalars = new Set<unknown>()
  const others = new Set<string>()
  for (const item of list) {
    if (typeof item === 'object' && item !== null) {
      const text = canonical(item)
      if (others.has(text)) return true
      others.add(text)
    } else {
      if (scalars.has(item)) return true
      scalars.add(item)
    }
  }
  return false
}

export function isEqual (a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b
  return canonical(a) === canonical(b)
}

/** The values a field can be chosen from. */
export class Choices {
  readonly values: readonly unknown[]
  #byValue = new Map<unknown, unknown>()
  #byText = new Map<string, unknown>()
  #others = new Map<string, unknown>()

  constructor (values: readonly unknown[]) {
    this.values = values
    for (const value of values) {
      if (typeof value === 'object' && value !== null) this.#others.set(canonical(value), value)
      else {
        this.#byValue.set(value, value)
        const text = String(value)
        if (value !== null && !this.#byText.has(text)) this.#byText.set(text, value)
      }
    }
  }

  /** The choice itself that is equal to the value, or equal as text; `none` without one. */
  pick<T> (value: unknown, none: T): unknown {
    if (typeof value === 'object' && value !== null) {
      if (this.#others.size === 0) return none
      const text = canonical(value)
      return this.#others.has(text) ? structuredClone(this.#others.get(text)) : none
    }
    if (this.#byValue.has(value)) return this.#byValue.get(value)
    // booleans are not turned into text
    const text = typeof value === 'string' ? value : typeof value === 'number' ? String(value) : undefined
    return text !== undefined && this.#byText.has(text) ? this.#byText.get(text) : none
  }

  /** Is the value one of them, without conversion? */
  has (value: unknown): boolean {
    return typeof value === 'object' && value !== null
      ? this.#others.size > 0 && this.#others.has(canonical(value))
      : this.#byValue.has(value)
  }
}
