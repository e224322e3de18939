import { overlay } from './branches.ts'
import type { Cleaner } from './clean.ts'
import { ofAll } from './clean-members.ts'
import { keysOfParts, takeParts } from './clean-part.ts'
import type { Plan } from './plan.ts'
import { member, store } from './program.ts'

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
