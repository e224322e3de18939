import type { Cleaner, Place } from './clean.ts'
import { codePoints, isOffStep, toBoolean, toInteger, toNumber, toText, toUuid } from './convert.ts'
import { Choices } from './equal.ts'
import type { Plan } from './plan.ts'
import { literal } from './program.ts'

/** Convert a scalar in place, then run all its checks; `BAD` when one of them fails. */
export function scalarValue (cleaner: Cleaner, plan: Plan, v: string, place: Place): string {
  const { program, bad } = cleaner
  const texts = cleaner.texts(plan)
  const refuse = (code: string, kind?: string, params = 'undefined') => `${cleaner.add(place.path, code, params, kind, texts)}`
  const failed = program.name('failed')
  const fail = `${failed} = true`
  const checks = [...checksOf(cleaner, plan, v, refuse, fail), cleaner.whole(plan, v, place.path, fail), cleaner.steps(place, v, fail)]
    .filter((line) => line !== '')
  const checked = checks.length === 0 ? '{}' : `{\nlet ${failed} = false\n${checks.join('\n')}\nif (${failed}) ${v} = ${bad}\n}`
  switch (plan.kind) {
    case 'never':
      return `${refuse('invalid')}; ${v} = ${bad}`
    case 'null':
      return `if (${v} !== null) { ${refuse('invalid')}; ${v} = ${bad} }`
    case 'string': {
      const convert = `if (typeof ${v} !== 'string' && (${v} = ${program.share(toText)}(${v})) === ${bad}) { ${refuse('invalid', 'string')} }`
      const uuid = plan.facts.formats.includes('uuid')
        ? `else if ((${v} = ${program.share(toUuid)}(${v})) === ${bad}) { ${refuse('invalid', 'uuid')} }`
        : ''
      return `${convert} ${uuid} else ${checked}`
    }
    case 'integer':
      return `if (!Number.isSafeInteger(${v}) && (${v} = ${program.share(toInteger)}(${v})) === ${bad}) { ${refuse('invalid', 'integer')} } else ${checked}`
    case 'number':
      return `if (!(typeof ${v} === 'number' && ${v} - ${v} === 0) && (${v} = ${program.share(toNumber)}(${v})) === ${bad}) { ${refuse('invalid', 'number')} } else ${checked}`
    case 'boolean':
    case 'tick': {
      const tick = plan.kind === 'tick' ? `else if (${v} === false) { ${refuse('required')}; ${v} = ${bad} }` : ''
      return `if (typeof ${v} !== 'boolean' && (${v} = ${program.share(toBoolean)}(${v})) === ${bad}) { ${refuse('invalid', 'boolean')} } ${tick} else ${checked}`
    }
    case 'choice':
      return `${choose(cleaner, plan, v, refuse('invalid_choice'))} else ${checked}`
    default:
      return checks.length === 0 ? '' : checked
  }
}

function choose (cleaner: Cleaner, plan: Plan, v: string, refusal: string): string {
  const { program, bad } = cleaner
  const pick = `(${v} = ${program.share(new Choices(plan.choices))}.pick(${v}, ${bad})) === ${bad}`
  // the few values that nearly every choice has are compared in line
  const quick = plan.choices.length <= 8 && plan.choices.every((value) => typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
    ? plan.choices.map((value) => `${v} !== ${literal(value as string)} && `).join('')
    : ''
  return `if (${quick}${pick}) { ${refusal} }`
}

type Refuse = (code: string, kind?: string, params?: string) => string

function checksOf (cleaner: Cleaner, plan: Plan, v: string, refuse: Refuse, fail: string): string[] {
  const { kind } = plan
  if (kind === 'string') return stringChecks(cleaner, plan, v, refuse, fail)
  if (kind === 'integer' || kind === 'number') return numberChecks(cleaner, plan, v, refuse, fail)
  return []
}

function stringChecks ({ program, checks }: Cleaner, { facts }: Plan, v: string, refuse: Refuse, fail: string): string[] {
  const { minLength, maxLength, patterns, formats } = facts
  const length = program.share(codePoints)
  const lines: string[] = []
  // a code point has one or two units: most lengths need no counting
  if (minLength !== undefined && minLength > 0) {
    lines.push(`if (${v}.length < ${2 * minLength} && ${length}(${v}) < ${minLength}) { ${refuse('min_length', undefined, `{ limit_value: ${minLength}, show_value: ${length}(${v}) }`)}; ${fail} }`)
  }
  if (maxLength !== undefined) {
    lines.push(`if (${v}.length > ${maxLength} && ${length}(${v}) > ${maxLength}) { ${refuse('max_length', undefined, `{ limit_value: ${maxLength}, show_value: ${length}(${v}) }`)}; ${fail} }`)
  }
  lines.push(`if (${v}.includes('\\0')) { ${refuse('null_characters_not_allowed')}; ${fail} }`)
  for (const pattern of patterns) {
    lines.push(`if (!${program.share(checks.patterns.compile(pattern))}.test(${v})) { ${refuse('invalid', 'pattern')}; ${fail} }`)
  }
  for (const format of formats) {
    const check = format === 'uuid' ? undefined : checks.foreign.format(format, 'string')
    if (check !== undefined) lines.push(`if (!${program.share(check)}(${v})) { ${refuse('invalid', format)}; ${fail} }`)
  }
  return lines
}

function numberChecks ({ program, checks }: Cleaner, { facts }: Plan, v: string, refuse: Refuse, fail: string): string[] {
  const lines: string[] = []
  const bound = (limit: number | undefined, operator: string, code: string, kind?: string) => {
    if (limit !== undefined) lines.push(`if (${v} ${operator} ${limit}) { ${refuse(code, kind, `{ limit_value: ${limit} }`)}; ${fail} }`)
  }
  bound(facts.minimum, '<', 'min_value')
  bound(facts.exclusiveMinimum, '<=', 'min_value', 'exclusive')
  bound(facts.maximum, '>', 'max_value')
  bound(facts.exclusiveMaximum, '>=', 'max_value', 'exclusive')
  for (const step of facts.multiples) {
    lines.push(`if (${program.share(isOffStep)}(${v}, ${step})) { ${refuse('step_size', undefined, `{ limit_value: ${step} }`)}; ${fail} }`)
  }
  for (const format of facts.formats) {
    const check = checks.foreign.format(format, 'number')
    if (check !== undefined) lines.push(`if (!${program.share(check)}(${v})) { ${refuse('invalid', format)}; ${fail} }`)
  }
  return lines
}
