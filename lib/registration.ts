import type { FastifyInstance } from 'fastify'
import { WSV_ERR_PREFIX_AMBIGUOUS, WSV_ERR_SCHEMA_INVALID, WSV_ERR_VIEW_TOO_LATE } from './errors.ts'
import { formAppOf } from './form/app.ts'
import { takesAnything } from './form/takes-anything.ts'
import { isPlain, type Serialize } from './message.ts'
import type { PluginOptions } from './options.ts'
import { readViewOptions } from './read-options.ts'
import type { ServerState } from './server-state.ts'
import { readRouterSettings, type RouterSettings } from './url.ts'
import type { DeclaredView } from './types.ts'
import { kInside, kRegistrations } from './symbols.ts'
import { View } from './view.ts'
import { viewRoute } from './view-route.ts'
import { wsHooksOf } from './ws-hooks.ts'

/** What an instance holds of ours. */
interface Context {
  /** the registrations on this very instance */
  [kRegistrations]?: Registration[]
  /** the registration that made this context */
  [kInside]?: Registration
}

/** One `register(wsViews, …)`: its prefix, its namespace, the defaults of its views. */
export class Registration {
  readonly #instance: FastifyInstance
  readonly #state: ServerState
  readonly #options: PluginOptions
  readonly #views: { view: View, hasCustomCompiler: boolean }[] = []
  #isReady = false

  constructor (instance: FastifyInstance, state: ServerState, options: PluginOptions) {
    this.#instance = instance
    this.#state = state
    this.#options = options
    const context = instance as Context
    if (!Object.hasOwn(context, kRegistrations)) context[kRegistrations] = []
    context[kRegistrations]!.push(this)
    instance.addHook('onReady', async () => { this.#ready() })
  }

  /** Open the context of the views, and load them in it. */
  async load (): Promise<void> {
    const { prefix, views, context } = this.#options
    await this.#instance.register(async (child) => {
      (child as Context)[kInside] = this
      for (const plugin of views) await child.register(plugin as never)
    }, { ...context, ...(prefix === '' ? {} : { prefix }) })
  }

  /**
   * Declare a view on an instance.
   *
   * @param prefix - put in front of `url` where `instance` is outside the context of the views
   */
  declare (instance: FastifyInstance, prefix: string, url: string, raw: Record<string, unknown>, handler: unknown): void {
    if (this.#isReady) throw new WSV_ERR_VIEW_TOO_LATE(url)
    const { view: options, route } = readViewOptions(url, raw, handler, this.#options.view)
    const path = prefix + url
    const { namespace } = this.#options
    const full = urlOf(instance, path, route)
    const name = options.name === undefined || namespace === undefined ? options.name : `${namespace}:${options.name}`
    const view = new View(instance, name ?? full.url, path, options)
    if (name !== undefined) this.#state.names.add({ name, ...full })
    const declared = { view, hasCustomCompiler: false }
    this.#views.push(declared)
    const info: DeclaredView = Object.freeze({
      name,
      url: full.url,
      host: full.host,
      messageSchema: options.messageSchema,
      replySchema: options.replySchema,
      frames: options.frames,
      subprotocols: options.subprotocols
    })
    this.#state.views.push(info)
    // before ready, Fastify has no validator compiler of its own yet
    instance.after(() => { declared.hasCustomCompiler = (instance.validatorCompiler as unknown) !== undefined })
    if (this.#state.options.serve) instance.route(viewRoute(view, info, this.#state, route))
  }

  #ready (): void {
    this.#isReady = true
    for (const { view, hasCustomCompiler } of this.#views) {
      const { instance } = view
      const app = formAppOf(instance, view.name)
      view.ready({
        ...app,
        // where no views are served, Fastify may have nothing to ask about formats of the application
        compile: app.compile ?? (() => () => true),
        customCompiler: hasCustomCompiler,
        hooks: wsHooksOf(instance),
        serialize: serializerOf(view)
      })
    }
  }

  /**
   * The registration that a view declared on `instance` belongs to, and the prefix it gets.
   *
   * @throws WSV_ERR_PREFIX_AMBIGUOUS
   */
  static for (instance: FastifyInstance, url: string): { registration: Registration, prefix: string } {
    for (let context: object = instance; context !== null; context = Object.getPrototypeOf(context) as object) {
      const { [kInside]: inside, [kRegistrations]: registrations } = ownOf(context)
      if (inside !== undefined) return { registration: inside, prefix: '' }
      if (registrations === undefined) continue
      if (registrations.length > 1) break
      return { registration: registrations[0]!, prefix: registrations[0]!.#options.prefix }
    }
    throw new WSV_ERR_PREFIX_AMBIGUOUS(url)
  }
}

/**
 * Fastify's serializer for the replies of a view; text, bytes, and a codec that may send anything have no use for one.
 *
 * @throws WSV_ERR_SCHEMA_INVALID
 */
function serializerOf ({ instance, name, path, options: { replySchema, frames } }: View): Serialize | undefined {
  if (replySchema === undefined || isPlain(frames) || (typeof frames === 'object' && takesAnything(replySchema))) return undefined
  try {
    return instance.serializerCompiler?.({ schema: replySchema, method: 'GET', url: path, httpStatus: '101' }) as Serialize | undefined
  } catch (cause) {
    throw Object.assign(new WSV_ERR_SCHEMA_INVALID(name, `replySchema: ${(cause as Error).message}`), { cause })
  }
}

/** The full path of the route, and the host it answers to. */
function urlOf (instance: FastifyInstance, path: string, route: Record<string, unknown>): { url: string, host: string | undefined } & Partial<RouterSettings> {
  const { prefix } = instance
  // as Fastify joins them: `/` below a prefix is the prefix itself, unless the route wants the slash
  const tail = path === '/' && prefix !== '' && route.prefixTrailingSlash !== 'slash'
    ? ''
    : prefix.endsWith('/') && path.startsWith('/') ? path.slice(1) : path
  const host = (route.constraints as { host?: unknown } | undefined)?.host
  return { url: prefix + tail, host: typeof host === 'string' ? host : undefined, ...readRouterSettings(instance.initialConfig) }
}

function ownOf (context: object): Context {
  const own: Context = {}
  if (Object.hasOwn(context, kInside)) own[kInside] = (context as Context)[kInside]!
  if (Object.hasOwn(context, kRegistrations)) own[kRegistrations] = (context as Context)[kRegistrations]!
  return own
}
