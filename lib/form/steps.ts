import { isPromise } from '../is-promise.ts'
import type { FormError, FormErrors, WsSocket } from '../types.ts'
import { Choices, isEqual } from './equal.ts'
import { BAD, type FieldSteps, type Report } from './report.ts'
import { ValidationError, type ErrorParams, type ValidationErrorInput, type ValidationErrorRecord } from './validation-error.ts'

/** What validators, `cleanFields` and `clean` get beside the value. */
export interface FormState {
  /** the socket that sent the message; undefined in `cleanMessage` */
  readonly socket: WsSocket<any, any, any> | undefined
  /** the errors so far, by path */
  readonly errors: FormErrors
  /** the errors of the message as a whole so far */
  readonly nonFieldErrors: readonly FormError[]
  /**
   * Add an error to a field, or to the message as a whole (`null`). The field is no longer part of the
   * cleaned message.
   */
  addError (path: string | null, error: ValidationErrorInput | ValidationErrorRecord, options?: { code?: string, params?: ErrorParams }): void
  /** Has a field, or the message as a whole (`null`), an error (with this code)? */
  hasError (path: string | null, code?: string): boolean
  /** The names of the fields whose value differs from that of `previous`. */
  changed (previous: Readonly<Record<string, unknown>>): string[]
}

/** The form steps of a view, keyed by field where they are about one. */
export interface Steps {
  choices?: Readonly<Record<string, (form: any) => unknown>> | undefined
  validators?: Readonly<Record<string, readonly ((value: any, form: any) => unknown)[]>> | undefined
  cleanFields?: Readonly<Record<string, (value: any, form: any) => unknown>> | undefined
  clean?: ((message: any, form: any) => unknown) | undefined
}

type Message = Record<string, unknown>

/** One message on its way through the steps, in Django's order. */
export class StepRun implements FormState, FieldSteps {
  readonly socket: WsSocket<any, any, any> | undefined
  #steps: Steps
  #report: Report
  #fields: readonly string[]
  #input: unknown
  #errors: () => FormErrors
  #cleaned: Message | undefined
  #choices = new Map<string, Choices>()
  /** fields whose choices were not given but refused */
  #unchosen = new Set<string>()
  #waiting: Promise<unknown>[] = []

  constructor (steps: Steps, fields: readonly string[], report: Report, input: unknown, socket: WsSocket<any, any, any> | undefined, errors: () => FormErrors) {
    this.#steps = steps
    this.#fields = fields
    this.#report = report
    this.#input = input
    this.socket = socket
    this.#errors = errors
  }

  get errors (): FormErrors {
    return this.#errors()
  }

  get nonFieldErrors (): readonly FormError[] {
    return this.#errors().__all__ ?? []
  }

  addError (path: string | null, error: ValidationErrorInput | ValidationErrorRecord, options?: { code?: string, params?: ErrorParams }): void {
    const field = path === null || path === '__all__' ? '' : path
    const entries = (error instanceof ValidationError ? error : new ValidationError(error, options)).entries
    for (const entry of entries) this.#report.entry(field, entry)
    for (const key of this.#fields) {
      if (this.#cleaned !== undefined && Object.hasOwn(this.#cleaned, key) && this.#report.hasWithin(key)) delete this.#cleaned[key]
    }
  }

  hasError (path: string | null, code?: string): boolean {
    return this.#report.has(path === null || path === '__all__' ? '' : path, code)
  }

  changed (previous: Readonly<Record<string, unknown>>): string[] {
    const message = this.#cleaned ?? (typeof this.#input === 'object' && this.#input !== null ? this.#input as Message : {})
    const value = (from: Readonly<Record<string, unknown>>, key: string) => Object.hasOwn(from, key) ? from[key] : undefined
    return this.#fields.filter((key) => !isEqual(value(message, key), value(previous, key)))
  }

  /** Ask the choices of the fields that came; the values may come later. */
  choicesReady (): Promise<unknown> | undefined {
    const { choices } = this.#steps
    if (choices === undefined || typeof this.#input !== 'object' || this.#input === null) return undefined
    const waiting: Promise<unknown>[] = []
    for (const field of Object.keys(choices)) {
      if (valueAt(this.#input as Message, field) === undefined) continue
      const asked = this.#askChoices(field, choices[field]!)
      if (asked === undefined) continue
      // the next step may throw before this one is waited for
      asked.catch(() => {})
      waiting.push(asked)
    }
    return waiting.length === 0 ? undefined : Promise.all(waiting)
  }

  #askChoices (field: string, values: (form: FormState) => unknown): Promise<unknown> | undefined {
    // none until they have come
    this.#choices.set(field, new Choices([]))
    try {
      const answer = values(this)
      if (isPromise(answer)) {
        return Promise.resolve(answer).then((later) => this.#setChoices(field, later)).catch((error: unknown) => this.#refuseChoices(field, error))
      }
      this.#setChoices(field, answer)
    } catch (error) {
      this.#refuseChoices(field, error)
    }
    return undefined
  }

  #refuseChoices (field: string, error: unknown): void {
    this.#unchosen.add(field)
    this.#refuse(field, error)
  }

  #setChoices (field: string, values: unknown): void {
    this.#choices.set(field, new Choices([...values as Iterable<unknown>]))
  }

  choose (field: string, value: unknown): unknown {
    const choices = this.#choices.get(field)
    // nothing came: it is the default, which is good
    if (choices === undefined) return value
    const picked = Array.isArray(value)
      ? value.map((item) => choices.pick(item, BAD))
      : choices.pick(value, BAD)
    if (picked !== BAD && !(Array.isArray(picked) && picked.includes(BAD))) return picked
    // unless the step that gives the choices has refused the field itself
    if (!this.#unchosen.has(field)) this.#report.add(field, 'invalid_choice', undefined, undefined, undefined)
    return BAD
  }

  validate (field: string, value: unknown): boolean {
    let isGood = true
    for (const validator of this.#steps.validators![field]!) {
      try {
        const answer = validator(value, this)
        // refused later: looked at before `cleanFields`
        if (isPromise(answer)) this.#wait(field, answer)
      } catch (error) {
        this.#refuse(field, error)
      }
      // a validator may also have called addError
      isGood &&= !this.#report.hasWithin(field)
    }
    return isGood
  }

  #wait (field: string, answer: PromiseLike<unknown>): void {
    const done = Promise.resolve(answer).catch((error: unknown) => this.#refuse(field, error))
    // a mistake in it rejects `finish`; this only says that it is being waited for
    done.catch(() => {})
    this.#waiting.push(done)
  }

  after (message: Message): boolean {
    let isGood = true
    for (const field of this.#fields) {
      if (!Object.hasOwn(message, field)) continue
      const value = message[field]
      if (value === null || value === '' || this.#report.hasWithin(field)) continue
      if (this.#steps.choices !== undefined && Object.hasOwn(this.#steps.choices, field)) {
        const picked = this.choose(field, value)
        if (picked === BAD) {
          isGood = false
          continue
        }
        message[field] = picked
      }
      if (this.#steps.validators !== undefined && Object.hasOwn(this.#steps.validators, field) && !this.validate(field, message[field])) isGood = false
    }
    return isGood
  }

  /**
   * `cleanFields` and `clean`, in this order, one after the other.
   *
   * @param cleaned - the good fields; it is changed
   * @param decode - the transform of the message as a whole
   * @returns the cleaned message, which counts only if the report is empty; a promise if a step is asynchronous
   */
  finish (cleaned: Message, decode: (message: unknown) => unknown): unknown {
    this.#cleaned = cleaned
    if (this.#waiting.length > 0) return this.#finishLater(cleaned, decode, 0)
    const fields = this.#cleanedFields()
    for (let i = 0; i < fields.length; i++) {
      const answer = this.#cleanField(fields[i]!, cleaned)
      if (isPromise(answer)) return this.#finishLater(cleaned, decode, i, answer)
      this.#keep(fields[i]!, answer, cleaned)
    }
    return this.#clean(cleaned, decode)
  }

  async #finishLater (cleaned: Message, decode: (message: unknown) => unknown, from: number, first?: PromiseLike<unknown>): Promise<unknown> {
    await Promise.all(this.#waiting)
    for (const field of this.#fields) if (this.#report.hasWithin(field)) delete cleaned[field]
    const fields = this.#cleanedFields()
    for (let i = from; i < fields.length; i++) {
      const field = fields[i]!
      let answer: unknown
      try {
        answer = await (i === from && first !== undefined ? first : this.#cleanField(field, cleaned))
      } catch (error) {
        this.#refuse(field, error)
      }
      this.#keep(field, answer, cleaned)
    }
    return await this.#clean(cleaned, decode)
  }

  #cleanedFields (): string[] {
    const { cleanFields } = this.#steps
    return cleanFields === undefined ? [] : this.#fields.filter((field) => Object.hasOwn(cleanFields, field))
  }

  #cleanField (field: string, cleaned: Message): unknown {
    if (this.#report.hasWithin(field)) return undefined
    try {
      return this.#steps.cleanFields![field]!(Object.hasOwn(cleaned, field) ? cleaned[field] : undefined, this)
    } catch (error) {
      this.#refuse(field, error)
      return undefined
    }
  }

  /** A step that gives nothing back leaves the value as it is. */
  #keep (field: string, value: unknown, cleaned: Message): void {
    if (this.#report.hasWithin(field)) delete cleaned[field]
    else if (value !== undefined) cleaned[field] = value
  }

  #clean (cleaned: Message, decode: (message: unknown) => unknown): unknown {
    const message = this.#report.size === 0 ? decode(cleaned) : cleaned
    const { clean } = this.#steps
    if (clean === undefined || message === BAD) return message
    try {
      const answer = clean(message, this)
      if (!isPromise(answer)) return answer ?? message
      return Promise.resolve(answer).then(
        (later) => later ?? message,
        (error: unknown) => this.#refuse(null, error))
    } catch (error) {
      this.#refuse(null, error)
      return message
    }
  }

  /** Only a `ValidationError` speaks of the message; anything else is a mistake in the step. */
  #refuse (field: string | null, error: unknown): void {
    if (!(error instanceof ValidationError)) throw error
    this.addError(field, error)
  }
}

/** A member as the form reads it. */
function valueAt (message: Message, key: string): unknown {
  return key in Object.prototype && !Object.hasOwn(message, key) ? undefined : message[key]
}
