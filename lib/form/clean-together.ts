import { overlay } from './branches.ts'
import type { Cleaner } from './clean.ts'
import { keysOfParts, takeParts } from './clean-part.ts'
import type { Facts } from './facts.ts'
import type { Plan } from './plan.ts'
import { literal, member, store } from './program.ts'

/** What holds for the object as a whole, once every field is good: `v` as it came, `out` as it was cleaned. */
export function together (cleaner: Cleaner, plan: Plan): string[] {
  const { facts } = plan
  const texts = cleaner.texts(plan)
  const parts = takeParts(cleaner, facts, plan.unions, facts.flat, texts)
  if (parts.length > 0) parts.unshift(...firstView(cleaner, plan))
  return [...parts, ...ofAll(cleaner, facts, 'out', texts), cleaner.last(plan, 'out', '""', 'bad = true')].filter((line) => line !== '')
}

/** How parts see the object: what has been cleaned, and what only they declare as it came. */
function firstView (cleaner: Cleaner, { facts, unions }: Plan): string[] {
  const { program, planner } = cleaner
  const lists = [...facts.fields].filter(([, nodes]) => planner.isScalarList(nodes)).map(([key]) => key)
  const noLists = lists.length === 0 ? '' : ` && !(Array.isArray(out[k]) && out[k].length === 0 && ${program.share(new Set(lists))}.has(k))`
  const lines = [`let seen = { sent: v, view: {}, kept: {} }
for (const k of Object.keys(out)) if (out[k] !== ''${noLists} && k !== '__proto__') seen.view[k] = seen.kept[k] = out[k]`]
  for (const key of keysOfParts(cleaner, facts, unions)) {
    if (key === '__proto__') continue
    const nodes = facts.fields.get(key)
    const [seen, sent] = [member('seen.view', key), member('v', key)]
    if (nodes === undefined) lines.push(`if (${seen} === undefined && ${sent} !== undefined && ${sent} !== '') ${store('seen.view', key, sent)}`)
    else if (planner.isNested(nodes)) lines.push(`if (${seen} !== undefined) ${store('seen.view', key, `${program.share(overlay)}(${sent}, ${seen})`)}`)
  }
  return lines
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
