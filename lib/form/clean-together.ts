import type { Cleaner, Role } from './clean.ts'
import type { Located } from './documents.ts'
import { declaredKeys } from './facts.ts'
import type { Plan } from './plan.ts'
import { literal, member, store } from './program.ts'

/** What holds for the object as a whole, once every field is good. */
export function together (cleaner: Cleaner, plan: Plan, role: Role): string[] {
  const { program, planner, bad, checks } = cleaner
  const { facts } = plan
  const texts = cleaner.texts(plan)
  const invalid = `{ bad = true; ${cleaner.add('""', 'invalid', 'undefined', undefined, texts)} }`
  const join = program.share(joinPart)
  const lines: string[] = []
  const parts = [
    ...plan.unions.flatMap((union) => union.branches),
    ...facts.conditions.flatMap(({ test, then, otherwise }) => [test, then, otherwise]),
    ...facts.dependencies.map(({ needs }) => Array.isArray(needs) ? undefined : needs)
  ].filter((node) => node !== undefined)
  // a part that leads back to the whole is found here
  for (const node of parts) checks.of(node)
  // fields that only a branch declares are seen by it as they came
  const loose = new Set(parts.flatMap((node) => [...declaredKeys(planner.documents, [node], planner.isPattern)]).filter((key) => !facts.fields.has(key)))
  const branch = (node: Located, onFail: string) => {
    if (planner.of([node]).kind !== 'object') return `if (!${checks.of(node)}(view, null)) ${onFail}`
    const mark = program.name('mark')
    const part = program.name('part')
    return `const ${mark} = r.size\nconst ${part} = ${cleaner.of([node], 'part')}(view, r)\nif (${part} === ${bad}) { r.rollback(${mark})\n${onFail} } else ${join}(out, ${part})`
  }
  for (const union of plan.unions) {
    const name = program.name('found')
    lines.push(`let ${name} = ${union.exclusive ? 0 : false}`)
    if (union.exclusive) {
      lines.push(...union.branches.map((node) => `if (${checks.of(node)}(view, null)) ${name}++`), `if (${name} > 1) ${invalid}`)
      lines.push(...union.branches.map((node) => `if (${name} === 1 && ${checks.of(node)}(view, null)) {\n${branch(node, invalid)}\n}`))
      lines.push(`if (${name} === 0) {`, ...union.branches.map((node) => `if (${name} === 0) {\n${name} = 1\n${branch(node, `${name} = 0`)}\n}`), `if (${name} === 0) ${invalid}\n}`)
    } else {
      lines.push(...union.branches.map((node) => `if (!${name} && ${checks.of(node)}(view, null)) {\n${name} = true\n${branch(node, `${name} = false`)}\n}`))
      lines.push(...union.branches.map((node) => `if (!${name}) {\n${name} = true\n${branch(node, `${name} = false`)}\n}`), `if (!${name}) ${invalid}`)
    }
  }
  for (const { test, then, otherwise } of facts.conditions) {
    const yes = then === undefined ? '' : branch(then, invalid)
    const no = otherwise === undefined ? '' : branch(otherwise, invalid)
    lines.push(`if (${checks.of(test)}(view, null)) {\n${yes}\n} else {\n${no}\n}`)
  }
  for (const { key, needs } of facts.dependencies) {
    if (Array.isArray(needs)) continue
    // a dependency is no branch: what it finds is reported where it is
    const part = program.name('part')
    const check = planner.of([needs]).kind === 'object'
      ? `const ${part} = ${cleaner.of([needs], 'part')}(view, r)\nif (${part} === ${bad}) bad = true\nelse ${join}(out, ${part})`
      : `if (!${checks.of(needs)}(view, null)) ${invalid}`
    lines.push(`if (${isGiven(member('view', key))}) {\n${check}\n}`)
  }
  if (lines.length > 0) {
    const raw = [...loose].map((key) => `if (view[${literal(key)}] === undefined && ${member('v', key)} !== undefined) ${store('view', key, member('v', key))}`)
    const around = role === 'part' ? ["for (const k of Object.keys(v)) if (v[k] !== '' && k !== '__proto__' && !Object.hasOwn(view, k)) view[k] = v[k]"] : []
    // what was sent empty counts as not given
    lines.unshift("const view = {}\nfor (const k of Object.keys(out)) if (out[k] !== '') view[k] = out[k]", ...raw, ...around)
  }
  for (const node of facts.propertyNames) lines.push(`for (const k of Object.keys(v)) if (!${checks.of(node)}(k, null)) { ${invalid} break }`)
  // a part is asked about the whole that it is a part of
  const whole = role === 'part' ? 'v' : 'out'
  if (facts.minProperties !== undefined) lines.push(`if (Object.keys(${whole}).length < ${facts.minProperties}) ${invalid}`)
  if (facts.maxProperties !== undefined) lines.push(`if (Object.keys(${whole}).length > ${facts.maxProperties}) ${invalid}`)
  const last = cleaner.last(plan, whole, '""', 'bad = true')
  if (last !== '') lines.push(last)
  return lines
}

/** Put what a part has cleaned on the whole, which keeps what only it declares. */
function joinPart (whole: Record<string, unknown>, part: Record<string, unknown>): void {
  for (const key of Object.keys(part)) {
    const own = Object.hasOwn(whole, key) ? whole[key] : undefined
    const other = part[key]
    if (typeof own !== 'object' || own === null || typeof other !== 'object' || other === null) {
      if (key !== '__proto__') whole[key] = other
    } else if (!Array.isArray(own)) joinPart(own as Record<string, unknown>, other as Record<string, unknown>)
  }
}

/** `dependencies` that name partners: one that is missing is required. */
export function partners (cleaner: Cleaner, { facts }: Plan, names: ReadonlyMap<string, string>): string {
  const { bad } = cleaner
  const lines: string[] = []
  for (const { key, needs } of facts.dependencies) {
    if (!Array.isArray(needs)) continue
    const given = isGiven(names.get(key) ?? member('v', key))
    for (const need of needs) {
      const nodes = facts.fields.get(need)
      const texts = nodes === undefined ? 'undefined' : cleaner.texts(cleaner.planner.of(nodes))
      const name = names.get(need)
      const missing = `!(${isGiven(name ?? member('v', need))})`
      lines.push(`if (${given} && ${missing}) { ${cleaner.add(literal(need), 'required', 'undefined', undefined, texts)}; bad = true${name === undefined ? '' : `; ${name} = ${bad}`} }`)
    }
  }
  return lines.join('\n')
}

/** An empty value counts as not given. */
function isGiven (value: string): string {
  return `${value} !== undefined && ${value} !== null && ${value} !== ''`
}
