// The compiler comes next: until then a message is only known to be an object.
import type { FormErrors, FormResult, WsSocket } from '../types.ts'
import type { ValidationError } from './validation-error.ts'
export interface FormApp { name: string, schemas: Record<string, unknown>, compile?: (schema: unknown) => (value: unknown) => boolean, customCompiler?: boolean }
export interface FormContext { socket?: WsSocket | undefined, locale?: string | undefined }
export interface Form {
  declares (key: string): boolean
  clean (input: unknown, context: FormContext): FormResult | Promise<FormResult>
  report (error: ValidationError, context: FormContext): FormErrors
  error (path: string, code: string, params: Record<string, unknown> | undefined, context: FormContext, kind?: string): FormErrors
}
export function compileForm (schema: unknown, _options: object, _app: FormApp): Form {
  return {
    declares: (key) => Object.hasOwn((schema as { properties?: object }).properties ?? {}, key),
    clean: (input) => typeof input === 'object' && input !== null ? { ok: true, cleaned: input, errors: null } : { ok: false, cleaned: null, errors: { __all__: [{ message: 'Enter a JSON object.', code: 'invalid' }] } },
    report: (error) => ({ __all__: [{ message: error.message, code: 'invalid' }] }),
    error: (path, code) => ({ [path]: [{ message: code, code }] })
  }
}
