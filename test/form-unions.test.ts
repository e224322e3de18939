import { Type } from '@sinclair/typebox'
import t from 'tap'
import { compileForm } from '../lib/form/form.ts'
import { agree, anApp, clean, field, gives, passes, refuses, refusesAt, requiredField } from './fixtures/form-clean.ts'

const say = Type.Object({ type: Type.Literal('say'), text: Type.String({ maxLength: 3 }) })
const nick = Type.Object({ type: Type.Literal('nick'), name: Type.String(), age: Type.Optional(Type.Integer()) })

t.test('lets the tag of a union pick the branch', (t) => {
  const union = Type.Union([say, nick])
  agree(t, [
    ['first', union, { type: 'say', text: ' hi ', name: 'x' }, passes({ type: 'say', text: 'hi' })],
    ['second', union, { type: 'nick', name: 'a', age: '5' }, passes({ type: 'nick', name: 'a', age: 5 })],
    ['only that branch is reported', union, { type: 'say' }, refusesAt({ text: ['required'] })],
    ['no tag', union, { text: 'x' }, refusesAt({ type: ['required'] })],
    ['a blank tag', union, { type: '', text: 'x' }, refusesAt({ type: ['required'] })],
    ['an unknown tag', union, { type: 'toString' }, refusesAt({ type: ['invalid_choice'] })],
    ['a tag that is no scalar', union, { type: ['say'] }, refusesAt({ type: ['invalid_choice'] })],
    ['no object', union, [], refusesAt({ __all__: ['invalid'] })],
    ['a number as a tag', Type.Union([Type.Object({ v: Type.Literal(1) }), Type.Object({ v: Type.Literal(2) })]), { v: '2' }, passes({ v: 2 })],
    ['oneOf', { oneOf: [say, nick] }, { type: 'say', text: 'a' }, passes({ type: 'say', text: 'a' })],
    ['several tags for one branch', Type.Union([say, Type.Object({ type: Type.Union([Type.Literal('a'), Type.Literal('b')]), n: Type.Integer() })]),
      { type: 'b', n: '1' }, passes({ type: 'b', n: 1 })],
    ['a union in a union', Type.Union([say, Type.Union([nick, Type.Object({ type: Type.Literal('bye') })])]), { type: 'bye' }, passes({ type: 'bye' })],
    ['fields beside the union', Type.Intersect([Type.Object({ id: Type.Integer() }), union]), { type: 'say', text: 'long', id: 'x' },
      refusesAt({ id: ['invalid'], text: ['max_length'] })],
    ['fields beside the union, good', { type: 'object', properties: { id: { type: 'integer' } }, anyOf: [say, nick] }, { type: 'say', text: 'a', id: '1' },
      passes({ id: 1, type: 'say', text: 'a' })],
    ['inside', requiredField(union), { f: { type: 'say', text: 'long' } }, refusesAt({ 'f.text': ['max_length'] })],
    ['inside, unknown', requiredField(union), { f: { type: 'x' } }, refusesAt({ 'f.type': ['invalid_choice'] })],
    ['inside, absent', requiredField(union), {}, refuses('required')]
  ])
  t.end()
})

t.test('finds a branch without a tag, and says invalid once', (t) => {
  const untagged = Type.Union([Type.Object({ a: Type.Integer() }), Type.Object({ b: Type.String(), c: Type.Optional(Type.Integer()) })])
  const scalar = Type.Union([Type.Integer(), Type.Boolean()])
  agree(t, [
    ['as it is', untagged, { b: 'x' }, passes({ b: 'x' })],
    ['converted', untagged, { a: '5' }, passes({ a: 5 })],
    ['nothing fits', untagged, { a: 'x' }, refusesAt({ __all__: ['invalid'] })],
    ['what a branch does not declare is dropped', untagged, { b: 'x', d: 1 }, passes({ b: 'x' })],
    ['scalars, as they are', field(scalar), { f: true }, gives(true)],
    ['scalars, converted', field(scalar), { f: '5' }, gives(5)],
    ['scalars, none', field(scalar), { f: 'x' }, refuses('invalid')],
    ['text stays text beside numbers', field(Type.Union([Type.Number(), Type.String()])), { f: '5' }, gives('5')],
    ['a choice or a number', field(Type.Union([Type.Literal('auto'), Type.Integer()])), { f: '7' }, gives(7)],
    ['blank and required', requiredField(scalar), { f: ' ' }, refuses('required')],
    ['with null', requiredField(Type.Union([Type.Integer(), Type.Boolean(), Type.Null()])), { f: '' }, gives(null)],
    ['oneOf takes exactly one', field({ oneOf: [{ type: 'integer' }, { type: 'number' }] }), { f: 5 }, refuses('invalid')],
    ['oneOf, the other', field({ oneOf: [{ type: 'integer' }, { type: 'number' }] }), { f: 5.5 }, gives(5.5)],
    ['several types', field({ type: ['integer', 'boolean'] }), { f: 'true' }, gives(true)],
    ['several types, the one it has', field({ type: ['string', 'integer'], minLength: 2 }), { f: 'a' }, refuses('min_length')],
    ['in a list', field({ type: 'array', items: scalar }), { f: ['1', 'x'] }, refuses('invalid')],
    ['beside text', field({ type: 'string', anyOf: [{ format: 'ipv4' }, { format: 'ipv6' }] }), { f: ' ::1 ' }, gives('::1')],
    ['beside text, none', field({ type: 'string', oneOf: [{ format: 'ipv4' }, { format: 'ipv6' }] }), { f: 'x' }, refuses('invalid')]
  ])
  const { errors } = clean(untagged, { a: 'x', b: {} })
  t.equal(errors!.__all__!.length, 1, 'no branch is heard')
  t.end()
})

t.test('holds what is said of an object as a whole', (t) => {
  const two = { type: 'object', properties: { a: { type: 'string' }, b: { type: 'string' } } }
  const either = { ...two, anyOf: [{ required: ['a'] }, { required: ['b'] }] }
  const one = { ...two, oneOf: [{ required: ['a'] }, { required: ['b'] }] }
  const when = { ...two, if: { properties: { a: { const: 'x' } }, required: ['a'] }, then: { properties: { n: { type: 'integer' } }, required: ['n'] }, else: { not: { required: ['b'] } } }
  const needs = { ...two, dependencies: { a: ['b'] } }
  const extends_ = { ...two, dependencies: { a: { properties: { n: { type: 'integer', maximum: 5 } }, required: ['n'] } } }
  const invalid = refusesAt({ __all__: ['invalid'] })
  agree(t, [
    ['anyOf', either, { b: ' x ' }, passes({ b: 'x' })],
    ['anyOf, none', either, {}, invalid],
    ['anyOf, blank is not given', either, { a: '' }, invalid],
    ['oneOf, both', one, { a: 'x', b: 'y' }, invalid],
    ['oneOf, one', one, { a: 'x' }, passes({ a: 'x' })],
    ['oneOf, none', one, {}, invalid],
    ['a bad field is heard alone', either, { a: [] }, refusesAt({ a: ['invalid'] })],
    ['if, then', when, { a: 'x', n: '5' }, passes({ a: 'x', n: 5 })],
    ['if, not then', when, { a: 'x' }, invalid],
    ['else', when, { a: 'y' }, passes({ a: 'y' })],
    ['not else', when, { b: 'y' }, invalid],
    ['inside, at the field', field(when), { f: { b: 'y' } }, refuses('invalid')],
    ['not', { ...two, not: { required: ['a', 'b'] } }, { a: 'x', b: 'y' }, invalid],
    ['not, of text', field({ type: 'string', not: { pattern: '^x' } }), { f: ' x' }, refuses('invalid')],
    ['if, of text', field({ type: 'string', if: { minLength: 3 }, then: { pattern: '^x' } }), { f: 'abc' }, refuses('invalid')],
    ['a partner that is there', needs, { a: 'x', b: 'y' }, passes({ a: 'x', b: 'y' })],
    ['a partner that is missing', needs, { a: 'x' }, refusesAt({ b: ['required'] })],
    ['a blank partner', needs, { a: 'x', b: ' ' }, refusesAt({ b: ['required'] })],
    ['nothing to be the partner of', needs, { a: ' ' }, passes({ a: '' })],
    ['a dependency that is a schema', extends_, { a: 'x', n: '5' }, passes({ a: 'x', n: 5 })],
    ['is no branch', extends_, { a: 'x', n: 6 }, refusesAt({ n: ['max_value'] })],
    ['not, of a part', { ...two, if: {}, then: { required: ['a'], not: { required: ['b'] } } }, { a: 'x', b: 'y' }, invalid],
    ['a condition in a branch', { ...two, anyOf: [{ required: ['a'], if: { required: ['b'] }, then: false }] }, { a: 'x', b: 'y' }, invalid],
    ['a condition takes nothing away', { ...field({ ...two, required: ['a'] }), if: {}, then: { properties: { f: { properties: { b: { maxLength: 3 } } } } } },
      { f: { a: 'x', b: 'y' } }, gives({ a: 'x', b: 'y' })],
    ['propertyNames', field({ type: 'object', additionalProperties: {}, propertyNames: { maxLength: 2 } }), { f: { abc: 1 } }, refuses('invalid')],
    ['minProperties', field({ ...two, minProperties: 1 }), { f: { c: 1 } }, refuses('invalid')],
    ['maxProperties', field({ ...two, maxProperties: 1 }), { f: { a: 'x', b: 'y' } }, refuses('invalid')],
    ['false', field(false), { f: 1 }, refuses('invalid')],
    ['false, absent', field(false), {}, passes({})],
    ['Type.Never', field(Type.Never()), { f: 1 }, refuses('invalid')]
  ])
  t.end()
})

t.test('puts intersections together', (t) => {
  const both = Type.Intersect([Type.Object({ a: Type.Integer({ minimum: 1 }) }), Type.Object({ a: Type.Integer({ maximum: 5 }), b: Type.Optional(Type.String()) })])
  agree(t, [
    ['good', both, { a: '3', b: ' x', c: 1 }, passes({ a: 3, b: 'x' })],
    ['one half', both, { a: 0 }, refusesAt({ a: ['min_value'] })],
    ['the other half', both, { a: 6 }, refusesAt({ a: ['max_value'] })],
    ['of text', field({ type: 'string', allOf: [{ minLength: 3 }, { pattern: '^x' }] }), { f: 'a' }, refuses('min_length', 'invalid')],
    ['of choices', field({ allOf: [{ enum: [1, 2] }, { enum: [2, 3] }] }), { f: '1' }, refuses('invalid_choice')],
    ['of types that have nothing in common', field({ allOf: [{ type: 'string' }, { type: 'integer' }] }), { f: 1 }, refuses('invalid')],
    ['number and integer', field({ allOf: [{ type: 'number' }, { type: 'integer' }] }), { f: 1.5 }, refuses('invalid')]
  ])
  t.end()
})

t.test('follows references', (t) => {
  const tree = Type.Recursive((This) => Type.Object({ id: Type.Integer(), nodes: Type.Optional(Type.Array(This)) }))
  const module = Type.Module({ A: Type.Object({ b: Type.Optional(Type.Ref('B')) }), B: Type.Object({ a: Type.Ref('A'), n: Type.Integer() }) })
  const list = { definitions: { node: { type: 'object', properties: { next: { anyOf: [{ $ref: '#/definitions/node' }, { type: 'null' }] }, v: { type: 'integer' } } } }, $ref: '#/definitions/node' }
  agree(t, [
    ['recursive', tree, { id: '1', nodes: [{ id: '2', nodes: [{ id: '3' }] }] }, passes({ id: 1, nodes: [{ id: 2, nodes: [{ id: 3 }] }] })],
    ['recursive, deep fault', tree, { id: 1, nodes: [{ id: 2, nodes: [{ id: 'x' }] }] }, refusesAt({ 'nodes.0.nodes.0.id': ['invalid'] })],
    ['a module', module.Import('A'), { b: { a: {}, n: 'x' } }, refusesAt({ 'b.n': ['invalid'] })],
    ['a list that ends with null', list, { v: '1', next: { v: '2', next: null } }, passes({ next: { next: null, v: 2 }, v: 1 })],
    ['$defs', { $defs: { n: { type: 'integer' } }, ...field({ $ref: '#/$defs/n' }) }, { f: '5' }, gives(5)],
    ['a pointer with escapes', { definitions: { 'a/b~c d': { type: 'integer' } }, ...field({ $ref: '#/definitions/a~1b~0c%20d' }) }, { f: '5' }, gives(5)],
    ['a name', { definitions: { x: { $id: '#n', type: 'integer' } }, ...field({ $ref: '#n' }) }, { f: '5' }, gives(5)],
    ['what stands beside a reference holds too', { definitions: { n: { type: 'integer' } }, ...field({ $ref: '#/definitions/n', maximum: 5, default: 3 }) }, { f: '6' }, refuses('max_value')]
  ])
  const schemas = {
    shared: { $id: 'shared', type: 'object', properties: { n: { $ref: '#/definitions/n' }, o: { $ref: 'other' } }, definitions: { n: { type: 'integer' } } },
    other: { $id: 'other', type: 'object', required: ['x'], properties: { x: { type: 'boolean' } } },
    'http://example.com/a/b.json': { $id: 'http://example.com/a/b.json', type: 'object', properties: { f: { $ref: 'c.json#' } } },
    'http://example.com/a/c.json': { $id: 'http://example.com/a/c.json', type: 'integer' }
  }
  agree(t, [
    ['a shared schema', { $ref: 'shared#' }, { n: '1', o: { x: 1 } }, passes({ n: 1, o: { x: true } })],
    ['a part of one', field({ $ref: 'shared#/definitions/n' }), { f: 'x' }, refuses('invalid')],
    ['through another', field({ $ref: 'shared' }), { f: { o: {} } }, refusesAt({ 'f.o.x': ['required'] })],
    ['relative to a URL', { $ref: 'http://example.com/a/b.json' }, { f: '5' }, gives(5)]
  ], {}, { ...anApp, schemas })
  t.end()
})

t.test('asks each branch of a recursive union once', (t) => {
  const node = {
    $id: 'node',
    type: 'object',
    anyOf: ['x', 'y', 'z'].map((key) => ({ properties: { child: { $ref: 'node' }, [key]: { type: 'integer' } }, required: [key] }))
  }
  let message: unknown = { none: 1 }
  // three ways at each of 25 levels: 10^11 without a memory
  for (let level = 0; level < 25; level++) message = { child: message, x: '1' }
  t.strictSame(clean(node, message).ok, false)
  t.strictSame(clean(node, message, { form: 'strict' }).ok, false)
  t.end()
})

t.test('knows its fields', (t) => {
  const fields = (schema: unknown, ...keys: string[]) => keys.map((key) => compileForm(schema, {}, anApp).declares(key))
  t.strictSame(fields(Type.Union([say, nick]), 'type', 'text', 'age', 'ref', 'toString'), [true, true, true, false, false])
  t.strictSame(fields({ type: 'object', properties: {}, if: {}, then: { properties: { n: {} } } }, 'n'), [true])
  t.strictSame(fields({}, 'a'), [false])
  t.end()
})
