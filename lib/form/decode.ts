import { kTransform } from '../symbols.ts'
import type { Checks } from './check.ts'
import type { Located } from './documents.ts'
import { partsOf, type Facts } from './facts.ts'
import { keyOf, type Planner } from './plan.ts'
import { literal, member } from './program.ts'
import { BAD, type Report } from './report.ts'

/** The decoder of a node itself, not of what is inside it. */
export function transformOf ({ schema }: Located): ((value: unknown) => unknown) | undefined {
  const transform = (schema as { [kTransform]?: { Decode: (value: unknown) => unknown } })[kTransform]
  return transform === undefined ? undefined : (value) => transform.Decode(value)
}

/**
 * Compiles functions `(value, report)` that decode the transforms in a checked value, in place and from
 * the inside out. They give the decoded value, or `BAD` where a decoder threw.
 */
export class Decoders {
  #planner: Planner
  #checks: Checks
  #names = new Map<string, string>()
  #has = new Map<Located, boolean>()

  constructor (planner: Planner, checks: Checks) {
    this.#planner = planner
    this.#checks = checks
  }

  /** The name of the function, undefined where there is nothing to decode. */
  of (nodes: readonly Located[]): string | undefined {
    return this.#isIn(nodes, []) ? this.#function(nodes) : undefined
  }

  /** The function for the transforms of a node itself. */
  own (nodes: readonly Located[]): string | undefined {
    const facts = this.#planner.facts(nodes)
    const [union] = facts.unions
    const tag = union === undefined ? undefined : this.#planner.tagOf(union.branches)
    const isAnywhere = facts.flat.some((node) => transformOf(node) !== undefined) ||
      tag?.branches.some(({ nodes: branch }) => this.#planner.facts(branch).flat.some((node) => transformOf(node) !== undefined))
    if (isAnywhere !== true) return undefined
    const name = this.#checks.program.name('decodeOwn')
    const lines: string[] = []
    for (const { value, nodes: branch } of tag?.branches ?? []) {
      const own = this.#own(this.#planner.facts(branch))
      if (own !== '') lines.push(`if (${member('v', tag!.key)} === ${literal(value as string)}) {\n${own}\n}`)
    }
    this.#checks.program.add(`function ${name} (v, r) {\n${lines.join('\nelse ')}\n${this.#own(facts)}\nreturn v\n}`)
    return name
  }

  #function (nodes: readonly Located[]): string {
    const key = keyOf(nodes)
    let name = this.#names.get(key)
    if (name === undefined) {
      name = this.#checks.program.name('decode')
      this.#names.set(key, name)
      const facts = this.#planner.facts(nodes)
      const inside = [...this.#parts(facts), ...this.#members(facts), ...this.#others(facts), ...this.#items(facts)]
      this.#checks.program.add(`function ${name} (v, r) {\nlet bad = false, mark\n${inside.join('\n')}\nif (bad) return ${this.#bad}\n${this.#own(facts)}\nreturn v\n}`)
    }
    return name
  }

  get #bad (): string {
    return this.#checks.program.share(BAD)
  }

  #own (facts: Facts): string {
    const texts = facts.texts === undefined ? 'undefined' : this.#checks.program.share(facts.texts)
    return facts.flat.map((node) => {
      const decode = transformOf(node)
      return decode === undefined ? '' : `v = ${this.#checks.program.share(tryDecode)}(${this.#checks.program.share(decode)}, v, r, ${texts})\nif (v === ${this.#bad}) return v`
    }).filter((line) => line !== '').join('\n')
  }

  /** The transforms of a message that belong to no field of it: under keys without a name, in parts. */
  rest (nodes: readonly Located[]): string | undefined {
    const facts = this.#planner.facts(nodes)
    const inside = [...this.#parts(facts), ...this.#others(facts)]
    if (inside.length === 0) return undefined
    const name = this.#checks.program.name('decodeRest')
    this.#checks.program.add(`function ${name} (v, r) {\nlet bad = false\n${inside.join('\n')}\nreturn bad ? ${this.#bad} : v\n}`)
    return name
  }

  /** Branches, sides of conditions, dependencies: which of them hold is asked before anything is decoded. */
  #parts ({ unions, conditions, dependencies }: Facts): string[] {
    const { program } = this.#checks
    const questions: string[] = []
    const answers: string[] = []
    const is = (node: Located) => `${this.#checks.of(node)}(seen, null)`
    const run = (nodes: readonly Located[]) => {
      const decoder = this.of(nodes)
      return decoder === undefined ? '' : `v = ${decoder}(v, r); if (v === ${this.#bad}) return v`
    }
    const choose = (question: string, cases: string[]) => {
      if (cases.every((code) => code === '')) return
      const name = program.name('holds')
      questions.push(`const ${name} = ${question}`)
      answers.push(cases.map((code, index) => `if (${name} === ${index}) { ${code} }`).join(' else '))
    }
    for (const { branches } of unions) {
      const tag = this.#planner.tagOf(branches)
      if (tag === undefined) choose(branches.map((branch, index) => `${is(branch)} ? ${index} : `).join('') + '-1', branches.map((branch) => run([branch])))
      else {
        const key = `(typeof v === 'object' && v !== null ? ${member('v', tag.key)} : undefined)`
        choose(tag.branches.map(({ value }, index) => `${key} === ${literal(value as string)} ? ${index} : `).join('') + '-1', tag.branches.map(({ nodes }) => run(nodes)))
      }
    }
    for (const { test, then, otherwise } of conditions) {
      choose(`${is(test)} ? 0 : 1`, [then, otherwise].map((node) => node === undefined ? '' : run([node])))
    }
    for (const { key, needs } of dependencies) {
      if (!Array.isArray(needs)) choose(`typeof seen === 'object' && seen !== null && ${member('seen', key)} !== undefined ? 0 : -1`, [run([needs])])
    }
    return questions.length === 0 ? [] : [`const seen = ${program.share(given)}(v)`, ...questions, ...answers]
  }

  #members (facts: Facts): string[] {
    const lines: string[] = []
    for (const [key, nodes] of facts.fields) {
      const decoder = this.of(nodes)
      if (decoder === undefined) continue
      lines.push(`if (Object.hasOwn(v, ${literal(key)})) {\n${this.#place(decoder, `v[${literal(key)}]`, literal(key))}\n}`)
    }
    return lines.length === 0 ? [] : [`if (typeof v === 'object' && v !== null && !Array.isArray(v)) {\n${lines.join('\n')}\n}`]
  }

  #others (facts: Facts): string[] {
    const lines: string[] = []
    for (const { properties, patterns, others } of facts.members) {
      const tests: string[] = []
      for (const { source, node } of patterns) {
        const decoder = this.of([node])
        const decode = decoder === undefined ? '' : this.#place(decoder, 'v[k]', 'k')
        tests.push(`if (${this.#checks.program.share(this.#checks.patterns.compile(source))}.test(k)) { own = true; ${decode} }`)
      }
      const decoder = others === undefined ? undefined : this.of([others])
      if (decoder !== undefined) tests.push(`if (!own) { ${this.#place(decoder, 'v[k]', 'k')} }`)
      if (decoder === undefined && patterns.every(({ node }) => this.of([node]) === undefined)) continue
      const known = this.#checks.program.share(new Set([...facts.fields.keys(), ...properties.keys()]))
      lines.push(`for (const k of Object.keys(v)) {\nif (${known}.has(k)) continue\nlet own = false\n${tests.join('\n')}\n}`)
    }
    return lines.length === 0 ? [] : [`if (typeof v === 'object' && v !== null && !Array.isArray(v)) {\n${lines.join('\n')}\n}`]
  }

  #items ({ items }: Facts): string[] {
    const lines: string[] = []
    for (const { first, rest } of items) {
      first.forEach((node, index) => {
        const decoder = this.of([node])
        if (decoder !== undefined) lines.push(`if (v.length > ${index}) {\n${this.#item(decoder, node, `${index}`)}\n}`)
      })
      const decoder = rest === undefined || rest === false ? undefined : this.of([rest])
      if (decoder !== undefined) lines.push(`for (let i = ${first.length}; i < v.length; i++) {\n${this.#item(decoder, rest as Located, 'i')}\n}`)
    }
    return lines.length === 0 ? [] : [`if (Array.isArray(v)) {\n${lines.join('\n')}\n}`]
  }

  /** The faults of an item in a list of scalars belong to the list. */
  #item (decoder: string, node: Located, index: string): string {
    return this.#planner.isNested([node])
      ? this.#place(decoder, `v[${index}]`, `String(${index})`)
      : `mark = r.size\nv[${index}] = ${decoder}(v[${index}], r)\nif (v[${index}] === ${this.#bad}) { bad = true; r.fold(mark) }`
  }

  #place (decoder: string, target: string, key: string): string {
    return `{ const mark = r.size; const x = ${decoder}(${target}, r); if (x === ${this.#bad}) { bad = true; r.prefix(mark, ${key}) } else ${target} = x }`
  }

  #isIn (nodes: readonly Located[], way: Located[]): boolean {
    return nodes.some((node) => {
      const known = this.#has.get(node)
      if (known !== undefined) return known
      if (way.includes(node)) return false
      const found = this.#search(node, [...way, node])
      // what was found on the way round a recursion holds for its start only
      if (found || way.length === 0) this.#has.set(node, found)
      return found
    })
  }

  #search (node: Located, way: Located[]): boolean {
    const facts = this.#planner.facts([node])
    if (facts.flat.some((part) => transformOf(part) !== undefined)) return true
    const inner = [
      ...facts.fields.values(),
      partsOf(facts),
      ...facts.members.map(({ patterns, others }) => [...patterns.map((pattern) => pattern.node), ...(others === undefined ? [] : [others])]),
      ...facts.items.map(({ first, rest }) => rest === undefined || rest === false ? first : [...first, rest])
    ]
    return inner.some((parts) => this.#isIn(parts, way))
  }
}

/** An object as its parts see it: what was sent empty counts as not given. */
function given (value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.values(value).includes('')) return value
  return Object.fromEntries(Object.entries(value).filter(([, inner]) => inner !== ''))
}

function tryDecode (decode: (value: unknown) => unknown, value: unknown, report: Report, texts: Record<string, string> | undefined): unknown {
  try {
    return decode(value)
  } catch {
    // a decoder that throws says that the value is not valid (its words may hold the value: they are not passed on)
    report.add('', 'invalid', undefined, undefined, texts)
    return BAD
  }
}
