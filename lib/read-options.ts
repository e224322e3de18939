import { readBaseUrl } from './absolute-url.ts'
import { describe } from './describe.ts'
import { WSV_ERR_OPTION_CONFLICT, WSV_ERR_OPTION_INVALID, WSV_ERR_OPTION_UNKNOWN } from './errors.ts'
import { takesAnything } from './form/takes-anything.ts'
import {
  checkRedis, fastifyRouteOptions, isFanout, registrationRules, routeOptionsOfOurs, serverRules, viewDefaultRules, viewOnlyRules,
  wsOptionsOfOurs
} from './option-rules.ts'
import { serverDefaults, viewDefaults, viewOnlyDefaults } from './options.ts'
import type { PluginOptions, ServerOptions, ViewDefaults, ViewOptions, ViewsPlugin } from './options.ts'
import { aFunction, aSyncFunction, checkOption, didYouMean, isObject, isPlainObject } from './rule.ts'
import type { Rule } from './rule.ts'

const formSteps = ['choices', 'validators', 'cleanFields', 'clean', 'errorMessages'] as const

/**
 * Read what `fastify.register(wsViews, options)` was given. An option that is `undefined` counts as not given.
 *
 * @throws WSV_ERR_OPTION_UNKNOWN, WSV_ERR_OPTION_INVALID
 */
export function readPluginOptions (raw: Record<string, unknown>): PluginOptions {
  const where = 'wsViews'
  const registration: Record<string, unknown> = {}
  const server: Record<string, unknown> = {}
  const view: Record<string, unknown> = {}
  for (const [name, value] of given(raw)) {
    if (Object.hasOwn(registrationRules, name)) registration[name] = checked(where, name, value, registrationRules)
    else if (Object.hasOwn(serverRules, name)) server[name] = readServerOption(where, name, value)
    else if (Object.hasOwn(viewDefaultRules, name)) view[name] = checked(where, name, value, viewDefaultRules)
    else if (Object.hasOwn(viewOnlyRules, name)) throw new WSV_ERR_OPTION_UNKNOWN(where, name, '; it belongs to a view')
    else {
      const known = [...Object.keys(registrationRules), ...Object.keys(serverRules), ...Object.keys(viewDefaultRules)]
      throw new WSV_ERR_OPTION_UNKNOWN(where, name, didYouMean(name, known))
    }
  }
  if (server.redis !== undefined && isFanout(server.fanout)) {
    throw new WSV_ERR_OPTION_INVALID(where, 'redis', "left out where 'fanout' is a fan-out of your own", 'both')
  }
  const { prefix = '', views = [], namespace, ...context } = registration as { prefix?: string, views?: ViewsPlugin[], namespace?: string }
  return {
    prefix: readPrefix(prefix),
    views: Array.isArray(views) ? [...views] : [views],
    namespace,
    context,
    server: server as Partial<ServerOptions>,
    view: merge(viewDefaults, view)
  }
}

/**
 * The server-wide options after one more registration. Not given, or given with the same value, is fine: object literals are compared by their
 * members, everything else (clients, functions, fan-outs) by identity.
 *
 * @param current - `undefined` at the first registration, which fills in the defaults
 * @throws WSV_ERR_OPTION_CONFLICT for another value than an earlier registration gave or left to the default
 */
export function mergeServerOptions (current: ServerOptions | undefined, given: Partial<ServerOptions>): ServerOptions {
  if (current === undefined) return { ...serverDefaults, ...given }
  for (const [name, value] of Object.entries(given)) {
    if (!isSame(current[name as keyof ServerOptions], value)) throw new WSV_ERR_OPTION_CONFLICT(name)
  }
  return current
}

/**
 * Read the options of one view.
 *
 * @param handler - the third argument of `wsView`
 * @param defaults - of the registration that the view belongs to
 * @returns our part, complete, and Fastify's with ours taken out: `{ ...route, method: 'GET', url, handler }` is a route
 * @throws WSV_ERR_OPTION_UNKNOWN, WSV_ERR_OPTION_INVALID
 */
export function readViewOptions (url: string, raw: Record<string, unknown>, handler: unknown, defaults: ViewDefaults):
{ view: ViewOptions, route: Record<string, unknown> } {
  if (typeof url !== 'string' || !/^(?:$|\/|\*)/.test(url)) {
    throw new WSV_ERR_OPTION_INVALID('wsView', 'url', "a string that is empty or begins with '/'", describe(url))
  }
  const where = `wsView '${url}'`
  if (!isObject(raw)) throw new WSV_ERR_OPTION_INVALID(where, 'options', 'an object', describe(raw))

  const own: Record<string, unknown> = {}
  const route: Record<string, unknown> = {}
  for (const [name, value] of given(raw)) {
    if (Object.hasOwn(viewDefaultRules, name)) own[name] = checked(where, name, value, viewDefaultRules)
    else if (Object.hasOwn(viewOnlyRules, name)) own[name] = checked(where, name, value, viewOnlyRules)
    else if (fastifyRouteOptions.includes(name)) route[name] = value
    else throw new WSV_ERR_OPTION_UNKNOWN(where, name, hintForView(name))
  }
  readOwningHandler(where, own, handler)
  addRouteOptions(where, route, own.route)
  delete own.route

  const view: ViewOptions = { ...viewOnlyDefaults, ...merge(defaults, own) } as ViewOptions
  // an owning handler of a JSON view without a messageSchema has nothing to read: it only pushes
  view.takesMessages = view.onMessage !== undefined ||
    (view.handler !== undefined && (view.messageSchema !== undefined || view.frames !== 'json'))
  view.hasForm = view.messageSchema !== undefined && !takesAnything(view.messageSchema)
  checkTogether(where, view, own)
  return { view, route }
}

function given (raw: Record<string, unknown>): [string, unknown][] {
  return Object.entries(raw).filter(([, value]) => value !== undefined)
}

function checked (where: string, name: string, value: unknown, rules: Readonly<Record<string, Rule>>): unknown {
  checkOption(where, name, value, rules[name]!)
  return value
}

function readServerOption (where: string, name: string, value: unknown): unknown {
  if (name === 'websocket' && isPlainObject(value)) {
    const ours = Object.keys(value).find(member => Object.hasOwn(wsOptionsOfOurs, member))
    if (ours !== undefined) throw new WSV_ERR_OPTION_UNKNOWN(where, `websocket.${ours}`, wsOptionsOfOurs[ours]!)
  }
  // A fan-out may be an object literal, whose members are its own affair.
  if (name === 'fanout' && isFanout(value)) return value
  checkOption(where, name, value, serverRules[name as keyof ServerOptions])
  if (name === 'redis') checkRedis(where, value)
  return name === 'baseUrl' ? readBaseUrl(value as string) : value
}

/** Defaults, then what was given; `maxInvalid` and `heartbeat` member by member. */
function merge (defaults: Readonly<ViewDefaults>, given: Record<string, unknown>): ViewDefaults {
  const merged = { ...defaults, ...given } as ViewDefaults
  merged.maxInvalid = { ...defaults.maxInvalid, ...withoutUndefined(given.maxInvalid) }
  merged.heartbeat = { ...defaults.heartbeat, ...withoutUndefined(given.heartbeat) }
  return merged
}

function withoutUndefined (value: unknown): Record<string, unknown> {
  return isObject(value) ? Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) : {}
}

function readPrefix (prefix: string): string {
  const path = prefix.replace(/\/$/, '')
  return path === '' || path.startsWith('/') ? path : `/${path}`
}

function hintForView (name: string): string {
  if (Object.hasOwn(serverRules, name)) return '; it holds for the whole server and is set where wsViews is registered'
  if (Object.hasOwn(registrationRules, name)) return '; it is set where wsViews is registered'
  if (routeOptionsOfOurs.includes(name)) return '; wsView sets it'
  const near = didYouMean(name, [...Object.keys(viewOnlyRules), ...Object.keys(viewDefaultRules), ...fastifyRouteOptions])
  return near !== '' ? near : "; another plugin's route options go into 'route'"
}

function readOwningHandler (where: string, own: Record<string, unknown>, handler: unknown): void {
  if (handler !== undefined) {
    checkOption(where, 'handler', handler, aFunction)
    if (own.handler !== undefined) throw new WSV_ERR_OPTION_INVALID(where, 'handler', 'given once, as an option or as the third argument', 'two')
    own.handler = handler
  }
  if (own.handler !== undefined && own.onMessage !== undefined) {
    throw new WSV_ERR_OPTION_INVALID(where, 'onMessage', 'left out where a handler owns the connection', 'both')
  }
}

function addRouteOptions (where: string, route: Record<string, unknown>, others: unknown): void {
  const constraints = route.constraints
  if (isObject(constraints) && constraints.version !== undefined) {
    throw new WSV_ERR_OPTION_INVALID(where, 'constraints.version', 'left out: a browser cannot send Accept-Version with a handshake', describe(constraints.version))
  }
  if (route.exposeHeadRoute === true) {
    throw new WSV_ERR_OPTION_INVALID(where, 'exposeHeadRoute', 'false: a handshake is a GET request', 'true')
  }
  route.exposeHeadRoute = false
  if (!isObject(others)) return
  for (const [name, value] of Object.entries(others)) {
    const isOurs = Object.hasOwn(viewOnlyRules, name) || Object.hasOwn(viewDefaultRules, name) || fastifyRouteOptions.includes(name)
    if (isOurs) throw new WSV_ERR_OPTION_UNKNOWN(where, `route.${name}`, "; it stands outside 'route'")
    if (routeOptionsOfOurs.includes(name)) throw new WSV_ERR_OPTION_UNKNOWN(where, `route.${name}`, '; wsView sets it')
    route[name] = value
  }
}

/** What can only be said with several options in view. */
function checkTogether (where: string, view: ViewOptions, own: Record<string, unknown>): void {
  if (!view.takesMessages) {
    const unused = (['messageSchema', 'preMessage', 'concurrency'] as const).find((name) => own[name] !== undefined)
    if (unused !== undefined) {
      throw new WSV_ERR_OPTION_INVALID(where, unused, 'left out of a view that takes no messages: it has no onMessage, and no handler to read them', describe(own[unused]))
    }
  }
  if (view.handler !== undefined && own.concurrency !== undefined) {
    throw new WSV_ERR_OPTION_INVALID(where, 'concurrency', 'left out where a handler owns the connection: it asks for one message after the other', describe(own.concurrency))
  }
  if (view.messageSchema === undefined && view.takesMessages && view.frames === 'json') {
    throw new WSV_ERR_OPTION_INVALID(where, 'messageSchema',
      'given where a JSON view takes messages (a schema without constraints, {} or Type.Unknown(), takes anything)', 'undefined')
  }
  const reason = view.messageSchema === undefined
    ? 'there is no messageSchema'
    : !view.hasForm
        ? 'the messageSchema takes anything'
        : typeof view.frames === 'string' && view.frames !== 'json' ? `a message of frames '${view.frames}' has no fields` : undefined
  if (reason !== undefined) {
    const step = formSteps.find(name => view[name] !== undefined)
    if (step !== undefined) throw new WSV_ERR_OPTION_INVALID(where, step, `left out: ${reason}, so there is no form`, describe(view[step]))
    if (typeof view.onMessage === 'object') {
      throw new WSV_ERR_OPTION_INVALID(where, 'onMessage', `a function: ${reason}, so there is no tag to dispatch by`, 'an object')
    }
  }
  if (typeof view.frames === 'object') {
    checkOption(where, 'frames.parse', view.frames.parse, aSyncFunction)
    checkOption(where, 'frames.serialize', view.frames.serialize, aSyncFunction)
  }
  if (own.form === 'strict' && own.unknownKeys !== undefined) {
    throw new WSV_ERR_OPTION_INVALID(where, 'unknownKeys', "left out with form 'strict': the schema's additionalProperties decides", describe(own.unknownKeys))
  }
}

function isSame (a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item, index) => isSame(item, b[index]))
  if (!isPlainObject(a) || !isPlainObject(b)) return false
  const names = Object.keys(a)
  return names.length === Object.keys(b).length && names.every(name => Object.hasOwn(b, name) && isSame(a[name], b[name]))
}
