import type { FastifyInstance } from 'fastify'

/**
 * Every context of the application: the root and all that is registered below it so far. A context's hooks are
 * copied when it is made, so what must run everywhere has to be added everywhere.
 *
 * Fastify keeps a context's children under a symbol of its own. Where that is gone, the contexts around
 * `instance` are what is left; those that are registered later inherit from them.
 */
export function contextsOf (instance: FastifyInstance): FastifyInstance[] {
  const found = new Set<FastifyInstance>()
  let context = instance
  while (Object.getPrototypeOf(context) !== Object.prototype) {
    found.add(context)
    context = Object.getPrototypeOf(context) as FastifyInstance
  }
  addWithChildren(context, found)
  return [...found]
}

function addWithChildren (context: FastifyInstance, found: Set<FastifyInstance>): void {
  found.add(context)
  const key = Object.getOwnPropertySymbols(context).find((symbol) => symbol.description === 'fastify.children')
  const children = key === undefined ? undefined : (context as unknown as Record<symbol, unknown>)[key]
  if (!Array.isArray(children)) return
  for (const child of children) addWithChildren(child as FastifyInstance, found)
}
