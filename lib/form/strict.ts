import type { FormErrors } from '../types.ts'
import { addAjvErrors, type AjvError } from './ajv-errors.ts'
import { copy } from './branches.ts'
import { compileStrict, type CompileOptions, type FormCode, type StrictCode } from './compile.ts'
import type { Compile } from './foreign.ts'
import type { FormApp } from './form.ts'
import { BAD, Report } from './report.ts'

const silent = { errorMessages: undefined, messages: undefined }

/**
 * Compile a plain check, without conversion: what a channel or a view itself sends.
 *
 * @returns a function that gives the errors, null when there are none; they stop at 100
 */
export function compileCheck (schema: unknown, app: FormApp): (value: unknown) => FormErrors | null {
  const { check } = compileStrict(schema, { name: app.name, schemas: app.schemas, compile: app.compile, unsafePatterns: true })
  return (value) => {
    if (check(value, null)) return null
    const report = new Report(100)
    check(value, report)
    return report.errors(silent, undefined)
  }
}

/**
 * The form in strict mode: draft-07 on a copy, then the transforms.
 *
 * @param isCustom - the server's own validator compiler judges
 */
export function strictJudge (schema: unknown, options: CompileOptions, isCustom: boolean): FormCode {
  const custom = isCustom && options.compile !== undefined ? customJudge(options.compile(schema)) : undefined
  const { check, decode, fields, tag } = custom === undefined ? compileStrict(schema, options) : readable(schema, options)
  const judge = custom ?? check
  return {
    fields,
    tag,
    decode: undefined,
    clean (input, report) {
      const copied = copy(input)
      if (!judge(copied, null)) {
        judge(copied, report)
        // a judge that gives no reasons
        if (report.size === 0) report.add('', 'invalid', undefined, undefined, undefined)
        if (typeof copied === 'object' && copied !== null && !Array.isArray(copied)) {
          report.partial = copied as Record<string, unknown>
          for (const field of fields) if (report.hasWithin(field)) delete report.partial[field]
        }
        return BAD
      }
      const decoded = decode === undefined ? copied : decode(copied, report)
      if (report.steps !== undefined && typeof decoded === 'object' && decoded !== null && !report.steps.after(decoded as Record<string, unknown>)) {
        report.partial = decoded as Record<string, unknown>
        for (const field of fields) if (report.hasWithin(field)) delete report.partial[field]
        return BAD
      }
      return decoded
    }
  }
}

/** What can be read of a schema that another compiler judges: it need not be JSON Schema. */
function readable (schema: unknown, options: CompileOptions): StrictCode {
  try {
    return compileStrict(schema, { ...options, unsafePatterns: true })
  } catch {
    // the compiler that judges has taken it
    return { check: () => true, decode: undefined, fields: [], tag: undefined }
  }
}

function customJudge (validate: ReturnType<Compile>): (value: unknown, report: Report | null) => boolean {
  return (value, report) => {
    // it may coerce, fill in and remove: it gets a copy of its own
    if (validate(copy(value))) return true
    if (report !== null && Array.isArray(validate.errors)) addAjvErrors(report, validate.errors as AjvError[])
    return false
  }
}
