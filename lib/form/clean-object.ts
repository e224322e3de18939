import type { Cleaner, Place } from './clean.ts'
import { declaredKeys, type Members } from './facts.ts'
import { transformOf } from './decode.ts'
import type { Located } from './documents.ts'
import type { Plan } from './plan.ts'
import { literal, member } from './program.ts'

/** An object: its declared fields in the schema's order, then what holds for all of them together. */
export function objectBody (cleaner: Cleaner, plan: Plan, isRoot: boolean): string {
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
  lines.push(dependencies(cleaner, plan, names))
  const dynamic = facts.members.some(({ patterns, others }) => patterns.length > 0 || others !== undefined)
  const extras = together(cleaner, plan)
  const reads = dynamic || extras.length > 0
  if (reads) lines.push('const out = {}', fill(names, 'out', bad))
  if (dynamic) lines.push(otherMembers(cleaner, facts.members, keys))
  if (cleaner.options.unknownKeys === 'refuse') lines.push(unknownMembers(cleaner, plan, keys, texts))
  if (extras.length > 0) lines.push(`if (!bad) {\n${extras.join('\n')}\n}`)
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

function store (out: string, key: string, value: string): string {
  return key === '__proto__'
    ? `Object.defineProperty(${out}, '__proto__', { value: ${value}, enumerable: true, writable: true, configurable: true })`
    : `${out}[${literal(key)}] = ${value}`
}

/** Put the good fields on an object. */
function fill (names: ReadonlyMap<string, string>, out: string, bad: string): string {
  return [...names].map(([key, name]) => `if (${name} !== undefined && ${name} !== ${bad}) ${store(out, key, name)}`).join('\n')
}

/** A field that went bad after it was put there. */
function dropBad (names: ReadonlyMap<string, string>, bad: string): string {
  return [...names].map(([key, name]) => `if (${name} === ${bad}) delete out[${literal(key)}]\n`).join('')
}

/** One field: default or disabled, strip, empty or not, then its value. */
export function field (cleaner: Cleaner, nodes: readonly Located[], v: string, place: Place, isRequired: boolean): string {
  const { planner, program, bad } = cleaner
  const plan = planner.of(nodes)
  const { kind, facts } = plan
  const texts = cleaner.texts(plan)
  const fresh = facts.hasDefault ? freshly(cleaner, facts.default) : 'undefined'
  if (facts.readOnly) return `${v} = ${fresh}`
  const isList = kind === 'list' && !isForms(cleaner, plan)
  const required = `{ ${cleaner.add(place.path, 'required', 'undefined', undefined, texts)}; ${v} = ${bad} }`
  const value = cleaner.value(nodes, plan, v, place)
  const lines: string[] = []
  if (kind === 'any') {
    lines.push(isRequired ? `if (${v} === undefined) ${required}${otherwise(value)}` : value === '' ? '' : `if (${v} !== undefined) {\n${value}\n}`)
  } else {
    const isText = planner.isText(nodes)
    const empty = isRequired ? required : null
    if (cleaner.strips(plan)) lines.push(cleaner.stripped(plan, v))
    else if (kind === 'union' || kind === 'types') lines.push(`if (typeof ${v} === 'string' && ${cleaner.strip}(${v}) === '') ${v} = ''`)
    if (plan.nullable) lines.push(`if (${isText ? `${v} === null` : `${v} === null || ${v} === ''`}) ${v} = null\nelse`)
    const isEmpty = `${v} === undefined || ${v} === null || ${v} === ''${isList ? ` || (Array.isArray(${v}) && ${v}.length === 0)` : ''}`
    const blank = empty ?? `{ ${keep(plan, v, isList)} }`
    lines.push(`if (${isEmpty}) ${blank}${otherwise(value)}`)
  }
  const code = lines.filter((line) => line !== '').join('\n')
  if (!facts.hasDefault) return code
  // a default counts as given; an object may have fields of its own with defaults
  const isDeep = kind === 'object' || kind === 'tagged'
  if (isDeep) return `if (${v} === undefined) ${v} = ${fresh}\n${code}`
  const steps = cleaner.steps(place, v, `${v} = ${bad}`)
  return `if (${v} === undefined) {\n${v} = ${fresh}\n${steps}\n} else {\n${code}\n}`
  function otherwise (then: string): string {
    return then === '' ? '' : ` else {\n${then}\n}`
  }
  function keep (of: Plan, name: string, list: boolean): string {
    // what was sent empty stays so for text and lists, otherwise it counts as absent
    if (list) return `if (!Array.isArray(${name})) ${name} = undefined; else ${name} = []`
    if (of.facts.flat.some((node) => transformOf(node) !== undefined)) return `${name} = undefined`
    const keepsBlank = of.kind === 'string' || (of.kind === 'choice' && of.choices.includes('')) || ((of.kind === 'union' || of.kind === 'types') && planner.isText(nodes))
    return keepsBlank ? `if (${name} === null) ${name} = undefined` : `${name} = undefined`
  }
  function freshly (of: Cleaner, fallback: unknown): string {
    if (typeof fallback === 'object' && fallback !== null) return `structuredClone(${program.share(fallback)})`
    return of.program.share({ value: fallback }) + '.value'
  }
}

function isForms (cleaner: Cleaner, { facts }: Plan): boolean {
  const [items] = facts.items
  return items !== undefined && items.first.length === 0 && items.rest !== undefined && items.rest !== false && cleaner.planner.isObject([items.rest])
}

/** `dependencies`: a partner that is missing is required; a schema holds in addition. */
function dependencies (cleaner: Cleaner, { facts }: Plan, names: ReadonlyMap<string, string>): string {
  const { bad } = cleaner
  const lines: string[] = []
  for (const { key, needs } of facts.dependencies) {
    if (!Array.isArray(needs)) continue
    const given = given1(names.get(key) ?? member('v', key))
    for (const need of needs) {
      const nodes = facts.fields.get(need)
      const texts = nodes === undefined ? 'undefined' : cleaner.texts(cleaner.planner.of(nodes))
      const name = names.get(need)
      const missing = `!(${given1(name ?? member('v', need))})`
      lines.push(`if (${given} && ${missing}) { ${cleaner.add(literal(need), 'required', 'undefined', undefined, texts)}; bad = true${name === undefined ? '' : `; ${name} = ${bad}`} }`)
    }
  }
  return lines.join('\n')
}

function given1 (value: string): string {
  return `${value} !== undefined && ${value} !== null && ${value} !== ''`
}

/** Keys that `patternProperties` or an `additionalProperties` schema declares. */
function otherMembers (cleaner: Cleaner, members: readonly Members[], keys: readonly string[]): string {
  const { program, bad, checks } = cleaner
  const declared = program.share(new Set(keys))
  const place: Place = { path: 'k', field: undefined }
  const clean = (node: Located) => {
    const mark = program.name('mark')
    return `covered = true\nif (x !== undefined && x !== ${bad}) {\nconst ${mark} = r.size\n${field(cleaner, [node], 'x', place, false)}\nif (x === ${bad}) bad = true\n}`
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

/** What holds for the object as a whole, once every field is good. */
function together (cleaner: Cleaner, plan: Plan): string[] {
  const { program, planner, bad, checks } = cleaner
  const { facts } = plan
  const texts = cleaner.texts(plan)
  const invalid = `{ bad = true; ${cleaner.add('""', 'invalid', 'undefined', undefined, texts)} }`
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
    return `const ${mark} = r.size\nconst ${part} = ${cleaner.of([node])}(view, r)\nif (${part} === ${bad}) { r.rollback(${mark})\n${onFail} } else Object.assign(out, ${part})`
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
      ? `const ${part} = ${cleaner.of([needs])}(view, r)\nif (${part} === ${bad}) bad = true\nelse Object.assign(out, ${part})`
      : `if (!${checks.of(needs)}(view, null)) ${invalid}`
    lines.push(`if (${given1(member('view', key))}) {\n${check}\n}`)
  }
  if (lines.length > 0) {
    const raw = [...loose].map((key) => `if (view[${literal(key)}] === undefined && ${member('v', key)} !== undefined) ${store('view', key, member('v', key))}`)
    // what was sent empty counts as not given
    lines.unshift("const view = {}\nfor (const k of Object.keys(out)) if (out[k] !== '') view[k] = out[k]", ...raw)
  }
  for (const node of facts.propertyNames) lines.push(`for (const k of Object.keys(v)) if (!${checks.of(node)}(k, null)) { ${invalid} break }`)
  if (facts.minProperties !== undefined) lines.push(`if (Object.keys(out).length < ${facts.minProperties}) ${invalid}`)
  if (facts.maxProperties !== undefined) lines.push(`if (Object.keys(out).length > ${facts.maxProperties}) ${invalid}`)
  const last = cleaner.last(plan, 'out', '""', 'bad = true')
  if (last !== '') lines.push(last)
  return lines
}
