import safeRegex from 'safe-regex2'
import { WSV_ERR_PATTERN_UNSAFE, WSV_ERR_SCHEMA_INVALID } from '../errors.ts'

/**
 * Compile the patterns of one schema, each once.
 *
 * @throws WSV_ERR_PATTERN_UNSAFE for one that `safe-regex2` does not trust, unless `unsafe`
 */
export class Patterns {
  #view: string
  #unsafe: boolean
  #compiled = new Map<string, RegExp>()

  constructor (view: string, unsafe: boolean) {
    this.#view = view
    this.#unsafe = unsafe
  }

  compile (source: string): RegExp {
    let pattern = this.#compiled.get(source)
    if (pattern === undefined) {
      pattern = this.#parse(source)
      if (!this.#unsafe && !safeRegex(pattern)) throw new WSV_ERR_PATTERN_UNSAFE(this.#view, source)
      this.#compiled.set(source, pattern)
    }
    return pattern
  }

  #parse (source: string): RegExp {
    try {
      return new RegExp(source, 'u')
    } catch {
      // an escape that only Unicode mode refuses, such as \-
    }
    try {
      return new RegExp(source)
    } catch (cause) {
      const error = new WSV_ERR_SCHEMA_INVALID(this.#view, `'${source}' is no regular expression`)
      error.cause = cause
      throw error
    }
  }
}
