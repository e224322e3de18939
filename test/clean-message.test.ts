import { Type } from '@sinclair/typebox'
import Fastify from 'fastify'
import t from 'tap'
import { cleanMessage } from '../lib/form/clean-message.ts'
import { formKeywords } from '../lib/form/keywords.ts'
import { ValidationError } from '../lib/form/validation-error.ts'

const Say = Type.Object({ type: Type.Literal('say'), text: Type.String({ minLength: 1, maxLength: 5 }), count: Type.Optional(Type.Integer()) })

t.test('cleans a message', async (t) => {
  const result = await cleanMessage(Say, { type: 'say', text: ' hi ', count: '3', other: 1 })
  t.strictSame(result, { ok: true, cleaned: { type: 'say', text: 'hi', count: 3 }, errors: null })
  // typed by the schema
  if (result.ok) t.equal(result.cleaned.text.toUpperCase(), 'HI')
})

t.test('gives the errors of a bad one', async (t) => {
  t.strictSame(await cleanMessage(Say, { type: 'say', text: 'too long' }), {
    ok: false,
    cleaned: null,
    errors: { text: [{ message: 'Ensure this value has at most 5 characters (it has 8).', code: 'max_length', params: { limit_value: 5, show_value: 8 } }] }
  })
  for (const input of [undefined, null, 5, 'x', [], () => {}, 5n, Symbol('x')]) {
    t.strictSame((await cleanMessage(Say, input)).errors, { __all__: [{ message: 'Enter a JSON object.', code: 'invalid' }] })
  }
})

t.test('takes the options of a view', async (t) => {
  const { errors } = await cleanMessage(Say, { type: 'say', text: 'abc', other: 1 }, {
    unknownKeys: 'refuse',
    locale: 'fr',
    messages: (code, params, { locale }) => `${locale}: ${code}`,
    validators: { text: [(text) => { if (text === 'abc') throw new ValidationError('No {x}.', { code: 'no', params: { x: 1 } }) }] },
    async clean (message, form) {
      t.equal(form.socket, undefined)
      t.equal(message.text, undefined)
      form.addError('count', 'Count.')
    }
  })
  t.strictSame(errors, {
    text: [{ message: 'No 1.', code: 'no', params: { x: 1 } }],
    count: [{ message: 'Count.', code: 'invalid' }],
    __all__: [{ message: 'fr: extra_keys', code: 'extra_keys', params: { keys: ['other'] } }]
  })
  t.equal((await cleanMessage(Say, { type: 'say', text: ' hi ' }, { form: 'strict' })).cleaned?.text, ' hi ')
  t.equal((await cleanMessage(Say, { type: 'say', text: 'abc' }, {
    choices: { text: async () => ['abc'] }, cleanFields: { text: (text) => text.toUpperCase() }
  })).cleaned?.text, 'ABC')
})

t.test('rejects for a mistake of the caller, never for an input', async (t) => {
  await t.rejects(cleanMessage(Type.String(), 'x'), { code: 'WSV_ERR_SCHEMA_INVALID', message: /^'cleanMessage'/ })
  await t.rejects(cleanMessage(null, {}), { code: 'WSV_ERR_SCHEMA_INVALID' })
  await t.rejects(cleanMessage(Type.Object({ a: Type.String({ pattern: '(a*)*' }) }), {}), { code: 'WSV_ERR_PATTERN_UNSAFE' })
  const mistake = new TypeError('mistake')
  await t.rejects(cleanMessage(Say, { type: 'say', text: 'a' }, { clean () { throw mistake } }), mistake)
})

t.test('refuses deep messages and dangerous keys', async (t) => {
  const schema = Type.Object({ a: Type.Any() })
  let deep: unknown = 1
  for (let level = 0; level < 100_000; level++) deep = [deep]
  for (const input of [{ a: deep }, { x: deep }, JSON.parse('{"a":{"__proto__":{}}}'), JSON.parse('{"a":{"constructor":{"prototype":{}}}}')]) {
    t.strictSame((await cleanMessage(schema, input)).errors, { __all__: [{ message: 'Enter a valid value.', code: 'invalid' }] })
  }
})

t.test('compiles once for a schema and its options', async (t) => {
  let reads = 0
  const schema = Object.defineProperty({ type: 'object' }, 'properties', { enumerable: true, get () { reads++; return { a: { type: 'string' } } } })
  const options = { unknownKeys: 'refuse' } as const
  await cleanMessage(schema, {})
  const once = reads
  t.ok(once > 0)
  await cleanMessage(schema, { a: 1 })
  t.equal(reads, once)
  await cleanMessage(schema, {}, options)
  const twice = reads
  t.ok(twice > once, 'other options, another form')
  await cleanMessage(schema, {}, options)
  t.equal(reads, twice)
})

t.test('borrows schemas, formats and keywords of an instance', async (t) => {
  const instance = Fastify({ ajv: { customOptions: { formats: { zip: /^\d{5}$/ }, keywords: [{ keyword: 'even', type: 'number', validate: (_: unknown, n: number) => n % 2 === 0 }] } } })
  t.teardown(() => instance.close())
  instance.addSchema({ $id: 'address', type: 'object', required: ['zip'], properties: { zip: { type: 'string', format: 'zip' } } })
  instance.get('/', { schema: { querystring: {} } }, () => '')
  await instance.ready()
  const schema = { type: 'object', properties: { to: { $ref: 'address#' }, n: { type: 'integer', even: true } } }
  t.strictSame((await cleanMessage(schema, { to: { zip: ' 12345 ' }, n: '2' }, { instance })).cleaned, { to: { zip: '12345' }, n: 2 })
  t.match((await cleanMessage(schema, { to: { zip: '1' }, n: '3' }, { instance })).errors, { 'to.zip': [{ code: 'invalid' }], n: [{ code: 'even' }] })
  await t.rejects(cleanMessage(schema, {}), { code: 'WSV_ERR_SCHEMA_INVALID', message: /address/ })
})

t.test('keywords of forms may stand in the body of an HTTP route', async (t) => {
  const app = Fastify({ ajv: { customOptions: { keywords: formKeywords } } })
  t.teardown(() => app.close())
  const body = { type: 'object', properties: { password: { type: 'string', strip: false, minLength: 3, errorMessages: { min_length: 'Longer.' } } } }
  app.post('/', { schema: { body } }, (request) => request.body)
  t.strictSame((await app.inject({ method: 'POST', url: '/', body: { password: ' x ' } })).json(), { password: ' x ' })
  t.strictSame((await cleanMessage(body, { password: ' x ' })).cleaned, { password: ' x ' })
  t.equal((await cleanMessage(body, { password: 'x' })).errors?.password?.[0]?.message, 'Longer.')
})
