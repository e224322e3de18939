/** The property that tells the branches of a union of objects apart. */
export interface Tag { key: string, values: (string | number | boolean)[] }

type Node = Record<string, unknown>

/**
 * Find the tag of a tagged union: the first property that is a `const` in every branch, each with a value of its own.
 *
 * @param schemas - those of `addSchema`, for branches that are a `$ref`
 */
export function tagOf (schema: unknown, schemas: Readonly<Record<string, unknown>>): Tag | undefined {
  const union = resolve(schema, schema, schemas)
  const branches = union?.anyOf ?? union?.oneOf
  if (!Array.isArray(branches) || branches.length === 0) return undefined
  const objects = branches.map((branch) => resolve(branch, schema, schemas)?.properties)
  const first = objects[0]
  if (!isNode(first)) return undefined
  for (const key of Object.keys(first)) {
    const values = objects.map((properties) => isNode(properties) ? constOf(resolve(properties[key], schema, schemas)) : undefined)
    if (values.every((value) => value !== undefined) && new Set(values).size === values.length) {
      return { key, values: values as Tag['values'] }
    }
  }
  return undefined
}

function constOf (node: Node | undefined): string | number | boolean | undefined {
  const value = node?.const
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : undefined
}

function resolve (node: unknown, root: unknown, schemas: Readonly<Record<string, unknown>>): Node | undefined {
  let current = node
  // a chain of references that comes back to itself is reported by the form compiler
  for (let i = 0; i < 32 && isNode(current) && typeof current.$ref === 'string'; i++) {
    const [id, pointer = ''] = current.$ref.split('#') as [string, string?]
    let target: unknown = id === '' ? root : schemas[id]
    for (const part of pointer.split('/').slice(1)) {
      target = isNode(target) ? target[decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~')] : undefined
    }
    current = target
  }
  return isNode(current) ? current : undefined
}

function isNode (value: unknown): value is Node {
  return typeof value === 'object' && value !== null
}
