import { WSV_ERR_SCHEMA_INVALID } from '../errors.ts'
import { formats, moreFormats, numberFormats } from './formats.ts'

/** A check, and Ajv's errors of its last value. */
export type Compile = (schema: unknown) => ((value: unknown) => boolean) & { errors?: unknown }

/**
 * Formats and keywords that are not ours: asked of the server's own validator compiler, one at a time,
 * with schemas that hold nothing else (so that nothing is coerced, filled in or removed).
 */
export class Foreign {
  #view: string
  #compile: Compile | undefined
  #compiled = new Map<string, (value: unknown) => boolean>()

  constructor (view: string, compile: Compile | undefined) {
    this.#view = view
    this.#compile = compile
  }

  /** The check of a format, for strings or for numbers; undefined where the format is about the other kind. */
  format (name: string, of: 'string' | 'number'): ((value: never) => boolean) | undefined {
    if (of === 'number') {
      if (Object.hasOwn(numberFormats, name)) return numberFormats[name]
      return Object.hasOwn(formats, name) || Object.hasOwn(moreFormats, name) ? undefined : this.#ask({ type: 'number', format: name })
    }
    if (Object.hasOwn(formats, name)) return formats[name]
    if (Object.hasOwn(numberFormats, name)) return undefined
    if (this.#compile !== undefined) return this.#ask({ type: 'string', format: name })
    if (Object.hasOwn(moreFormats, name)) return moreFormats[name]
    throw new WSV_ERR_SCHEMA_INVALID(this.#view, `the format '${name}' is unknown, and there is no validator compiler of an application to ask (Fastify makes one for the first route with a schema)`)
  }

  /** The check of a keyword; undefined where there is no server to ask: draft-07 ignores keywords it does not know. */
  keyword (keyword: string, value: unknown, types: ReadonlySet<string> | undefined): ((value: unknown) => boolean) | undefined {
    if (this.#compile === undefined) return undefined
    // Ajv's strict mode warns of a keyword without the type it is for
    const [type, other] = [...types ?? []].sort((a) => a === 'null' ? 1 : -1)
    const isOne = type !== undefined && (other === undefined || (other === 'null' && types!.size === 2))
    return this.#ask({ ...(isOne ? { type: other === undefined ? type : [type, other] } : {}), [keyword]: value })
  }

  #ask (schema: Record<string, unknown>): (value: unknown) => boolean {
    let key: string
    try {
      key = JSON.stringify(schema)
    } catch {
      key = ''
    }
    let check = this.#compiled.get(key)
    if (check === undefined) {
      try {
        check = this.#compile!(schema)
      } catch (cause) {
        const error = new WSV_ERR_SCHEMA_INVALID(this.#view, (cause as Error).message)
        error.cause = cause
        throw error
      }
      if (key !== '') this.#compiled.set(key, check)
    }
    return check
  }
}
