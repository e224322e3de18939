import type { Documents, Located, SchemaObject } from './documents.ts'
import type { Items, JsonType, Members } from './facts.ts'

const jsonTypes = new Set(['string', 'number', 'integer', 'boolean', 'object', 'array', 'null'])

/** Reads the keywords of one node, and refuses what they cannot be. */
export class SchemaReader {
  readonly schema: SchemaObject
  readonly at: Located
  #documents: Documents

  constructor (documents: Documents, node: Located, schema: SchemaObject) {
    this.#documents = documents
    this.at = node
    this.schema = schema
  }

  node (schema: unknown): Located {
    return this.#documents.child(this.at, schema)
  }

  nodes (keyword: string, schemas: unknown): Located[] {
    if (!Array.isArray(schemas) || schemas.length === 0) throw this.error(`${keyword} must be a list of schemas`)
    return schemas.map((schema) => this.node(schema))
  }

  number (keyword: string, value: unknown): number {
    if (typeof value !== 'number' || Number.isNaN(value)) throw this.error(`${keyword} must be a number`)
    return value
  }

  count (keyword: string, value: unknown): number {
    if (!Number.isInteger(value) || (value as number) < 0) throw this.error(`${keyword} must be a whole number that is not negative`)
    return value as number
  }

  text (keyword: string, value: unknown): string {
    if (typeof value !== 'string') throw this.error(`${keyword} must be a string`)
    return value
  }

  texts (keyword: string, value: unknown): string[] {
    if (!Array.isArray(value) || value.some((item) => typeof item !== 'string')) throw this.error(`${keyword} must be a list of strings`)
    return value as string[]
  }

  record (keyword: string, value: unknown): Record<string, unknown> {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw this.error(`${keyword} must be an object`)
    return value as Record<string, unknown>
  }

  types (value: unknown): Set<JsonType> {
    const names = Array.isArray(value) ? value : [value]
    for (const name of names) {
      if (!jsonTypes.has(name)) throw this.error(`the type ${JSON.stringify(name) ?? String(name)} is none that JSON has; Type.Transform can make one from JSON`)
    }
    const types = new Set(names as JsonType[])
    if (this.schema.nullable === true) types.add('null')
    return types
  }

  members (): Members {
    const { properties = {}, patternProperties = {}, additionalProperties } = this.schema
    return {
      properties: new Map(Object.entries(this.record('properties', properties)).map(([key, schema]) => [key, this.node(schema)])),
      patterns: Object.entries(this.record('patternProperties', patternProperties)).map(([source, schema]) => ({ source, node: this.node(schema) })),
      others: additionalProperties === undefined || additionalProperties === false ? undefined : this.node(additionalProperties)
    }
  }

  items (value: unknown): Items {
    if (!Array.isArray(value)) return { first: [], rest: this.node(value) }
    const rest = this.schema.additionalItems
    return { first: value.map((schema) => this.node(schema)), rest: rest === false ? false : rest === undefined ? undefined : this.node(rest) }
  }

  error (reason: string): Error {
    return this.#documents.error(reason)
  }
}
