import { Ajv } from 'ajv'
import fc from 'fast-check'
import t from 'tap'
import { compileCheck } from '../lib/form/strict.ts'
import { anApp } from './fixtures/form-clean.ts'

/** Ajv as draft-07 wants it: what stands beside a `$ref` is not read, members are own ones. */
const ajv = () => new Ajv({ strict: false, logger: false, ownProperties: true, ignoreKeywordsWithRef: true, allowMatchingProperties: true })

/** Ajv's answer; undefined where it throws (it compares objects with a member `toString` by calling it). */
function judge (schema: unknown): (value: unknown) => boolean | undefined {
  const validate = ajv().compile(schema as object)
  return (value) => {
    try {
      return validate(value)
    } catch {
      return undefined
    }
  }
}

const differs = (ours: boolean, theirs: boolean | undefined) => theirs !== undefined && ours !== theirs

const surrogates = '\ud83d\ude00'
const values: unknown[] = [
  null, true, false, 0, -0, 1, -1, 2, 3, 5, 10, 0.5, 1.5, 4.5, 0.0075, 0.00751, 1e15, -3.14, 100, 1.1,
  '', ' ', 'a', 'ab', 'abc', 'foo', 'foobar', 'aaa', 'x1', '1', 'true', 'null', surrogates, surrogates + surrogates, 'a\u0000b', 'aé', '\n',
  [], [1], [1, 1], [1, 2], [1, '1'], [1, true], [0, false], [[1], [1]], [[1], [2]], [{}], [{}, {}], [{ a: 1, b: 2 }, { b: 2, a: 1 }], [{ a: 1 }, { a: 2 }], [null], ['a', 1, null], [1, 2, 3, 4, 5], [3, 'x', 5, {}], [[[]]],
  {}, { a: 1 }, { a: 'x' }, { a: null }, { b: 1 }, { a: 1, b: 2 }, { a: 1, b: 'x' }, { a: 1, b: 2, c: 3 }, { foo: 1 }, { foo: 'x', bar: 2 }, { foo: [], bar: [1, 2, 3] }, { fo: 1, foooo: 2 }, { toString: 1 }, { constructor: 1 },
  { a: { a: { a: 1 } } }, { a: { b: [1, { c: true }] } }, { type: 'x', n: 1 }, { type: 'y', n: 'z' }, { type: 'q' }, { a: [] }, { a: {} }, { 'a/b': 1, 'a~b': 2, 'a"b': 3 },
  { nodes: [{ value: 1, nodes: [] }, { value: 'x' }] }, { value: 1, nodes: [{ value: 2, nodes: [{ value: 3 }] }] }, JSON.parse('{"__proto__":1}'), JSON.parse('{"__proto__":"x","a":1}')
]

const int = { type: 'integer' }
const schemas: Record<string, unknown[]> = {
  booleans: [true, false, {}],
  type: ['null', 'boolean', 'integer', 'number', 'string', 'array', 'object'].map((type) => ({ type }))
    .concat([{ type: ['integer', 'string'] }, { type: ['array', 'object', 'null'] }, { type: ['number'] }] as never[]),
  enum: [{ enum: [1, 'a', null, [], { a: 1 }] }, { enum: [false] }, { enum: [0] }, { enum: [[false]] }, { enum: [{ b: 2, a: 1 }] }, { enum: ['foo\nbar', surrogates] }],
  const: [{ const: 1 }, { const: null }, { const: false }, { const: 0 }, { const: '' }, { const: [{ a: 1 }] }, { const: { b: 2, a: 1 } }, { const: -0 }, { const: [1, '1'] }],
  numbers: [{ minimum: 1.1 }, { maximum: 3 }, { exclusiveMinimum: 1 }, { exclusiveMaximum: 3 }, { minimum: 0, exclusiveMaximum: 5 }, { multipleOf: 2 }, { multipleOf: 1.5 }, { multipleOf: 0.0001 }, { multipleOf: 0.5, type: 'number' }, { minimum: -2 }],
  strings: [{ minLength: 1 }, { minLength: 2 }, { maxLength: 1 }, { maxLength: 0 }, { minLength: 2, maxLength: 2 }, { pattern: '^a*$' }, { pattern: 'a+' }, { pattern: '^\\S+$' }, { pattern: '^.$' }, { pattern: '\\d' }],
  items: [{ items: int }, { items: true }, { items: false }, { items: [int, { type: 'string' }] }, { items: [true, false] }, { items: [int], additionalItems: false }, { items: [int], additionalItems: { type: 'string' } },
    { items: {}, additionalItems: false }, { additionalItems: false }, { items: { type: 'array', items: int } }, { items: [{}, {}, {}], additionalItems: false }],
  lists: [{ minItems: 1 }, { maxItems: 2 }, { minItems: 2, maxItems: 2 }, { uniqueItems: true }, { uniqueItems: false }, { items: [{ type: 'boolean' }, {}], uniqueItems: true }],
  contains: [{ contains: { minimum: 5 } }, { contains: { const: 5 } }, { contains: true }, { contains: false }, { items: { multipleOf: 1 }, contains: { multipleOf: 2 } }, { contains: { type: 'null' } }],
  properties: [{ properties: { a: int, b: { type: 'string' } } }, { properties: { a: true, b: false } }, { properties: { foo: { type: 'array', maxItems: 3 }, bar: { type: 'array' } }, patternProperties: { 'f.o': { minItems: 2 } }, additionalProperties: int },
    { properties: { 'a/b': int, 'a~b': int, 'a"b': { type: 'string' } } }, { properties: { toString: { type: 'string' }, constructor: int } }, { properties: { a: { properties: { a: { properties: { a: { type: 'string' } } } } } } }],
  patternProperties: [{ patternProperties: { 'f.*o': int } }, { patternProperties: { 'a*': int, 'aaa*': { maximum: 20 } } }, { patternProperties: { 'f.*': true, 'b.*': false } }, { patternProperties: { '^$': false } }, { patternProperties: { _: int } }],
  additionalProperties: [{ properties: { foo: {}, bar: {} }, patternProperties: { '^v': {} }, additionalProperties: false }, { additionalProperties: { type: 'boolean' } }, { properties: { a: {} }, additionalProperties: int }, { additionalProperties: false }, { properties: { a: true }, additionalProperties: true },
    { allOf: [{ properties: { a: {} } }], additionalProperties: int }],
  required: [{ required: ['a'] }, { required: [] }, { properties: { a: {}, b: {} }, required: ['a', 'b'] }, { required: ['toString'] }, { required: ['__proto__'] }, { required: ['a/b', 'a"b'] }, { required: ['constructor', 'hasOwnProperty'] }],
  sizes: [{ minProperties: 1 }, { maxProperties: 1 }, { minProperties: 2, maxProperties: 2 }, { maxProperties: 0 }],
  propertyNames: [{ propertyNames: { maxLength: 1 } }, { propertyNames: true }, { propertyNames: false }, { propertyNames: { pattern: '^[a-c]$' } }, { propertyNames: { enum: ['a', 'b'] } }],
  dependencies: [{ dependencies: { b: ['a'] } }, { dependencies: { a: [] } }, { dependencies: { c: ['a', 'b'] } }, { dependencies: { b: { properties: { a: int, b: int } } } }, { dependencies: { a: true, b: false } }, { dependencies: { 'a"b': ['c'], 'a/b': { minProperties: 4 } } }, { dependencies: { toString: ['zzz'] } }],
  allOf: [{ allOf: [{ required: ['a'] }, { required: ['b'] }] }, { allOf: [true, false] }, { allOf: [true, true] }, { allOf: [{ maximum: 30 }, { minimum: 2 }] }, { allOf: [{ multipleOf: 2 }], anyOf: [{ multipleOf: 5 }], oneOf: [{ multipleOf: 10 }, { multipleOf: 4 }] }, { allOf: [{ allOf: [{ type: 'null' }] }] }],
  anyOf: [{ anyOf: [int, { minimum: 2 }] }, { type: 'string', anyOf: [{ maxLength: 2 }, { minLength: 4 }] }, { anyOf: [true, false] }, { anyOf: [false, false] }, { anyOf: [{ required: ['a'] }, { required: ['b'] }] }, { anyOf: [{ type: 'number' }, {}] }],
  oneOf: [{ oneOf: [int, { minimum: 2 }] }, { oneOf: [true, true, true] }, { oneOf: [true, false, false] }, { oneOf: [true, true, false] }, { type: 'object', oneOf: [{ required: ['a', 'b'] }, { required: ['a', 'c'] }] }, { oneOf: [{ type: 'number' }, {}] },
    { oneOf: [{ properties: { b: true, c: true }, required: ['b'] }, { properties: { a: true }, required: ['a'] }] }],
  tagged: [{ anyOf: [{ type: 'object', properties: { type: { const: 'x' }, n: int }, required: ['type'] }, { type: 'object', properties: { type: { const: 'y' }, n: { type: 'string' } }, required: ['type'] }] },
    { oneOf: [{ properties: { type: { const: 'x' }, n: int } }, { properties: { type: { enum: ['y'] } } }] }],
  not: [{ not: int }, { not: { type: ['integer', 'boolean'] } }, { not: { properties: { a: { type: 'string' } } } }, { properties: { a: { not: {} } } }, { not: true }, { not: false }, { not: { not: {} } }, { not: { required: ['a'] } }],
  conditions: [{ if: { const: 0 } }, { then: { const: 0 } }, { else: { const: 0 } }, { if: { exclusiveMaximum: 0 }, then: { minimum: -10 } }, { if: { exclusiveMaximum: 0 }, else: { multipleOf: 2 } }, { if: { exclusiveMaximum: 0 }, then: { minimum: -10 }, else: { multipleOf: 2 } },
    { allOf: [{ if: { exclusiveMaximum: 0 } }, { then: { minimum: -10 } }, { else: { multipleOf: 2 } }] }, { if: true, then: { const: 'a' }, else: { const: 'b' } }, { if: false, then: { const: 'a' }, else: { const: 'b' } }, { if: { required: ['a'] }, then: { properties: { a: int } }, else: false }],
  references: [{ properties: { a: { $ref: '#' } }, additionalProperties: false }, { properties: { a: int, b: { $ref: '#/properties/a' } } }, { items: [int, { $ref: '#/items/0' }] },
    { 'a~b': int, 'a/b': int, 'a%b': int, properties: { a: { $ref: '#/a~0b' }, b: { $ref: '#/a~1b' }, c: { $ref: '#/a%25b' } } },
    { definitions: { a: int, b: { $ref: '#/definitions/a' }, c: { $ref: '#/definitions/b' } }, $ref: '#/definitions/c' }, { definitions: { l: { type: 'array' } }, properties: { a: { $ref: '#/definitions/l', maxItems: 0 } } },
    { $ref: '#/definitions/b', definitions: { b: true } }, { $ref: '#/definitions/b', definitions: { b: false } }, { properties: { $ref: { type: 'string' }, a: int } },
    { $id: 'http://example.com/tree', type: 'object', properties: { nodes: { type: 'array', items: { $ref: 'node' } } }, required: ['nodes'], definitions: { node: { $id: 'http://example.com/node', type: 'object', properties: { value: { type: 'number' }, nodes: { type: 'array', items: { $ref: 'node' } } }, required: ['value'] } } },
    { definitions: { 'a"b': { type: 'number' } }, properties: { 'a"b': { $ref: '#/definitions/a%22b' } } }, { allOf: [{ $ref: '#foo' }], definitions: { A: { $id: '#foo', type: 'integer' } } },
    { $id: 'http://example.com/root', allOf: [{ $ref: 'http://example.com/nested.json#foo' }], definitions: { A: { $id: 'nested.json', definitions: { B: { $id: '#foo', type: 'integer' } } } } },
    { $id: 'http://example.com/', items: { $id: 'folder/', items: { $ref: 'int.json' } }, definitions: { i: { $id: 'http://example.com/folder/int.json', type: 'integer' } } },
    { definitions: { s: { anyOf: [{ type: 'null' }, { type: 'array', items: { $ref: '#/definitions/s' } }] } }, $ref: '#/definitions/s' }],
  annotations: [{ default: [], title: 'x', description: 'y', examples: [1], $comment: 'z', readOnly: true, writeOnly: true, contentMediaType: 'application/json', contentEncoding: 'base64' }, { properties: { a: { type: 'integer', default: 'x' } } }],
  unknown: [{ someKeyword: 1, type: 'integer' }, { properties: { a: { someKeyword: { type: 'null' } } } }, { prefixItems: [int] }, { dependentRequired: { a: ['b'] } }]
}

t.test('agrees with Ajv about draft-07, keyword by keyword', (t) => {
  for (const [keyword, list] of Object.entries(schemas)) {
    for (const schema of list) {
      const check = compileCheck(schema, anApp)
      const validate = judge(schema)
      const differ = values.filter((value) => differs(check(value) === null, validate(value)))
      t.strictSame(differ, [], `${keyword}: ${JSON.stringify(schema).slice(0, 100)}`)
    }
  }
  t.end()
})

// what the specification says, where Ajv could be wrong with us
const rules: [section: string, schema: unknown, good: unknown[], bad: unknown[]][] = [
  ['§6.1.1 1.0 is an integer', int, [1, 1.0, -3], [1.5, '1', null]],
  ['§6.1.1 integers beyond 2^53 are integers', int, [2 ** 53, 1e300], []],
  ['§6.1.3 const is of any type', { const: { a: false } }, [{ a: false }], [{ a: 0 }, { a: false, b: 1 }]],
  ['§6.2.1 multipleOf', { multipleOf: 0.01 }, [0.01, 4, 'x'], [0.015, 1.001]],
  ['§6.3.1 length in code points', { maxLength: 2 }, [surrogates + surrogates, 5], ['abc']],
  ['§6.3.2 half a pair is one character', { minLength: 2 }, ['\ud83d\ud83d'], ['\ud83d']],
  ['§6.3.3 patterns are not anchored', { pattern: 'es' }, ['expression'], ['exp']],
  ['§6.4.5 numbers are unique by their value', { uniqueItems: true }, [[1, true], [0, false], [{ a: 1 }, { a: '1' }]], [[1, 1.0], [{ a: 1, b: 2 }, { b: 2, a: 1 }]]],
  ['§6.5.7 dependencies', { dependencies: { a: ['b'] } }, [{ a: null, b: null }, { b: 1 }, []], [{ a: null }]],
  ['§6.6.1 then without if is nothing', { then: false, else: false }, [1, {}], []],
  ['§8.3 (core) beside $ref nothing is read', { definitions: { a: {} }, $ref: '#/definitions/a', type: 'null' }, [1], []],
  ['§6.5.4 a property of any name', { properties: JSON.parse('{"__proto__":{"type":"string"}}') }, [JSON.parse('{"__proto__":"x"}'), {}], [JSON.parse('{"__proto__":1}')]],
  ['nothing is inherited', { required: ['toString'] }, [{ toString: 1 }], [{}]],
  ['white space stays', { type: 'string', minLength: 1, const: ' ' }, [' '], ['']]
]

t.test('agrees with the specification', (t) => {
  for (const [section, schema, good, bad] of rules) {
    const check = compileCheck(schema, anApp)
    t.strictSame(good.filter((value) => check(value) !== null), [], section)
    t.strictSame(bad.filter((value) => check(value) === null), [], `${section}, refused`)
  }
  t.end()
})

t.test('agrees with Ajv about schemas that are put together', (t) => {
  const all = Object.entries(schemas).filter(([keyword]) => keyword !== 'references').flatMap(([, list]) => list)
  const one = fc.constantFrom(...all)
  const node: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
    schema: fc.oneof({ maxDepth: 3, withCrossShrink: true }, one,
      fc.record({
        allOf: fc.array(tie('schema'), { minLength: 1, maxLength: 2 }),
        anyOf: fc.array(tie('schema'), { minLength: 1, maxLength: 3 }),
        oneOf: fc.array(tie('schema'), { minLength: 1, maxLength: 3 }),
        not: tie('schema'),
        if: tie('schema'),
        then: tie('schema'),
        else: tie('schema'),
        properties: fc.dictionary(fc.constantFrom('a', 'b', 'foo', 'type'), tie('schema'), { minKeys: 1, noNullPrototype: true }),
        additionalProperties: tie('schema'),
        items: tie('schema'),
        contains: tie('schema'),
        dependencies: fc.dictionary(fc.constantFrom('a', 'b'), tie('schema'), { minKeys: 1, noNullPrototype: true })
      }, { requiredKeys: [] }))
  })).schema
  let good = 0
  fc.assert(fc.property(node, (schema) => {
    const check = compileCheck(schema, anApp)
    const validate = judge(schema)
    for (const value of values) {
      const isGood = check(value) === null
      if (isGood) good++
      if (differs(isGood, validate(value))) throw new Error(`${isGood ? 'taken' : 'refused'}: ${JSON.stringify(value)}`)
    }
  }), { numRuns: 30 })
  t.ok(good > 20, `${good} values were good`)
  t.end()
})
