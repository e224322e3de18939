import { kTransform } from '../symbols.ts'
import type { Documents, Located } from './documents.ts'
import { isEqual } from './equal.ts'
import type { Facts, JsonType, Union } from './facts.ts'
import { factsOf, flatten } from './read-facts.ts'

export type FieldKind = 'any' | 'never' | 'null' | 'string' | 'integer' | 'number' | 'boolean' | 'tick' | 'choice' |
  'list' | 'object' | 'tagged' | 'union' | 'types'

/** How the form treats a value. */
export interface Plan {
  kind: FieldKind
  facts: Facts
  /** null is one of its values */
  nullable: boolean
  choices: readonly unknown[]
  /** kind tagged: the schemas that hold for each value of the tag */
  tag: { key: string, node: Located, branches: { value: unknown, nodes: Located[] }[] } | undefined
  /** kind union: each branch with what stands beside the union; kind types: one for each type */
  branches: Located[][]
  exclusive: boolean
  /** unions beside a kind of its own: the value has to match them as well */
  unions: Union[]
  /** a kind could not be told: checked as a whole */
  whole: boolean
}

/** The property that tells the messages of a tagged union apart, and all its values. */
export interface Tag { key: string, values: (string | number | boolean)[] }

/** Decides how the form treats a value, from what the schemas say about it. */
export class Planner {
  readonly documents: Documents
  readonly isPattern: (source: string, key: string) => boolean
  #plans = new Map<string, Plan>()
  #planning = new Set<string>()

  constructor (documents: Documents, isPattern: (source: string, key: string) => boolean) {
    this.documents = documents
    this.isPattern = isPattern
  }

  facts (nodes: readonly Located[]): Facts {
    return factsOf(this.documents, nodes, this.isPattern)
  }

  of (nodes: readonly Located[]): Plan {
    const key = keyOf(nodes)
    let plan = this.#plans.get(key)
    if (plan === undefined) {
      if (this.#planning.has(key)) throw this.documents.error('a union leads back to itself')
      this.#planning.add(key)
      plan = this.#plan(nodes)
      this.#planning.delete(key)
      this.#plans.set(key, plan)
    }
    return plan
  }

  #plan (nodes: readonly Located[]): Plan {
    const facts = this.facts(nodes)
    const plan: Plan = {
      kind: 'any',
      facts,
      nullable: false,
      choices: [],
      tag: undefined,
      branches: [],
      exclusive: false,
      unions: [],
      whole: false
    }
    if (facts.never) return { ...plan, kind: 'never' }
    const types = facts.types === undefined ? undefined : new Set(facts.types)
    let choices = facts.choices
    // null is admitted where everything that is said admits it
    let nullable = (types === undefined || types.delete('null')) && (choices === undefined || choices.includes(null))
    for (const union of facts.unions) {
      const branches = this.#open(union)
      const rest = branches.filter((branch) => !this.#isNull(branch))
      nullable &&= rest.length < branches.length || rest.some((branch) => this.of([branch]).nullable)
      if (rest.length === 1) {
        const inner = this.of([...this.#beside(facts, union), rest[0]!])
        return { ...inner, facts: merged(inner.facts, facts), nullable: nullable || (inner.nullable && inner.kind === 'any') }
      }
      const literals = rest.length === 0 ? undefined : this.#literals(rest)
      if (literals !== undefined) choices = choices === undefined ? literals : choices.filter((value) => literals.some((other) => isEqual(value, other)))
      else if (rest.length > 0) plan.unions.push({ ...union, branches: rest })
    }
    if (choices !== undefined) {
      const values = choices.filter((value) => value !== null && (types === undefined || [...types].some((type) => hasType(value, type))))
      if (values.length === 0) return { ...plan, kind: choices.includes(null) ? 'null' : 'never', nullable }
      const isTick = values.length === 1 && values[0] === true
      return { ...plan, kind: isTick ? 'tick' : 'choice', choices: values, nullable: facts.types === undefined || facts.types.has('null') ? choices.includes(null) && nullable : false }
    }
    const kinds = types === undefined ? classesOf(facts) : [...types]
    if (kinds.includes('integer') && kinds.includes('number')) kinds.splice(kinds.indexOf('integer'), 1)
    const isBare = (kinds.length === 0 && types === undefined) || (kinds.length === 1 && kinds[0] === 'object' && facts.fields.size === 0 && facts.members.length === 0)
    const tagged = kinds.length === 0 || kinds[0] === 'object' ? this.#tagged(plan.unions) : undefined
    if (tagged !== undefined) {
      const { union, tag } = tagged
      const beside = this.#beside(facts, union)
      const branches = tag.branches.map(({ value, nodes }) => ({ value, nodes: [...beside, ...nodes] }))
      return { ...plan, kind: 'tagged', tag: { ...tag, branches }, nullable: types === undefined && classesOf(facts).length > 0 ? false : nullable }
    }
    if (plan.unions.length > 0 && isBare) {
      const [union] = plan.unions as [Union]
      const beside = this.#beside(facts, union)
      return { ...plan, kind: 'union', branches: union.branches.map((branch) => [...beside, branch]), exclusive: union.exclusive, nullable, unions: [] }
    }
    if (types === undefined) {
      nullable &&= kinds.length === 0
      if (kinds.length > 1) return { ...plan, nullable: false, whole: true }
      return { ...plan, kind: kinds.length === 0 ? 'any' : kindOf(kinds[0]!), nullable }
    }
    if (kinds.length === 0) return { ...plan, kind: 'null', nullable: true }
    if (kinds.length === 1) return { ...plan, kind: kindOf(kinds[0]!), nullable }
    const flat = facts.flat.map((node) => this.documents.without(node, '$ref', 'allOf'))
    const branches = kinds.map((type) => [...flat, this.documents.locate(typeSchemas[type], 'schema://local/')])
    return { ...plan, kind: 'types', branches, nullable, unions: [] }
  }

  /** The tag of a message, if it is a union with one; not where a value of it could be no key of a table. */
  tag (nodes: readonly Located[]): Tag | undefined {
    const { tag } = this.of(nodes)
    const values = tag?.branches.map(({ value }) => value)
    return tag !== undefined && values!.every((value) => value !== null && typeof value !== 'object') ? { key: tag.key, values: values as Tag['values'] } : undefined
  }

  /** Is every value of it an object? */
  isObject (nodes: readonly Located[], way: string[] = []): boolean {
    const key = keyOf(nodes)
    if (way.includes(key)) return true
    const { kind, branches } = this.of(nodes)
    return kind === 'object' || kind === 'tagged' || (kind === 'union' && branches.every((branch) => this.isObject(branch, [...way, key])))
  }

  /** Do errors inside a value have paths of their own? */
  isNested (nodes: readonly Located[]): boolean {
    const { kind, branches } = this.of(nodes)
    return kind === 'list' || kind === 'object' || kind === 'tagged' ||
      (kind === 'types' && branches.some((branch) => this.isNested(branch))) || (kind === 'union' && this.isObject(nodes))
  }

  /** Can a string be one of its values? Then an empty one is not read as null. */
  isText (nodes: readonly Located[], way: string[] = []): boolean {
    const key = keyOf(nodes)
    if (way.includes(key)) return false
    const { kind, choices, branches } = this.of(nodes)
    return kind === 'string' || kind === 'any' || (kind === 'choice' && choices.some((value) => typeof value === 'string')) ||
      ((kind === 'union' || kind === 'types') && branches.some((branch) => this.isText(branch, [...way, key])))
  }

  /** A list whose items have no paths of their own: empty is not given. */
  isScalarList (nodes: readonly Located[]): boolean {
    const { kind, facts } = this.of(nodes)
    const [items] = facts.items
    return kind === 'list' && !(items !== undefined && items.first.length === 0 && items.rest !== undefined && items.rest !== false && this.isObject([items.rest]))
  }

  /** The same for schemas that say the same: those that only refer to others do not count. */
  identity (nodes: readonly Located[]): string {
    return keyOf(flatten(this.documents, nodes).filter(({ schema }) => typeof schema === 'boolean' || Reflect.ownKeys(schema).some((key) => !isMute(key))))
  }

  /** What remains of the schemas without one of their unions. */
  #beside (facts: Facts, union: Union): Located[] {
    return facts.flat.map((node) => this.documents.without(node, '$ref', 'allOf', ...(node === union.from ? [union.keyword] : [])))
      .filter(({ schema }) => typeof schema === 'boolean' || Reflect.ownKeys(schema).length > 0)
  }

  /** Branches that are nothing but a union of the same sort are opened. */
  #open (union: Union, way: Located[] = []): Located[] {
    return union.branches.flatMap((branch) => {
      const facts = this.facts([branch])
      const [inner] = facts.unions
      if (way.includes(branch)) throw this.documents.error('a union leads back to itself')
      const isPure = facts.unions.length === 1 && inner!.keyword === union.keyword && facts.flat.every(({ schema }) =>
        typeof schema === 'object' && Reflect.ownKeys(schema).every((key) => key === inner!.keyword || (isMute(key) && key !== 'allOf')))
      return isPure ? this.#open(inner!, [...way, branch]) : [branch]
    })
  }

  #isNull (branch: Located): boolean {
    const { types, choices } = this.facts([branch])
    return (types?.size === 1 && types.has('null')) || (choices?.length === 1 && choices[0] === null)
  }

  #literals (branches: readonly Located[]): unknown[] | undefined {
    const values: unknown[] = []
    for (const branch of branches) {
      const { choices, types, unions, nots, conditions, foreign } = this.facts([branch])
      if (choices === undefined || unions.length + nots.length + conditions.length + foreign.length > 0) return undefined
      values.push(...choices.filter((value) => types === undefined || [...types].some((type) => hasType(value, type))))
    }
    return values
  }

  #choicesOf (nodes: readonly Located[]): readonly unknown[] | undefined {
    const { choices, unions } = this.facts(nodes)
    if (unions.length === 0) return choices
    return choices === undefined && unions.length === 1 ? this.#literals(this.#open(unions[0]!)) : undefined
  }

  #tagged (unions: readonly Union[]): { union: Union, tag: NonNullable<Plan['tag']> } | undefined {
    for (const union of unions) {
      const tag = this.tagOf(union.branches)
      if (tag !== undefined) return { union, tag }
    }
    return undefined
  }

  /** The property that tells branches apart: each has values of its own for it. */
  tagOf (branches: readonly Located[]): Plan['tag'] {
    const all = branches.map((branch) => this.facts([branch]))
    if (branches.length < 2 || all.some(({ types, fields }) => fields.size === 0 || (types !== undefined && !types.has('object')))) return undefined
    for (const [key, nodes] of all[0]!.fields) {
      const values = all.map(({ fields }) => {
        const field = fields.get(key)
        return field === undefined || field.length === 0 ? undefined : this.#choicesOf(field)
      })
      if (values.some((own) => own === undefined)) continue
      const groups: { value: unknown, nodes: Located[] }[] = []
      let isTag = true
      values.forEach((own, index) => {
        for (const value of own!) {
          if (groups.some((group) => isEqual(group.value, value))) isTag = false
          groups.push({ value, nodes: [branches[index]!] })
        }
      })
      if (isTag) return { key, node: nodes[0]!, branches: groups }
    }
    return undefined
  }
}

/** keywords that say nothing about a value themselves */
const mute = new Set(['$ref', 'allOf', '$id', '$defs', 'definitions', 'title', 'description', '$schema', '$comment'])

/** TypeBox's symbols say nothing either, but for a transform. */
function isMute (key: string | symbol): boolean {
  return typeof key === 'symbol' ? key !== kTransform : mute.has(key)
}

export function keyOf (nodes: readonly Located[]): string {
  return nodes.map(({ id }) => id).join('&')
}

const typeSchemas: Record<JsonType, object> = {
  string: { type: 'string' },
  number: { type: 'number' },
  integer: { type: 'integer' },
  boolean: { type: 'boolean' },
  object: { type: 'object' },
  array: { type: 'array' },
  null: { type: 'null' }
}

function kindOf (type: JsonType): FieldKind {
  return type === 'array' ? 'list' : type
}

/** The types that keywords are about, where no `type` says it. */
function classesOf (facts: Facts): JsonType[] {
  const types: JsonType[] = []
  if (facts.minLength !== undefined || facts.maxLength !== undefined || facts.patterns.length > 0 || facts.formats.length > 0) types.push('string')
  if (facts.minimum !== undefined || facts.maximum !== undefined || facts.exclusiveMinimum !== undefined ||
    facts.exclusiveMaximum !== undefined || facts.multiples.length > 0) types.push('number')
  if (facts.items.length > 0 || facts.minItems !== undefined || facts.maxItems !== undefined || facts.unique || facts.contains.length > 0) types.push('array')
  if (facts.fields.size > 0 || facts.members.length > 0 || facts.propertyNames.length > 0 || facts.minProperties !== undefined ||
    facts.maxProperties !== undefined || facts.dependencies.length > 0) types.push('object')
  return types
}

function hasType (value: unknown, type: JsonType): boolean {
  switch (type) {
    case 'null': return value === null
    case 'array': return Array.isArray(value)
    case 'object': return typeof value === 'object' && value !== null && !Array.isArray(value)
    case 'integer': return Number.isInteger(value)
    case 'string': return typeof value === 'string'
    case 'number': return typeof value === 'number'
    case 'boolean': return typeof value === 'boolean'
  }
}

/** A nullable field: what stands beside the union belongs to the one that remains. */
function merged (inner: Facts, outer: Facts): Facts {
  return {
    ...inner,
    hasDefault: outer.hasDefault || inner.hasDefault,
    default: outer.hasDefault ? outer.default : inner.default,
    readOnly: outer.readOnly || inner.readOnly,
    texts: outer.texts === undefined ? inner.texts : { ...inner.texts, ...outer.texts }
  }
}
