import { Type } from '@sinclair/typebox'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { compileForm, type FormApp } from '../lib/form/form.ts'
import { compileCheck } from '../lib/form/strict.ts'
import { codesOf } from './fixtures/form-cases.ts'
import { agree, anApp, clean, field, gives, passes, refuses, refusesAt, requiredField } from './fixtures/form-clean.ts'

const tagged = Type.Union([Type.Object({ t: Type.Literal('a'), n: Type.Integer() }), Type.Object({ t: Type.Literal('b') })])
const strict = { form: 'strict' } as const

t.test('checks as draft-07 does: nothing is converted, filled in or removed', (t) => {
  agree(t, [
    ['text is not stripped', field({ type: 'string', maxLength: 3 }), { f: ' a ', g: 1 }, passes({ f: ' a ', g: 1 })],
    ['no number from text', field({ type: 'integer' }), { f: '5' }, refuses('invalid')],
    ['1.0 is an integer', field({ type: 'integer' }), { f: 1.0 }, gives(1)],
    ['no default', field({ type: 'integer', default: 5 }), {}, passes({})],
    ['blank is given', requiredField({ type: 'string' }), { f: '' }, gives('')],
    ['missing', requiredField({ type: 'string' }), {}, refuses('required')],
    ['null is a value', requiredField({ type: 'string' }), { f: null }, refuses('invalid')],
    ['readOnly says nothing', field({ type: 'integer', readOnly: true }), { f: 'x' }, refuses('invalid')],
    ['a choice is not compared as text', field({ enum: [1] }), { f: '1' }, refuses('invalid_choice')],
    ['an object as a choice', field({ const: { a: [1] } }), { f: { a: [1] } }, gives({ a: [1] })],
    ['no tolerance', field({ type: 'number', multipleOf: 0.02 }), { f: -1.26 + 1e-12 }, refuses('step_size')],
    ['all codes', field({ type: 'string', minLength: 3, pattern: '^x' }), { f: 'a' }, refuses('min_length', 'invalid')],
    ['bounds', field({ minimum: 3, exclusiveMaximum: 0 }), { f: 2 }, refuses('min_value', 'max_value')],
    ['keywords about other types', field({ minLength: 3 }), { f: 2 }, gives(2)],
    ['additionalProperties', { ...field({}), additionalProperties: false }, { f: 1, g: 2, h: 3 }, refusesAt({ __all__: ['extra_keys'] })],
    ['an additionalProperties schema', { additionalProperties: { type: 'integer' } }, { g: 'x' }, refusesAt({ g: ['invalid'] })],
    ['patternProperties', { patternProperties: { '^n': { type: 'integer' } } }, { n1: 'x' }, refusesAt({ n1: ['invalid'] })],
    ['propertyNames', { propertyNames: { maxLength: 2 } }, { abc: 1 }, refusesAt({ __all__: ['invalid'] })],
    ['dependencies', { dependencies: { a: ['b'], c: { required: ['d'] } } }, { a: 1, c: 1 }, refusesAt({ b: ['required'], d: ['required'] })],
    ['counts of properties', { minProperties: 1 }, {}, refusesAt({ __all__: ['invalid'] })],
    ['items of scalars', field({ type: 'array', items: { type: 'integer' } }), { f: [1, 'x', 'y'] }, refuses('invalid')],
    ['items of objects', field({ type: 'array', items: requiredField({}), minItems: 3 }), { f: [{}, { f: 1 }] }, refusesAt({ f: ['too_few_forms'], 'f.0.f': ['required'] })],
    ['no list', field({ type: 'array', items: { type: 'integer' } }), { f: 1 }, refuses('invalid_list')],
    ['places', field({ items: [{ type: 'integer' }], additionalItems: { type: 'string' } }), { f: [1, 2] }, refuses('invalid')],
    ['no further places', field({ items: [{}], additionalItems: false }), { f: [1, 2] }, refuses('max_length')],
    ['uniqueItems', field({ uniqueItems: true }), { f: [{ a: 1 }, { a: 1 }] }, refuses('duplicate')],
    ['contains', field({ contains: { const: 1 } }), { f: [] }, refuses('invalid')],
    ['maxContains', field({ contains: { const: 1 }, maxContains: 1 }), { f: [1, 1] }, refuses('invalid')],
    ['a union', field({ anyOf: [{ type: 'integer' }, { type: 'null' }] }), { f: 'x' }, refuses('invalid')],
    ['a tagged union', tagged, { t: 'a' }, refusesAt({ n: ['required'] })],
    ['a tagged union, no tag', tagged, {}, refusesAt({ t: ['required'] })],
    ['a tagged union, unknown tag', tagged, { t: 'c' }, refusesAt({ t: ['invalid_choice'] })],
    ['a tagged union, no object', { properties: { f: tagged } }, { f: 5 }, refuses('invalid')],
    ['a tagged union, null', { properties: { f: tagged } }, { f: { t: null } }, refusesAt({ 'f.t': ['invalid_choice'] })],
    ['oneOf', field({ oneOf: [{ minimum: 1 }, { minimum: 2 }] }), { f: 3 }, refuses('invalid')],
    ['allOf', field({ allOf: [{ minimum: 1 }, { maximum: 2 }] }), { f: 3 }, refuses('max_value')],
    ['not', field({ not: {} }), { f: 3 }, refuses('invalid')],
    ['if', field({ if: { minimum: 1 }, then: { maximum: 2 }, else: false }), { f: 3 }, refuses('invalid')],
    ['a tick', field({ const: true }), { f: false }, refuses('required')],
    ['false', false, {}, refusesAt({ __all__: ['invalid'] })],
    ['what stands beside a reference is ignored', { definitions: { n: { type: 'integer' } }, ...field({ $ref: '#/definitions/n', maximum: 1 }) }, { f: 5 }, gives(5)],
    ['any value at the top', Type.Integer(), 5, passes(5)],
    ['any value at the top, refused', Type.Integer(), 'x', refusesAt({ __all__: ['invalid'] })],
    ['__proto__ is a key', field({ type: 'object', additionalProperties: false }), { f: JSON.parse('{"__proto__":1}') }, refusesAt({ __all__: ['invalid'] })]
  ], strict)
  const input = { f: { a: [1] } }
  const { cleaned } = clean(field({}), input, strict) as { cleaned: typeof input }
  t.strictSame(cleaned, input)
  t.not(cleaned.f.a, input.f.a, 'it is a copy')
  t.end()
})

t.test('checks what a server sends', (t) => {
  const check = compileCheck(Type.Object({ type: Type.Literal('said'), text: Type.String({ maxLength: 2 }), at: Type.Array(Type.Integer()) }), anApp)
  t.equal(check({ type: 'said', text: 'a', at: [1] }), null)
  t.strictSame(codesOf(check({ type: 'x', text: 'abc', at: ['1'] })!), { type: ['invalid_choice'], text: ['max_length'], at: ['invalid'] })
  t.equal(compileCheck({ pattern: '^(a+)+$' }, anApp)('a'), null, 'a pattern is not in the hands of a client here')
  t.end()
})

// ---------- with the formats and keywords of a server

async function serve (t: Test, ajv: object): Promise<FastifyInstance> {
  const app = Fastify({ ajv } as object)
  t.teardown(() => app.close())
  app.get('/', { schema: { querystring: {} } }, () => '')
  await app.ready()
  return app
}

function borrow (app: FastifyInstance): FormApp {
  return {
    ...anApp,
    compile: (schema) => app.validatorCompiler!({ schema, method: 'GET', url: '/', httpPart: 'querystring' } as never) as (value: unknown) => boolean
  }
}

t.test("asks the server's Ajv about formats and keywords that are not ours", async (t) => {
  const app = await serve(t, {
    customOptions: {
      formats: { zip: /^\d{5}$/, even: { type: 'number', validate: (n: number) => n % 2 === 0 } },
      keywords: [
        { keyword: 'palindrome', type: 'string', validate: (on: boolean, text: string) => !on || text === [...text].reverse().join('') },
        { keyword: 'sumsTo', type: 'array', validate: (sum: number, list: number[]) => list.reduce((a, b) => a + b, 0) === sum },
        { keyword: 'small', validate: (on: boolean, value: object) => JSON.stringify(value).length < 20 }
      ]
    }
  })
  const borrowed = borrow(app)
  const zip = field({ type: 'string', format: 'zip' })
  agree(t, [
    ['a format, of the converted value', zip, { f: 12345 }, gives('12345')],
    ['a format refused', zip, { f: '1234' }, refuses('invalid')],
    ['a format of numbers', field({ type: 'integer', format: 'even' }), { f: '3' }, refuses('invalid')],
    ['a format that comes with Fastify', field({ type: 'string', format: 'hostname' }), { f: '-a' }, refuses('invalid')],
    ['a keyword', field({ type: 'string', palindrome: true }), { f: ' anna ' }, gives('anna')],
    ['a keyword refused reports its name', field({ type: 'string', palindrome: true, minLength: 9 }), { f: 'bob!' }, refuses('palindrome', 'min_length')],
    ['beside null', field({ type: ['string', 'null'], palindrome: true }), { f: 'ab' }, refuses('palindrome')],
    ['on a list', field({ type: 'array', items: { type: 'integer' }, sumsTo: 3 }), { f: ['1', '1'] }, refuses('sumsTo')],
    ['on a list, good', field({ type: 'array', items: { type: 'integer' }, sumsTo: 3 }), { f: ['1', '2'] }, gives([1, 2])],
    ['on the message', { ...field({ type: 'string' }), small: true }, { f: 'x'.repeat(20) }, refusesAt({ __all__: ['small'] })],
    ['in a condition', field({ type: 'string', not: { palindrome: true } }), { f: 'anna' }, refuses('invalid')]
  ], {}, borrowed)
  agree(t, [
    ['strict: a format', zip, { f: '1234' }, refuses('invalid')],
    ['strict: a keyword', field({ type: 'string', palindrome: true }), { f: 'ab' }, refuses('palindrome')],
    ['strict: good', field({ palindrome: true, format: 'zip', type: 'string' }), { f: '12321' }, gives('12321')]
  ], strict, borrowed)
  t.equal(clean(field({ type: 'string', palindrome: true, errorMessages: { palindrome: 'Not the same both ways.' } }), { f: 'ab' }, {}, borrowed).errors!.f![0]!.message, 'Not the same both ways.')
  for (const form of ['form', 'strict'] as const) {
    t.throws(() => compileForm(field({ type: 'string', format: 'zap' }), { form }, borrowed), { code: 'WSV_ERR_SCHEMA_INVALID', message: /^'chat'.*zap/ })
    t.throws(() => compileForm(field({ type: 'string', maxlength: 5 }), { form }, borrowed), { code: 'WSV_ERR_SCHEMA_INVALID', message: /maxlength/ }, 'a slip is found')
  }
  t.equal(clean(field({ 'x-hint': 1, type: 'string' }), { f: 'a' }, {}, borrowed).ok, true)
})

t.test('lets a validator compiler of the app judge in strict mode', async (t) => {
  const judged: unknown[] = []
  const app: FormApp = {
    ...anApp,
    customCompiler: true,
    compile: (schema) => Object.assign((value: unknown) => {
      judged.push(schema)
      const { f } = value as { f: unknown }
      ;(value as { f: unknown }).f = 'changed'
      return f === 'good'
    }, {
      errors: [
        { keyword: 'odd', instancePath: '/f' }, { keyword: 'required', instancePath: '/a/0', params: { missingProperty: 'b' } },
        { keyword: 'exclusiveMinimum', instancePath: '/a~1b', params: { limit: 5 } }, { keyword: 'additionalProperties', instancePath: '', params: { additionalProperty: 'z' } }, { keyword: 'type' }
      ]
    })
  }
  const schema = field({ type: 'string' })
  t.strictSame(clean(schema, { f: 'good' }, strict, app).cleaned, { f: 'good' }, 'it judges a copy')
  t.equal(judged[0], schema)
  t.strictSame(codesOf(clean(schema, { f: 'bad' }, strict, app).errors!),
    { f: ['odd'], 'a.0.b': ['required'], 'a/b': ['min_value'], __all__: ['extra_keys', 'invalid'] })
  const silent: FormApp = { ...app, compile: () => () => false }
  t.strictSame(codesOf(clean(schema, { f: 'bad' }, strict, silent).errors!), { __all__: ['invalid'] })
  t.equal(clean(schema, { f: ' x ' }, {}, app).ok, true, 'the form is ours')
})
