import { Ajv } from 'ajv'
import fc from 'fast-check'
import t from 'tap'
import { compileForm, type Form } from '../lib/form/form.ts'
import { formKeywords } from '../lib/form/keywords.ts'
import { compileCheck } from '../lib/form/strict.ts'
import type { FormResult } from '../lib/types.ts'
import { anApp } from './fixtures/form-clean.ts'

const runs = { numRuns: 200 }
const names = ['a', 'b', 'c', 'd']
const name = fc.constantFrom(...names)

type Schema = Record<string, unknown>

const text = fc.record({
  type: fc.constant('string'),
  minLength: fc.nat(3),
  maxLength: fc.integer({ min: 2, max: 6 }),
  pattern: fc.constantFrom('^[a-z ]*$', '^x'),
  strip: fc.boolean(),
  errorMessages: fc.constant({ required: 'Please.' })
}, { requiredKeys: ['type'] })
const formatted = fc.constantFrom('uuid', 'date', 'email', 'ipv4').map((format) => ({ type: 'string', format }))
const number = fc.record({
  type: fc.constantFrom('integer', 'number'),
  minimum: fc.integer({ min: -5, max: 5 }),
  exclusiveMaximum: fc.integer({ min: 3, max: 20 }),
  multipleOf: fc.constantFrom(1, 2, 5)
}, { requiredKeys: ['type'] })
const choice = fc.oneof(
  fc.constantFrom<Schema>({ enum: ['x', 'y', 1] }, { const: 'x' }, { const: true }, { type: 'boolean' }, { enum: ['x', null] }, { anyOf: [{ const: 1 }, { const: 'y' }] }))
const scalar: fc.Arbitrary<Schema> = fc.oneof(text, formatted, number, choice, fc.constant<Schema>({}))
const nullable = scalar.map((schema): Schema => ({ anyOf: [schema, { type: 'null' }] }))

const { value: schemas } = fc.letrec<{ value: Schema, object: Schema, list: Schema, part: Schema }>((tie) => ({
  value: fc.oneof({ maxDepth: 3, depthSize: 'small' }, scalar, nullable, tie('list'), tie('object')),
  list: fc.record({ type: fc.constant('array'), items: tie('value'), minItems: fc.nat(1), maxItems: fc.integer({ min: 1, max: 3 }), uniqueItems: fc.boolean() },
    { requiredKeys: ['type', 'items'] }),
  part: fc.oneof({ maxDepth: 3, depthSize: 'small' },
    fc.record({ required: fc.array(name, { minLength: 1, maxLength: 1 }) }),
    fc.record({ properties: fc.dictionary(name, tie('value'), { minKeys: 1, maxKeys: 2 }), required: fc.array(name, { maxLength: 1 }) }, { requiredKeys: ['properties'] }),
    fc.record({ not: fc.record({ required: fc.array(name, { minLength: 1, maxLength: 1 }) }) })),
  object: fc.record({
    type: fc.constant('object'),
    properties: fc.dictionary(name, tie('value'), { minKeys: 1, maxKeys: 4, noNullPrototype: true }),
    required: fc.uniqueArray(name, { maxLength: 2 }),
    allOf: fc.array(tie('part'), { minLength: 1, maxLength: 2 }),
    anyOf: fc.array(tie('part'), { minLength: 2, maxLength: 3 }),
    oneOf: fc.array(tie('part'), { minLength: 2, maxLength: 3 }),
    if: tie('part'),
    then: tie('part'),
    else: tie('part'),
    dependencies: fc.dictionary(name, tie('part'), { minKeys: 1, maxKeys: 1, noNullPrototype: true })
  }, { requiredKeys: ['type', 'properties'] })
})) as unknown as { value: fc.Arbitrary<Schema> }
const objects = fc.dictionary(name, schemas, { minKeys: 1, maxKeys: 4, noNullPrototype: true })
  .chain((properties) => schemas.map((inner) => inner.type === 'object' ? inner : { type: 'object', properties }))

/** what a client may send for these: much of it nearly right */
const anyValue = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof({ maxDepth: 3 },
    fc.constantFrom<unknown>('', ' ', 'x', ' xy ', 'y', '1', '5', '2.5', 'true', 'a@example.org', '2024-05-06', '0A000000-0000-4000-8000-00000000000b', '10.0.0.1', 'a\0b'),
    fc.constantFrom<unknown>(0, 1, 5, 2.5, -10, 1e20, true, false, null),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom(...names, 'e'), tie('value'), { maxKeys: 5, noNullPrototype: true }))
})).value
const messages = fc.dictionary(fc.constantFrom(...names, 'e'), anyValue, { maxKeys: 5, noNullPrototype: true })

/** A form of a generated schema; undefined where the schema says nothing that can be cleaned. */
function formOf (schema: Schema): Form | undefined {
  try {
    return compileForm(schema, {}, anApp)
  } catch (error) {
    if ((error as { code?: string }).code === 'WSV_ERR_SCHEMA_INVALID') return undefined
    throw error
  }
}

const clean = (form: Form, message: unknown) => form.clean(message, {}) as FormResult

/** Has it what a field may be left with that was sent empty: '', [] or null? To a form they are not there, to a plain check they are. */
function hasEmpty (value: unknown, schema: Schema): boolean {
  if (typeof value !== 'object' || value === null) return value === '' || (value === null && JSON.stringify(schema).includes('dependencies'))
  return (Array.isArray(value) && value.length === 0) || Object.values(value).some((inner) => hasEmpty(inner, schema))
}

t.test('cleans a message once: what is clean stays as it is', (t) => {
  let count = 0
  fc.assert(fc.property(objects, fc.array(messages, { minLength: 4, maxLength: 4 }), (schema, inputs) => {
    const form = formOf(schema)
    if (form === undefined) return
    for (const input of inputs) {
      const before = JSON.stringify(input)
      const first = clean(form, input)
      if (JSON.stringify(input) !== before) throw new Error('the input has changed')
      if (!first.ok) continue
      count++
      const second = clean(form, first.cleaned)
      if (!second.ok) throw new Error(`refused: ${JSON.stringify(first.cleaned)} ${JSON.stringify(second.errors)}`)
      if (JSON.stringify(second.cleaned) !== JSON.stringify(first.cleaned)) throw new Error(`${JSON.stringify(first.cleaned)} became ${JSON.stringify(second.cleaned)}`)
    }
  }), runs)
  t.ok(count > 50, `${count} messages were good`)
  t.end()
})

t.test('what is clean is valid: for the strict check and for Ajv', (t) => {
  const ajv = new Ajv({ strict: false, logger: false, validateFormats: false, keywords: formKeywords })
  let count = 0
  fc.assert(fc.property(objects, fc.array(messages, { minLength: 4, maxLength: 4 }), (schema, inputs) => {
    const form = formOf(schema)
    if (form === undefined) return
    const check = compileCheck(schema, anApp)
    const validate = ajv.compile(schema)
    for (const input of inputs) {
      const { ok, cleaned: value } = clean(form, input)
      if (!ok || hasEmpty(value, schema)) continue
      count++
      if (check(value) !== null) throw new Error(`the strict check: ${JSON.stringify(value)} ${JSON.stringify(check(value))}`)
      if (!validate(value)) throw new Error(`Ajv: ${JSON.stringify(value)} ${JSON.stringify(validate.errors)}`)
    }
  }), runs)
  t.ok(count > 50, `${count} messages were good`)
  t.end()
})

t.test('never throws, and touches no prototype', (t) => {
  const own = Reflect.ownKeys(Object.prototype).length
  fc.assert(fc.property(objects, fc.oneof(fc.json().map((json) => JSON.parse(json)), messages, fc.anything({ withNullPrototype: true, withBigInt: true })), (schema, input) => {
    const form = formOf(schema)
    if (form === undefined) return
    const { ok, cleaned, errors } = clean(form, input)
    if (ok === (errors !== null)) throw new Error('neither cleaned nor refused')
    if (ok && Object.getPrototypeOf(cleaned) !== Object.prototype) throw new Error('a strange prototype')
  }), runs)
  for (const key of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
    const input = JSON.parse(`{"a":1,"${key}":{"polluted":true,"prototype":{"polluted":true}}}`)
    for (const schema of [{ type: 'object', additionalProperties: {} }, { type: 'object', properties: { a: {} }, if: {}, then: { additionalProperties: {} } }, { anyOf: [{ type: 'object', patternProperties: { '': {} } }, { type: 'object' }] }]) {
      const form = compileForm(schema, {}, { ...anApp, isParsed: true })
      const { cleaned } = clean(form, input)
      if (cleaned !== null) t.equal(Object.getPrototypeOf(cleaned), Object.prototype, `${key} in ${JSON.stringify(schema)}`)
    }
  }
  t.equal(Reflect.ownKeys(Object.prototype).length, own)
  t.equal(({} as { polluted?: unknown }).polluted, undefined)
  t.end()
})

/** How often a form reads a member of a message. */
function reads (form: Form, message: unknown): number {
  let count = 0
  const watched = (value: unknown): unknown => typeof value !== 'object' || value === null
    ? value
    : new Proxy(Array.isArray(value) ? value.map(watched) : Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, watched(inner)])), {
      get (target, key, receiver) {
        count++
        return Reflect.get(target, key, receiver)
      },
      ownKeys (target) {
        count += Object.keys(target).length
        return Reflect.ownKeys(target)
      }
    })
  form.clean(watched(message), {})
  return count
}

t.test('ten times the message is ten times the work', (t) => {
  const integer = { type: 'integer' }
  const one = { type: 'object', properties: { a: integer, s: { type: 'string' } }, required: ['a'] }
  const other = { type: 'object', properties: { b: integer }, required: ['b'] }
  const list = (items: unknown, more = {}) => ({ type: 'object', properties: { l: { type: 'array', items, maxItems: 10_000, ...more } } })
  const schemas: Record<string, Schema> = {
    'a list of numbers': list(integer),
    'a list of objects': list(one),
    'a union': list({ anyOf: [one, other] }),
    'exactly one of a union': list({ oneOf: [one, other] }),
    'a condition': list({ ...one, if: { required: ['s'] }, then: { properties: { b: integer } } }),
    'no item twice': list(one, { uniqueItems: true }),
    'an item that must be there': list(one, { contains: { required: ['s'] } }),
    'keys without a name': { type: 'object', properties: { l: { type: 'object', additionalProperties: one } } },
    'names of keys': { type: 'object', properties: { l: { type: 'object', additionalProperties: one, propertyNames: { pattern: '^[0-9]+$' } } } },
    'unknown keys': list(one)
  }
  for (const [label, schema] of Object.entries(schemas)) {
    for (const bad of [false, true]) {
      const message = (length: number) => {
        const items = Array.from({ length }, (_, index) => ({ a: bad ? 'x' : index, s: ` ${index}`, b: 1, z: 1 }))
        return { l: label.includes('keys') && !label.includes('unknown') ? { ...items } : label.includes('numbers') ? items.map(({ a }) => a) : items }
      }
      const form = compileForm(schema, {}, anApp)
      const [small, large] = [reads(form, message(100)), reads(form, message(1_000))]
      t.ok(small > 100, `${label}: it is read`)
      t.ok(large <= 11 * small, `${label}${bad ? ', bad' : ''}: ${small} and ${large} reads`)
    }
  }
  t.end()
})
