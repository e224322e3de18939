import type { Located } from './documents.ts'
import { containsTest } from './check.ts'
import type { Cleaner } from './clean.ts'
import { hasDuplicates } from './equal.ts'
import type { Plan } from './plan.ts'

/** how far past `maxItems` a list of objects is read, and to where without one */
const pastMaxItems = 1_000
const withoutMaxItems = 2_000

/** A list: of scalars (its items' faults are its own), of objects (they have paths), or of fixed places. */
export function listBody (cleaner: Cleaner, plan: Plan, also: readonly Located[]): string {
  const { program, planner, checks, bad } = cleaner
  const { facts } = plan
  const texts = cleaner.texts(plan)
  const fail = 'bad = true'
  const first = facts.items.reduce((most, items) => Math.max(most, items.first.length), 0)
  const rest = at(facts.items, first)
  const isForms = first === 0 && rest !== undefined && planner.isObject(rest)
  const said = (index: number) => cleaner.said([...facts.flat, ...also], ({ items }) => at(items, index) ?? [])
  const lines = [
    `if (!Array.isArray(v)) { ${cleaner.add('""', isForms ? 'invalid' : 'invalid_list', 'undefined', 'list', texts)}; return ${bad} }`,
    'let bad = false',
    'let end = v.length'
  ]
  const { minItems } = facts
  // a tuple that says nothing about further items may have any
  const closed = facts.items.filter((items) => items.rest === false).map((items) => items.first.length)
  const maxItems = [facts.maxItems, ...closed].reduce((least, limit) => limit === undefined || (least !== undefined && least <= limit) ? least : limit, undefined)
  if (minItems !== undefined && minItems > 0) {
    lines.push(`if (end < ${minItems}) { ${isForms
      ? cleaner.add('""', 'too_few_forms', `{ limit_value: ${minItems} }`, undefined, texts)
      : cleaner.add('""', 'min_length', `{ limit_value: ${minItems}, show_value: end }`, undefined, texts)}; ${fail} }`)
  }
  const limit = maxItems ?? (isForms ? withoutMaxItems : undefined)
  if (limit !== undefined) {
    lines.push(`if (end > ${limit}) { ${isForms
      ? cleaner.add('""', 'too_many_forms', `{ limit_value: ${limit} }`, undefined, texts)
      : cleaner.add('""', 'max_length', `{ limit_value: ${limit}, show_value: end }`, undefined, texts)}; ${fail} }`)
  }
  if (isForms) {
    const read = maxItems === undefined ? withoutMaxItems : maxItems + pastMaxItems
    lines.push(`if (end > ${read}) end = ${read}`)
  }
  lines.push('const out = []', 'const start = r.size')
  for (let index = 0; index < first; index++) lines.push(`if (end > ${index}) {\n${item(cleaner, at(facts.items, index) ?? [], `${index}`, said(index))}\n}`)
  lines.push(`for (let i = ${first}; i < end; i++) {\n${item(cleaner, rest ?? [], 'i', said(first))}\n}`)
  if (facts.unique) lines.push(`if (!bad && ${program.share(hasDuplicates)}(out)) { ${cleaner.add('""', 'duplicate', 'undefined', undefined, texts)}; ${fail} }`)
  for (const node of facts.contains) {
    lines.push(`if (!bad && ${containsTest(checks.of(node), 'out', facts)}) { ${cleaner.add('""', 'invalid', 'undefined', undefined, texts)}; ${fail} }`)
  }
  const whole = cleaner.whole(plan, 'out', '""', fail)
  if (whole !== '') lines.push(`if (!bad) {\n${whole}\n}`)
  lines.push(`return bad ? ${bad} : out`)
  return lines.join('\n')
}

/** The schemas that hold for a place; undefined when nothing is said about it. */
function at (all: Plan['facts']['items'], index: number): Located[] | undefined {
  const nodes = all.map(({ first, rest }) => first[index] ?? (rest === false ? undefined : rest)).filter((node) => node !== undefined)
  return nodes.length === 0 ? undefined : nodes
}

/** An item is a value, not a field: it cannot be empty, only good or bad. */
function item (cleaner: Cleaner, nodes: readonly Located[], index: string, also: readonly Located[]): string {
  const { planner, bad } = cleaner
  const plan = planner.of(nodes)
  const lines = [`let x = v[${index}]`, cleaner.stripped(plan, 'x')]
  const isNested = planner.isNested(nodes)
  const value = cleaner.value(nodes, plan, 'x', { path: '""', field: undefined, also })
  if (value !== '') {
    const guarded = plan.nullable && plan.kind !== 'any' ? `if (x !== null) {\n${value}\n}` : `{\n${value}\n}`
    const place = isNested ? `r.prefix(mark, String(${index}))` : 'r.fold(start)'
    lines.push('const mark = r.size', guarded, `if (x === ${bad}) { bad = true; ${place} }`)
  }
  lines.push('out.push(x)')
  return lines.filter((line) => line !== '').join('\n')
}
