import type { Checks } from './check.ts'
import { copy } from './branches.ts'
import type { Located } from './documents.ts'
import type { Facts } from './facts.ts'
import { listBody } from './clean-list.ts'
import { objectBody } from './clean-object.ts'
import { scalarValue } from './clean-scalar.ts'
import { taggedBody, typesBody, unionBody } from './clean-union.ts'
import { strip } from './convert.ts'
import { keyOf, type Plan, type Planner } from './plan.ts'
import { literal, type Program } from './program.ts'
import { everyFacts } from './read-facts.ts'
import { BAD } from './report.ts'

export interface CleanerOptions {
  unknownKeys: 'drop' | 'refuse'
  /** fields of the message that have validators */
  validated: ReadonlySet<string>
  /** fields of the message whose choices a step gives */
  chosen: ReadonlySet<string>
  /** the name of the function that decodes the transforms of a node, if it has any */
  decoder: (nodes: readonly Located[]) => string | undefined
  /** the same for what no field of the message holds: keys without a name, parts */
  restDecoder: (nodes: readonly Located[]) => string | undefined
  /** keep what has been cleaned for the length of a message: see `isRepeating` */
  remembers: boolean
}

/** What is cleaned: the message, whose fields have steps, or a value in it. */
export type Role = 'root' | 'value'

/** Where a value stands while code for it is written. All are source text. */
export interface Place {
  /** the path that its own faults get */
  path: string
  /** its name, if it is a field of the message itself */
  field: string | undefined
  /** what else is said of it, by parts that clean it later: their keys are no unknown ones */
  also?: readonly Located[] | undefined
}

const here: Place = { path: '""', field: undefined }

/**
 * Compiles the form of a schema. Each list, object and union becomes a function `(value, report)` that
 * gives the cleaned value, or `BAD` when it has reported why not; scalars are written in line.
 */
export class Cleaner {
  readonly program: Program
  readonly planner: Planner
  readonly checks: Checks
  readonly options: CleanerOptions
  readonly bad: string
  readonly strip: string
  /** functions for parts of objects, by what has cleaned the object before */
  readonly parts = new Map<string, string>()
  /**
   * A value is cleaned more than once: by its field, and by a branch that says more about it. In a nested
   * schema that doubles the work with each level, unless the result of each function is kept.
   */
  isRepeating = false
  #names = new Map<string, string>()

  constructor (program: Program, planner: Planner, checks: Checks, options: CleanerOptions) {
    this.program = program
    this.planner = planner
    this.checks = checks
    this.options = options
    this.bad = program.share(BAD)
    this.strip = program.share(strip)
  }

  /** The name of the function that cleans a value. */
  of (nodes: readonly Located[], role: Role = 'value', also: readonly Located[] = []): string {
    const key = `${this.planner.identity(nodes)} ${role} ${keyOf(also)}`
    let name = this.#names.get(key)
    if (name === undefined) {
      name = this.program.name('clean')
      this.#names.set(key, name)
      const isKept = this.options.remembers && role === 'value'
      if (isKept) this.#keep(name)
      this.program.add(`function ${name}${isKept ? 'Of' : ''} (v, r) {\n${this.#body(nodes, role, also)}\n}`)
    }
    return name
  }

  #keep (name: string): void {
    const memory = this.program.share(Symbol(name))
    this.program.add(`function ${name} (v, r) {
if (typeof v !== 'object' || v === null) return ${name}Of(v, r)
let x = r.known(v, ${memory})
if (x === undefined) r.know(v, ${memory}, x = ${name}Of(v, r))
else if (x === ${this.bad}) ${this.add('""', 'invalid', 'undefined', undefined, 'undefined')}
return x === ${this.bad} ? x : ${this.program.share(copy)}(x)
}`)
  }

  #body (nodes: readonly Located[], role: Role, also: readonly Located[]): string {
    const plan = this.planner.of(nodes)
    switch (plan.kind) {
      case 'list': return listBody(this, plan, also)
      case 'object': return objectBody(this, plan, role, also)
      case 'tagged': return taggedBody(this, plan, role)
      case 'union': return unionBody(this, plan, role === 'root' ? nodes : undefined)
      case 'types': return typesBody(this, plan)
      default: return `${this.stripped(plan, 'v')}\n${this.#admitNull(plan)}\n${scalarValue(this, plan, 'v', here)}\nreturn v`
    }
  }

  #admitNull (plan: Plan): string {
    return plan.nullable && plan.kind !== 'any' ? 'if (v === null) return null' : ''
  }

  /** Strip a variable, where the plan says so. */
  stripped (plan: Plan, v: string): string {
    return this.strips(plan) ? `if (typeof ${v} === 'string') ${v} = ${this.strip}(${v})` : ''
  }

  strips ({ kind, facts }: Plan): boolean {
    return facts.strip && kind !== 'choice' && kind !== 'any' && kind !== 'union' && kind !== 'types' && kind !== 'never'
  }

  /** Clean a variable in place, to `BAD` when that fails. Empty values have been dealt with. */
  value (nodes: readonly Located[], plan: Plan, v: string, place: Place): string {
    switch (plan.kind) {
      case 'list':
      case 'object':
      case 'tagged':
      case 'union':
      case 'types': {
        const mark = this.program.name('mark')
        const prefix = place.path === '""' ? '' : ` r.prefix(${mark}, ${place.path})`
        const done = this.#stepsOf(place, v)
        return `const ${mark} = r.size\n${v} = ${this.of(nodes, 'value', place.also)}(${v}, r)\nif (${v} === ${this.bad}) {${prefix} }${done === '' ? '' : ` else {\n${done}\n}`}`
      }
      default:
        return scalarValue(this, plan, v, place)
    }
  }

  /** The steps of a field that is good so far; they may turn it `BAD`. */
  #stepsOf (place: Place, v: string): string {
    return this.steps(place, v, `${v} = ${this.bad}`)
  }

  /** The choices and validators of a field of the message, which run once it has been converted. */
  steps ({ field }: Place, v: string, fail: string): string {
    if (field === undefined) return ''
    const validate = this.options.validated.has(field) ? `if (!r.steps.validate(${literal(field)}, ${v})) { ${fail} }` : ''
    if (!this.options.chosen.has(field)) return validate
    const chosen = this.program.name('chosen')
    return `const ${chosen} = r.steps.choose(${literal(field)}, ${v})\nif (${chosen} === ${this.bad}) { ${fail} } else {\n${v} = ${chosen}\n${validate}\n}`
  }

  /** Transforms and steps of the fields of a message that was cleaned as a whole. */
  afterwards (nodes: readonly Located[], v: string): string {
    const decode = this.options.decoder(nodes)
    const { validated, chosen } = this.options
    return [
      decode === undefined ? '' : `${v} = ${decode}(${v}, r)\nif (${v} === ${this.bad}) return ${this.bad}`,
      validated.size + chosen.size === 0 ? '' : `if (!r.steps.after(${v})) return ${this.bad}`
    ].filter((line) => line !== '').join('\n')
  }

  /**
   * Everything that is said of what is inside a value: only asked where unknown keys are refused.
   *
   * @param nodes - what has been said of the value itself
   */
  said (nodes: readonly Located[], inside: (facts: Facts) => readonly Located[]): Located[] {
    if (this.options.unknownKeys === 'drop') return []
    const { documents, isPattern } = this.planner
    return [...new Set(everyFacts(documents, nodes, isPattern).flatMap(inside))]
  }

  texts ({ facts }: Pick<Plan, 'facts'>): string {
    return facts.texts === undefined ? 'undefined' : this.program.share(facts.texts)
  }

  add (path: string, code: string, params: string, kind: string | undefined, texts: string): string {
    return `r.add(${path}, ${literal(code)}, ${params}, ${literal(kind)}, ${texts})`
  }

  /**
   * What a value must or must not be as a whole, once it has been cleaned: unions without a tag, `not`,
   * `if`, keywords that are not ours.
   *
   * @param fail - what to do when it is not
   */
  whole (plan: Plan, v: string, path: string, fail: string): string {
    const { facts } = plan
    const texts = this.texts(plan)
    const lines: string[] = []
    const invalid = `{ ${this.add(path, 'invalid', 'undefined', undefined, texts)}; ${fail} }`
    const check = (node: Located) => this.checks.of(node)
    for (const { branches, exclusive } of plan.unions) {
      const tests = branches.map((branch) => `${check(branch)}(${v}, null)`)
      lines.push(exclusive
        ? `if (${tests.map((test) => `(${test} ? 1 : 0)`).join(' + ')} !== 1) ${invalid}`
        : `if (!(${tests.join(' || ')})) ${invalid}`)
    }
    for (const { test, then, otherwise } of facts.conditions) {
      lines.push(`if (!(${check(test)}(${v}, null) ? ${then === undefined ? 'true' : `${check(then)}(${v}, null)`} : ${otherwise === undefined ? 'true' : `${check(otherwise)}(${v}, null)`})) ${invalid}`)
    }
    lines.push(this.last(plan, v, path, fail))
    return lines.filter((line) => line !== '').join('\n')
  }

  /** `not` and keywords that are not ours. */
  last (plan: Pick<Plan, 'facts' | 'whole'>, v: string, path: string, fail: string): string {
    const { facts } = plan
    const texts = this.texts(plan)
    const lines: string[] = []
    for (const node of facts.nots) lines.push(`if (${this.checks.of(node)}(${v}, null)) { ${this.add(path, 'invalid', 'undefined', undefined, texts)}; ${fail} }`)
    for (const { keyword, value } of facts.foreign) {
      const check = this.checks.foreign.keyword(keyword, value, facts.types)
      if (check !== undefined) lines.push(`if (!${this.program.share(check)}(${v})) { ${this.add(path, keyword, 'undefined', undefined, texts)}; ${fail} }`)
    }
    if (plan.whole) {
      const tests = facts.flat.map((node) => `${this.checks.of(this.planner.documents.without(node, '$ref', 'allOf', 'not'))}(${v}, null)`)
      lines.push(`if (!(${tests.join(' && ')})) { ${this.add(path, 'invalid', 'undefined', undefined, texts)}; ${fail} }`)
    }
    return lines.join('\n')
  }
}
