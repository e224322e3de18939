import type { Documents, Located } from './documents.ts'
import { isEqual } from './equal.ts'
import { noFacts, partsOf, type Facts, type JsonType, type Members } from './facts.ts'
import { SchemaReader } from './schema-reader.ts'

/** keywords that say nothing about a value, or that are read together with others */
const silent = new Set(['$id', '$schema', '$ref', '$comment', '$defs', 'definitions', 'title', 'description', 'examples', 'example', 'writeOnly',
  'deprecated', 'contentEncoding', 'contentMediaType', 'unevaluatedProperties', 'unevaluatedItems', 'discriminator', 'allOf', 'nullable', 'then', 'else', 'additionalItems',
  'patternProperties', 'additionalProperties'])

/**
 * Put schemas together that hold for the same value.
 *
 * @param isPattern - does a key match a pattern of `patternProperties`?
 */
export function factsOf (documents: Documents, nodes: readonly Located[], isPattern: (source: string, key: string) => boolean): Facts {
  const facts = noFacts(flatten(documents, nodes))
  for (const node of facts.flat) gather(documents, facts, node)
  for (const { properties } of facts.members) {
    for (const key of properties.keys()) facts.fields.set(key, [])
  }
  for (const key of facts.fields.keys()) facts.fields.set(key, nodesOf(facts.members, key, isPattern))
  // a required key that nothing declares is a field that may hold anything
  for (const key of facts.required) {
    if (!facts.fields.has(key)) facts.fields.set(key, nodesOf(facts.members, key, isPattern))
  }
  return facts
}

/** What the schemas, and every branch, side and dependency of theirs, say together. */
export function everyFacts (documents: Documents, nodes: readonly Located[], isPattern: (source: string, key: string) => boolean, seen = new Set<Located>()): Facts[] {
  const facts = factsOf(documents, nodes, isPattern)
  const every = [facts]
  for (const part of partsOf(facts)) {
    if (seen.has(part)) continue
    seen.add(part)
    every.push(...everyFacts(documents, [part], isPattern, seen))
  }
  return every
}

/** The declared fields of an object, also those that only a branch or a condition declares. */
export function declaredKeys (documents: Documents, nodes: readonly Located[], isPattern: (source: string, key: string) => boolean): Set<string> {
  return new Set(everyFacts(documents, nodes, isPattern).flatMap(({ fields }) => [...fields.keys()]))
}

/** The schemas that hold for a key. */
export function nodesOf (members: readonly Members[], key: string, isPattern: (source: string, key: string) => boolean): Located[] {
  const nodes: Located[] = []
  for (const { properties, patterns, others } of members) {
    const property = properties.get(key)
    const matching = patterns.filter(({ source }) => isPattern(source, key))
    if (property !== undefined) pushNew(nodes, property)
    for (const { node } of matching) pushNew(nodes, node)
    if (property === undefined && matching.length === 0 && others !== undefined) pushNew(nodes, others)
  }
  return nodes
}

/** Resolve references and open `allOf`: the schemas that remain all hold. */
export function flatten (documents: Documents, nodes: readonly Located[]): Located[] {
  const flat = new Set<Located>()
  const visit = (node: Located, way: Located[]): void => {
    if (way.includes(node)) throw documents.error('a $ref leads back to itself')
    if (flat.has(node)) return
    const { schema } = node
    if (typeof schema === 'boolean') {
      flat.add(node)
      return
    }
    const inner = [...way, node]
    if (schema.$ref !== undefined) visit(documents.resolve(node, schema.$ref), inner)
    flat.add(node)
    if (Array.isArray(schema.allOf)) {
      for (const part of schema.allOf as unknown[]) visit(documents.child(node, part), inner)
    }
  }
  for (const node of nodes) visit(node, [])
  return [...flat]
}

function gather (documents: Documents, facts: Facts, node: Located): void {
  if (typeof node.schema === 'boolean') {
    if (!node.schema) facts.never = true
    return
  }
  const schema = node.schema
  const reader = new SchemaReader(documents, node, schema)
  for (const keyword of Object.keys(schema)) {
    const value = schema[keyword]
    if (value === undefined || silent.has(keyword) || keyword.startsWith('x-')) continue
    const known = Object.hasOwn(keywords, keyword) ? keywords[keyword] : undefined
    if (known === undefined) facts.foreign.push({ keyword, value })
    else known(facts, value, reader)
  }
  if ('properties' in schema || 'patternProperties' in schema || 'additionalProperties' in schema) facts.members.push(reader.members())
}

const largest = (a: number | undefined, b: number) => a === undefined ? b : Math.max(a, b)
const smallest = (a: number | undefined, b: number) => a === undefined ? b : Math.min(a, b)
const pushNew = <T>(list: T[], item: T) => { if (!list.includes(item)) list.push(item) }

const keywords: Record<string, (facts: Facts, value: unknown, read: SchemaReader) => void> = {
  type (facts, value, read) {
    const types = read.types(value)
    facts.types = facts.types === undefined ? types : common(facts.types, types)
    if (facts.types.size === 0) facts.never = true
  },
  enum (facts, value, read) {
    if (!Array.isArray(value) || value.length === 0) throw read.error('enum must be a list of values')
    choose(facts, value)
  },
  const: (facts, value) => choose(facts, [value]),
  minLength (facts, value, read) { facts.minLength = largest(facts.minLength, read.count('minLength', value)) },
  maxLength (facts, value, read) { facts.maxLength = smallest(facts.maxLength, read.count('maxLength', value)) },
  pattern: (facts, value, read) => pushNew(facts.patterns, read.text('pattern', value)),
  format: (facts, value, read) => pushNew(facts.formats, read.text('format', value)),
  minimum (facts, value, read) { facts.minimum = largest(facts.minimum, read.number('minimum', value)) },
  maximum (facts, value, read) { facts.maximum = smallest(facts.maximum, read.number('maximum', value)) },
  exclusiveMinimum (facts, value, read) { facts.exclusiveMinimum = largest(facts.exclusiveMinimum, read.number('exclusiveMinimum', value)) },
  exclusiveMaximum (facts, value, read) { facts.exclusiveMaximum = smallest(facts.exclusiveMaximum, read.number('exclusiveMaximum', value)) },
  multipleOf (facts, value, read) {
    const step = read.number('multipleOf', value)
    if (!(step > 0)) throw read.error('multipleOf must be greater than 0')
    pushNew(facts.multiples, step)
  },
  items (facts, value, read) { facts.items.push(read.items(value)) },
  minItems (facts, value, read) { facts.minItems = largest(facts.minItems, read.count('minItems', value)) },
  maxItems (facts, value, read) { facts.maxItems = smallest(facts.maxItems, read.count('maxItems', value)) },
  uniqueItems (facts, value) { if (value === true) facts.unique = true },
  contains (facts, value, read) { facts.contains.push(read.node(value)) },
  // not of draft-07, but TypeBox writes them
  minContains (facts, value, read) { facts.minContains = largest(facts.minContains, read.count('minContains', value)) },
  maxContains (facts, value, read) { facts.maxContains = smallest(facts.maxContains, read.count('maxContains', value)) },
  // read by `members`
  properties () {},
  required (facts, value, read) { for (const key of read.texts('required', value)) facts.required.add(key) },
  propertyNames (facts, value, read) { facts.propertyNames.push(read.node(value)) },
  minProperties (facts, value, read) { facts.minProperties = largest(facts.minProperties, read.count('minProperties', value)) },
  maxProperties (facts, value, read) { facts.maxProperties = smallest(facts.maxProperties, read.count('maxProperties', value)) },
  dependencies (facts, value, read) {
    for (const [key, needs] of Object.entries(read.record('dependencies', value))) {
      facts.dependencies.push({ key, needs: Array.isArray(needs) ? read.texts('dependencies', needs) : read.node(needs) })
    }
  },
  anyOf (facts, value, read) { facts.unions.push({ branches: read.nodes('anyOf', value), exclusive: false, from: read.at, keyword: 'anyOf' }) },
  oneOf (facts, value, read) { facts.unions.push({ branches: read.nodes('oneOf', value), exclusive: true, from: read.at, keyword: 'oneOf' }) },
  not (facts, value, read) { facts.nots.push(read.node(value)) },
  if (facts, value, read) {
    const { then, else: otherwise } = read.schema
    facts.conditions.push({
      test: read.node(value),
      then: then === undefined ? undefined : read.node(then),
      otherwise: otherwise === undefined ? undefined : read.node(otherwise)
    })
  },
  default (facts, value) {
    facts.hasDefault = true
    facts.default = value
  },
  readOnly (facts, value) { if (value === true) facts.readOnly = true },
  strip (facts, value) { if (value === false) facts.strip = false },
  errorMessages (facts, value, read) {
    const texts = read.record('errorMessages', value)
    for (const code of Object.keys(texts)) read.text(`errorMessages.${code}`, texts[code])
    facts.texts = { ...texts as Record<string, string>, ...facts.texts }
  }
}

function choose (facts: Facts, values: readonly unknown[]): void {
  facts.choices = facts.choices === undefined ? values : facts.choices.filter((value) => values.some((other) => isEqual(value, other)))
}

function common (a: Set<JsonType>, b: Set<JsonType>): Set<JsonType> {
  const both = new Set([...a].filter((type) => b.has(type)))
  if ((a.has('number') && b.has('integer')) || (a.has('integer') && b.has('number'))) both.add('integer')
  return both
}
