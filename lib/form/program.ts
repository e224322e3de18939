/**
 * JavaScript under construction: functions that call each other by name, and the values they share.
 *
 * Text of a schema gets into the source only through `literal`, objects only as shared values.
 */
export class Program {
  #values: unknown[] = []
  #names = new Map<unknown, string>()
  #functions: string[] = []
  #count = 0

  /** A name that nothing else has. */
  name (prefix: string): string {
    return `${prefix}${this.#count++}`
  }

  /** The name under which the functions find a value: a helper, a regular expression, a set. */
  share (value: unknown): string {
    let name = this.#names.get(value)
    if (name === undefined) {
      name = `$${this.#values.length}`
      this.#names.set(value, name)
      this.#values.push(value)
    }
    return name
  }

  add (source: string): void {
    this.#functions.push(source)
  }

  /** Compile everything, and give the functions of these names. */
  link<T> (names: string[]): T[] {
    const shared = this.#values.map((_, index) => `const $${index} = shared[${index}]`)
    const source = ["'use strict'", ...shared, ...this.#functions, `return [${names.join(', ')}]`].join('\n')
    // eslint-disable-next-line no-new-func
    return new Function('shared', source)(this.#values) as T[]
  }
}

/** A string, number, boolean or null as source text. */
export function literal (value: string | number | boolean | null | undefined): string {
  return value === undefined ? 'undefined' : JSON.stringify(value).replace(/[\u2028\u2029]/g, (char) => char === '\u2028' ? '\\u2028' : '\\u2029')
}

/** The expression that reads an own member: a plain access, unless `Object.prototype` has the key as well. */
export function member (object: string, key: string): string {
  return key in Object.prototype
    ? `(Object.hasOwn(${object}, ${literal(key)}) ? ${object}[${literal(key)}] : undefined)`
    : `${object}[${literal(key)}]`
}

/** The statement that sets a member; `__proto__` would set the prototype. */
export function store (out: string, key: string, value: string): string {
  return key === '__proto__'
    ? `Object.defineProperty(${out}, '__proto__', { value: ${value}, enumerable: true, writable: true, configurable: true })`
    : `${out}[${literal(key)}] = ${value}`
}
