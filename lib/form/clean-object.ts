import type { Cleaner, Place, Role } from './clean.ts'
import { field } from './clean-field.ts'
import { partners, together } from './clean-together.ts'
import type { Located } from './documents.ts'
import { declaredKeys, type Members } from './facts.ts'
import type { Plan } from './plan.ts'
import { literal, member, store } from './program.ts'

/** An object: its declared fields in the schema's order, then what holds for all of them together. */
export function objectBody (cleaner: Cleaner, plan: Plan, role: Role): string {
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
  const later: string[] = []
  for (const key of keys) {
    const nodes = facts.fields.get(key)!
    const name = names.get(key)!
    const decode = isRoot ? cleaner.options.decoder(nodes) : undefined
    const place: Place = { path: literal(key), field: isRoot && decode === undefined ? key : undefined }
    lines.push(`let ${name} = ${member('v', key)}`, field(cleaner, nodes, name, place, facts.required.has(key)), `if (${name} === ${bad}) bad = true`)
    if (decode !== undefined) {
      const mark = program.name('mark')
      const steps = cleaner.steps({ path: literal(key), field: key }, name, `${name} = ${bad}`)
      later.push(`if (${name} !== ${bad} && ${name} !== undefined) {\nconst ${mark} = r.size\n${name} = ${decode}(${name}, r)\n` +
        `if (${name} === ${bad}) { r.prefix(${mark}, ${literal(key)}) }${steps === '' ? '' : ` else {\n${steps}\n}`}\nif (${name} === ${bad}) bad = true\n}`)
    }
  }
  lines.push(partners(cleaner, plan, names))
  const dynamic = facts.members.some(({ patterns, others }) => patterns.length > 0 || others !== undefined)
  const extras = together(cleaner, plan, role)
  const reads = dynamic || extras.length > 0
  if (reads) lines.push('const out = {}', fill(names, 'out', bad))
  if (dynamic) lines.push(otherMembers(cleaner, facts.members, keys))
  if (cleaner.options.unknownKeys === 'refuse' && role !== 'part') lines.push(unknownMembers(cleaner, plan, keys, texts))
  if (extras.length > 0) lines.push(`if (!bad) {\n${extras.join('\n')}\n}`)
  if (isRoot) lines.push(branchSteps(cleaner, plan))
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
  lines.push(`if (!bad) return out${isRoot ? `\n${dropBad(names, bad)}r.partial = out` : ''}`, `return ${bad}`)
  return lines.filter((line) => line !== '').join('\n')
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
    lines.push(`let ${name} = ${member('out', key)}\nif (${name} !== undefined && ${name} !== null && ${name} !== '') {\n${steps}\nif (${name} === ${bad}) { bad = true; delete out[${literal(key)}] } else ${store('out', key, name)}\n}`)
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

/** Keys that `patternProperties` or an `additionalProperties` schema declares. */
function otherMembers (cleaner: Cleaner, members: readonly Members[], keys: readonly string[]): string {
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
function unknownMembers (cleaner: Cleaner, plan: Plan, keys: readonly string[], texts: string): string {
  const { program, planner, checks } = cleaner
  const { members, flat } = plan.facts
  const all = new Set([...keys, ...declaredKeys(planner.documents, flat, planner.isPattern)])
  if (members.some(({ others }) => others !== undefined)) return ''
  const patterns = members.flatMap((each) => each.patterns).map(({ source }) => ` && !${program.share(checks.patterns.compile(source))}.test(k)`)
  return `for (const k of Object.keys(v)) if (v[k] !== undefined && !${program.share(all)}.has(k)${patterns.join('')}) { bad = true; ${cleaner.add('k', 'extra_keys', 'undefined', undefined, texts)} }`
}
