import type { Cleaner, Place } from './clean.ts'
import { field } from './clean-field.ts'
import type { Located } from './documents.ts'
import { everyFacts, type Facts, type Members } from './facts.ts'

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
