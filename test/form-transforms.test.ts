import { Type } from '@sinclair/typebox'
import t from 'tap'
import { ValidationError } from '../lib/form/validation-error.ts'
import { agree, clean, field, gives, passes, refuses, refusesAt, requiredField } from './fixtures/form-clean.ts'
import { codesOf } from './fixtures/form-cases.ts'

const date = Type.Transform(Type.String({ format: 'date' })).Decode((text) => new Date(text)).Encode((value) => value.toISOString().slice(0, 10))
const day = new Date('2024-05-06')
const picky = Type.Transform(Type.Integer()).Decode((value) => {
  if (value === 13) throw new RangeError(`not ${value}`)
  return BigInt(value)
}).Encode(Number)

t.test('decodes after the checks of a field', (t) => {
  agree(t, [
    ['a field', Type.Object({ f: date }), { f: ' 2024-05-06 ' }, gives(day)],
    ['not what is bad', Type.Object({ f: date }), { f: 'x' }, refuses('invalid')],
    ['what the decoder refuses', Type.Object({ f: picky }), { f: '13' }, refuses('invalid')],
    ['an optional one that is blank is dropped', Type.Object({ f: Type.Optional(date) }), { f: '' }, passes({})],
    ['inside', field(Type.Object({ d: date, n: Type.Integer() })), { f: { d: '2024-05-06', n: '1' } }, gives({ d: day, n: 1 })],
    ['inside, refused', field(Type.Object({ d: picky })), { f: { d: 13 } }, refusesAt({ 'f.d': ['invalid'] })],
    ['items', field(Type.Array(picky)), { f: ['1', 2] }, gives([1n, 2n])],
    ['items, refused', field(Type.Array(picky)), { f: [13, 1, 13] }, refuses('invalid')],
    ['objects in a list', field(Type.Array(Type.Object({ n: picky }))), { f: [{ n: 1 }, { n: 13 }] }, refusesAt({ 'f.1.n': ['invalid'] })],
    ['fixed places', field(Type.Tuple([Type.String(), picky])), { f: ['a', '5'] }, gives(['a', 5n])],
    ['values of a record', field(Type.Record(Type.String(), picky)), { f: { a: '1' } }, gives({ a: 1n })],
    ['beside null', requiredField(Type.Union([date, Type.Null()])), { f: null }, gives(null)],
    ['beside null, given', requiredField(Type.Union([date, Type.Null()])), { f: '2024-05-06' }, gives(day)],
    ['a branch without a tag', field(Type.Union([picky, Type.Boolean()])), { f: '5' }, gives(5n)],
    ['the other branch', field(Type.Union([picky, Type.Boolean()])), { f: true }, gives(true)],
    ['a default', field({ ...picky, default: 5 }), {}, gives(5n)],
    ['a branch with a tag', Type.Union([Type.Object({ t: Type.Literal('a'), d: date }), Type.Object({ t: Type.Literal('b'), d: Type.String() })]),
      { t: 'b', d: '2024-05-06' }, passes({ t: 'b', d: '2024-05-06' })],
    ['an intersection', Type.Intersect([Type.Object({ d: date }), Type.Object({ n: picky })]), { d: '2024-05-06', n: 1 }, passes({ d: day, n: 1n })],
    ['a whole object inside', field(Type.Transform(Type.Object({ a: Type.Integer() })).Decode(({ a }) => a + 1).Encode((a) => ({ a: a - 1 }))), { f: { a: '1' } }, gives(2)],
    ['recursive', Type.Recursive((This) => Type.Object({ n: picky, next: Type.Optional(This) })), { n: 1, next: { n: '2' } }, passes({ n: 1n, next: { n: 2n } })],
    ['before unions without a tag at the top', Type.Union([Type.Object({ a: picky }), Type.Object({ b: picky })]), { b: '5' }, passes({ b: 5n })]
  ])
  t.end()
})

t.test('decodes the message itself after its fields have been cleaned', (t) => {
  const message = Type.Transform(Type.Object({ n: Type.Integer() })).Decode(({ n }) => ({ doubled: n * 2 })).Encode(({ doubled }) => ({ n: doubled / 2 }))
  t.strictSame(clean(message, { n: '4' }).cleaned, { doubled: 8 })
  let seen: unknown
  t.strictSame(clean(message, { n: '4' }, { cleanFields: { n: (n: number) => n + 1 }, clean: (whole) => { seen = whole } }).cleaned, { doubled: 10 })
  t.strictSame(seen, { doubled: 10 })
  t.end()
})

t.test('validates decoded values, and holds the whole before them', (t) => {
  const schema = { ...Type.Object({ d: Type.Optional(date), e: Type.Optional(Type.String()) }), dependencies: { d: ['e'] }, not: { properties: { d: { const: '2024-05-06' } }, required: ['d'] } }
  const options = { validators: { d: [(value: Date) => { if (value.getUTCDay() === 0) throw new ValidationError('Sunday.', { code: 'sunday' }) }] } }
  t.strictSame(codesOf(clean(schema, { d: '2024-05-05', e: 'x' }, options).errors!), { d: ['sunday'] })
  t.strictSame(codesOf(clean(schema, { d: '2024-05-06', e: 'x' }, options).errors!), { __all__: ['invalid'] })
  t.strictSame(clean(schema, { d: '2024-05-07', e: 'x' }, options).cleaned, { d: new Date('2024-05-07'), e: 'x' })
  t.end()
})

t.test('decodes in strict mode, on a copy', (t) => {
  const schema = Type.Object({ d: date, l: Type.Array(picky) })
  const input = { d: '2024-05-06', l: [1] }
  t.strictSame(clean(schema, input, { form: 'strict' }).cleaned, { d: day, l: [1n] })
  t.strictSame(input, { d: '2024-05-06', l: [1] })
  t.strictSame(codesOf(clean(schema, { d: '2024-05-06', l: [13] }, { form: 'strict' }).errors!), { l: ['invalid'] })
  t.end()
})
