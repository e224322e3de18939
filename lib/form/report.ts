import type { FormError, FormErrors } from '../types.ts'
import { textOf, type Kind } from './texts.ts'
import { fill, join, type ErrorParams, type ValidationEntry } from './validation-error.ts'

/** Stands for a value that could not be cleaned, or a message that did not pass. */
export const BAD = Symbol('wsViews.bad')

/** Texts by code, of one schema node. */
export type NodeTexts = Record<string, string> | undefined

interface Fault {
  path: string
  code: string
  params: ErrorParams | undefined
  kind: Kind
  texts: NodeTexts
  /** the author's own text, from a `ValidationError` */
  message: string | undefined
}

/** What turns faults into the texts of one view. */
export interface Wording {
  errorMessages: Readonly<Record<string, Readonly<Record<string, string>>>> | undefined
  messages: ((code: string, params: ErrorParams, where: { field: string, locale: string }) => string | undefined) | undefined
}

/** What the compiled form asks in the middle of a field. */
export interface FieldSteps {
  /** run the validators of a field: false when one of them refused */
  validate (field: string, value: unknown): boolean
  /** the choice that equals the value, or `BAD` */
  choose (field: string, value: unknown): unknown
  /** choices and validators of every field of a message that was cleaned as a whole: false when one refused */
  after (message: Record<string, unknown>): boolean
}

const maxPath = 128

/**
 * Collects what is wrong with one message. Paths are relative while it is being read: whoever calls
 * puts its own key in front of what was added meanwhile, so that a good message pays for no path.
 */
export class Report {
  /** how many faults are kept; a mark for `prefix`, `fold` and `rollback` */
  size = 0
  /** the fields that are good, of a root object that is not */
  partial: Record<string, unknown> | undefined
  steps: FieldSteps | undefined
  /** what unions made of an object, so that a recursive one asks each branch once */
  #seen: Map<object, Map<symbol, unknown>> | undefined
  #faults: Fault[] = []
  #max: number

  constructor (max: number) {
    this.#max = max
  }

  add (path: string, code: string, params: ErrorParams | undefined, kind: Kind, texts: NodeTexts, message?: string): void {
    if (this.size >= this.#max) return
    this.#faults.push({ path, code, params, kind, texts, message })
    this.size++
  }

  /** Put a key in front of the paths added since the mark. */
  prefix (mark: number, key: string): void {
    for (let i = mark; i < this.size; i++) {
      const fault = this.#faults[i]!
      fault.path = join(key, fault.path)
    }
  }

  /** Faults of the items of a list of scalars belong to the list, each code once. */
  fold (mark: number): void {
    const kept: Fault[] = []
    for (let i = mark; i < this.size; i++) {
      const fault = this.#faults[i]!
      if (kept.some((other) => other.code === fault.code)) continue
      fault.path = ''
      kept.push(fault)
    }
    this.rollback(mark)
    for (const fault of kept) this.#faults.push(fault)
    this.size = this.#faults.length
  }

  /** Forget what was added since the mark. */
  rollback (mark: number): void {
    this.#faults.length = mark
    this.size = mark
  }

  known (value: unknown, union: symbol): unknown {
    return this.#seen?.get(value as object)?.get(union)
  }

  know (value: unknown, union: symbol, result: unknown): void {
    if (typeof value !== 'object' || value === null) return
    const seen = this.#seen ??= new Map<object, Map<symbol, unknown>>()
    let results = seen.get(value)
    if (results === undefined) seen.set(value, results = new Map())
    results.set(union, result)
  }

  has (path: string, code?: string): boolean {
    return this.#faults.some((fault) => fault.path === path && (code === undefined || fault.code === code))
  }

  /** An entry of a `ValidationError`, added at a path. */
  entry (path: string, { path: inner, message, code, params }: ValidationEntry): void {
    this.add(join(path, inner), code, params, undefined, undefined, message)
  }

  /** Is there a fault in a field, or in what is inside it? */
  hasWithin (field: string): boolean {
    return this.#faults.some(({ path, code }) => code !== 'extra_keys' && (path === field || path.startsWith(`${field}.`)))
  }

  /**
   * The errors by path, in the schema's order of fields, those of the message as a whole last.
   *
   * @param ranks - the place of each field in the schema
   */
  errors (wording: Wording, locale = 'en', ranks?: ReadonlyMap<string, number>): FormErrors {
    const errors: FormErrors = {}
    for (const fault of this.#sorted(ranks)) {
      const path = fault.path === '' ? '__all__' : fault.path.slice(0, maxPath)
      const error = describe(fault, path, wording, locale)
      if (Object.hasOwn(errors, path)) errors[path]!.push(error)
      else Object.defineProperty(errors, path, { value: [error], enumerable: true, writable: true, configurable: true })
    }
    return errors
  }

  #sorted (ranks: ReadonlyMap<string, number> | undefined): Fault[] {
    const faults = this.#faults.filter((fault) => fault.code !== 'extra_keys')
    const rank = ({ path }: Fault) => path === '' ? Infinity : ranks?.get(path.split('.', 1)[0]!) ?? ranks?.size ?? 0
    if (ranks !== undefined) {
      const order = new Map(faults.map((fault) => [fault, rank(fault)]))
      faults.sort((a, b) => order.get(a)! === order.get(b)! ? 0 : order.get(a)! - order.get(b)!)
    }
    if (faults.length < this.size) {
      const extra = this.#faults.filter((fault) => fault.code === 'extra_keys')
      const keys = extra.map((fault) => fault.path.slice(0, maxPath))
      faults.push({ ...extra[0]!, path: '', params: { keys } })
    }
    return faults
  }
}

function describe (fault: Fault, path: string, wording: Wording, locale: string): FormError {
  const { code, params } = fault
  const message = own(wording.errorMessages, path, code) ?? fault.message ?? fault.texts?.[code] ??
    wording.messages?.(code, params ?? {}, { field: path, locale }) ?? textOf(code, params, fault.kind)
  const error: FormError = { message: fill(message, params), code }
  if (params !== undefined) error.params = params
  return error
}

/** A view's text: by the path as it is, or without the places in lists (`choices.votes` for `choices.0.votes`). */
function own (errorMessages: Wording['errorMessages'], path: string, code: string): string | undefined {
  if (errorMessages === undefined) return undefined
  return text(errorMessages, path, code) ?? text(errorMessages, path.replace(/\.\d+(?=\.|$)/g, ''), code)
}

function text (errorMessages: NonNullable<Wording['errorMessages']>, path: string, code: string): string | undefined {
  const texts = Object.hasOwn(errorMessages, path) ? errorMessages[path]! : undefined
  return texts !== undefined && Object.hasOwn(texts, code) ? texts[code] : undefined
}
