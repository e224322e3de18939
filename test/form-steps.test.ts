import t from 'tap'
import { compileForm, type FormOptions } from '../lib/form/form.ts'
import type { FormState } from '../lib/form/steps.ts'
import { ValidationError } from '../lib/form/validation-error.ts'
import type { FormResult, WsSocket } from '../lib/types.ts'
import { anApp, clean } from './fixtures/form-clean.ts'
import { codesOf } from './fixtures/form-cases.ts'

const signup = {
  type: 'object',
  required: ['name', 'password1', 'password2'],
  properties: {
    name: { type: 'string', minLength: 2 },
    password1: { type: 'string', minLength: 5, strip: false },
    password2: { type: 'string', strip: false },
    age: { type: 'integer' },
    tags: { type: 'array', items: { type: 'string' } }
  }
}
const good = { name: ' Ann ', password1: 'secret', password2: 'secret', age: '30' }
const cleaned = { name: 'Ann', password1: 'secret', password2: 'secret', age: 30 }

async function later (schema: unknown, input: unknown, options: FormOptions): Promise<FormResult> {
  const result = compileForm(schema, options, anApp).clean(input, {})
  t.ok(result instanceof Promise, 'an asynchronous step makes the form asynchronous')
  return await result
}

t.test('runs the steps in the order of Django', (t) => {
  const order: string[] = []
  const note = (name: string) => (value: unknown) => { order.push(`${name} ${String(value)}`) }
  const result = clean(signup, good, {
    clean: (message) => { order.push(`clean ${Object.keys(message).join()}`) },
    cleanFields: { age: note('cleanFields age'), name: note('cleanFields name') },
    validators: { age: [note('first'), note('second')], name: [note('name')] }
  })
  t.strictSame(result, { ok: true, cleaned, errors: null }, 'steps that give nothing back change nothing')
  t.strictSame(order, ['name Ann', 'first 30', 'second 30', 'cleanFields name Ann', 'cleanFields age 30', 'clean name,password1,password2,age'])
  t.end()
})

t.test('runs all validators of a field beside the checks of its schema', (t) => {
  const refuse = (code: string) => () => { throw new ValidationError('No.', { code }) }
  const options = { validators: { name: [refuse('one'), refuse('two')], age: [refuse('old')] } }
  t.strictSame(codesOf(clean(signup, { ...good, name: 'A' }, options).errors!), { name: ['min_length', 'one', 'two'], age: ['old'] })
  t.strictSame(codesOf(clean(signup, { ...good, name: [], age: 'x' }, options).errors!), { name: ['invalid'], age: ['invalid'] }, 'not when converting failed')
  t.strictSame(codesOf(clean(signup, { ...good, name: '', age: null }, options).errors!), { name: ['required'] }, 'not for what is empty')
  t.strictSame(clean({ type: 'object', properties: { n: { type: 'integer', default: 5 } } }, {}, { validators: { n: [refuse('d')] } }).errors!.n![0]!.code, 'd',
    'for a default too')
  t.end()
})

t.test('asks cleanFields of good fields only, and takes what it gives', (t) => {
  let asked = 0
  const cleanFields = {
    name: (value: string) => { asked++; return value.toUpperCase() },
    age: (value: unknown) => value === undefined ? 18 : value
  }
  t.strictSame(clean(signup, { ...good, age: undefined }, { cleanFields }).cleaned, { ...cleaned, name: 'ANN', age: 18 }, 'an absent field is asked too')
  t.equal(clean(signup, { ...good, name: 'A' }, { cleanFields }).ok, false)
  t.equal(asked, 1)
  t.end()
})

t.test('always runs clean, with the good fields', (t) => {
  let seen: unknown
  const options: FormOptions = {
    clean: (message: Record<string, unknown>, form: FormState) => {
      seen = { ...message }
      if (!form.hasError('password1') && message.password1 !== message.password2) {
        form.addError('password2', new ValidationError('Passwords do not match.', { code: 'password_mismatch' }))
      }
      throw new ValidationError('Try again.')
    }
  }
  t.strictSame(clean(signup, { name: 'A', password1: 'secret', password2: 'other', tags: 5 }, options).errors, {
    name: [{ message: 'Ensure this value has at least 2 characters (it has 1).', code: 'min_length', params: { limit_value: 2, show_value: 1 } }],
    password2: [{ message: 'Passwords do not match.', code: 'password_mismatch' }],
    tags: [{ message: 'Enter a list of values.', code: 'invalid_list' }],
    __all__: [{ message: 'Try again.', code: 'invalid' }]
  }, 'errors are in the order of the schema, those of the message come last')
  t.strictSame(seen, { password1: 'secret', password2: 'other' })
  t.strictSame(Object.keys(clean(signup, { name: 'A', password2: 'x' }, options).errors!), ['name', 'password1', '__all__'])
  seen = 'nothing'
  t.strictSame(codesOf(clean(signup, 'hi', options).errors!), { __all__: ['invalid'] })
  t.equal(seen, 'nothing', 'what is no object has nothing to clean')
  t.strictSame(clean(signup, good, { clean: () => ({ other: 1 }) }).cleaned, { other: 1 }, 'clean may replace the message')
  t.end()
})

t.test('takes a ValidationError as Django does', (t) => {
  const thrown = (error: ValidationError) => clean(signup, good, { clean: () => { throw error } }).errors
  t.strictSame(thrown(new ValidationError('At least {min}, not {other}.', { code: 'few', params: { min: 2 } })),
    { __all__: [{ message: 'At least 2, not {other}.', code: 'few', params: { min: 2 } }] }, 'a text with params')
  t.strictSame(thrown(new ValidationError(['One.', new ValidationError('Two.', { code: 'two' }), ['Three.']])), {
    __all__: [{ message: 'One.', code: 'invalid' }, { message: 'Two.', code: 'two' }, { message: 'Three.', code: 'invalid' }]
  }, 'a list')
  t.strictSame(thrown(new ValidationError({ age: ['Old.', new ValidationError('Odd.', { code: 'odd' })], 'tags.0': 'No.', __all__: 'All.' }, { code: 'c' })), {
    age: [{ message: 'Old.', code: 'c' }, { message: 'Odd.', code: 'odd' }],
    'tags.0': [{ message: 'No.', code: 'c' }],
    __all__: [{ message: 'All.', code: 'c' }]
  }, 'a record by field')
  t.strictSame(thrown(new ValidationError([new RangeError('Out.')], { code: 'c' })), { __all__: [{ message: 'Out.', code: 'c' }] }, 'an error of another kind is its text')
  const error = new ValidationError('No {n}.', { params: { n: 5 } })
  t.match(error, { name: 'ValidationError', message: 'No 5.', code: 'invalid', params: { n: 5 }, statusCode: 400 })
  t.ok(error instanceof Error)
  t.strictSame(clean(signup, good, { cleanFields: { tags: () => { throw new ValidationError({ 0: 'First.' }) } } }).errors,
    { 'tags.0': [{ message: 'First.', code: 'invalid' }] }, 'a record thrown for a field speaks of what is in it')
  t.end()
})

t.test('hands the steps a form', (t) => {
  const socket = { id: 's1' } as WsSocket
  let changed: string[] | undefined
  const form = compileForm(signup, {
    validators: { name: [(_: unknown, form: FormState) => form.addError(null, 'Whole.')] },
    cleanFields: { age: (_: unknown, form: FormState) => form.addError('name', ['a', 'b']) },
    clean (message: Record<string, unknown>, form: FormState) {
      t.equal(form.socket, socket)
      t.strictSame(form.nonFieldErrors, [{ message: 'Whole.', code: 'invalid' }])
      t.strictSame(Object.keys(form.errors), ['name', '__all__'])
      t.strictSame([form.hasError(null), form.hasError('__all__'), form.hasError('name', 'invalid'), form.hasError('name', 'other'), form.hasError('age')],
        [true, true, true, false, false])
      t.notOk('name' in message, 'addError takes a field off the message')
      changed = form.changed({ password1: 'secret', password2: 'x', age: 30 })
    }
  }, anApp)
  const result = form.clean(good, { socket }) as FormResult
  t.strictSame(codesOf(result.errors!), { name: ['invalid'], __all__: ['invalid'] })
  t.strictSame(changed, ['password2'])
  t.end()
})

t.test('gives choices that the schema cannot know', async (t) => {
  const options = (values: () => unknown): FormOptions => ({ choices: { name: values, tags: values, age: () => [29, 30] } })
  const rooms = () => new Set(['lobby', 'den'])
  t.strictSame(clean(signup, { ...good, name: 'den', tags: ['lobby'] }, options(rooms)).cleaned, { ...cleaned, name: 'den', tags: ['lobby'] })
  t.strictSame(codesOf(clean(signup, { ...good, name: 'xx', tags: ['lobby', 'x'], age: '31' }, options(rooms)).errors!),
    { name: ['invalid_choice'], tags: ['invalid_choice'], age: ['invalid_choice'] })
  t.strictSame(codesOf(clean(signup, { ...good, name: '' }, options(rooms)).errors!), { name: ['required'] })
  t.strictSame((await later(signup, { ...good, name: 'den' }, options(async () => ['den']))).cleaned, { ...cleaned, name: 'den' })
  t.strictSame(codesOf((await later(signup, { ...good, name: 'xx' }, options(async () => ['den']))).errors!), { name: ['invalid_choice'] })
})

t.test('waits for asynchronous steps', async (t) => {
  const order: string[] = []
  const result = await later(signup, good, {
    validators: { age: [async () => { await null; order.push('validator') }] },
    cleanFields: {
      name: async (value: string) => { order.push('name'); await null; return value.toLowerCase() },
      age: (value: number) => { order.push('age'); return value + 1 }
    },
    clean: async (message: object) => { await null; order.push('clean'); return message }
  })
  t.strictSame(result.cleaned, { ...cleaned, name: 'ann', age: 31 })
  t.strictSame(order, ['validator', 'name', 'age', 'clean'])

  const refuse = (code: string) => async () => { await null; throw new ValidationError('No.', { code }) }
  let asked = false
  const refused = await later(signup, good, {
    validators: { age: [refuse('v')] },
    cleanFields: { age: () => { asked = true }, name: refuse('f') },
    clean: refuse('c')
  })
  t.strictSame(codesOf(refused.errors!), { name: ['f'], age: ['v'], __all__: ['c'] })
  t.notOk(asked, 'a field that a validator refused is not asked')
})

t.test('does not take a mistake in a step for a bad message', async (t) => {
  const mistake = new TypeError('x is not a function')
  const fail = () => { throw mistake }
  t.throws(() => clean(signup, good, { clean: fail }), mistake)
  t.throws(() => clean(signup, good, { cleanFields: { age: fail } }), mistake)
  t.throws(() => clean(signup, good, { validators: { age: [fail] } }), mistake)
  t.throws(() => clean(signup, good, { choices: { age: fail } }), mistake)
  const failLater = async () => { await null; throw mistake }
  for (const options of [{ clean: failLater }, { cleanFields: { age: failLater } }, { validators: { age: [failLater] } }, { choices: { age: failLater } }]) {
    await t.rejects(later(signup, good, options), mistake)
  }
  await t.rejects(later(signup, good, { validators: { age: [failLater] }, cleanFields: { name: async () => await null } }), mistake)
})

t.test('runs the steps of a field in every branch that has it', (t) => {
  const union = {
    oneOf: [
      { type: 'object', required: ['type', 'n'], properties: { type: { const: 'a' }, n: { type: 'integer' } } },
      { type: 'object', required: ['type'], properties: { type: { const: 'b' }, n: { type: 'string' } } }
    ]
  }
  const options: FormOptions = { validators: { n: [(value: unknown) => { if (value === 5 || value === 'x') throw new ValidationError('No.', { code: 'no' }) }] } }
  t.strictSame(codesOf(clean(union, { type: 'a', n: '5' }, options).errors!), { n: ['no'] })
  t.strictSame(codesOf(clean(union, { type: 'b', n: ' x' }, options).errors!), { n: ['no'] })
  t.strictSame(clean(union, { type: 'b', n: '5' }, options).cleaned, { type: 'b', n: '5' })
  let message: unknown
  t.strictSame(codesOf(clean(union, { n: 1 }, { clean: (m) => { message = m } }).errors!), { type: ['required'] })
  t.strictSame(message, {}, 'without a branch no field is good')

  const untagged = { anyOf: [{ type: 'object', required: ['n'], properties: { n: { type: 'integer' } } }, { type: 'object', required: ['s'], properties: { s: { type: 'string' } } }] }
  t.strictSame(codesOf(clean(untagged, { n: '5' }, options).errors!), { n: ['no'] })
  t.strictSame(clean(untagged, { s: 'x' }, options).cleaned, { s: 'x' })
  t.end()
})

t.test('runs the steps of a field that only a condition declares', (t) => {
  const schema = { type: 'object', properties: { a: { type: 'string' } }, if: { required: ['a'] }, then: { properties: { n: { type: 'integer' } } } }
  const options: FormOptions = { validators: { n: [(n: number) => { if (n > 5) throw new ValidationError('No.', { code: 'no' }) }] }, choices: { n: () => [1, 7] } }
  t.strictSame(clean(schema, { a: 'x', n: '1' }, options).cleaned, { a: 'x', n: 1 })
  t.strictSame(codesOf(clean(schema, { a: 'x', n: '7' }, options).errors!), { n: ['no'] })
  t.strictSame(codesOf(clean(schema, { a: 'x', n: '3' }, options).errors!), { n: ['invalid_choice'] })
  t.strictSame(clean(schema, { n: '7' }, options).cleaned, {})
  t.end()
})

t.test('runs the steps in strict mode', (t) => {
  const options: FormOptions = {
    form: 'strict',
    validators: { age: [(age: number) => { if (age < 18) throw new ValidationError('No.', { code: 'young' }) }] },
    cleanFields: { name: (name: string) => name.toUpperCase() },
    choices: { tags: () => ['a'] }
  }
  const message = { name: 'Ann', password1: 'secret', password2: 'secret', age: 30, tags: ['a'] }
  t.strictSame(clean(signup, message, options).cleaned, { ...message, name: 'ANN' })
  t.strictSame(codesOf(clean(signup, { ...message, age: 5, tags: ['b'] }, options).errors!), { age: ['young'], tags: ['invalid_choice'] })
  t.end()
})

t.test('refuses steps of a field that the schema does not have', (t) => {
  for (const step of ['validators', 'cleanFields', 'choices']) {
    t.throws(() => compileForm(signup, { [step]: { nmae: step === 'validators' ? [] : () => {} } }, anApp), { code: 'WSV_ERR_OPTION_UNKNOWN', message: /nmae.*name, password1/ })
  }
  t.end()
})
