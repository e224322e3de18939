import type { FastifyInstance } from 'fastify'
import { WSV_ERR_HOOK_TOO_LATE, WSV_ERR_OPTION_INVALID } from './errors.ts'
import type { MessageHandler } from './options.ts'
import { aFunction, aSyncFunction, checkOption } from './rule.ts'
import { kWsHooks } from './symbols.ts'

/** What `addWsHook` added, in the order it runs. */
export interface WsHooks { preMessage: MessageHandler[], preSend: MessageHandler[] }

interface HookedInstance { [kWsHooks]?: WsHooks }

/** The contexts whose hooks have been read: one more would never run. */
const settled = new WeakSet<object>()

/**
 * `fastify.addWsHook`: the views of this instance and those below it run the hook, each with its own instance as `this`.
 *
 * @throws WSV_ERR_HOOK_TOO_LATE, WSV_ERR_OPTION_INVALID
 */
export function addWsHook (this: FastifyInstance, name: string, hook: MessageHandler): FastifyInstance {
  if (name !== 'preMessage' && name !== 'preSend') {
    throw new WSV_ERR_OPTION_INVALID('addWsHook', 'name', "'preMessage' or 'preSend'", `'${name}'`)
  }
  checkOption('addWsHook', name, hook, name === 'preSend' ? aSyncFunction : aFunction)
  if (settled.has(this)) throw new WSV_ERR_HOOK_TOO_LATE(name)
  const instance = this as HookedInstance
  if (!Object.hasOwn(instance, kWsHooks)) instance[kWsHooks] = { preMessage: [], preSend: [] }
  instance[kWsHooks]![name].push(hook)
  return this
}

/** When the server gets ready: the hooks of an instance and of the contexts around it, outermost first. */
export function wsHooksOf (instance: FastifyInstance): WsHooks {
  const hooks: WsHooks = { preMessage: [], preSend: [] }
  for (let context: object | null = instance; context !== null; context = Object.getPrototypeOf(context) as object | null) {
    settled.add(context)
    if (!Object.hasOwn(context, kWsHooks)) continue
    const own = (context as HookedInstance)[kWsHooks]!
    hooks.preMessage.unshift(...own.preMessage)
    hooks.preSend.unshift(...own.preSend)
  }
  return hooks
}
