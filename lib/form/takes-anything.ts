import { kTransform } from '../symbols.ts'

/** JSON Schema's keywords that constrain nothing, and the marks of Fastify and OpenAPI that do not. */
const annotations = new Set([
  '$id', '$schema', '$comment', '$defs', 'definitions', 'title', 'description', 'default', 'examples', 'example', 'deprecated', 'readOnly', 'writeOnly'
])

/** The schema says "anything" aloud: `{}`, `true`, `Type.Unknown()` or `Type.Any()`, annotations aside. */
export function takesAnything (schema: unknown): boolean {
  return schema === true || (typeof schema === 'object' && schema !== null && !Array.isArray(schema) && !(kTransform in schema) &&
    Object.keys(schema).every((keyword) => annotations.has(keyword)))
}
