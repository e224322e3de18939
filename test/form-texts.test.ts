import t from 'tap'
import { compileForm, type FormOptions } from '../lib/form/form.ts'
import { ValidationError } from '../lib/form/validation-error.ts'
import { anApp, clean, field, requiredField } from './fixtures/form-clean.ts'

const textOf = (schema: unknown, input: unknown, options: FormOptions = {}) => Object.values(clean(schema, { f: input }, options).errors ?? {})[0]?.[0]?.message
const objects = { type: 'array', items: { type: 'object' } }

t.test('speaks English', (t) => {
  const rows: [schema: unknown, input: unknown, text: string][] = [
    [requiredField({ type: 'string' }), '', 'This field is required.'],
    [field({ type: 'integer' }), 'x', 'Enter a whole number.'],
    [field({ type: 'number' }), 'x', 'Enter a number.'],
    [field({ type: 'string' }), {}, 'Enter a valid value.'],
    [field({ type: 'string', pattern: '^a' }), 'b', 'Enter a valid value.'],
    [field({ type: 'boolean' }), 'x', 'Enter a valid value.'],
    [field({ type: 'string', format: 'email' }), 'x', 'Enter a valid email address.'],
    [field({ type: 'string', format: 'uri' }), 'x', 'Enter a valid URL.'],
    [field({ type: 'string', format: 'uuid' }), 'x', 'Enter a valid UUID.'],
    [field({ type: 'string', format: 'date' }), 'x', 'Enter a valid date.'],
    [field({ type: 'string', format: 'time' }), 'x', 'Enter a valid time.'],
    [field({ type: 'string', format: 'date-time' }), 'x', 'Enter a valid date/time.'],
    [field({ type: 'string', format: 'duration' }), 'x', 'Enter a valid duration.'],
    [field({ type: 'string', format: 'ipv4' }), 'x', 'Enter a valid IPv4 address.'],
    [field({ type: 'string', format: 'ipv6' }), 'x', 'Enter a valid IPv6 address.'],
    [field({ type: 'object' }), 'x', 'Enter a JSON object.'],
    [field({ enum: ['a'] }), 'x', 'Select a valid choice. That choice is not one of the available choices.'],
    [field({ type: 'array', items: { type: 'string' } }), 'x', 'Enter a list of values.'],
    [field({ type: 'string', minLength: 3 }), 'ab', 'Ensure this value has at least 3 characters (it has 2).'],
    [field({ type: 'string', maxLength: 1 }), 'ab', 'Ensure this value has at most 1 character (it has 2).'],
    [field({ type: 'array', items: {}, maxItems: 2 }), [1, 2, 3], 'Ensure this value has at most 2 characters (it has 3).'],
    [field({ type: 'number', minimum: 5 }), 4, 'Ensure this value is greater than or equal to 5.'],
    [field({ type: 'number', maximum: 5 }), 6, 'Ensure this value is less than or equal to 5.'],
    [field({ type: 'number', exclusiveMinimum: 5 }), 5, 'Ensure this value is greater than 5.'],
    [field({ type: 'number', exclusiveMaximum: 5 }), 5, 'Ensure this value is less than 5.'],
    [field({ type: 'number', multipleOf: 5 }), 6, 'Ensure this value is a multiple of step size 5.'],
    [field({ type: 'string' }), 'a\0', 'Null characters are not allowed.'],
    [field({ ...objects, minItems: 1 }), [], 'Please submit at least 1 item.'],
    [field({ ...objects, minItems: 2 }), [], 'Please submit at least 2 items.'],
    [field({ ...objects, maxItems: 1 }), [{}, {}], 'Please submit at most 1 item.'],
    [field({ type: 'array', items: {}, uniqueItems: true }), [1, 1], 'Values must not repeat.']
  ]
  for (const [schema, input, text] of rows) t.equal(textOf(schema, input), text)
  t.equal(clean(field({}), 'hi').errors!.__all__![0]!.message, 'Enter a JSON object.')
  const form = compileForm(field({}), {}, anApp)
  const said = (code: string, params?: Record<string, unknown>, kind?: string) => form.error('__all__', code, params, {}, kind).__all__![0]
  t.strictSame(said('invalid', undefined, 'json'), { message: 'Enter valid JSON.', code: 'invalid' })
  t.strictSame(said('unexpected'), { message: 'This view takes no messages.', code: 'unexpected' })
  t.strictSame(said('rate_limited', { retryAfterMs: 50 }), { message: 'Too many messages.', code: 'rate_limited', params: { retryAfterMs: 50 } })
  t.strictSame(said('unavailable'), { message: 'Not available at the moment, try again.', code: 'unavailable' })
  t.strictSame(said('of-our-own'), { message: 'Enter a valid value.', code: 'of-our-own' })
  t.end()
})

t.test('takes other texts: the view before the schema before the server', (t) => {
  const schema = requiredField({ type: 'string', minLength: 3, errorMessages: { min_length: 'Node {limit_value}.', required: 'Node required.' } })
  const messages = (code: string) => code === 'max_length' ? undefined : `Server ${code}.`
  t.equal(textOf(schema, 'ab'), 'Node 3.')
  t.equal(textOf(schema, 'ab', { messages }), 'Node 3.')
  t.equal(textOf(schema, 'ab', { messages, errorMessages: { f: { min_length: 'View {limit_value}, not {show_value}.' } } }), 'View 3, not 2.')
  t.equal(textOf(schema, '', { errorMessages: { f: { min_length: 'x' } } }), 'Node required.')
  t.equal(textOf(field({ type: 'integer' }), 'x', { messages }), 'Server invalid.')
  t.equal(textOf(field({ type: 'string', maxLength: 1 }), 'ab', { messages }), 'Ensure this value has at most 1 character (it has 2).', 'undefined keeps the usual text')
  t.equal(textOf(field({ ...objects, items: requiredField({}) }), [{}], { errorMessages: { 'f.f': { required: 'Each.' } } }), 'Each.', 'a path without places in lists')
  t.equal(clean(field({}), 5, { errorMessages: { __all__: { invalid: 'Whole.' } } }).errors!.__all__![0]!.message, 'Whole.')
  const tagged = { oneOf: ['a', 'b'].map((tag) => ({ type: 'object', properties: { t: { const: tag, errorMessages: { invalid_choice: 'Tag.' } } } })) }
  t.equal(clean(tagged, { t: 'c' }).errors!.t![0]!.message, 'Tag.')
  t.end()
})

t.test('asks for texts with the field and the locale', (t) => {
  const asked: unknown[] = []
  const messages: FormOptions['messages'] = (code, params, where) => { asked.push([code, params, where]); return undefined }
  clean(field({ type: 'string', maxLength: 1 }), { f: 'ab' }, { messages }, anApp, { locale: 'de' })
  clean(field({}), 5, { messages })
  t.strictSame(asked, [['max_length', { limit_value: 1, show_value: 2 }, { field: 'f', locale: 'de' }], ['invalid', {}, { field: '__all__', locale: 'en' }]])
  t.end()
})

t.test('makes errors of what a handler throws', (t) => {
  const form = compileForm({ type: 'object', properties: { a: {}, b: {} } }, {}, anApp)
  t.strictSame(form.report(new ValidationError({ b: 'B.', __all__: 'All.', a: 'A {n}.' }, { code: 'c', params: { n: 1 } }), {}), {
    a: [{ message: 'A 1.', code: 'c', params: { n: 1 } }],
    b: [{ message: 'B.', code: 'c', params: { n: 1 } }],
    __all__: [{ message: 'All.', code: 'c', params: { n: 1 } }]
  })
  t.end()
})

t.test('never says what was sent', (t) => {
  const secret = 'hunter2hunter2'
  const schema = {
    type: 'object',
    properties: {
      a: { type: 'integer' },
      b: { enum: ['x'] },
      c: { type: 'string', maxLength: 3, pattern: '^\\d$', format: 'email' },
      d: { type: 'array', items: { enum: [1] } },
      e: { type: 'object', properties: { x: { type: 'number' } } },
      f: { anyOf: [{ type: 'integer' }, { type: 'boolean' }] },
      g: { const: 'y' },
      h: { type: 'string', format: 'uuid' }
    }
  }
  const input = { a: secret, b: secret, c: secret, d: [secret], e: { x: secret }, f: secret, g: secret, h: secret }
  for (const form of ['form', 'strict'] as const) {
    const result = clean(schema, input, { form })
    t.equal(Object.keys(result.errors!).length, 8)
    t.notMatch(JSON.stringify(result), /hunter2/)
  }
  t.end()
})
