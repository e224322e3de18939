import type { Cleaner, Place, Role } from './clean.ts'
import { field } from './clean-field.ts'
import { isDynamic, otherMembers, partners, unknownMembers } from './clean-members.ts'
import { keysOfParts } from './clean-part.ts'
import { together } from './clean-together.ts'
import type { Located } from './documents.ts'
import type { Plan } from './plan.ts'
import { literal, member, store } from './program.ts'
import { declaredKeys } from './read-facts.ts'

/** An object: its declared fields in the schema's order, then what holds for all of them together. */
export function objectBody (cleaner: Cleaner, plan: Plan, role: Role, also: readonly Located[]): string {
  const isRoot = role === 'root'
  const { bad, program } = cleaner
  const { facts } = plan
  const texts = cleaner.texts(plan)
  const lines = [
    `if (typeof v !== 'object' || v === null || Array.isArray(v)) { ${cleaner.add('""', 'invalid', 'undefined', 'object', texts)}; return ${bad} }`,
    'let bad = false'
  ]
  const keys = [...facts.fields.keys()]
  const names = new Map(keys.map((key) => [key, program.name('f')]))
  const inParts = isRoot ? keysOfParts(cleaner, facts, plan.unions) : new Set<string>()
  const later: string[] = []
  for (const key of keys) {
    const nodes = facts.fields.get(key)!
    const name = names.get(key)!
    const decode = isRoot ? cleaner.options.decoder(nodes) : undefined
    // steps wait for what else has a say in the field
    const isLate = decode !== undefined || inParts.has(key)
    const place: Place = { path: literal(key), field: isRoot && !isLate ? key : undefined, also: cleaner.said([...facts.flat, ...also], ({ fields }) => fields.get(key) ?? []) }
    lines.push(`let ${name} = ${member('v', key)}`, field(cleaner, nodes, name, place, facts.required.has(key)), `if (${name} === ${bad}) bad = true`)
    if (isLate) later.push(lateSteps(cleaner, key, name, decode))
  }
  lines.push(partners(cleaner, { facts, from: 'v', names, fields: facts.fields }))
  const dynamic = isDynamic(facts)
  const rest = isRoot ? cleaner.options.restDecoder(facts.flat) : undefined
  const extras = together(cleaner, plan)
  const reads = dynamic || extras.length > 0 || rest !== undefined
  if (reads) lines.push('const out = {}', fill(names, 'out', bad))
  if (dynamic) lines.push(otherMembers(cleaner, facts.members, keys))
  if (cleaner.options.unknownKeys === 'refuse') lines.push(unknownMembers(cleaner, [...facts.flat, ...also], texts))
  if (extras.length > 0) lines.push(`if (!bad) {\n${extras.join('\n')}\n}`)
  if (rest !== undefined) lines.push(`if (!bad && ${rest}(out, r) === ${bad}) {\nbad = true\nfor (const k of Object.keys(out)) if (r.hasWithin(k)) out[k] = ${bad}\n}`)
  // what parts and transforms have made of the fields
  for (const key of keys) {
    const name = names.get(key)!
    if (inParts.has(key)) lines.push(`if (${name} !== ${bad} && ${name} !== undefined) ${name} = ${member('out', key)}`)
  }
  if (isRoot) lines.push(branchSteps(cleaner, plan))
  later.splice(0, later.length, ...later.filter((line) => line !== ''))
  if (later.length > 0) {
    lines.push(...later)
    if (reads) lines.push(...keys.map((key) => `if (${names.get(key)!} !== undefined) ${store('out', key, names.get(key)!)}`))
  }
  if (!reads) {
    const sure = keys.filter((key) => key !== '__proto__')
    if (sure.length === keys.length && keys.length > 0) {
      // one allocation of the right size for the usual case
      const maybe = keys.filter((key) => !facts.required.has(key) || cleaner.planner.of(facts.fields.get(key)!).facts.readOnly)
      const all = ['!bad', ...maybe.map((key) => `${names.get(key)!} !== undefined`)].join(' && ')
      lines.push(`if (${all}) return { ${keys.map((key) => `${literal(key)}: ${names.get(key)!}`).join(', ')} }`)
    }
    lines.push('const out = {}', fill(names, 'out', bad))
  }
  const partial = isRoot ? `\n${reads ? `for (const k of Object.keys(out)) if (out[k] === ${bad}) delete out[k]\n` : ''}${dropBad(names, bad)}r.partial = out` : ''
  lines.push(`if (!bad) return out${partial}`, `return ${bad}`)
  return lines.filter((line) => line !== '').join('\n')
}

/** The transform and the steps of a field that have to wait. */
function lateSteps (cleaner: Cleaner, key: string, name: string, decode: string | undefined): string {
  const { bad, program } = cleaner
  const steps = cleaner.steps({ path: literal(key), field: key }, name, `${name} = ${bad}`)
  // validators are not asked about what is empty
  const validated = steps === '' ? '' : `if (${name} !== ${bad} && ${name} !== null && ${name} !== '') {\n${steps}\n}`
  if (decode === undefined) {
    return steps === '' ? '' : `if (${name} !== undefined) {\n${validated}\nif (${name} === ${bad}) bad = true\n}`
  }
  const mark = program.name('mark')
  return `if (${name} !== ${bad} && ${name} !== undefined) {\nconst ${mark} = r.size\n${name} = ${decode}(${name}, r)\n` +
    `if (${name} === ${bad}) r.prefix(${mark}, ${literal(key)})\n${validated}\nif (${name} === ${bad}) bad = true\n}`
}

/** Steps of fields that only a branch or a condition declares. */
function branchSteps (cleaner: Cleaner, { facts }: Plan): string {
  const { planner, program, bad } = cleaner
  const lines: string[] = []
  for (const key of declaredKeys(planner.documents, facts.flat, planner.isPattern)) {
    if (facts.fields.has(key)) continue
    const name = program.name('f')
    const steps = cleaner.steps({ path: literal(key), field: key }, name, `${name} = ${bad}`)
    if (steps === '') continue
    lines.push(`let ${name} = ${member('out', key)}\nif (${name} !== undefined && ${name} !== ${bad} && ${name} !== null && ${name} !== '') {\n${steps}\nif (${name} === ${bad}) { bad = true; delete out[${literal(key)}] } else ${store('out', key, name)}\n}`)
  }
  return lines.join('\n')
}

/** Put the good fields on an object. */
function fill (names: ReadonlyMap<string, string>, out: string, bad: string): string {
  return [...names].map(([key, name]) => `if (${name} !== undefined && ${name} !== ${bad}) ${store(out, key, name)}`).join('\n')
}

/** A field that went bad after it was put there. */
function dropBad (names: ReadonlyMap<string, string>, bad: string): string {
  return [...names].map(([key, name]) => `if (${name} === ${bad}) delete out[${literal(key)}]\n`).join('')
}
