import { WSV_ERR_SCHEMA_INVALID } from '../errors.ts'

export type SchemaObject = Record<string, unknown>

/** A schema node, and the URI that references in it are relative to. */
export interface Located {
  readonly id: number
  readonly schema: SchemaObject | boolean
  readonly base: string
}

const single = ['additionalItems', 'additionalProperties', 'contains', 'not', 'if', 'then', 'else', 'propertyNames'] as const
const several = ['allOf', 'anyOf', 'oneOf'] as const
const named = ['properties', 'patternProperties', 'definitions', '$defs', 'dependencies'] as const

/** only a frame for `new URL`: nothing is ever fetched */
const origin = 'schema://local/'

/**
 * The schema of a view and those of `addSchema`, and the way from a `$ref` to its node
 * (JSON Schema draft-07, core §8).
 */
export class Documents {
  readonly root: Located
  #view: string
  #nodes = new Map<object, Map<string, Located>>()
  #booleans = new Map<boolean, Located>()
  #byUri = new Map<string, Located>()
  #reduced = new Map<string, Located>()
  #count = 0

  constructor (schema: unknown, schemas: Readonly<Record<string, unknown>>, view: string) {
    this.#view = view
    this.root = this.locate(schema, origin)
    this.#byUri.set(origin, this.root)
    this.#index(this.root)
    for (const [id, other] of Object.entries(schemas)) {
      const node = this.locate(other, origin)
      if (!this.#byUri.has(this.#uri(id, origin))) this.#byUri.set(this.#uri(id, origin), node)
      this.#index(node)
    }
  }

  /** A node found in another one. */
  child (parent: Located, schema: unknown): Located {
    return this.locate(schema, this.#baseOf(parent))
  }

  /** The node without some of its keywords. */
  without (node: Located, ...keywords: string[]): Located {
    if (typeof node.schema === 'boolean' || !keywords.some((keyword) => keyword in (node.schema as SchemaObject))) return node
    const name = `${node.id} ${keywords.join(' ')}`
    let rest = this.#reduced.get(name)
    if (rest === undefined) this.#reduced.set(name, rest = this.#reduce(node, keywords))
    return rest
  }

  #reduce (node: Located, keywords: string[]): Located {
    const schema = Object.create(null) as SchemaObject
    for (const key of Reflect.ownKeys(node.schema as SchemaObject) as string[]) {
      if (!keywords.includes(key)) schema[key] = (node.schema as SchemaObject)[key]
    }
    return { id: this.#count++, schema, base: node.base }
  }

  locate (schema: unknown, base: string): Located {
    if (typeof schema === 'boolean') {
      let node = this.#booleans.get(schema)
      if (node === undefined) this.#booleans.set(schema, node = { id: this.#count++, schema, base })
      return node
    }
    if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) {
      throw this.error(`a schema must be an object or a boolean, got ${schema === null ? 'null' : Array.isArray(schema) ? 'an array' : typeof schema}`)
    }
    let nodes = this.#nodes.get(schema)
    if (nodes === undefined) this.#nodes.set(schema, nodes = new Map())
    let node = nodes.get(base)
    if (node === undefined) nodes.set(base, node = { id: this.#count++, schema: schema as SchemaObject, base })
    return node
  }

  resolve (from: Located, ref: unknown): Located {
    if (typeof ref !== 'string') throw this.error('a $ref must be a string')
    const uri = this.#uri(ref, from.base)
    const found = this.#byUri.get(uri) ?? this.#pointed(uri)
    if (found === undefined) throw this.error(`the reference '${ref}' leads to no schema`)
    return found
  }

  error (reason: string): Error {
    return new WSV_ERR_SCHEMA_INVALID(this.#view, reason)
  }

  #pointed (uri: string): Located | undefined {
    const hash = uri.indexOf('#')
    if (hash === -1) return undefined
    let node = this.#byUri.get(uri.slice(0, hash))
    if (node === undefined || uri.charAt(hash + 1) !== '/') return undefined
    let value: unknown = node.schema
    let base = this.#baseOf(node)
    for (const part of decode(uri.slice(hash + 2)).split('/')) {
      const key = part.replaceAll('~1', '/').replaceAll('~0', '~')
      if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined
      value = (value as SchemaObject)[key]
      node = undefined
      if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
        node = this.locate(value, base)
        base = this.#baseOf(node)
      }
    }
    return node ?? this.locate(value, base)
  }

  #baseOf ({ schema, base }: Located): string {
    // next to a $ref an $id says nothing (draft-07, core §8.3)
    if (typeof schema !== 'object' || typeof schema.$id !== 'string' || '$ref' in schema || schema.$id.startsWith('#')) {
      return typeof schema === 'object' && typeof schema.$id === 'string' && '$defs' in schema ? this.#uri(schema.$id, base) : base
    }
    return this.#uri(schema.$id, base)
  }

  #uri (ref: string, base: string): string {
    let uri: string
    try {
      uri = new URL(ref, base).href
    } catch {
      // a plain name that is no URI
      uri = ref
    }
    return uri.endsWith('#') ? uri.slice(0, -1) : uri
  }

  #index (node: Located): void {
    const { schema, base } = node
    if (typeof schema !== 'object') return
    if (typeof schema.$id === 'string' && (!('$ref' in schema) || '$defs' in schema)) {
      const uri = this.#uri(schema.$id, base)
      if (!this.#byUri.has(uri)) this.#byUri.set(uri, node)
    }
    const inner: unknown[] = []
    for (const key of single) inner.push(schema[key])
    for (const key of several) if (Array.isArray(schema[key])) inner.push(...schema[key] as unknown[])
    if (Array.isArray(schema.items)) inner.push(...schema.items as unknown[])
    else inner.push(schema.items)
    for (const key of named) {
      const map = schema[key]
      if (typeof map === 'object' && map !== null) inner.push(...Object.values(map))
    }
    for (const value of inner) {
      if (typeof value === 'object' && value !== null && !Array.isArray(value)) this.#index(this.child(node, value))
    }
  }
}

function decode (fragment: string): string {
  try {
    return decodeURIComponent(fragment)
  } catch {
    return fragment
  }
}
