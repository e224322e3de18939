import { Type } from '@sinclair/typebox'
import t from 'tap'
import { ValidationError } from '../lib/form/validation-error.ts'
import { agree, anApp, clean, gives, passes, refuses, refusesAt, requiredField } from './fixtures/form-clean.ts'
import { codesOf } from './fixtures/form-cases.ts'

const integer = { type: 'integer' }
const object = (properties: Record<string, unknown>, more: Record<string, unknown> = {}) => ({ type: 'object', properties, ...more })
const day = new Date('2024-05-06')
const date = Type.Transform(Type.String({ format: 'date' })).Decode((text) => new Date(text)).Encode((value) => value.toISOString().slice(0, 10))
const upper = Type.Transform(Type.String()).Decode((text) => text.toUpperCase()).Encode((text) => text)
/** a nested object: `q.n` is converted, `q.d` decoded */
const deep = object({ q: object({ n: integer, d: date }), l: { type: 'array', items: object({ n: integer }) } })
const sent = { x: 1, q: { x: 1, n: ' 5 ', d: '2024-05-06' }, l: [{ n: '1', x: 1 }, { n: '2' }] }
const cleaned = { q: { n: 5, d: day }, l: [{ n: 1 }, { n: 2 }] }
const invalid = refusesAt({ __all__: ['invalid'] })

t.test('cleans what only a part of the schema declares, at every depth', (t) => {
  const when = { if: { required: ['k'] }, then: object({ p: deep }), else: object({ e: deep }) }
  agree(t, [
    ['then', object({ k: {} }, when), { k: 1, p: sent, e: sent, y: 1 }, passes({ k: 1, p: cleaned })],
    ['else', object({ k: {} }, when), { p: sent, e: sent, y: 1 }, passes({ e: cleaned })],
    ['then, beside an allOf', { allOf: [object({ k: {} }), when] }, { k: 1, p: sent }, passes({ k: 1, p: cleaned })],
    ['then, inside', requiredField(object({ k: {} }, when)), { f: { k: 1, p: sent, y: 1 } }, gives({ k: 1, p: cleaned })],
    ['then, in a branch with a tag', Type.Union([{ ...Type.Object({ t: Type.Literal('a'), k: Type.Any() }), ...when }, Type.Object({ t: Type.Literal('b') })]),
      { t: 'a', k: 1, p: sent }, passes({ t: 'a', k: 1, p: cleaned })],
    ['then in then', object({ k: {} }, { if: { required: ['k'] }, then: object({ m: integer }, { if: { required: ['m'] }, then: object({ p: deep }) }) }),
      { k: 1, m: '1', p: sent }, passes({ k: 1, m: 1, p: cleaned })],
    ['a dependency', object({ k: {} }, { dependencies: { k: object({ p: deep }) } }), { k: 1, p: sent, y: 1 }, passes({ k: 1, p: cleaned })],
    ['a dependency that does not apply', object({ k: {} }, { dependencies: { k: object({ p: deep }) } }), { p: sent }, passes({})],
    ['a dependency, deep fault', object({ k: {} }, { dependencies: { k: object({ p: deep }) } }), { k: 1, p: { q: { n: 'x' }, l: [{}, { n: 'x' }] } },
      refusesAt({ 'p.q.n': ['invalid'], 'p.l.1.n': ['invalid'] })],
    ['a branch of allOf beside properties', { ...object({ k: {} }), allOf: [object({ p: deep })] }, { p: sent }, passes({ p: cleaned })],
    ['a union beside properties', object({ k: {} }, { anyOf: [object({ p: deep }, { required: ['p'] }), object({ e: deep }, { required: ['e'] })] }), { k: 1, e: sent }, passes({ k: 1, e: cleaned })],
    ['oneOf beside properties', object({ k: {} }, { oneOf: [object({ p: deep }, { required: ['p'] }), object({ e: deep }, { required: ['e'] })] }), { k: 1, e: sent }, passes({ k: 1, e: cleaned })],
    ['two unions', { allOf: [{ anyOf: [object({ a: integer }, { required: ['a'] }), object({ b: integer }, { required: ['b'] })] }, { anyOf: [object({ c: integer }, { required: ['c'] }), object({ p: deep }, { required: ['p'] })] }] },
      { b: '1', p: sent, y: 1 }, passes({ b: 1, p: cleaned })],
    ['a union in then', object({ k: {} }, { if: { required: ['k'] }, then: { anyOf: [object({ a: integer }, { required: ['a'] }), object({ p: deep }, { required: ['p'] })] } }),
      { k: 1, p: sent }, passes({ k: 1, p: cleaned })],
    ['keys by pattern', object({ k: {} }, { if: { required: ['k'] }, then: { patternProperties: { '^p': deep } } }), { k: 1, p1: sent, y: 1 }, passes({ k: 1, p1: cleaned })],
    ['through a reference', { definitions: { deep }, ...object({ k: {} }, { if: { required: ['k'] }, then: { properties: { p: { $ref: '#/definitions/deep' } } } }) },
      { k: 1, p: sent }, passes({ k: 1, p: cleaned })],
    ['a default', object({ k: {} }, { if: { required: ['k'] }, then: object({ n: { ...integer, default: 3 } }) }), { k: 1 }, passes({ k: 1, n: 3 })],
    ['blank', object({ k: {} }, { if: { required: ['k'] }, then: object({ s: { type: 'string' }, n: integer }) }), { k: 1, s: ' ', n: '' }, passes({ k: 1, s: '' })]
  ])
  t.end()
})

t.test('puts what a part says together with what the field says', (t) => {
  const more = (then: unknown, p: unknown = object({ a: integer })) => object({ k: {}, p }, { if: { required: ['k'] }, then })
  agree(t, [
    ['members of both', more(object({ p: deep })), { k: 1, p: { a: '1', ...sent } }, passes({ k: 1, p: { a: 1, ...cleaned } })],
    ['only where it applies', more(object({ p: deep })), { p: { a: '1', ...sent } }, passes({ p: { a: 1 } })],
    ['items of lists', more(object({ p: { items: object({ b: integer }) } }), { type: 'array', items: object({ a: integer }) }), { k: 1, p: [{ a: '1', b: '2', c: 3 }] }, passes({ k: 1, p: [{ a: 1, b: 2 }] })],
    ['a limit', more(object({ n: { maximum: 5 } }), {}), { k: 1, n: 6 }, invalid],
    ['a limit of a field with a type', object({ n: integer }, { if: { required: ['n'] }, then: { properties: { n: { maximum: 5 } } } }), { n: '6' }, invalid],
    ['a limit that is kept', object({ n: integer }, { if: { required: ['n'] }, then: { properties: { n: { maximum: 5 } } } }), { n: '5' }, passes({ n: 5 })],
    ['one value of stripped text', object({ k: {}, s: { type: 'string' } }, { if: { required: ['k'] }, then: { properties: { s: { const: 'b' } } } }), { k: 1, s: ' b ' }, passes({ k: 1, s: 'b' })],
    ['what it requires', more(object({ p: { required: ['b'] } })), { k: 1, p: { a: 1 } }, invalid],
    ['what it requires, given', more(object({ p: { required: ['a'] } })), { k: 1, p: { a: '1' } }, passes({ k: 1, p: { a: 1 } })],
    ['a list that is blank is not given', object({ l: { type: 'array', items: integer } }, { anyOf: [{ required: ['l'] }, { required: ['z'] }] }), { l: [] }, invalid],
    ['a dependency whose field is bad', object({ k: {}, n: integer }, { dependencies: { k: { properties: { n: { minimum: 5 } } } } }), { k: 1, n: '4' }, refusesAt({ n: ['min_value'] })],
    ['a closed branch leaves its neighbours alone', object({ id: integer }, { anyOf: ['a', 'b'].map((key) => object({ [key]: integer }, { required: [key], additionalProperties: false })) }),
      { id: '1', b: '2', c: 3 }, passes({ id: 1, b: 2 })],
    ['a part that holds for another key', object({ a: integer }, { if: { required: ['a'] }, then: { additionalProperties: integer } }), { a: 1, z: '5' }, passes({ a: 1, z: 5 })]
  ])
  t.end()
})

t.test('judges by what it keeps', (t) => {
  agree(t, [
    ['a condition does not see what nothing declares', object({ a: integer }, { if: { required: ['k'] }, then: object({ n: integer }), else: object({ m: integer }) }), { k: 1, n: 1, m: '1' }, passes({ m: 1 })],
    ['oneOf: what told branches apart has been dropped', { oneOf: [object({ a: integer }, { required: ['a'] }), object({ a: integer, b: integer }, { required: ['a'], not: { required: ['c'] } })] },
      { a: 1, c: 1 }, invalid],
    ['oneOf beside a field', object({ id: integer }, { oneOf: [{ required: ['id'] }, { properties: { z: integer }, required: ['id'], not: { required: ['c'] } }] }), { id: 1, c: 1 }, invalid],
    ['anyOf: the first branch that the cleaned message matches', { anyOf: [object({ a: integer }, { required: ['a'], not: { required: ['c'] } }), object({ a: integer, d: {} }, { required: ['a'] })] },
      { a: 1, c: 1, d: 2 }, passes({ a: 1 })],
    ['a side that changes sides', object({ k: {} }, { if: object({ n: integer }, { required: ['n'] }), then: object({ y: integer }), else: object({ n: integer }) }), { n: '5', y: '6' }, invalid]
  ])
  t.end()
})

t.test('runs the steps of such fields on their cleaned and decoded values', (t) => {
  const schema = object({ k: {}, s: { type: 'string' } }, { if: { required: ['k'] }, then: object({ d: date, s: { maxLength: 5 }, u: upper }) })
  const seen: unknown[] = []
  const see = (value: unknown) => { seen.push(value) }
  const options = { validators: { d: [see], s: [see], u: [see] }, cleanFields: { d: (value: Date | undefined) => value?.getTime() } }
  t.strictSame(clean(schema, { k: 1, d: '2024-05-06', s: ' x ', u: 'y' }, options).cleaned, { k: 1, s: 'x', d: day.getTime(), u: 'Y' })
  t.strictSame(seen.map(String).sort(), [String(day), 'Y', 'x'].sort())
  seen.length = 0
  t.strictSame(clean(schema, { k: 1, d: '', s: '', u: '' }, options).cleaned, { k: 1, s: '' })
  t.strictSame(seen, [], 'validators are not asked about what is empty')
  t.end()
})

t.test('refuses what a decoder refuses, where it is', (t) => {
  const picky = Type.Transform(Type.Integer()).Decode((n) => { if (n === 13) throw new RangeError('13'); return BigInt(n) }).Encode(Number)
  const schema = object({ k: {} }, { if: { required: ['k'] }, then: object({ n: picky, p: object({ l: { type: 'array', items: object({ n: picky }) } }) }) })
  t.strictSame(clean(schema, { k: 1, n: '5', p: { l: [{ n: 1 }] } }).cleaned, { k: 1, n: 5n, p: { l: [{ n: 1n }] } })
  const seen: unknown[] = []
  const result = clean(schema, { k: 1, n: '5', p: { l: [{ n: 1 }, { n: 13 }] } }, { clean: (message) => { seen.push({ ...message }) } })
  t.strictSame(codesOf(result.errors!), { 'p.l.1.n': ['invalid'] })
  t.strictSame(seen, [{ k: 1, n: 5n }], 'clean sees the fields that are good')
  t.strictSame(clean(Type.Record(Type.String(), picky), { a: '1' }).cleaned, { a: 1n }, 'keys of the message that have no name')
  t.end()
})

t.test('cleans the same value twice where the input has it twice', (t) => {
  const same = { d: '2024-05-06' }
  const union = Type.Union([Type.Object({ d: date }), Type.Object({ e: Type.Integer() })])
  t.strictSame(clean(Type.Object({ a: union, b: union }), { a: same, b: same }).cleaned, { a: { d: day }, b: { d: day } })
  const node = { $id: 'node', type: 'object', properties: { d: date, c: { $ref: 'node' } }, anyOf: [{ required: ['d'] }, { properties: { c: { $ref: 'node' } }, required: ['c'] }] }
  const result = clean({ type: 'object', definitions: { node }, properties: { a: { $ref: 'node' }, b: { $ref: 'node' } } }, { a: { c: same }, b: { c: same } })
  t.strictSame(result.cleaned, { a: { c: { d: day } }, b: { c: { d: day } } })
  t.end()
})

t.test('does the work of each level once', (t) => {
  // every level is cleaned by its field and by its part: 2^30 functions without a memory
  const ways: Record<string, Record<string, unknown>> = {
    then: { if: { required: ['n'] }, then: { properties: { c: { $ref: 'node' }, m: integer } } },
    dependency: { dependencies: { n: { properties: { c: { $ref: 'node' }, m: integer } } } },
    anyOf: { anyOf: [{ properties: { c: { $ref: 'node' }, m: integer }, required: ['n'] }, { properties: { c: { $ref: 'node' } }, required: ['z'] }] },
    oneOf: { oneOf: [{ properties: { c: { $ref: 'node' }, m: integer }, required: ['n'] }, { properties: { c: { $ref: 'node' } }, required: ['z'] }] }
  }
  for (const [way, more] of Object.entries(ways)) {
    const node = { $id: 'node', ...object({ c: { $ref: 'node' }, n: integer }, more) }
    let message: Record<string, unknown> = { n: '1', m: '2', x: 1 }
    let expected: Record<string, unknown> = { n: 1, m: 2 }
    for (let level = 0; level < 30; level++) {
      message = { n: '1', m: '2', c: message, x: 1 }
      expected = { n: 1, m: 2, c: expected }
    }
    t.strictSame(clean(node, message, {}, anApp).cleaned, expected, way)
  }
  const unions = { $id: 'node', anyOf: [object({ a: integer, c: { $ref: 'node' } }, { required: ['a'] }), object({ b: integer, c: { $ref: 'node' } }, { required: ['b'] })] }
  let bad: unknown = { z: 1 }
  for (let level = 0; level < 30; level++) bad = { a: '1', b: '1', c: bad }
  t.strictSame(codesOf(clean(unions, bad).errors!), { __all__: ['invalid'] })
  t.end()
})

t.test('an optional transformed field that is blank is dropped, a required one is required', (t) => {
  const optional = Type.Object({ f: Type.Optional(upper) })
  agree(t, [
    ['optional', optional, { f: '' }, passes({})],
    ['optional, white space', optional, { f: ' ' }, passes({})],
    ['optional, null', optional, { f: null }, passes({})],
    ['required', Type.Object({ f: upper }), { f: '' }, refuses('required')],
    ['nullable, blank', Type.Object({ f: Type.Optional(Type.Union([upper, Type.Null()])) }), { f: '' }, passes({})],
    ['nullable, null', Type.Object({ f: Type.Optional(Type.Union([upper, Type.Null()])) }), { f: null }, gives(null)]
  ])
  const asked: unknown[] = []
  const validators = { f: [(value: unknown) => { asked.push(value); throw new ValidationError('no') }] }
  t.strictSame(clean(Type.Object({ f: Type.Union([upper, Type.Null()]) }), { f: null }, { validators }).cleaned, { f: null })
  t.strictSame(asked, [], 'and its validators are not asked about null')
  t.end()
})

t.test('where unknown keys are refused, those that some part declares are known', (t) => {
  const schema = object({ k: {}, p: object({ a: integer }), l: { type: 'array', items: object({ a: integer }) } },
    { if: { required: ['k'] }, then: { properties: { p: { properties: { b: integer } }, l: { items: { properties: { b: integer, c: object({ d: integer }) } } } } } })
  agree(t, [
    ['in an object', schema, { k: 1, p: { a: '1', b: '2' } }, passes({ k: 1, p: { a: 1, b: 2 } })],
    ['in a list', schema, { k: 1, l: [{ a: '1', b: '2', c: { d: '3' } }] }, passes({ k: 1, l: [{ a: 1, b: 2, c: { d: 3 } }] })],
    ['unknown to all', schema, { k: 1, p: { a: 1, x: 1 } }, refusesAt({ __all__: ['extra_keys'] })],
    ['unknown to all, in a list', schema, { k: 1, l: [{ a: 1, x: 1 }] }, refusesAt({ __all__: ['extra_keys'] })],
    ['unknown to the part that applies', schema, { k: 1, l: [{ a: 1, c: { x: 1 } }] }, invalid]
  ], { unknownKeys: 'refuse' })
  t.end()
})
