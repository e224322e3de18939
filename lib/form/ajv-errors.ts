import type { Report } from './report.ts'

/** What Ajv says about one fault. */
export interface AjvError {
  keyword: string
  instancePath?: string
  params?: Record<string, unknown>
}

const codes: Record<string, string> = {
  required: 'required',
  enum: 'invalid_choice',
  const: 'invalid_choice',
  minLength: 'min_length',
  maxLength: 'max_length',
  minItems: 'min_length',
  maxItems: 'max_length',
  minimum: 'min_value',
  maximum: 'max_value',
  exclusiveMinimum: 'min_value',
  exclusiveMaximum: 'max_value',
  multipleOf: 'step_size',
  uniqueItems: 'duplicate',
  additionalProperties: 'extra_keys'
}

const invalid = new Set(['type', 'format', 'pattern', 'contains', 'propertyNames', 'not', 'if', 'anyOf', 'oneOf', 'dependencies',
  'minProperties', 'maxProperties', 'false schema', 'additionalItems'])

/** Ajv's errors as ours; a keyword of the app reports its own name. */
export function addAjvErrors (report: Report, errors: readonly AjvError[]): void {
  for (const { keyword, instancePath = '', params = {} } of errors) {
    const path = instancePath.split('/').slice(1).map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    if (keyword === 'required' && typeof params.missingProperty === 'string') path.push(params.missingProperty)
    if (keyword === 'additionalProperties' && typeof params.additionalProperty === 'string') path.push(params.additionalProperty)
    const code = Object.hasOwn(codes, keyword) ? codes[keyword]! : invalid.has(keyword) ? 'invalid' : keyword
    const shown = typeof params.limit === 'number' ? { limit_value: params.limit } : undefined
    report.add(path.join('.'), code, shown, keyword.startsWith('exclusive') ? 'exclusive' : undefined, undefined)
  }
}
