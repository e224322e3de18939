import t from 'tap'
import { agree, clean, field, gives, passes, refuses, refusesAt, requiredField } from './fixtures/form-clean.ts'
import { Type } from '@sinclair/typebox'

const text = { type: 'string' }
const integer = { type: 'integer' }
const number = { type: 'number' }
const boolean = { type: 'boolean' }
const uuid = '550e8400-e29b-41d4-a716-446655440000'

t.test('strips text first, unless the schema says not to', (t) => {
  agree(t, [
    ['white space around', field(text), { f: '\t a b \n' }, gives('a b')],
    ['wide white space', field(text), { f: '\u00a0\u3000a\u2003' }, gives('a')],
    ['strip: false', field({ ...text, strip: false }), { f: ' a ' }, gives(' a ')],
    ['strip: false, only white space is not empty', requiredField({ ...text, strip: false }), { f: '  ' }, gives('  ')],
    ['before the length is looked at', field({ ...text, maxLength: 1 }), { f: ' a ' }, gives('a')],
    ['not a choice', field({ enum: ['a'] }), { f: 'a ' }, refuses('invalid_choice')],
    ['not what may be anything', field({}), { f: ' a ' }, gives(' a ')],
    ['items of a list', field({ type: 'array', items: text }), { f: [' a ', 'b'] }, gives(['a', 'b'])],
    ['values of a record', field(Type.Record(Type.String(), Type.String())), { f: { k: ' a ' } }, gives({ k: 'a' })]
  ])
  t.end()
})

t.test('knows what is empty, and reports nothing but required for it', (t) => {
  const constrained = { ...text, minLength: 5, pattern: '^x', format: 'email' }
  agree(t, [
    ['absent', requiredField(constrained), {}, refuses('required')],
    ['undefined', requiredField(constrained), { f: undefined }, refuses('required')],
    ['null', requiredField(constrained), { f: null }, refuses('required')],
    ['blank', requiredField(constrained), { f: '  ' }, refuses('required')],
    ['blank number', requiredField(integer), { f: ' ' }, refuses('required')],
    ['blank boolean', requiredField(boolean), { f: '' }, refuses('required')],
    ['blank date', requiredField({ ...text, format: 'date' }), { f: ' ' }, refuses('required')],
    ['blank object', requiredField(field(text)), { f: '' }, refuses('required')],
    ['list of scalars', requiredField({ type: 'array', items: text }), { f: [] }, refuses('required')],
    ['blank list', requiredField({ type: 'array', items: text }), { f: '' }, refuses('required')],
    ['list of objects is not empty', requiredField({ type: 'array', items: field(text) }), { f: [] }, gives([])],
    ['object is not empty', requiredField(field(text)), { f: {} }, gives({})],
    ['0 is not empty', requiredField(number), { f: 0 }, gives(0)],
    ['false is not empty', requiredField(boolean), { f: false }, gives(false)],
    ['a list of lists', requiredField({ type: 'array', items: { type: 'array', items: integer } }), { f: [] }, refuses('required')]
  ])
  t.end()
})

t.test('runs no check on an optional field that is empty', (t) => {
  agree(t, [
    ['absent stays absent', field({ ...text, minLength: 3 }), {}, passes({})],
    ['null is dropped', field({ ...text, minLength: 3 }), { f: null }, passes({})],
    ['blank text stays', field({ ...text, minLength: 3 }), { f: ' ' }, gives('')],
    ['blank with a format stays', field({ ...text, format: 'email' }), { f: '' }, gives('')],
    ['blank with a pattern stays', field({ ...text, pattern: '^a' }), { f: '' }, gives('')],
    ['empty list stays', field({ type: 'array', items: text, minItems: 2 }), { f: [] }, gives([])],
    ['blank number is dropped', field({ ...integer, minimum: 5 }), { f: '' }, passes({})],
    ['blank choice is dropped', field({ enum: ['a'] }), { f: '' }, passes({})],
    ['blank list is dropped', field({ type: 'array', items: text }), { f: '' }, passes({})],
    ['blank object is dropped', field({ ...field(text), required: ['f'] }), { f: '' }, passes({})],
    ['anything admits null', field({}), { f: null }, gives(null)],
    ['required anything admits null', requiredField({}), { f: null }, gives(null)],
    ['required anything is missing', requiredField({}), {}, refuses('required')]
  ])
  t.end()
})

t.test('cleans to null where the schema admits null', (t) => {
  agree(t, [
    ['two types', requiredField({ type: ['integer', 'null'] }), { f: null }, gives(null)],
    ['blank for a number', requiredField({ type: ['integer', 'null'] }), { f: '' }, gives(null)],
    ['anyOf with null', requiredField(Type.Union([Type.Null(), Type.Object({})])), { f: '' }, gives(null)],
    ['nullable', requiredField({ type: 'integer', nullable: true }), { f: null }, gives(null)],
    ['null for text', requiredField({ type: ['string', 'null'] }), { f: null }, gives(null)],
    ['blank text is no null', requiredField({ type: ['string', 'null'] }), { f: '' }, refuses('required')],
    ['blank optional text stays', field({ type: ['string', 'null'] }), { f: '' }, gives('')],
    ['an enum with null', requiredField({ enum: ['a', null] }), { f: null }, gives(null)],
    ['a literal union with null', requiredField(Type.Union([Type.Literal('a'), Type.Null()])), { f: null }, gives(null)],
    ['null alone', requiredField({ type: 'null' }), { f: null }, gives(null)],
    ['null alone, something else', requiredField({ type: 'null' }), { f: 1 }, refuses('invalid')],
    ['absent is not null', requiredField({ type: ['integer', 'null'] }), {}, refuses('required')],
    ['items', field({ type: 'array', items: { type: ['integer', 'null'] } }), { f: ['1', null] }, gives([1, null])],
    ['checks still run', requiredField(Type.Union([Type.Integer({ minimum: 5 }), Type.Null()])), { f: '4' }, refuses('min_value')]
  ])
  t.end()
})

t.test('converts whole numbers', (t) => {
  const good: [unknown, number][] = [[5, 5], ['5', 5], [' +5 ', 5], ['-0005', -5], ['5.', 5], ['5.000', 5], [2 ** 53 - 1, 2 ** 53 - 1]]
  const bad = [5.5, '5.5', '5.01', '5e3', '0x5', '1_000', '５', true, [], [5], {}, 'five', 2 ** 53, '9007199254740993', 1e300, Infinity, NaN]
  agree(t, good.map(([input, output]) => [String(input), field(integer), { f: input }, gives(output)]))
  agree(t, bad.filter((input) => !Array.isArray(input) || input.length > 0).map((input) => [`not ${String(input)}`, field(integer), { f: input }, refuses('invalid')]))
  t.end()
})

t.test('converts numbers', (t) => {
  const good: [unknown, number][] = [[5.5, 5.5], ['5.5', 5.5], [' .5', 0.5], ['5.', 5], ['-1e3', -1000], ['1E-2', 0.01]]
  const bad = ['1e', 'e5', 'Infinity', '-Infinity', 'NaN', '1e999', '0x1', '1,5', true, [1], {}, NaN, Infinity]
  agree(t, good.map(([input, output]) => [String(input), field(number), { f: input }, gives(output)]))
  agree(t, bad.map((input) => [`not ${String(input)}`, field(number), { f: input }, refuses('invalid')]))
  t.end()
})

t.test('converts booleans, and lets a required one be false', (t) => {
  const good: [unknown, boolean][] = [[true, true], [1, true], [0, false], ['1', true], ['0', false], ['TRUE', true], [' False ', false]]
  const bad = [2, 'yes', 'on', 'null', [], [true], {}, '11']
  agree(t, good.map(([input, output]) => [String(input), requiredField(boolean), { f: input }, gives(output)]))
  agree(t, bad.map((input) => [`not ${String(input)}`, requiredField(boolean), { f: input }, refuses('invalid')]))
  agree(t, [
    ['a tick', requiredField(Type.Literal(true)), { f: 'true' }, gives(true)],
    ['no tick', requiredField(Type.Literal(true)), { f: 0 }, refuses('required')],
    ['no tick, optional', field({ type: 'boolean', const: true }), { f: false }, refuses('required')],
    ['no tick at all, optional', field({ type: 'boolean', const: true }), {}, passes({})]
  ])
  t.end()
})

t.test('converts text', (t) => {
  agree(t, [
    ['a number', field(text), { f: 1.5 }, gives('1.5')],
    ['minus zero', field(text), { f: -0 }, gives('0')],
    ['a large number', field(text), { f: 1e21 }, gives('1e+21')],
    ['no boolean', field(text), { f: true }, refuses('invalid')],
    ['no list', field(text), { f: ['a'] }, refuses('invalid')],
    ['no object', field(text), { f: {} }, refuses('invalid')],
    ['one code when it cannot be converted', field({ ...text, minLength: 9, pattern: 'x' }), { f: {} }, refuses('invalid')]
  ])
  t.end()
})

t.test('picks choices', (t) => {
  agree(t, [
    ['equal', field({ enum: ['a', 'b'] }), { f: 'b' }, gives('b')],
    ['equal as text', field({ enum: [1, 2] }), { f: '2' }, gives(2)],
    ['equal as text the other way', field({ enum: ['1', '2'] }), { f: 2 }, gives('2')],
    ['the value itself before its text', field({ enum: ['1', 1] }), { f: 1 }, gives(1)],
    ['no boolean as text', field({ enum: ['true'] }), { f: true }, refuses('invalid_choice')],
    ['a list is no text', field({ enum: ['a'] }), { f: ['a'] }, refuses('invalid_choice')],
    ['an object', field({ enum: [{ a: 1, b: 2 }] }), { f: { b: 2, a: 1 } }, gives({ a: 1, b: 2 })],
    ['a const', field({ const: 5 }), { f: '5' }, gives(5)],
    ['another than the const', field({ const: 5 }), { f: '6' }, refuses('invalid_choice')],
    ['false', field({ const: false }), { f: false }, gives(false)],
    ['a union of literals', field(Type.Union([Type.Literal('a'), Type.Literal(1)])), { f: '1' }, gives(1)],
    ['an enum of TypeBox', field(Type.Enum({ A: 'a', B: 'b' })), { f: 'c' }, refuses('invalid_choice')],
    ['more than a few', field({ enum: [...'abcdefghijkl'] }), { f: 'l' }, gives('l')],
    ['what Object.prototype has is no choice', field({ enum: ['a'] }), { f: 'toString' }, refuses('invalid_choice')],
    ['only those of the type', field({ type: 'integer', enum: [1, 'x'] }), { f: 'x' }, refuses('invalid_choice')]
  ])
  const value = { a: [1] }
  const result = clean(field({ enum: [value] }), { f: { a: [1] } })
  t.not((result.cleaned as { f: unknown }).f, value, 'a choice that is an object is copied')
  t.end()
})

t.test('runs all checks and keeps all codes', (t) => {
  agree(t, [
    ['text', field({ ...text, minLength: 3, pattern: '^x', format: 'email' }), { f: 'a' }, refuses('min_length', 'invalid')],
    ['too long and no match', field({ ...text, maxLength: 2, pattern: '^\\d+$' }), { f: 'abc' }, refuses('max_length', 'invalid')],
    ['U+0000', field({ ...text, maxLength: 1 }), { f: 'a\0b' }, refuses('max_length', 'null_characters_not_allowed')],
    ['number', field({ ...number, minimum: 5, multipleOf: 2 }), { f: 3 }, refuses('min_value', 'step_size')],
    ['list', field({ type: 'array', items: { type: 'string', maxLength: 1 }, maxItems: 1 }), { f: ['ab', 'c'] }, refuses('max_length')],
    ['each code of the items once', field({ type: 'array', items: { type: 'integer', maximum: 5 } }), { f: [9, 'x', 8, 'y'] }, refuses('invalid', 'max_value')]
  ])
  const { errors } = clean(field({ type: 'array', items: integer }), { f: ['x', 'y', 'z'] })
  t.equal(errors!.f!.length, 1, 'a list does not repeat a code')
  t.end()
})

t.test('counts code points', (t) => {
  agree(t, [
    ['fits', field({ ...text, maxLength: 2 }), { f: '😀😁' }, gives('😀😁')],
    ['too short', field({ ...text, minLength: 3 }), { f: '😀😁' }, refuses('min_length')],
    ['lone surrogates count', field({ ...text, maxLength: 1 }), { f: '\ud83d\ud83d' }, refuses('max_length')]
  ])
  t.end()
})

t.test('checks steps as floating point allows', (t) => {
  agree(t, [
    ['0.1 * 3', field({ ...number, multipleOf: 0.1 }), { f: 0.3 }, gives(0.3)],
    ['19.99', field({ ...number, multipleOf: 0.01 }), { f: '19.99' }, gives(19.99)],
    ['negative', field({ ...number, multipleOf: 0.02 }), { f: -1.26 }, gives(-1.26)],
    ['off', field({ ...number, multipleOf: 0.01 }), { f: 0.015 }, refuses('step_size')]
  ])
  t.end()
})

t.test('checks formats, and writes a UUID in one way', (t) => {
  const formats: [string, string[], string[]][] = [
    ['email', ['a@b.co', 'a.b+c@x-y.example.org', 'a@localhost'], ['a', 'a@', '@b.co', 'a@b', 'a b@c.de', 'a@b..co', 'a@-b.co', '.a@b.co', 'a@b.co.']],
    ['uri', ['http://a.b/c?d#e', 'urn:x:y', 'mailto:a@b.co', 'http://[::1]:80/', 'http://a/%20'], ['a.b', '//a.b', 'http://', 'http://a b', 'http://a/%2', 'http://[1::2::3]/', 'http://a/<b>']],
    ['date', ['2024-02-29', '2000-02-29'], ['2023-02-29', '1900-02-29', '2024-13-01', '2024-00-01', '2024-1-1', '24-01-01']],
    ['time', ['10:15:00Z', '10:15:00.5+02:00', '23:59:60Z', '01:29:60+01:30'], ['10:15', '10:15:00', '24:00:00Z', '10:60:00Z', '10:15:60Z', '10:15:00+24:00']],
    ['date-time', ['2024-01-01T10:15:00Z', '2024-01-01t10:15:00z', '2024-01-01 10:15:00Z'], ['2024-01-01', '2024-01-01T10:15:00', '2024-01-01X10:15:00Z', '2024-02-30T10:15:00Z']],
    ['duration', ['P1D', 'PT1H30M', 'P1Y2M3DT4H5M6S', 'P2W'], ['P', 'PT', '1D', 'P1S', 'P1W1D']],
    ['ipv4', ['1.2.3.4'], ['1.2.3', '01.2.3.4', '1.2.3.256']],
    ['ipv6', ['::1', 'fe80::1'], ['1::2::3', 'fe80::1%eth0', '1.2.3.4']],
    ['hostname', ['a.example', 'a'], ['-a', 'a_b', 'a..b']],
    ['uri-reference', ['/a', '../b', 'http://a/'], ['a b', 'http://a/\\']],
    ['json-pointer', ['', '/a/b~0'], ['a', '/~2']],
    ['regex', ['^a$'], ['(']],
    ['byte', ['YQ=='], ['YQ=']]
  ]
  for (const [format, good, bad] of formats) {
    agree(t, good.map((value) => [`${format}: ${value}`, field({ type: 'string', format }), { f: value }, gives(value)]))
    agree(t, bad.map((value) => [`${format}: not ${value}`, field({ type: 'string', format }), { f: value }, refuses('invalid')]))
  }
  const spellings = [uuid, uuid.toUpperCase(), `{${uuid}}`, `urn:uuid:${uuid}`, uuid.replaceAll('-', ''), ` ${uuid} `]
  agree(t, spellings.map((value) => [`uuid: ${value}`, field({ type: 'string', format: 'uuid' }), { f: value }, gives(uuid)]))
  agree(t, [[
    'a UUID that is none has one code', field({ type: 'string', format: 'uuid', minLength: 99 }), { f: 'x' }, refuses('invalid')
  ], [
    'int32', field({ type: 'integer', format: 'int32' }), { f: 2 ** 31 }, refuses('invalid')
  ]])
  t.end()
})

t.test('drops what is not declared, at every level', (t) => {
  const inner = { type: 'object', properties: { a: text }, additionalProperties: false }
  agree(t, [
    ['at the top', { ...field(text), additionalProperties: false }, { f: 'a', g: 1 }, gives('a')],
    ['inside', field(inner), { f: { a: 'x', b: 1 } }, gives({ a: 'x' })],
    ['in a list', field({ type: 'array', items: inner }), { f: [{ b: 1 }] }, gives([{}])],
    ['an object without properties', field({ type: 'object' }), { f: { a: 1 } }, gives({})],
    ['patternProperties are declared', { ...field(text), patternProperties: { '^n_': integer } }, { n_a: '1', m: 2 }, passes({ n_a: 1 })],
    ['an additionalProperties schema declares', { ...field(text), additionalProperties: integer }, { f: 'x', n: '1', m: 'x' }, refusesAt({ m: ['invalid'] })],
    ['additionalProperties: true keeps', { ...field(text), additionalProperties: true }, { n: [1] }, passes({ n: [1] })],
    ['a property that matches a pattern obeys both', { type: 'object', properties: { n: text }, patternProperties: { n: { maxLength: 1 } } }, { n: 'ab' }, refusesAt({ n: ['max_length'] })],
    ['a required field that nothing declares', { type: 'object', required: ['f'] }, { f: [1] }, gives([1])]
  ])
  t.end()
})

t.test('refuses what is not declared where the view asks for it', (t) => {
  const schema = { type: 'object', properties: { a: field(text), l: { type: 'array', items: field(text) } }, patternProperties: { '^x_': {} } }
  agree(t, [
    ['good', schema, { a: { f: 'x' }, x_1: 1 }, passes({ a: { f: 'x' }, x_1: 1 })],
    ['at every level', schema, { b: 1, a: { g: 1 }, l: [{ h: 1 }] }, refusesAt({ __all__: ['extra_keys'] })],
    ['a branch does not refuse what the whole declares', { ...field(text), properties: { f: text, g: text }, anyOf: [{ required: ['f'] }, { required: ['g'] }] }, { f: 'x', g: 'y' }, passes({ f: 'x', g: 'y' })],
    ['nor a dependency', { properties: { f: field(text), g: text }, dependencies: { g: { properties: { f: { minProperties: 1 } } } } }, { f: { f: 'x' }, g: 'y' }, passes({ f: { f: 'x' }, g: 'y' })],
    ['declared by a branch only', { ...field(text), if: {}, then: { properties: { g: integer } } }, { g: '1' }, passes({ g: 1 })]
  ], { unknownKeys: 'refuse' })
  t.strictSame(clean(schema, { b: 1, a: { g: 1 }, l: [{ h: 1 }] }, { unknownKeys: 'refuse' }).errors, {
    __all__: [{ message: 'Unknown fields: a.g, l.0.h, b.', code: 'extra_keys', params: { keys: ['a.g', 'l.0.h', 'b'] } }]
  }, 'in one error')
  t.end()
})

t.test('fills defaults into what is absent, each time afresh', (t) => {
  const list = { type: 'array', items: integer, default: [1] }
  agree(t, [
    ['absent', field({ ...integer, default: 5 }), {}, gives(5)],
    ['required', requiredField({ ...integer, default: 5 }), {}, gives(5)],
    ['given', field({ ...integer, default: 5 }), { f: '6' }, gives(6)],
    ['null was given', requiredField({ ...integer, default: 5 }), { f: null }, refuses('required')],
    ['inside', field({ type: 'object', default: {}, properties: { a: { ...integer, default: 1 } } }), {}, gives({ a: 1 })],
    ['inside what is absent', field({ type: 'object', properties: { a: { ...integer, default: 1 } } }), {}, passes({})],
    ['false', field({ type: 'boolean', default: false }), {}, gives(false)],
    ['null', field({ type: ['integer', 'null'], default: null }), {}, gives(null)]
  ])
  const first = clean(field(list), {}).cleaned as { f: number[] }
  first.f.push(2)
  t.strictSame(clean(field(list), {}).cleaned, { f: [1] }, 'a default is not shared')
  t.strictSame(list.default, [1])
  t.end()
})

t.test('ignores what came for a disabled field', (t) => {
  agree(t, [
    ['with a default', requiredField({ ...integer, readOnly: true, default: 5 }), { f: 'garbage' }, gives(5)],
    ['without', requiredField({ ...integer, readOnly: true }), { f: 1 }, passes({})],
    ['an object', field({ ...field(text), readOnly: true, default: { f: 'x' } }), { f: { f: 'y' } }, gives({ f: 'x' })]
  ])
  t.end()
})

t.test('reads lists', (t) => {
  const items = { type: 'array', items: integer }
  agree(t, [
    ['a lone scalar is not wrapped', field(items), { f: 1 }, refuses('invalid_list')],
    ['an object is no list', field(items), { f: { 0: 1 } }, refuses('invalid_list')],
    ['of anything', field({ type: 'array' }), { f: [1, ' a ', null] }, gives([1, ' a ', null])],
    ['too short', field({ ...items, minItems: 2 }), { f: [1] }, refuses('min_length')],
    ['too long', field({ ...items, maxItems: 1 }), { f: [1, 2] }, refuses('max_length')],
    ['repeated after converting', field({ ...items, uniqueItems: true }), { f: [1, '1'] }, refuses('duplicate')],
    ['repeated objects', field({ type: 'array', items: {}, uniqueItems: true }), { f: [{ a: 1, b: 2 }, { b: 2, a: 1 }] }, refuses('duplicate')],
    ['1, "1" and true are three', field({ type: 'array', uniqueItems: true }), { f: [1, '1', true, null, [1], ['1']] }, gives([1, '1', true, null, [1], ['1']])],
    ['contains', field({ ...items, contains: { minimum: 5 } }), { f: ['1', '6'] }, gives([1, 6])],
    ['contains too few', field({ ...items, contains: { minimum: 5 }, minContains: 2 }), { f: [1, 6] }, refuses('invalid')],
    ['contains too many', field({ ...items, contains: { minimum: 5 }, maxContains: 1 }), { f: [7, 6] }, refuses('invalid')],
    ['contains as many', field({ ...items, contains: { minimum: 5 }, minContains: 0, maxContains: 1 }), { f: [1] }, gives([1])],
    ['contains nothing of it', field({ ...items, contains: { minimum: 5 } }), { f: ['1'] }, refuses('invalid')],
    ['an item that is null', field(items), { f: [1, null] }, refuses('invalid')],
    ['an item that is blank', field({ type: 'array', items: { ...text, minLength: 1 } }), { f: ['a', ' '] }, refuses('min_length')],
    ['lists in a list have paths', field({ type: 'array', items }), { f: [[1], ['x']] }, refusesAt({ 'f.1': ['invalid'] })],
    ['fixed places', field(Type.Tuple([Type.Integer(), Type.String()])), { f: ['1', ' a '] }, gives([1, 'a'])],
    ['too many for the places', field({ type: 'array', items: [integer], additionalItems: false }), { f: [1, 2] }, refuses('max_length')],
    ['further places', field({ type: 'array', items: [text], additionalItems: integer }), { f: ['a', '2'] }, gives(['a', 2])]
  ])
  t.end()
})

t.test('reads lists of objects, each with a path, and not for ever', (t) => {
  const items = { type: 'object', properties: { a: integer }, required: ['a'] }
  const list = { type: 'array', items }
  agree(t, [
    ['good', field(list), { f: [{ a: '1' }, { a: 2 }] }, gives([{ a: 1 }, { a: 2 }])],
    ['paths', field(list), { f: [{ a: 1 }, {}, 5, { a: 'x' }] }, refusesAt({ 'f.1.a': ['required'], 'f.2': ['invalid'], 'f.3.a': ['invalid'] })],
    ['no list', field(list), { f: 'x' }, refuses('invalid')],
    ['too few', field({ ...list, minItems: 1 }), { f: [] }, refuses('too_few_forms')],
    ['too many', field({ ...list, maxItems: 1 }), { f: [{ a: 1 }, { a: 'x' }] }, refusesAt({ f: ['too_many_forms'], 'f.1.a': ['invalid'] })],
    ['of a union', field({ type: 'array', items: Type.Union([Type.Object({ t: Type.Literal('a') }), Type.Object({ t: Type.Literal('b') })]), maxItems: 1 }),
      { f: [{ t: 'a' }, { t: 'c' }] }, refusesAt({ f: ['too_many_forms'], 'f.1.t': ['invalid_choice'] })]
  ])
  const read = (count: number, maxItems?: number) => {
    let seen = 0
    const item = Object.defineProperty({}, 'a', { get: () => ++seen, enumerable: true })
    const result = clean(field({ ...list, ...(maxItems === undefined ? {} : { maxItems }) }), { f: new Array(count).fill(item) }, { maxDepth: 3 }, { name: 'x', schemas: {}, isParsed: true })
    return [result.ok, seen]
  }
  t.strictSame(read(2000), [true, 2000], 'without maxItems up to 2,000 are taken')
  t.strictSame(read(2001), [false, 2000], 'and no more are read')
  t.strictSame(read(5000, 10), [false, 1010], 'with maxItems it stops 1,000 past that')
  t.end()
})
