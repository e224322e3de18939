import type { FastifyInstance } from 'fastify'
import type { Cleaned, FormOptions, FormResult } from '../types.ts'
import { formAppOf } from './app.ts'
import { compileForm, type Form, type FormOptions as CompileOptions } from './form.ts'

const forms = new WeakMap<object, WeakMap<object, Form>>()
const noOptions = {}

/**
 * Clean a message as a view would: for tests, for HTTP routes, for messages that come another way.
 *
 * The form is compiled once for a schema and an options object: keep both to keep it fast.
 *
 * @returns never rejects for a bad input
 * @throws WSV_ERR_SCHEMA_INVALID, WSV_ERR_PATTERN_UNSAFE for a bad schema
 */
export async function cleanMessage<S> (schema: S, input: unknown, options: FormOptions<S> = noOptions): Promise<FormResult<Cleaned<S>>> {
  const result = await formOf(schema, options as CompileOptions).clean(input, { locale: options.locale })
  return result as FormResult<Cleaned<S>>
}

function formOf (schema: unknown, options: CompileOptions & { instance?: FastifyInstance }): Form {
  if (typeof schema !== 'object' || schema === null) return compileForm(schema, options, formAppOf(options.instance, 'cleanMessage'))
  let byOptions = forms.get(schema)
  if (byOptions === undefined) forms.set(schema, byOptions = new WeakMap())
  let form = byOptions.get(options)
  if (form === undefined) byOptions.set(options, form = compileForm(schema, options, formAppOf(options.instance, 'cleanMessage')))
  return form
}
