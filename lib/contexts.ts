import type { FastifyInstance } from 'fastify'

export function rootOf (instance: FastifyInstance): FastifyInstance {
  let context = instance
  for (;;) {
    const parent = Object.getPrototypeOf(context) as FastifyInstance
    if (Object.getPrototypeOf(parent) === null) return context
    context = parent
  }
}

/**
 * Every context of the application: the root and all that is registered below it so far.
 *
 * Fastify keeps a context's children under a symbol of its own. Where that is gone, the contexts around
 * `instance` are what is left; those that are registered later inherit from them.
 */
export function contextsOf (instance: FastifyInstance): FastifyInstance[] {
  const found = new Set<FastifyInstance>()
  const root = rootOf(instance)
  for (let context = instance; context !== root; context = Object.getPrototypeOf(context) as FastifyInstance) found.add(context)
  addWithChildren(root, found)
  return [...found]
}

function addWithChildren (context: FastifyInstance, found: Set<FastifyInstance>): void {
  found.add(context)
  const key = Object.getOwnPropertySymbols(context).find((symbol) => symbol.description === 'fastify.children')
  const children = key === undefined ? undefined : (context as unknown as Record<symbol, unknown>)[key]
  if (!Array.isArray(children)) return
  for (const child of children) addWithChildren(child as FastifyInstance, found)
}
