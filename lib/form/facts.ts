import type { Located } from './documents.ts'

export type JsonType = 'string' | 'number' | 'integer' | 'boolean' | 'object' | 'array' | 'null'

/** `properties`, `patternProperties` and `additionalProperties` of one schema: which schemas hold for a key. */
export interface Members {
  properties: Map<string, Located>
  patterns: { source: string, node: Located }[]
  /** absent: other keys are not declared */
  others: Located | undefined
}

/** `items` of one schema. */
export interface Items {
  first: Located[]
  /** false: no further items */
  rest: Located | false | undefined
}

export interface Union { branches: Located[], exclusive: boolean, from: Located, keyword: 'anyOf' | 'oneOf' }
export interface Condition { test: Located, then: Located | undefined, otherwise: Located | undefined }
export interface Dependency { key: string, needs: string[] | Located }

/** Everything that several schemas say together about one value: a node, what it refers to, and their `allOf`. */
export interface Facts {
  /** the schemas that were put together, without references and `allOf` */
  flat: Located[]
  never: boolean
  types: Set<JsonType> | undefined
  choices: readonly unknown[] | undefined
  minLength: number | undefined
  maxLength: number | undefined
  patterns: string[]
  formats: string[]
  minimum: number | undefined
  maximum: number | undefined
  exclusiveMinimum: number | undefined
  exclusiveMaximum: number | undefined
  multiples: number[]
  items: Items[]
  minItems: number | undefined
  maxItems: number | undefined
  unique: boolean
  contains: Located[]
  minContains: number | undefined
  maxContains: number | undefined
  members: Members[]
  /** declared fields, in the schema's order */
  fields: Map<string, Located[]>
  required: Set<string>
  propertyNames: Located[]
  minProperties: number | undefined
  maxProperties: number | undefined
  dependencies: Dependency[]
  unions: Union[]
  nots: Located[]
  conditions: Condition[]
  foreign: { keyword: string, value: unknown }[]
  hasDefault: boolean
  default: unknown
  readOnly: boolean
  strip: boolean
  texts: Record<string, string> | undefined
}

/** Schemas that say nothing so far. */
export function noFacts (flat: Located[]): Facts {
  return {
    flat,
    never: false,
    types: undefined,
    choices: undefined,
    minLength: undefined,
    maxLength: undefined,
    patterns: [],
    formats: [],
    minimum: undefined,
    maximum: undefined,
    exclusiveMinimum: undefined,
    exclusiveMaximum: undefined,
    multiples: [],
    items: [],
    minItems: undefined,
    maxItems: undefined,
    unique: false,
    contains: [],
    minContains: undefined,
    maxContains: undefined,
    members: [],
    fields: new Map(),
    required: new Set(),
    propertyNames: [],
    minProperties: undefined,
    maxProperties: undefined,
    dependencies: [],
    unions: [],
    nots: [],
    conditions: [],
    foreign: [],
    hasDefault: false,
    default: undefined,
    readOnly: false,
    strip: true,
    texts: undefined
  }
}

/** The schemas that speak of the same object as the facts do: branches, sides of conditions, dependencies. */
export function partsOf (facts: Facts, unions: readonly Union[] = facts.unions): Located[] {
  return [
    ...unions.flatMap((union) => union.branches),
    ...facts.conditions.flatMap(({ then, otherwise }) => [then, otherwise]),
    ...facts.dependencies.map(({ needs }) => Array.isArray(needs) ? undefined : needs)
  ].filter((node) => node !== undefined)
}
