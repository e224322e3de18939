import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import fc from 'fast-check'
import sjson from 'secure-json-parse'
import { INVALID, parseJson } from '../lib/message.ts'

/** What secure-json-parse makes of every text. */
function securely (text: string): unknown {
  try {
    return sjson.parse(text, undefined, { protoAction: 'error', constructorAction: 'error' })
  } catch {
    return INVALID
  }
}

const spelled = (name: string): fc.Arbitrary<string> => fc.array(fc.nat(7), { minLength: name.length, maxLength: name.length })
  .map((escaped) => Array.from(name, (c, i) => escaped[i] === 0 ? `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}` : c).join(''))
const key = fc.oneof(spelled('__proto__'), spelled('constructor'), spelled('prototype'), fc.constantFrom('a', 'proto', '_', ' __proto__', 'construct\\u006fr\\n'))
const { value } = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof({ maxDepth: 4 },
    fc.constantFrom('1', 'null', '"__proto__"', '"\\u005f"', '"constructor"', '{}', '[]', '"\\uFEFF"'),
    fc.array(fc.tuple(key, tie('value')), { maxLength: 3 }).map((members) => `{${members.map(([key, value]) => `"${key}" :${value}`).join()}}`),
    fc.tuple(spelled('constructor'), spelled('prototype')).map(([constructor, prototype]) => `{"${constructor}":{"${prototype}":1}}`),
    fc.array(tie('value'), { maxLength: 3 }).map((items) => `[${items.join()}]`))
}))

t.test('what is refused is what secure-json-parse refuses, however the keys are spelled', async () => {
  fc.assert(fc.property(fc.constantFrom('', '', '\ufeff', ' ', '\ufeff\ufeff'), value, fc.constantFrom('', '', ' ', '}'), (before, value, after) => {
    const text = before + value + after
    return isDeepStrictEqual(parseJson(text, 1000), securely(text))
  }), { numRuns: 1000 })
})

t.test('a value may be as deep as maxDepth, and no deeper', async (t) => {
  const nest = (levels: number, [open, close]: readonly [string, string]): string => open.repeat(levels) + close.repeat(levels)
  const forms = [['[', ']'], ['{"a":[1,"x",', ']}'], ['[null,{"b":1,"a":', '}]']] as const
  for (const maxDepth of [1, 2, 3, 32]) {
    t.equal(parseJson(nest(maxDepth + 1, forms[0]), maxDepth), INVALID)
    t.not(parseJson(nest(maxDepth, forms[0]), maxDepth), INVALID)
    for (const [open, close] of forms.slice(1)) {
      const text = (levels: number): string => `${open.repeat(levels)}1${close.repeat(levels)}${' '.repeat(200)}`
      t.not(parseJson(text(Math.floor(maxDepth / 2)), maxDepth), INVALID)
      t.equal(parseJson(text(Math.floor(maxDepth / 2) + 1), maxDepth), INVALID)
    }
  }
})
