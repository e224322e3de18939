/** What a text is filled from. */
export type ErrorParams = Record<string, unknown>
/** A text, an error, or several of them. */
export type ValidationErrorInput = string | Error | readonly ValidationErrorInput[]
/** Texts and errors by field. */
export type ValidationErrorRecord = { readonly [field: string]: ValidationErrorInput }

/** One error of a `ValidationError`: `path` is relative to where it is thrown, `''` is there itself. */
export interface ValidationEntry {
  /** of the field, relative */
  path: string
  /** with `{name}` where params go */
  message: string
  /** `invalid` where none was given */
  code: string
  /** what the text is filled from */
  params: ErrorParams | undefined
}

/**
 * What a form step or a handler throws to refuse a message. As in Django it is one text, a list of texts
 * and errors, or a record of these by field.
 *
 * `{name}` in a text is filled from `params`. Without a code the code is `invalid`; a code and params
 * given beside a list or a record hold for the texts in it, errors in it keep their own.
 *
 * ```ts
 * throw new ValidationError('At least {min} seats.', { code: 'too_small', params: { min: 2 } })
 * throw new ValidationError({ password2: 'Passwords do not match.' }, { code: 'password_mismatch' })
 * ```
 */
export class ValidationError extends Error {
  /** of its one entry, or as given */
  readonly code: string
  /** what the text is filled from */
  readonly params: ErrorParams | undefined
  /** flat: what `errors` of the error reply is made of */
  readonly entries: readonly ValidationEntry[]
  /** for an HTTP route that throws it */
  readonly statusCode = 400

  constructor (message: ValidationErrorInput | ValidationErrorRecord, options: { code?: string | undefined, params?: ErrorParams | undefined } = {}) {
    const code = options.code ?? 'invalid'
    const entries: ValidationEntry[] = []
    if (typeof message === 'string' || Array.isArray(message) || message instanceof Error) {
      collect(message as ValidationErrorInput, '', code, options.params, entries)
    } else {
      for (const [field, errors] of Object.entries(message as ValidationErrorRecord)) {
        collect(errors, field === '__all__' ? '' : field, code, options.params, entries)
      }
    }
    super(entries.map((entry) => fill(entry.message, entry.params)).join(' '))
    this.name = 'ValidationError'
    this.code = entries.length === 1 ? entries[0]!.code : code
    this.params = entries.length === 1 ? entries[0]!.params : options.params
    this.entries = entries
  }
}

function collect (input: ValidationErrorInput, path: string, code: string, params: ErrorParams | undefined, entries: ValidationEntry[]): void {
  if (input instanceof ValidationError) {
    for (const entry of input.entries) entries.push({ ...entry, path: join(path, entry.path) })
  } else if (Array.isArray(input)) {
    for (const item of input as readonly ValidationErrorInput[]) collect(item, path, code, params, entries)
  } else {
    entries.push({ path, message: input instanceof Error ? input.message : String(input), code, params })
  }
}

export function join (path: string, rest: string): string {
  return path === '' ? rest : rest === '' ? path : `${path}.${rest}`
}

/** Fill `{name}` from params; what params do not have stays as it is. */
export function fill (text: string, params: ErrorParams | undefined): string {
  if (params === undefined || !text.includes('{')) return text
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
    if (!Object.hasOwn(params, name)) return whole
    const value = params[name]
    return Array.isArray(value) ? value.join(', ') : String(value)
  })
}
