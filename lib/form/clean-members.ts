import type { Cleaner, Place } from './clean.ts'
import { field } from './clean-field.ts'
import type { Located } from './documents.ts'
import type { Facts, Members } from './facts.ts'
import { literal, member } from './program.ts'
import { everyFacts } from './read-facts.ts'

/** Are there keys that are declared without being named? */
export function isDynamic ({ members }: Facts): boolean {
  return members.some(({ patterns, others }) => patterns.length > 0 || others !== undefined)
}

/** Keys that `patternProperties` or an `additionalProperties` schema declares. */
export function otherMembers (cleaner: Cleaner, members: readonly Members[], keys: readonly string[]): string {
  const { program, bad, checks } = cleaner
  const declared = program.share(new Set(keys))
  const place: Place = { path: 'k', field: undefined }
  const clean = (node: Located) => {
    return `covered = true\nif (x !== undefined && x !== ${bad}) {\n${field(cleaner, [node], 'x', place, false)}\nif (x === ${bad}) bad = true\n}`
  }
  const lines = members.map(({ properties, patterns, others }) => {
    const tests = patterns.map(({ source, node }) => `if (${program.share(checks.patterns.compile(source))}.test(k)) { own = true\n${clean(node)}\n}`)
    const known = properties.size === 0 ? '' : `if (${program.share(new Set(properties.keys()))}.has(k)) own = true\n`
    const rest = others === undefined ? '' : `if (!own) {\n${clean(others)}\n}`
    return `{\nlet own = false\n${known}${tests.join('\n')}\n${rest}\n}`
  })
  return `for (const k of Object.keys(v)) {
if (${declared}.has(k)) continue
if (k === '__proto__') { ${cleaner.add('""', 'invalid', 'undefined', undefined, 'undefined')}; bad = true; continue }
let x = v[k], covered = false
${lines.join('\n')}
if (covered && x !== undefined && x !== ${bad}) out[k] = x
}`
}

/** Keys that nothing declares, where the view wants them refused. */
export function unknownMembers (cleaner: Cleaner, nodes: readonly Located[], texts: string): string {
  const { program, planner, checks } = cleaner
  const every = everyFacts(planner.documents, nodes, planner.isPattern)
  const members = every.flatMap((facts) => facts.members)
  if (members.some(({ others }) => others !== undefined)) return ''
  const known = new Set(every.flatMap(({ fields }) => [...fields.keys()]))
  const patterns = members.flatMap((each) => each.patterns).map(({ source }) => ` && !${program.share(checks.patterns.compile(source))}.test(k)`)
  return `for (const k of Object.keys(v)) if (v[k] !== undefined && !${program.share(known)}.has(k)${patterns.join('')}) { bad = true; ${cleaner.add('k', 'extra_keys', 'undefined', undefined, texts)} }`
}

/** What is said of all members of an object. */
export function ofAll (cleaner: Cleaner, facts: Facts, whole: string, texts: string): string[] {
  const invalid = `{ bad = true; ${cleaner.add('""', 'invalid', 'undefined', undefined, texts)} }`
  const lines: string[] = []
  for (const node of facts.propertyNames) lines.push(`for (const k of Object.keys(${whole})) if (!${cleaner.checks.of(node)}(k, null)) { ${invalid} break }`)
  if (facts.minProperties !== undefined) lines.push(`if (Object.keys(${whole}).length < ${facts.minProperties}) ${invalid}`)
  if (facts.maxProperties !== undefined) lines.push(`if (Object.keys(${whole}).length > ${facts.maxProperties}) ${invalid}`)
  return lines
}

/** `dependencies` that name partners: one that is missing is required. */
export function partners (cleaner: Cleaner, { facts, from, names, fields }: {
  facts: Facts
  /** the object that is looked at for keys without a variable */
  from: string
  names: ReadonlyMap<string, string>
  /** what is known of the fields, for their texts */
  fields: Facts['fields']
}): string {
  const { bad } = cleaner
  const lines: string[] = []
  for (const { key, needs } of facts.dependencies) {
    if (!Array.isArray(needs)) continue
    const given = isGiven(names.get(key) ?? member(from, key))
    for (const need of needs) {
      const nodes = fields.get(need)
      const texts = nodes === undefined ? 'undefined' : cleaner.texts(cleaner.planner.of(nodes))
      const name = names.get(need)
      const missing = `!(${isGiven(name ?? member(from, need))})`
      lines.push(`if (${given} && ${missing}) { ${cleaner.add(literal(need), 'required', 'undefined', undefined, texts)}; bad = true${name === undefined ? '' : `; ${name} = ${bad}`} }`)
    }
  }
  return lines.join('\n')
}

/** An empty value counts as not given. */
export function isGiven (value: string): string {
  return `${value} !== undefined && ${value} !== null && ${value} !== ''`
}
