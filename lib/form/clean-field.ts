import type { Cleaner, Place } from './clean.ts'
import { transformOf } from './decode.ts'
import type { Located } from './documents.ts'
import type { Plan } from './plan.ts'

/** One field, in place: default or disabled, strip, empty or not, then its value. */
export function field (cleaner: Cleaner, nodes: readonly Located[], v: string, place: Place, isRequired: boolean): string {
  const plan = cleaner.planner.of(nodes)
  const { kind, facts } = plan
  const fallback = fallbackOf(cleaner, plan)
  if (facts.readOnly) return `${v} = ${fallback}`
  const code = kind === 'any'
    ? anything(cleaner, nodes, plan, v, place, isRequired)
    : given(cleaner, nodes, plan, v, place, isRequired)
  if (!facts.hasDefault) return code
  // an object may have fields of its own with defaults
  if (kind === 'object' || kind === 'tagged') return `if (${v} === undefined) ${v} = ${fallback}\n${code}`
  // a default counts as given, and as good
  return `if (${v} === undefined) {\n${v} = ${fallback}\n${cleaner.steps(place, v, `${v} = ${cleaner.bad}`)}\n} else {\n${code}\n}`
}

/** A default afresh: a message may be changed by whoever gets it. */
function fallbackOf ({ program }: Cleaner, { facts }: Plan): string {
  if (!facts.hasDefault) return 'undefined'
  return typeof facts.default === 'object' && facts.default !== null
    ? `structuredClone(${program.share(facts.default)})`
    : `${program.share({ value: facts.default })}.value`
}

/** An unconstrained field: only absent is empty. */
function anything (cleaner: Cleaner, nodes: readonly Located[], plan: Plan, v: string, place: Place, isRequired: boolean): string {
  const value = cleaner.value(nodes, plan, v, place)
  if (isRequired) return `if (${v} === undefined) ${missing(cleaner, plan, v, place)}${otherwise(value)}`
  return value === '' ? '' : `if (${v} !== undefined) {\n${value}\n}`
}

function given (cleaner: Cleaner, nodes: readonly Located[], plan: Plan, v: string, place: Place, isRequired: boolean): string {
  const { planner } = cleaner
  const isText = planner.isText(nodes)
  const isList = planner.isScalarList(nodes)
  const lines: string[] = []
  if (cleaner.strips(plan)) lines.push(cleaner.stripped(plan, v))
  else if (plan.kind === 'union' || plan.kind === 'types') lines.push(`if (typeof ${v} === 'string' && ${cleaner.strip}(${v}) === '') ${v} = ''`)
  const isNull = isText ? `${v} === null` : `${v} === null || ${v} === ''`
  const isEmpty = `${v} === undefined || ${v} === null || ${v} === ''${isList ? ` || (Array.isArray(${v}) && ${v}.length === 0)` : ''}`
  const empty = isRequired ? missing(cleaner, plan, v, place) : `{ ${leftEmpty(plan, v, isText, isList)} }`
  lines.push(`${plan.nullable ? `if (${isNull}) ${v} = null\nelse ` : ''}if (${isEmpty}) ${empty}${otherwise(cleaner.value(nodes, plan, v, place))}`)
  return lines.join('\n')
}

function missing (cleaner: Cleaner, plan: Plan, v: string, place: Place): string {
  return `{ ${cleaner.add(place.path, 'required', 'undefined', undefined, cleaner.texts(plan))}; ${v} = ${cleaner.bad} }`
}

/** An optional field that was sent empty: text and lists stay so, anything else counts as absent. */
function leftEmpty ({ kind, choices, facts }: Plan, v: string, isText: boolean, isList: boolean): string {
  if (isList) return `${v} = Array.isArray(${v}) ? [] : undefined`
  // what is decoded is no plain text
  const isDecoded = facts.flat.some((node) => transformOf(node) !== undefined)
  const stays = kind === 'string' || (kind === 'choice' && choices.includes('')) || ((kind === 'union' || kind === 'types') && isText)
  return stays && !isDecoded ? `if (${v} === null) ${v} = undefined` : `${v} = undefined`
}

function otherwise (then: string): string {
  return then === '' ? '' : ` else {\n${then}\n}`
}
