import { WSV_ERR_OPTION_UNKNOWN } from '../errors.ts'
import type { FormErrors, FormResult, WsSocket } from '../types.ts'
import { compileClean, type Clean } from './compile.ts'
import type { Compile } from './foreign.ts'
import { isUnsafe } from './inspect.ts'
import type { Tag } from './plan.ts'
import { BAD, Report, type Wording } from './report.ts'
import { StepRun, type Steps } from './steps.ts'
import { strictJudge } from './strict.ts'
import { takesAnything } from './takes-anything.ts'
import { ValidationError } from './validation-error.ts'

export interface FormOptions extends Steps {
  /** default 'form' */
  form?: 'form' | 'strict' | undefined
  /** default 'drop' */
  unknownKeys?: 'drop' | 'refuse' | undefined
  /** how many errors are collected, default 100 */
  maxErrors?: number | undefined
  /** how deep a message may be nested, default 32 */
  maxDepth?: number | undefined
  messages?: Wording['messages']
  /** texts by field path and code */
  errorMessages?: Wording['errorMessages']
  /** take patterns that `safe-regex2` does not trust, default false */
  unsafePatterns?: boolean | undefined
}

/** What is borrowed from the Fastify instance. */
export interface FormApp {
  /** the view, for errors when the server gets ready */
  name: string
  /** those of `instance.getSchemas()` */
  schemas: Readonly<Record<string, unknown>>
  /** asks the server's validator compiler */
  compile?: Compile | undefined
  /** the app has a validator compiler of its own: in strict mode it judges */
  customCompiler?: boolean | undefined
  /** messages have been through our own parser, which has refused deep ones and dangerous keys */
  isParsed?: boolean | undefined
}

export interface FormContext {
  socket?: WsSocket<any, any, any> | undefined
  locale?: string | undefined
}

/** A compiled form. */
export interface Form {
  /** what a table of handlers dispatches by; undefined where the message is no union that has it */
  readonly tag: Tag | undefined
  /** Is this a declared key of the message? */
  declares (key: string): boolean
  /**
   * Clean and check a message. Synchronous unless a step is not; never throws or rejects for what a
   * client sent, only for a mistake in a step.
   */
  clean (input: unknown, context: FormContext): FormResult | Promise<FormResult>
  /** The errors of a `ValidationError` that a handler threw. */
  report (error: ValidationError, context: FormContext): FormErrors
  /** One error with its text. */
  error (path: string, code: string, params: Record<string, unknown> | undefined, context: FormContext, kind?: string): FormErrors
}

/**
 * Compile the form of a schema, once.
 *
 * @throws WSV_ERR_SCHEMA_INVALID, WSV_ERR_PATTERN_UNSAFE, WSV_ERR_OPTION_UNKNOWN, which name the view
 */
export function compileForm (schema: unknown, options: FormOptions, app: FormApp): Form {
  return takesAnything(schema) ? new OpenForm(options) : new CompiledForm(schema, options, app)
}

/** The part that makes errors of faults. */
abstract class Reporter {
  protected readonly wording: Wording
  protected readonly maxErrors: number
  protected ranks: ReadonlyMap<string, number> | undefined

  constructor ({ errorMessages, messages, maxErrors = 100 }: FormOptions) {
    this.wording = { errorMessages, messages }
    this.maxErrors = Math.max(1, maxErrors)
  }

  report (error: ValidationError, { locale }: FormContext): FormErrors {
    const report = new Report(this.maxErrors)
    for (const entry of error.entries) report.entry('', entry)
    return report.errors(this.wording, locale, this.ranks)
  }

  error (path: string, code: string, params: Record<string, unknown> | undefined, { locale }: FormContext, kind?: string): FormErrors {
    const report = new Report(this.maxErrors)
    report.add(path === '__all__' ? '' : path, code, params, kind, undefined)
    return report.errors(this.wording, locale)
  }
}

/** A view that takes anything: values pass as they came. */
class OpenForm extends Reporter implements Form {
  readonly tag = undefined

  declares (): boolean {
    return false
  }

  clean (input: unknown): FormResult {
    return { ok: true, cleaned: input, errors: null }
  }
}

class CompiledForm extends Reporter implements Form {
  readonly tag: Tag | undefined
  #clean: Clean
  #decode: Clean | undefined
  #fields: readonly string[]
  #steps: Steps | undefined
  #maxDepth: number
  #isParsed: boolean

  constructor (schema: unknown, options: FormOptions, app: FormApp) {
    super(options)
    const { choices, validators, cleanFields, clean, form = 'form', unknownKeys = 'drop', unsafePatterns = false, maxDepth = 32 } = options
    const common = { name: app.name, schemas: app.schemas, compile: app.compile, unsafePatterns }
    const code = form === 'strict'
      ? strictJudge(schema, common, app.customCompiler === true)
      : compileClean(schema, { ...common, unknownKeys, validated: keysOf(validators), chosen: keysOf(choices) })
    this.#clean = code.clean
    this.#decode = code.decode
    this.#fields = code.fields
    this.tag = code.tag
    this.ranks = new Map(code.fields.map((field, index) => [field, index]))
    this.#steps = choices ?? validators ?? cleanFields ?? clean ? { choices, validators, cleanFields, clean } : undefined
    this.#maxDepth = maxDepth
    this.#isParsed = app.isParsed === true
    for (const [option, steps] of Object.entries({ choices, validators, cleanFields })) {
      for (const field of Object.keys(steps ?? {})) {
        if (!this.ranks.has(field)) throw new WSV_ERR_OPTION_UNKNOWN(`'${app.name}'`, `${option}.${field}`, `, the fields are: ${code.fields.join(', ')}`)
      }
    }
  }

  declares (key: string): boolean {
    return this.ranks!.has(key)
  }

  clean (input: unknown, context: FormContext): FormResult | Promise<FormResult> {
    const report = new Report(this.maxErrors)
    if (!this.#isParsed && isUnsafe(input, this.#maxDepth)) {
      report.add('', 'invalid', undefined, undefined, undefined)
      return this.#failed(report, context)
    }
    if (this.#steps !== undefined) return this.#cleanInSteps(this.#steps, input, report, context)
    const cleaned = this.#clean(input, report)
    const decoded = cleaned === BAD || this.#decode === undefined ? cleaned : this.#decode(cleaned, report)
    return decoded === BAD ? this.#failed(report, context) : { ok: true, cleaned: decoded, errors: null }
  }

  #cleanInSteps (steps: Steps, input: unknown, report: Report, context: FormContext): FormResult | Promise<FormResult> {
    const run = new StepRun(steps, this.#fields, report, input, context.socket,
      () => report.errors(this.wording, context.locale, this.ranks))
    report.steps = run
    const waiting = run.choicesReady()
    return waiting === undefined ? this.#runSteps(run, input, report, context) : waiting.then(() => this.#runSteps(run, input, report, context))
  }

  #runSteps (run: StepRun, input: unknown, report: Report, context: FormContext): FormResult | Promise<FormResult> {
    const cleaned = this.#clean(input, report)
    const message = cleaned === BAD ? report.partial : cleaned
    // what is no object has nothing to clean
    if (message === undefined) return this.#failed(report, context)
    const finished = run.finish(message as Record<string, unknown>, (whole) => this.#decode === undefined ? whole : this.#decode(whole, report))
    return finished instanceof Promise
      ? finished.then((later) => this.#result(later, report, context))
      : this.#result(finished, report, context)
  }

  #result (cleaned: unknown, report: Report, context: FormContext): FormResult {
    return report.size > 0 ? this.#failed(report, context) : { ok: true, cleaned, errors: null }
  }

  #failed (report: Report, { locale }: FormContext): FormResult {
    return { ok: false, cleaned: null, errors: report.errors(this.wording, locale, this.ranks) }
  }
}

function keysOf (steps: Readonly<Record<string, unknown>> | undefined): ReadonlySet<string> {
  return new Set(Object.keys(steps ?? {}))
}
