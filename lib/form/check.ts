import { codePoints } from './convert.ts'
import type { Documents, Located, SchemaObject } from './documents.ts'
import { Choices, hasDuplicates } from './equal.ts'
import type { JsonType } from './facts.ts'
import type { Foreign } from './foreign.ts'
import type { Patterns } from './patterns.ts'
import type { Plan } from './plan.ts'
import { literal, member, type Program } from './program.ts'
import { factsOf } from './read-facts.ts'
import type { Report } from './report.ts'

/** A compiled check. Without a report it stops at the first fault, with one it collects all of them. */
export type Check = (value: unknown, report: Report | null) => boolean

const typeTests: Record<JsonType, string> = {
  string: "typeof v === 'string'",
  number: "typeof v === 'number' && v - v === 0",
  integer: 'Number.isInteger(v)',
  boolean: "typeof v === 'boolean'",
  object: "typeof v === 'object' && v !== null && !Array.isArray(v)",
  array: 'Array.isArray(v)',
  null: 'v === null'
}

/**
 * Compiles plain draft-07 checks: no conversion, no default, nothing removed. The form uses them for
 * what a value must or must not be as a whole (`not`, `if`, `contains`, unions without a tag).
 */
export class Checks {
  readonly program: Program
  readonly documents: Documents
  readonly foreign: Foreign
  readonly patterns: Patterns
  /** finds the tag of a union, so that only the branch that was meant is reported */
  tagOf: (branches: readonly Located[]) => Plan['tag'] = () => undefined
  /** a node was met inside itself */
  isRecursive = false
  #names = new Map<Located, string>()
  #open = new Set<Located>()
  #way: readonly Located[] = []
  #remembers: boolean

  /**
   * @param remembers - keep answers for the length of a message: without that a recursive schema with
   * branches would ask them again at every level, which doubles the work with each
   */
  constructor (program: Program, documents: Documents, foreign: Foreign, patterns: Patterns, remembers: boolean) {
    this.#remembers = remembers
    if (remembers) program.add('let seen = new Map()')
    this.program = program
    this.documents = documents
    this.foreign = foreign
    this.patterns = patterns
  }

  isPattern = (source: string, key: string): boolean => this.patterns.compile(source).test(key)

  /** The name of the function that checks a node. */
  of (node: Located): string {
    return this.#compile(node, [])
  }

  /** The same, for a node that speaks of the same value as the one being compiled. */
  #same (node: Located): string {
    if (this.#way.includes(node)) throw this.documents.error('a $ref or a union leads back to itself')
    return this.#compile(node, this.#way)
  }

  #compile (node: Located, way: readonly Located[]): string {
    let name = this.#names.get(node)
    if (name === undefined) {
      name = this.program.name('check')
      this.#names.set(node, name)
      const outer = this.#way
      this.#way = [...way, node]
      this.#open.add(node)
      const body = this.#body(node)
      this.#open.delete(node)
      this.#way = outer
      if (this.#remembers) {
        this.program.add(`function ${name} (v, r) {
if (r !== null || typeof v !== 'object' || v === null) return ${name}Of(v, r)
let answers = seen.get(v)
if (answers === undefined) seen.set(v, answers = {})
return answers.${name} ??= ${name}Of(v, r)
}`)
      }
      this.program.add(`function ${name}${this.#remembers ? 'Of' : ''} (v, r) {\n${body}\n}`)
    } else if (this.#open.has(node)) this.isRecursive = true
    return name
  }

  /** The name of a function that starts with a fresh memory. */
  started (name: string): string {
    if (!this.#remembers) return name
    const start = this.program.name('start')
    this.program.add(`function ${start} (v, r) {\nseen = new Map()\nconst answer = ${name}(v, r)\nseen = new Map()\nreturn answer\n}`)
    return start
  }

  #body (node: Located): string {
    const { schema } = node
    if (typeof schema === 'boolean') return schema ? 'return true' : 'if (r !== null) r.add("", "invalid", undefined, undefined, undefined)\nreturn false'
    // next to a $ref other keywords are ignored (draft-07, core §8.3)
    if (schema.$ref !== undefined) return `return ${this.#same(this.documents.resolve(node, schema.$ref))}(v, r)`
    // facts check the keywords' own form
    const facts = factsOf(this.documents, [this.documents.without(node, 'allOf')], this.isPattern)
    const texts = facts.texts === undefined ? 'undefined' : this.program.share(facts.texts)
    const fail = (code: string, params = 'undefined', kind?: string) => this.#fail(code, params, kind, texts)
    const lines = ['let ok = true']
    const add = (test: string, failure: string) => lines.push(`if (${test}) ${failure}`)

    if (facts.types !== undefined) {
      const types = [...facts.types]
      const test = types.map((type) => `(${typeTests[type]})`).join(' || ') || 'false'
      const kind = types.find((type) => type !== 'null')
      const isList = kind === 'array' && !this.#isListOfObjects(facts.items[0]?.rest)
      lines.push(`if (!(${test})) { ${fail(isList ? 'invalid_list' : 'invalid', 'undefined', kind === 'array' ? 'list' : kind)} return false }`)
    }
    if (schema.const === true) add('v === false', fail('required'))
    if (schema.const !== undefined) {
      add(`${schema.const === true ? 'v !== false && ' : ''}!${this.program.share(new Choices([schema.const]))}.has(v)`, fail('invalid_choice'))
    }
    if (Array.isArray(schema.enum)) add(`!${this.program.share(new Choices(schema.enum))}.has(v)`, fail('invalid_choice'))
    const string = this.#string(schema, fail)
    if (string !== '') lines.push(`if (typeof v === 'string') {\n${string}\n}`)
    const number = this.#number(schema, fail)
    if (number !== '') lines.push(`if (typeof v === 'number') {\n${number}\n}`)
    const list = this.#list(node, schema, fail)
    if (list !== '') lines.push(`if (Array.isArray(v)) {\n${list}\n}`)
    const object = this.#object(node, schema, fail, texts)
    if (object !== '') lines.push(`if (${typeTests.object}) {\n${object}\n}`)

    if (Array.isArray(schema.allOf)) {
      for (const part of schema.allOf) add(`!${this.#same(this.documents.child(node, part))}(v, r)`, '{ if (r === null) return false; ok = false }')
    }
    const union = (branches: readonly unknown[]) => this.#tagged(branches.map((part) => this.documents.child(node, part)), texts) ?? fail('invalid')
    if (Array.isArray(schema.anyOf)) {
      add(`!(${schema.anyOf.map((part) => `${this.#same(this.documents.child(node, part))}(v, null)`).join(' || ')})`, union(schema.anyOf))
    }
    if (Array.isArray(schema.oneOf)) {
      add(`${schema.oneOf.map((part) => `(${this.#same(this.documents.child(node, part))}(v, null) ? 1 : 0)`).join(' + ')} !== 1`, union(schema.oneOf))
    }
    for (const not of facts.nots) add(`${this.#same(not)}(v, null)`, fail('invalid'))
    for (const { test, then, otherwise } of facts.conditions) {
      if (then === undefined && otherwise === undefined) continue
      const yes = then === undefined ? 'true' : `${this.#same(then)}(v, null)`
      const no = otherwise === undefined ? 'true' : `${this.#same(otherwise)}(v, null)`
      add(`!(${this.#same(test)}(v, null) ? ${yes} : ${no})`, fail('invalid'))
    }
    for (const { keyword, value } of facts.foreign) {
      const check = this.foreign.keyword(keyword, value, facts.types)
      if (check !== undefined) add(`!${this.program.share(check)}(v)`, fail(keyword))
    }
    lines.push('return ok')
    return lines.join('\n')
  }

  /** The faults of a union that has a tag. */
  #tagged (branches: readonly Located[], texts: string): string | undefined {
    const tag = this.tagOf(branches)
    if (tag === undefined) return undefined
    const key = literal(tag.key)
    const cases = tag.branches.map(({ value, nodes }) => `if (tag === ${literal(value as string)}) { ${nodes.map((node) => `${this.#same(node)}(v, r)`).join('; ')} }`)
    return `{ if (r === null) return false
ok = false
const isObject = ${typeTests.object}
const tag = isObject ? ${member('v', tag.key)} : undefined
if (!isObject) r.add("", "invalid", undefined, "object", ${texts})
else if (tag === undefined) r.add(${key}, "required", undefined, undefined, undefined)
else ${cases.join(' else ')} else r.add(${key}, "invalid_choice", undefined, undefined, undefined) }`
  }

  #fail (code: string, params = 'undefined', kind?: string, texts = 'undefined', path = '""'): string {
    return `{ if (r === null) return false; ok = false; r.add(${path}, ${literal(code)}, ${params}, ${literal(kind)}, ${texts}) }`
  }

  #string (schema: SchemaObject, fail: Fail): string {
    const lines: string[] = []
    const length = this.program.share(codePoints)
    if (schema.minLength !== undefined) {
      lines.push(`if (v.length < ${2 * (schema.minLength as number)} && ${length}(v) < ${schema.minLength}) ${fail('min_length', `{ limit_value: ${schema.minLength}, show_value: ${length}(v) }`)}`)
    }
    if (schema.maxLength !== undefined) {
      lines.push(`if (v.length > ${schema.maxLength} && ${length}(v) > ${schema.maxLength}) ${fail('max_length', `{ limit_value: ${schema.maxLength}, show_value: ${length}(v) }`)}`)
    }
    if (typeof schema.pattern === 'string') {
      lines.push(`if (!${this.program.share(this.patterns.compile(schema.pattern))}.test(v)) ${fail('invalid', 'undefined', 'pattern')}`)
    }
    const format = typeof schema.format === 'string' ? this.foreign.format(schema.format, 'string') : undefined
    if (format !== undefined) lines.push(`if (!${this.program.share(format)}(v)) ${fail('invalid', 'undefined', schema.format as string)}`)
    return lines.join('\n')
  }

  #number (schema: SchemaObject, fail: Fail): string {
    const lines: string[] = []
    const bound = (keyword: string, operator: string, code: string, kind?: string) => {
      if (schema[keyword] !== undefined) lines.push(`if (v ${operator} ${schema[keyword] as number}) ${fail(code, `{ limit_value: ${schema[keyword] as number} }`, kind)}`)
    }
    bound('minimum', '<', 'min_value')
    bound('maximum', '>', 'max_value')
    bound('exclusiveMinimum', '<=', 'min_value', 'exclusive')
    bound('exclusiveMaximum', '>=', 'max_value', 'exclusive')
    if (schema.multipleOf !== undefined) {
      lines.push(`if (!Number.isInteger(v / ${schema.multipleOf as number})) ${fail('step_size', `{ limit_value: ${schema.multipleOf as number} }`)}`)
    }
    const isNumeric = schema.type === 'number' || schema.type === 'integer' || (Array.isArray(schema.type) && /number|integer/.test(schema.type.join()))
    const format = typeof schema.format === 'string' && isNumeric ? this.foreign.format(schema.format, 'number') : undefined
    if (format !== undefined) lines.push(`if (!${this.program.share(format)}(v)) ${fail('invalid', 'undefined', schema.format as string)}`)
    return lines.join('\n')
  }

  #list (node: Located, schema: SchemaObject, fail: Fail): string {
    const lines: string[] = []
    const { items } = schema
    const all = items !== undefined && !Array.isArray(items) ? this.documents.child(node, items) : undefined
    const isForms = this.#isListOfObjects(all)
    if (schema.minItems !== undefined) {
      lines.push(`if (v.length < ${schema.minItems}) ${isForms
        ? fail('too_few_forms', `{ limit_value: ${schema.minItems} }`)
        : fail('min_length', `{ limit_value: ${schema.minItems}, show_value: v.length }`)}`)
    }
    if (schema.maxItems !== undefined) {
      lines.push(`if (v.length > ${schema.maxItems}) ${isForms
        ? fail('too_many_forms', `{ limit_value: ${schema.maxItems} }`)
        : fail('max_length', `{ limit_value: ${schema.maxItems}, show_value: v.length }`)}`)
    }
    if (Array.isArray(items)) {
      items.forEach((item, index) => lines.push(`if (v.length > ${index}) {\n${this.#item(this.documents.child(node, item), `${index}`)}\n}`))
      const rest = schema.additionalItems
      if (rest === false) lines.push(`if (v.length > ${items.length}) ${fail('max_length', `{ limit_value: ${items.length}, show_value: v.length }`)}`)
      else if (rest !== undefined) {
        lines.push(`for (let i = ${items.length}; i < v.length; i++) {\n${this.#item(this.documents.child(node, rest), 'i')}\n}`)
      }
    } else if (all !== undefined) {
      lines.push(`for (let i = 0; i < v.length; i++) {\n${this.#item(all, 'i')}\n}`)
    }
    if (schema.uniqueItems === true) lines.push(`if (${this.program.share(hasDuplicates)}(v)) ${fail('duplicate')}`)
    if (schema.contains !== undefined) {
      const check = this.of(this.documents.child(node, schema.contains))
      const { minContains, maxContains } = schema as { minContains: number | undefined, maxContains: number | undefined }
      lines.push(`if (${containsTest(check, 'v', { minContains, maxContains })}) ${fail('invalid')}`)
    }
    return lines.join('\n')
  }

  #item (item: Located, index: string): string {
    const place = this.#isNested(item) ? `r.prefix(mark, String(${index}))` : 'r.fold(mark)'
    return `const mark = r === null ? 0 : r.size\nif (!${this.of(item)}(v[${index}], r)) { if (r === null) return false; ok = false; ${place} }`
  }

  #object (node: Located, schema: SchemaObject, fail: Fail, texts: string): string {
    const lines: string[] = []
    const child = (inner: unknown) => this.documents.child(node, inner)
    const properties = schema.properties as Record<string, unknown> | undefined ?? {}
    for (const key of Array.isArray(schema.required) ? schema.required as string[] : []) {
      const inner = Object.hasOwn(properties, key) ? factsTexts(properties[key]) : undefined
      const own = inner === undefined ? 'undefined' : this.program.share(inner)
      lines.push(`if (${member('v', key)} === undefined) ${this.#fail('required', 'undefined', undefined, own, literal(key))}`)
    }
    for (const key of Object.keys(properties)) {
      lines.push(`{ const m = ${member('v', key)}\nif (m !== undefined) { ${this.#member(child(properties[key]), 'm', literal(key))} } }`)
    }
    const patterns = Object.entries(schema.patternProperties as Record<string, unknown> | undefined ?? {})
    const others = schema.additionalProperties
    if (patterns.length > 0 || (others !== undefined && others !== true)) {
      const known = this.program.share(new Set(Object.keys(properties)))
      const tests = patterns.map(([source, inner]) =>
        `if (${this.program.share(this.patterns.compile(source))}.test(k)) { other = false; ${this.#member(child(inner), 'v[k]', 'k')} }`)
      const rest = others === false
        ? '{ if (r === null) return false; ok = false; r.add(k, "extra_keys", undefined, undefined, ' + texts + ') }'
        : others === undefined || others === true ? '{}' : `{ ${this.#member(child(others), 'v[k]', 'k')} }`
      lines.push(`for (const k of Object.keys(v)) {\nlet other = !${known}.has(k)\n${tests.join('\n')}\nif (other) ${rest}\n}`)
    }
    if (schema.propertyNames !== undefined) {
      lines.push(`for (const k of Object.keys(v)) if (!${this.of(child(schema.propertyNames))}(k, null)) { ${fail('invalid')} break }`)
    }
    if (schema.minProperties !== undefined) lines.push(`if (Object.keys(v).length < ${schema.minProperties as number}) ${fail('invalid')}`)
    if (schema.maxProperties !== undefined) lines.push(`if (Object.keys(v).length > ${schema.maxProperties as number}) ${fail('invalid')}`)
    for (const [key, needs] of Object.entries(schema.dependencies as Record<string, unknown> | undefined ?? {})) {
      const then = Array.isArray(needs)
        ? (needs as string[]).map((need) => `if (${member('v', need)} === undefined) ${this.#fail('required', 'undefined', undefined, 'undefined', literal(need))}`).join('\n')
        : `if (!${this.#same(child(needs))}(v, r)) { if (r === null) return false; ok = false }`
      lines.push(`if (${member('v', key)} !== undefined) {\n${then}\n}`)
    }
    return lines.join('\n')
  }

  #member (node: Located, value: string, key: string): string {
    return `const mark = r === null ? 0 : r.size; if (!${this.of(node)}(${value}, r)) { if (r === null) return false; ok = false; r.prefix(mark, ${key}) }`
  }

  /** Do the errors of an item have paths of their own? */
  #isNested (item: Located): boolean {
    const types = factsOf(this.documents, [item], this.isPattern)
    return types.types?.has('object') === true || types.types?.has('array') === true || types.fields.size > 0 || types.unions.length > 0
  }

  #isListOfObjects (item: Located | false | undefined, way: Located[] = []): boolean {
    if (item === undefined || item === false || way.includes(item)) return false
    const facts = factsOf(this.documents, [item], this.isPattern)
    return facts.types?.has('object') === true || (facts.types === undefined && facts.fields.size > 0) ||
      (facts.unions.length > 0 && facts.unions[0]!.branches.every((branch) => this.#isListOfObjects(branch, [...way, item])))
  }
}

type Fail = (code: string, params?: string, kind?: string) => string

function factsTexts (schema: unknown): unknown {
  return typeof schema === 'object' && schema !== null ? (schema as SchemaObject).errorMessages : undefined
}

/** The expression that says that a list does not contain what it must. */
export function containsTest (check: string, list: string, { minContains = 1, maxContains }: { minContains: number | undefined, maxContains: number | undefined }): string {
  if (minContains === 1 && maxContains === undefined) return `!${list}.some((item) => ${check}(item, null))`
  const count = `${list}.filter((item) => ${check}(item, null)).length`
  return `${count} < ${minContains}${maxContains === undefined ? '' : ` || ${count} > ${maxContains}`}`
}
