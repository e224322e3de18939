import fc from 'fast-check'
import t from 'tap'
import { Type } from '@sinclair/typebox'
import { cleanMessage } from '../lib/form/clean-message.ts'
import { compileForm } from '../lib/form/form.ts'
import { compileCheck } from '../lib/form/strict.ts'
import type { FormResult } from '../lib/types.ts'
import { codesOf } from './fixtures/form-cases.ts'
import { agree, anApp, clean, field, gives, passes, refuses, refusesAt } from './fixtures/form-clean.ts'

// every kind of field, under names that objects have already
const schema = {
  type: 'object',
  required: ['text', 'constructor'],
  properties: {
    text: { type: 'string', minLength: 1, maxLength: 10, pattern: '^[a-z]' },
    constructor: { type: 'integer', minimum: 0 },
    toString: { type: 'number', multipleOf: 0.5 },
    hasOwnProperty: { type: 'boolean' },
    choice: { enum: ['a', 1, null, true, { b: [1] }] },
    list: { type: 'array', items: { type: 'string' }, uniqueItems: true, maxItems: 5 },
    forms: { type: 'array', items: { type: 'object', properties: { n: { type: 'integer' }, again: { $ref: '#' } } } },
    record: { type: 'object', additionalProperties: { type: ['integer', 'null'] } },
    union: { anyOf: [{ type: 'integer' }, { type: 'object', properties: { u: { $ref: '#/properties/union' } }, required: ['u'] }, { type: 'array', items: { type: 'boolean' } }] },
    any: {}
  },
  dependencies: { any: ['list'] },
  if: { required: ['list'] },
  then: { properties: { extra: { type: 'string', format: 'email' } } }
}
const forms = [{}, { unknownKeys: 'refuse' }, { form: 'strict' }].map((options) => compileForm(schema, options as object, anApp))
const key = fc.oneof(fc.constantFrom(...Object.keys(schema.properties), 'n', 'again', 'u', 'extra', '__proto__', 'valueOf'), fc.string())
const value = fc.letrec((tie) => ({
  any: fc.oneof({ depthSize: 'medium' }, fc.anything(), fc.constantFrom('', ' a ', '1', '-0', Infinity, null, 'a@b.co'), fc.array(tie('any'), { maxLength: 4 }), fc.dictionary(key, tie('any'), { maxKeys: 8 }))
})).any
const snapshot = JSON.stringify(Object.getOwnPropertyNames(Object.prototype))

t.test('never throws, whatever comes', (t) => {
  fc.assert(fc.property(value, (input) => {
    for (const form of forms) {
      const result = form.clean(input, {}) as FormResult
      if (!result.ok && Object.values(result.errors).flat().length === 0) throw new RangeError('refused without a reason')
    }
    return true
  }), { numRuns: 2000 })
  t.equal(JSON.stringify(Object.getOwnPropertyNames(Object.prototype)), snapshot, 'and leaves prototypes alone')
  t.end()
})

t.test('cleans what is clean to itself, and leaves the input alone', (t) => {
  let cleaned = 0
  const good = fc.record({
    text: fc.constantFrom(' abc', 'x', ' y '),
    constructor: fc.oneof(fc.nat(), fc.nat().map(String)),
    toString: fc.oneof(fc.integer(), fc.constant(' .5 ')),
    hasOwnProperty: fc.constantFrom('true', 0, false),
    choice: fc.constantFrom('a', '1', null, true, { b: [1] }),
    list: fc.uniqueArray(fc.integer(), { maxLength: 5 }),
    record: fc.dictionary(fc.string({ unit: 'grapheme-ascii' }), fc.constantFrom(null, '5', 6)),
    union: fc.constantFrom('5', { u: { u: '1' } }, ['true', 0]),
    any: fc.json(),
    junk: fc.json()
  }, { requiredKeys: ['text', 'constructor'] })
  fc.assert(fc.property(good, (input) => {
    const before = JSON.stringify(input)
    const first = forms[0]!.clean(input, {}) as FormResult<Record<string, unknown>>
    t.equal(JSON.stringify(input), before)
    if (!first.ok) return true
    cleaned++
    const second = forms[0]!.clean(first.cleaned, {}) as FormResult
    return second.ok && JSON.stringify(second.cleaned) === JSON.stringify(first.cleaned) &&
      Object.getPrototypeOf(first.cleaned) === Object.prototype && !Object.hasOwn(first.cleaned, 'junk')
  }), { numRuns: 500 })
  t.ok(cleaned > 100, 'enough of them were good')
  t.end()
})

t.test('reads own members only', (t) => {
  const names = ['constructor', 'toString', 'hasOwnProperty', '__proto__', 'valueOf']
  const properties = Object.defineProperty(Object.fromEntries(names.map((name) => [name, {}])), '__proto__', { value: {}, enumerable: true })
  const result = clean({ type: 'object', properties, required: names }, {})
  t.strictSame(Object.keys(result.errors!).sort(), [...names].sort(), 'what a prototype has was not sent')
  const dangerous = JSON.parse('{"f":{"__proto__":{"admin":true}}}')
  agree(t, [
    ['__proto__ inside', field({}), dangerous, refusesAt({ __all__: ['invalid'] })],
    ['a constructor with a prototype', field({}), { f: { constructor: { prototype: {} } } }, refusesAt({ __all__: ['invalid'] })],
    ['a constructor without', field({}), { f: { constructor: 'x' } }, gives({ constructor: 'x' })]
  ])
  agree(t, [
    ['__proto__ in a record', field({ type: 'object', additionalProperties: {} }), dangerous, refuses('invalid')],
    ['__proto__ that nothing declares', field({ type: 'object', properties: {} }), dangerous, gives({})]
  ], {}, { ...anApp, isParsed: true })
  t.equal(({} as { admin?: unknown }).admin, undefined)
  t.end()
})

t.test('writes no text of a schema into code', (t) => {
  const nasty = ['"', '\\', '\n', '\u2028', '`', '$' + '{throw 1}', "'); throw 1; ('", '*/', '']
  for (const name of nasty) {
    const schema = { type: 'object', properties: { [name]: { type: 'string', pattern: '^a', errorMessages: { invalid: name } }, n: { enum: [name, 1], default: name } }, required: [name], dependencies: { n: [name] } }
    t.strictSame(clean(schema, { [name]: 'a' }).cleaned, { [name]: 'a', n: name })
    t.strictSame(clean(schema, { [name]: 'b' }, { form: 'strict' }).errors, { [name === '' ? '__all__' : name]: [{ message: name, code: 'invalid' }] })
    const union = { oneOf: ['x', name].map((tag) => ({ type: 'object', properties: { [name]: { const: tag } } })) }
    t.strictSame(clean(union, { [name]: 'x' }).cleaned, { [name]: 'x' })
  }
  t.end()
})

t.test('bounds depth, errors and paths', (t) => {
  const deep = (levels: number): unknown => levels === 0 ? 1 : { f: deep(levels - 1) }
  agree(t, [
    ['as deep as is allowed', field({}), deep(4), gives(deep(3))],
    ['one deeper', field({}), deep(5), refusesAt({ __all__: ['invalid'] })],
    ['in a key that nothing declares', field({}), { x: [[[[1]]]] }, refusesAt({ __all__: ['invalid'] })]
  ], { maxDepth: 4 })
  t.equal(clean(field({}), deep(32)).ok, true, '32 levels unless said otherwise')
  t.equal(clean(field({}), deep(33)).ok, false)

  const forms_ = field({ type: 'array', items: { type: 'object', required: ['a', 'b'], properties: { a: {}, b: {} } } })
  const many = { f: Array.from({ length: 500 }, () => ({})) }
  t.equal(Object.keys(clean(forms_, many).errors!).length, 100)
  t.equal(Object.keys(clean(forms_, many, { maxErrors: 7 }).errors!).length, 7)
  t.equal(Object.keys(clean(forms_, many, { form: 'strict', maxErrors: 7 }).errors!).length, 7)

  const key = 'k'.repeat(500)
  t.strictSame(Object.keys(clean(field({ type: 'object', additionalProperties: { type: 'integer' } }), { f: { [key]: 'x' } }).errors!), [`f.${'k'.repeat(126)}`])
  t.equal((clean(field({}), { [key]: 1 }, { unknownKeys: 'refuse' }).errors!.__all__![0]!.params!.keys as string[])[0], 'k'.repeat(128))
  t.end()
})

t.test('hashes for uniqueItems', (t) => {
  // 30,000 objects in pairs would be compared 450 million times
  const items = Array.from({ length: 30_000 }, (_, i) => ({ id: i, tags: [i, 'x'] }))
  const list = field({ type: 'array', items: {}, uniqueItems: true })
  t.equal(clean(list, { f: items }).ok, true)
  t.strictSame(codesOf(clean(list, { f: [...items, { tags: [7, 'x'], id: 7 }] }).errors!), { f: ['duplicate'] })
  const check = compileCheck(list, anApp)
  t.equal(check({ f: items }), null)
  t.strictSame(codesOf(check({ f: [...items, { tags: [7, 'x'], id: 7 }] })!), { f: ['duplicate'] })
  t.end()
})

t.test('refuses schemas that it cannot compile, and names the view', (t) => {
  const rows: [label: string, schema: unknown, reason: RegExp][] = [
    ['no object', Type.String(), /a form describes an object/],
    ['a union with no object', Type.Union([Type.Object({}), Type.String()]), /a form describes an object/],
    ['a list', Type.Array(Type.Object({})), /a form describes an object/],
    ['nothing', undefined, /must be an object or a boolean, got undefined/],
    ['null', null, /got null/],
    ['a reference to nothing', field({ $ref: 'nope' }), /'nope' leads to no schema/],
    ['a pointer to nothing', field({ $ref: '#/definitions/nope' }), /leads to no schema/],
    ['a reference to itself', { $ref: '#' }, /back to itself/],
    ['references in a circle', { definitions: { a: { $ref: '#/definitions/b' }, b: { $ref: '#/definitions/a' } }, ...field({ $ref: '#/definitions/a' }) }, /back to itself/],
    ['a union of itself', { definitions: { a: { anyOf: [{ $ref: '#/definitions/a' }, { type: 'string' }] } }, ...field({ $ref: '#/definitions/a' }) }, /back to itself/],
    ['a condition of itself', { type: 'object', if: {}, then: { $ref: '#' } }, /back to itself/],
    ['Type.Date', field(Type.Date()), /"Date" is none that JSON has/],
    ['Type.Uint8Array', field(Type.Uint8Array()), /Uint8Array/],
    ['Type.BigInt', field(Type.BigInt()), /bigint/],
    ['Type.Undefined', field(Type.Undefined()), /undefined/],
    ['a type that is none', field({ type: 'strin' }), /strin/],
    ['minLength', field({ minLength: '3' }), /minLength must be a whole number/],
    ['minimum', field({ minimum: '3' }), /minimum must be a number/],
    ['multipleOf', field({ multipleOf: 0 }), /multipleOf must be greater than 0/],
    ['required', { type: 'object', required: 'f' }, /required must be a list of strings/],
    ['properties', { type: 'object', properties: [] }, /properties must be an object/],
    ['enum', field({ enum: [] }), /enum must be a list/],
    ['anyOf', field({ anyOf: [] }), /anyOf must be a list of schemas/],
    ['pattern', field({ pattern: '(' }), /'\(' is no regular expression/],
    ['a format that nobody knows', field({ type: 'string', format: 'zip' }), /format 'zip' is unknown/],
    ['errorMessages', field({ errorMessages: { required: 1 } }), /errorMessages.required must be a string/]
  ]
  for (const [label, schema, reason] of rows) t.throws(() => compileForm(schema, {}, anApp), { code: 'WSV_ERR_SCHEMA_INVALID', message: reason }, label)
  for (const [label, schema, reason] of rows.slice(5)) t.throws(() => compileForm(schema, { form: 'strict' }, anApp), { code: 'WSV_ERR_SCHEMA_INVALID', message: reason }, `strict: ${label}`)
  t.throws(() => compileForm(field({ $ref: 'nope' }), {}, anApp), { message: /^'chat': / })
  t.end()
})

t.test('refuses patterns that can take exponential time', (t) => {
  for (const schema of [field({ type: 'string', pattern: '^(a+)+$' }), { type: 'object', patternProperties: { '^(a+)+$': {} } }]) {
    t.throws(() => compileForm(schema, {}, anApp), { code: 'WSV_ERR_PATTERN_UNSAFE', message: /^'chat'.*\(a\+\)\+/ })
    t.throws(() => compileForm(schema, { form: 'strict' }, anApp), { code: 'WSV_ERR_PATTERN_UNSAFE' })
    t.equal(clean(schema, {}, { unsafePatterns: true }).ok, true)
  }
  agree(t, [['a pattern that is no Unicode one', field({ type: 'string', pattern: '^\\-$' }), { f: '-' }, gives('-')]])
  t.end()
})

t.test('is off for a schema that takes anything', async (t) => {
  for (const schema of [{}, true, Type.Unknown(), Type.Any(), { title: 'Anything' }]) {
    agree(t, [['an object', schema, { a: ' x ' }, passes({ a: ' x ' })], ['text', schema, 'x', passes('x')], ['null', schema, null, passes(null)]])
    t.strictSame(await cleanMessage(schema, [' ']), { ok: true, cleaned: [' '], errors: null })
  }
  t.end()
})
