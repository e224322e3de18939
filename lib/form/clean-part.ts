import { isTaken, join, takeBranch, takeSide, withPart } from './branches.ts'
import type { Cleaner, Place } from './clean.ts'
import { field } from './clean-field.ts'
import { isDynamic, isGiven, ofAll, otherMembers, partners } from './clean-members.ts'
import type { Located } from './documents.ts'
import { Choices } from './equal.ts'
import { partsOf, type Facts, type Union } from './facts.ts'
import { keyOf } from './plan.ts'
import { literal, member, store } from './program.ts'
import { declaredKeys, nodesOf } from './read-facts.ts'

/** Keys that a part declares. */
export function keysOfParts ({ planner }: Cleaner, facts: Facts, unions: readonly Union[]): Set<string> {
  return new Set(partsOf(facts, unions).flatMap((node) => [...declaredKeys(planner.documents, [node], planner.isPattern)]))
}

/**
 * Take the parts that hold, and put what they clean on `out`. `seen` is how they see the object.
 *
 * @param context - what has cleaned the object so far
 */
export function takeParts (cleaner: Cleaner, facts: Facts, unions: readonly Union[], context: readonly Located[], texts: string): string[] {
  const { program, checks, bad } = cleaner
  const invalid = `{ bad = true; ${cleaner.add('""', 'invalid', 'undefined', undefined, texts)} }`
  // a part that leads back to the whole is found here
  for (const node of [...partsOf(facts, unions), ...facts.conditions.map(({ test }) => test)]) checks.of(node)
  const lines: string[] = []
  const finally_: string[] = []
  const take = (code: string, failure: string) => {
    const part = program.name('part')
    lines.push(`const ${part} = ${code}`,
      `if (${part} === ${bad}) ${failure} else { ${program.share(join)}(out, ${part}); seen = ${program.share(withPart)}(seen, ${part}) }`)
    return part
  }
  const constant = (code: string) => {
    const name = program.name('part')
    program.add(`const ${name} = ${code}`)
    return name
  }
  const fits = (node: Located) => checks.of(opened(cleaner, node))
  const described = (node: Located) => `{ is: ${checks.of(node)}, fits: ${fits(node)}, clean: ${partFunction(cleaner, context, node)} }`
  for (const union of unions) {
    const branches = constant(`[${union.branches.map(described).join(', ')}]`)
    take(`${program.share(takeBranch)}(${branches}, ${union.exclusive}, seen, r)`, invalid)
    finally_.push(`!${program.share(isTaken)}(${branches}, ${union.exclusive}, seen)`)
  }
  for (const { test, then, otherwise } of facts.conditions) {
    if (then === undefined && otherwise === undefined) continue
    const [yes, no] = [then, otherwise].map((node) => node === undefined ? 'undefined' : constant(described(node)))
    take(`${program.share(takeSide)}(${checks.of(test)}, ${yes}, ${no}, seen, r)`, invalid)
    const isSide = (node: Located | undefined) => node === undefined ? 'true' : `${fits(node)}(seen.kept, null)`
    finally_.push(`!(${checks.of(test)}(seen.kept, null) ? ${isSide(then)} : ${isSide(otherwise)})`)
  }
  for (const { key, needs } of facts.dependencies) {
    if (Array.isArray(needs)) continue
    lines.push(`if (${isGiven(member('seen.kept', key))}) {`)
    // a dependency is no branch: what it finds is reported where it is
    take(`${partFunction(cleaner, context, needs)}(seen, r)`, '{ bad = true }')
    lines.push('}')
  }
  // a later part may have brought what an earlier one forbids
  if (finally_.length > 0) lines.push(`if (!bad && (${finally_.join(' || ')})) ${invalid}`)
  return lines
}

/** A part without its `additionalProperties: false`. */
function opened ({ planner }: Cleaner, node: Located): Located {
  const { documents } = planner
  let target = node
  while (typeof target.schema === 'object' && target.schema.$ref !== undefined) target = documents.resolve(target, target.schema.$ref)
  return typeof target.schema === 'object' && target.schema.additionalProperties === false ? documents.without(target, 'additionalProperties') : node
}

/** The name of the function `(seen, report)` that cleans what a part declares. */
function partFunction (cleaner: Cleaner, context: readonly Located[], node: Located): string {
  const key = `${keyOf(context)}|${node.id}`
  let name = cleaner.parts.get(key)
  if (name === undefined) {
    name = cleaner.program.name('clean')
    cleaner.parts.set(key, name)
    cleaner.program.add(`function ${name} (seen, r) {\n${partBody(cleaner, context, node)}\n}`)
  }
  return name
}

function partBody (cleaner: Cleaner, context: readonly Located[], node: Located): string {
  const { program, planner, bad } = cleaner
  const own = planner.facts([node])
  const texts = own.texts === undefined ? 'undefined' : program.share(own.texts)
  const invalid = cleaner.add('""', 'invalid', 'undefined', undefined, texts)
  if (own.never || (own.types !== undefined && !own.types.has('object'))) return `${invalid}\nreturn ${bad}`
  const before = planner.facts(context)
  const all = planner.facts([...context, node])
  const names = new Map<string, string>()
  const lines = ['let bad = false', 'const out = {}', 'const v = seen.sent']
  if (own.choices !== undefined) lines.push(`if (!${program.share(new Choices(own.choices))}.has(seen.kept)) { ${invalid}; bad = true }`)
  for (const [key, nodes] of all.fields) {
    const isDeclared = before.fields.has(key)
    const isNew = nodesOf(own.members, key, planner.isPattern).length > 0
    if (!isNew && !own.required.has(key)) continue
    if (!isNew && isDeclared) {
      // it has been cleaned, and only has to be there
      lines.push(`if (${member('seen.view', key)} === undefined) { ${cleaner.add(literal(key), 'required', 'undefined', undefined, cleaner.texts(planner.of(nodes)))}; bad = true }`)
      continue
    }
    const isNested = planner.isNested(nodes)
    // what is inside is cleaned again, together with what the part says about it
    if (isDeclared && isNested) cleaner.isRepeating = true
    const name = program.name('f')
    names.set(key, name)
    const place: Place = { path: literal(key), field: undefined, also: cleaner.said([...context, node], ({ fields }) => fields.get(key) ?? []) }
    lines.push(`let ${name} = ${member(isDeclared && !isNested ? 'seen.view' : 'v', key)}`, field(cleaner, nodes, name, place, all.required.has(key)),
      `if (${name} === ${bad}) bad = true\nelse if (${name} !== undefined) ${store('out', key, name)}`)
  }
  lines.push(partners(cleaner, { facts: own, from: 'seen.view', names, fields: all.fields }))
  if (isDynamic(own)) lines.push(otherMembers(cleaner, own.members, [...all.fields.keys()]))
  const rest = [
    ...takeParts(cleaner, own, own.unions, [...context, ...own.flat], texts),
    ...ofAll(cleaner, own, 'seen.kept', texts),
    cleaner.last({ facts: own, whole: false }, 'seen.kept', '""', 'bad = true')
  ].filter((line) => line !== '')
  if (rest.length > 0) lines.push(`if (!bad) {\nseen = ${program.share(withPart)}(seen, out)\n${rest.join('\n')}\n}`)
  lines.push(`return bad ? ${bad} : out`)
  return lines.filter((line) => line !== '').join('\n')
}
