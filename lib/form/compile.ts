import { Checks, type Check } from './check.ts'
import { Cleaner } from './clean.ts'
import { Decoders } from './decode.ts'
import { Documents, type Located } from './documents.ts'
import { Foreign, type Compile } from './foreign.ts'
import { Patterns } from './patterns.ts'
import { Planner, type Tag } from './plan.ts'
import { Program } from './program.ts'
import { declaredKeys } from './read-facts.ts'
import type { Report } from './report.ts'

export type Clean = (value: unknown, report: Report) => unknown

export interface CompileOptions {
  /** the view, for errors */
  name: string
  schemas: Readonly<Record<string, unknown>>
  compile: Compile | undefined
  unsafePatterns: boolean
}

export interface FormCode {
  clean: Clean
  /** the transform of the message itself, which waits for the steps of its fields */
  decode: Clean | undefined
  /** the declared fields, in the schema's order */
  fields: readonly string[]
  tag: Tag | undefined
}

/** What is shared by everything that is compiled from one schema. */
class Workshop {
  readonly documents: Documents
  readonly program = new Program()
  readonly checks: Checks
  readonly planner: Planner
  readonly decoders: Decoders

  constructor (schema: unknown, { name, schemas, compile, unsafePatterns }: CompileOptions, remembers: boolean) {
    this.documents = new Documents(schema, schemas, name)
    this.checks = new Checks(this.program, this.documents, new Foreign(name, compile), new Patterns(name, unsafePatterns), remembers)
    this.planner = new Planner(this.documents, this.checks.isPattern)
    this.checks.tagOf = (branches) => this.planner.tagOf(branches)
    this.decoders = new Decoders(this.planner, this.checks)
  }

  get fields (): string[] {
    return [...declaredKeys(this.documents, [this.documents.root], this.checks.isPattern)]
  }
}

/** Compile the form of a message: an object, a union or an intersection of objects, or a `$ref` to one. */
export function compileClean (schema: unknown, options: CompileOptions & {
  unknownKeys: 'drop' | 'refuse'
  validated: ReadonlySet<string>
  chosen: ReadonlySet<string>
}, remembers = false): FormCode {
  const { documents, program, checks, planner, decoders } = new Workshop(schema, options, remembers)
  const root: Located[] = [documents.root]
  if (!planner.isObject(root)) throw documents.error("a form describes an object: use Type.Object, a union or an intersection of objects, or form: 'strict'")
  const cleaner = new Cleaner(program, planner, checks, { ...options, decoder: (nodes) => decoders.of(nodes), restDecoder: (nodes) => decoders.rest(nodes), remembers })
  const clean = cleaner.of(root, 'root')
  // an untagged union has been decoded as a whole
  const decode = planner.of(root).kind === 'union' ? undefined : decoders.own(root)
  if ((checks.isRecursive || cleaner.isRepeating) && !remembers) return compileClean(schema, options, true)
  const [cleanCode, decodeCode] = program.link<Clean>([checks.started(clean), decode ?? 'undefined'])
  return { clean: cleanCode!, decode: decodeCode, fields: [...declaredKeys(documents, root, checks.isPattern)], tag: planner.tag(root) }
}

export interface StrictCode {
  check: Check
  decode: Clean | undefined
  fields: readonly string[]
  tag: Tag | undefined
}

/** Compile a plain draft-07 check. */
export function compileStrict (schema: unknown, options: CompileOptions, remembers = false): StrictCode {
  const workshop = new Workshop(schema, options, remembers)
  const { documents, program, checks, decoders } = workshop
  const check = checks.of(documents.root)
  const decode = decoders.of([documents.root])
  if (checks.isRecursive && !remembers) return compileStrict(schema, options, true)
  const [checkCode, decodeCode] = program.link<Check & Clean>([checks.started(check), decode ?? 'undefined'])
  return { check: checkCode!, decode: decodeCode, fields: workshop.fields, tag: workshop.planner.tag([documents.root]) }
}
