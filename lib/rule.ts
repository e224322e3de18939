import { describe, kindOf } from './describe.ts'
import { WSV_ERR_OPTION_INVALID, WSV_ERR_OPTION_UNKNOWN } from './errors.ts'
import { isAsync } from './is-promise.ts'
import { nearestName } from './nearest-name.ts'

/** What one option may be: `expected` completes the sentence "option 'x' must be …". */
export interface Rule {
  expected: string
  accepts (value: unknown): boolean
  /** the option is an object with just these members, each optional unless in `required` */
  members?: Rules
  required?: readonly string[]
  /** its value may hold a password: errors name its kind only */
  secret?: boolean
}
export type Rules = Readonly<Record<string, Rule>>

const MAX_INT32 = 2 ** 31 - 1

export function rule (expected: string, accepts: (value: unknown) => boolean): Rule {
  return { expected, accepts }
}

export const aBoolean = rule('a boolean', value => typeof value === 'boolean')
export const aFunction = rule('a function', value => typeof value === 'function')
/** Its result is used at once: a promise would be sent as `{}`. */
export const aSyncFunction = rule('a synchronous function', value => typeof value === 'function' && !isAsync(value))
export const aText = rule('a string that is not empty', value => typeof value === 'string' && value.trim() !== '')
export const anObject = rule('an object', isPlainObject)
export const aSchema = rule('a JSON Schema object', isObject)

export function aCount (least: number): Rule {
  return rule(`an integer of at least ${least}`, value => isIntegerFrom(least, Number.MAX_SAFE_INTEGER, value))
}

/** A limit that `ws` keeps as a 32-bit integer: a larger number would become none at all. */
export function aLimitOfWs (least: number): Rule {
  return rule(`an integer from ${least} to ${MAX_INT32}`, value => isIntegerFrom(least, MAX_INT32, value))
}

/** Milliseconds. Node fires a timer with a longer delay at once (`TimeoutOverflowWarning`). */
export function aDuration (least: number): Rule {
  return rule(`an integer from ${least} to ${MAX_INT32} (milliseconds)`, value => isIntegerFrom(least, MAX_INT32, value))
}

function isIntegerFrom (least: number, most: number, value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most
}

export function oneOf (...values: unknown[]): Rule {
  return rule(values.map(describe).join(' or '), value => values.includes(value))
}

export function either (...rules: Rule[]): Rule {
  return rule(rules.map(({ expected }) => expected).join(' or '), value => rules.some(({ accepts }) => accepts(value)))
}

/** An object with the members given, and no others. */
export function aShape (members: Rules, required: readonly string[] = []): Rule {
  const expected = `an object { ${Object.keys(members).join(', ')} }`
  return { expected, accepts: isPlainObject, members, required }
}

/** An object, or an array, whose values all follow one rule. */
export function aTable (what: string, of: Rule): Rule {
  return rule(what, value => isPlainObject(value) && Object.values(value).every(of.accepts))
}
export function aList (what: string, of: Rule): Rule {
  return rule(what, value => Array.isArray(value) && value.every(of.accepts))
}

/**
 * @param where - who is asking, for the message: `wsViews`, `wsView '/chat'`
 * @param name - the option's name, members with a dot: `heartbeat.timeoutMs`
 * @throws WSV_ERR_OPTION_INVALID, WSV_ERR_OPTION_UNKNOWN for a member that does not exist
 */
export function checkOption (where: string, name: string, value: unknown, { expected, accepts, members, required, secret }: Rule): void {
  if (!accepts(value)) {
    throw new WSV_ERR_OPTION_INVALID(where, name, expected, secret === true ? kindOf(value) : describe(value))
  }
  if (members === undefined || !isPlainObject(value)) return
  for (const [member, given] of Object.entries(value)) {
    const memberRule = Object.hasOwn(members, member) ? members[member] : undefined
    if (memberRule === undefined) {
      throw new WSV_ERR_OPTION_UNKNOWN(where, `${name}.${member}`, didYouMean(member, Object.keys(members)))
    }
    if (given !== undefined) checkOption(where, `${name}.${member}`, given, memberRule)
  }
  for (const member of required ?? []) {
    if (value[member] === undefined) {
      throw new WSV_ERR_OPTION_INVALID(where, `${name}.${member}`, members[member]!.expected, 'undefined')
    }
  }
}

/** The end of "there is no option 'x'", empty when nothing is near. */
export function didYouMean (name: string, known: Iterable<string>): string {
  const nearest = nearestName(name, known)
  return nearest === undefined ? '' : `, did you mean '${nearest}'?`
}

export function isObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** An object literal, as opposed to a client, a Date or another instance of a class. */
export function isPlainObject (value: unknown): value is Record<string, unknown> {
  if (!isObject(value)) return false
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
