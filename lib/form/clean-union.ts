import type { Cleaner, Role } from './clean.ts'
import type { Located } from './documents.ts'
import { Choices } from './equal.ts'
import type { Plan } from './plan.ts'
import { literal, member } from './program.ts'

/** A tagged union: the tag picks the branch, and only that one speaks. */
export function taggedBody (cleaner: Cleaner, plan: Plan, role: Role): string {
  const { program, bad, planner } = cleaner
  const { key, node, branches } = plan.tag!
  const texts = cleaner.texts(plan)
  const tagTexts = cleaner.texts(planner.of([node]))
  const values = branches.map(({ value }) => value)
  const partial = role === 'root' ? 'r.partial = {}; ' : ''
  const cases = branches.map(({ value, nodes }) => isScalar(value)
    ? `case ${literal(value as string)}: return ${cleaner.of(nodes, role)}(v, r)`
    : '').join('\n')
  return `if (typeof v !== 'object' || v === null || Array.isArray(v)) { ${cleaner.add('""', 'invalid', 'undefined', 'object', texts)}; return ${bad} }
let tag = ${member('v', key)}
switch (tag) {
${cases}
}
if (tag === undefined || tag === null || tag === '') { ${cleaner.add(literal(key), 'required', 'undefined', undefined, tagTexts)}; ${partial}return ${bad} }
tag = ${program.share(new Choices(values))}.pick(tag, ${bad})
switch (tag) {
${cases}
}
${cleaner.add(literal(key), 'invalid_choice', 'undefined', undefined, tagTexts)}
${partial}return ${bad}`
}

function isScalar (value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
}

/**
 * A union without a tag. A branch that the value matches as it is comes before one that it would have
 * to be converted for; when none will have it there is one fault, not those of every branch.
 */
export function unionBody (cleaner: Cleaner, plan: Plan, root: readonly Located[] | undefined): string {
  const { bad } = cleaner
  const texts = cleaner.texts(plan)
  const lines = ['const mark = r.size', 'let x']
  const branches = plan.branches.map((nodes) => ({
    clean: cleaner.of(nodes),
    is: (v: string) => `(${nodes.map((node) => `${cleaner.checks.of(node)}(${v}, null)`).join(' && ')})`
  }))
  const invalid = cleaner.add('""', 'invalid', 'undefined', undefined, texts)
  const whole = cleaner.whole(plan, 'x', '""', `x = ${bad}`)
  const done = [whole, root === undefined ? '' : cleaner.afterwards(root, 'x'), 'return x'].filter((line) => line !== '').join('\n')
  const refused = `${invalid}\n${root === undefined ? '' : 'r.partial = {}\n'}return ${bad}`
  if (plan.exclusive) {
    lines.push(`const matches = ${branches.map(({ is }) => `(${is('v')} ? 1 : 0)`).join(' + ')}`)
    lines.push(`if (matches > 1) {\n${refused}\n}`)
  }
  // what told branches apart may have been dropped: the cleaned value has to lead to the same one again
  const taken = (index: number) => {
    const others = plan.exclusive ? branches.filter((_, other) => other !== index).map(({ is }) => ` && !${is('x')}`).join('') : ''
    const earlier = plan.exclusive
      ? ''
      : branches.slice(0, index).map(({ is, clean }) => `if (${is('x')}) {\nconst y = ${clean}(x, r)\nif (y === ${bad}) r.rollback(mark)\nelse x = y\n}`).join(' else ')
    return `if (x !== ${bad}${others}) {\n${earlier}\n${done}\n}\nr.rollback(mark)`
  }
  branches.forEach(({ is, clean }, index) => lines.push(`if (${is('v')}) {\nx = ${clean}(v, r)\n${taken(index)}\n}`))
  branches.forEach(({ clean }, index) => lines.push(`x = ${clean}(v, r)\n${taken(index)}`))
  lines.push(refused)
  return lines.join('\n')
}

/** Several types: the one that the value has, else the first that it can be converted to. */
export function typesBody (cleaner: Cleaner, plan: Plan): string {
  const { bad, planner } = cleaner
  const texts = cleaner.texts(plan)
  const lines = ['const mark = r.size', 'let x']
  const branches = plan.branches.map((nodes) => ({ kind: planner.of(nodes).kind, clean: cleaner.of(nodes) }))
  for (const { kind, clean } of branches) {
    const test = tests[kind]
    if (test !== undefined) lines.push(`if (${test}) return ${clean}(v, r)`)
  }
  for (const { clean } of branches) lines.push(`x = ${clean}(v, r)\nif (x !== ${bad}) return x\nr.rollback(mark)`)
  lines.push(cleaner.add('""', 'invalid', 'undefined', undefined, texts), `return ${bad}`)
  return lines.join('\n')
}

const tests: Record<string, string> = {
  string: "typeof v === 'string'",
  number: "typeof v === 'number'",
  integer: 'Number.isInteger(v)',
  boolean: "typeof v === 'boolean'",
  list: 'Array.isArray(v)',
  object: "typeof v === 'object' && v !== null && !Array.isArray(v)"
}
