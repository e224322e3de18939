import {
  WSV_ERR_URL_PARAM_INVALID, WSV_ERR_URL_PARAM_MISSING, WSV_ERR_URL_PARAM_UNUSED, WSV_ERR_VIEW_INVALID, WSV_ERR_VIEW_NAME_TAKEN,
  WSV_ERR_VIEW_NOT_FOUND
} from './errors.ts'
import { describe, kindOf } from './describe.ts'
import { nearestNames } from './nearest-name.ts'
import { parsePatterns } from './url-pattern.ts'
import type { SegmentPiece, UrlPattern } from './url-pattern.ts'

/** The settings of the router that decide which URL comes back as what. */
export interface RouterSettings {
  /** UTF-16 code units of a decoded parameter; the wildcard has no limit */
  maxParamLength: number
  caseSensitive: boolean
  ignoreTrailingSlash: boolean
  ignoreDuplicateSlashes: boolean
  useSemicolonDelimiter: boolean
}

export interface NamedUrl extends Partial<RouterSettings> {
  /** with its namespace */
  name: string
  /** the full path of the route, with every prefix */
  url: string
  /** a string `host` constraint: absolute URLs get it */
  host?: string | undefined
}

export interface UrlBuilder {
  readonly view: NamedUrl & RouterSettings
  /** its last pattern has all parameters */
  readonly patterns: readonly UrlPattern[]
}

export type UrlParam = string | number | bigint | boolean
export type UrlParams = Readonly<Record<string, UrlParam | undefined>>
export type UrlQuery = Readonly<Record<string, UrlParam | readonly UrlParam[] | null | undefined>>

const routerDefaults: RouterSettings = {
  maxParamLength: 100,
  caseSensitive: true,
  ignoreTrailingSlash: false,
  ignoreDuplicateSlashes: false,
  useSemicolonDelimiter: false
}

/**
 * The settings of an instance's router.
 *
 * @param config - `instance.initialConfig`, which has them at the top before Fastify 5.5, and then in `routerOptions`
 */
export function readRouterSettings (config: object): RouterSettings {
  const { routerOptions, ...top } = config as Partial<RouterSettings> & { routerOptions?: Partial<RouterSettings> }
  const given = { ...top, ...routerOptions }
  return {
    maxParamLength: given.maxParamLength || routerDefaults.maxParamLength,
    caseSensitive: given.caseSensitive ?? routerDefaults.caseSensitive,
    ignoreTrailingSlash: given.ignoreTrailingSlash ?? routerDefaults.ignoreTrailingSlash,
    ignoreDuplicateSlashes: given.ignoreDuplicateSlashes ?? routerDefaults.ignoreDuplicateSlashes,
    useSemicolonDelimiter: given.useSemicolonDelimiter ?? routerDefaults.useSemicolonDelimiter
  }
}

/**
 * Take the path of a view apart, once.
 *
 * @throws WSV_ERR_VIEW_INVALID for a path that no request can match
 */
export function compileUrl (view: NamedUrl): UrlBuilder {
  try {
    const complete = { ...routerDefaults, ...view }
    return { view: complete, patterns: parsePatterns(view.url, complete.useSemicolonDelimiter) }
  } catch (error) {
    const invalid = new WSV_ERR_VIEW_INVALID(view.name, (error as Error).message)
    invalid.cause = error as Error
    throw invalid
  }
}

/**
 * Build the path of a view. Whatever it returns, the view's route gives the same params back, as text; what another route would answer
 * (`/chat/new` beside `/chat/:room`) is not known here.
 *
 * @param params - one value per parameter of the path, the wildcard's under `*`; each is percent-encoded (RFC 3986 §2.1), the wildcard's slashes are not.
 *   A last parameter that is optional may be left out. `undefined` counts as not given.
 * @param query - appended in order; an array repeats its key, `null` and `undefined` are skipped
 * @returns `/v1/chat/42?since=7`
 * @throws WSV_ERR_URL_PARAM_MISSING, WSV_ERR_URL_PARAM_UNUSED
 * @throws WSV_ERR_URL_PARAM_INVALID for a value that is no text, is empty, too long, not what the path's pattern matches, or would not come back unchanged
 */
export function resolveUrl (builder: UrlBuilder, params: UrlParams = {}, query?: UrlQuery): string {
  const { view } = builder
  const pattern = choosePattern(builder, params)
  const comeBack: string[] = []
  let path = ''
  for (const piece of pattern.pieces) {
    if (piece.kind === 'static') path += piece.text
    else if (piece.kind === 'segment') path += fillSegment(view, piece, params, piece === pattern.pieces.at(-1), comeBack)
    else path += fillWildcard(view, path, params, comeBack)
  }
  checkParams(view, pattern, params, comeBack)
  if (pattern.names.length > 0) checkPath(view, pattern, path, params)
  return query === undefined ? path : path + buildQuery(view, query)
}

function choosePattern ({ view, patterns }: UrlBuilder, params: UrlParams): UrlPattern {
  if (typeof params !== 'object' || params === null) {
    throw new WSV_ERR_URL_PARAM_INVALID(view.name, 'params', 'an object with a value for each parameter', describe(params))
  }
  const full = patterns.at(-1)!
  const given = Object.keys(params).filter(name => params[name] !== undefined)
  const unused = given.find(name => !full.names.includes(name))
  if (unused !== undefined) throw new WSV_ERR_URL_PARAM_UNUSED(view.name, unused, view.url)
  const [shortest] = patterns
  return given.every(name => shortest!.names.includes(name)) ? shortest! : full
}

/** @param comeBack - gets what the router will find: it gives values to names by position, each group of a RegExp has one */
function fillSegment (view: NamedUrl & RouterSettings, piece: SegmentPiece, params: UrlParams, isLast: boolean, comeBack: string[]): string {
  const { names, texts, regexp } = piece
  const values = names.map(name => readParam(view, name, params))
  for (const [index, value] of values.entries()) {
    if (value.length > view.maxParamLength) {
      throw new WSV_ERR_URL_PARAM_INVALID(view.name, names[index]!, `at most ${view.maxParamLength} characters long (maxParamLength)`, String(value.length))
    }
    // The router goes by positions in the lower-case path, where İ (U+0130) takes two.
    if (!view.caseSensitive && !isLast && value.toLowerCase().length !== value.length) {
      throw new WSV_ERR_URL_PARAM_INVALID(view.name, names[index]!, 'as long in lower case (the router ignores case)', describe(value))
    }
  }
  if (regexp === undefined) {
    comeBack.push(values[0]!)
    return encode(values[0]!)
  }
  const segment = values.map((value, index) => value + texts[index]!).join('')
  const matched = regexp.exec(segment)
  if (matched === null) throw refusedByPattern(view, names, values)
  for (let group = 1; group < matched.length; group++) comeBack.push(matched[group] ?? '')
  return encode(segment)
}

function refusedByPattern (view: NamedUrl, names: string[], values: string[]): Error {
  return new WSV_ERR_URL_PARAM_INVALID(view.name, names.join("', '"), `what '${view.url}' matches, unchanged`, values.map(describe).join(', '))
}

function checkParams (view: NamedUrl, { names }: UrlPattern, params: UrlParams, comeBack: string[]): void {
  for (const [index, name] of names.entries()) {
    const value = String(params[name])
    if (comeBack[index] !== value) throw refusedByPattern(view, [name], [value])
  }
}

function fillWildcard (view: NamedUrl & RouterSettings, before: string, params: UrlParams, comeBack: string[]): string {
  const value = readParam(view, '*', params)
  comeBack.push(value)
  if (before === '' && !value.startsWith('/')) {
    throw new WSV_ERR_URL_PARAM_INVALID(view.name, '*', "a path that begins with '/'", describe(value))
  }
  if (view.ignoreDuplicateSlashes && (before.slice(-1) + value).includes('//')) {
    throw new WSV_ERR_URL_PARAM_INVALID(view.name, '*', 'without empty path segments (ignoreDuplicateSlashes)', describe(value))
  }
  if (view.ignoreTrailingSlash && value.endsWith('/')) {
    throw new WSV_ERR_URL_PARAM_INVALID(view.name, '*', 'without a slash at the end (ignoreTrailingSlash)', describe(value))
  }
  return value.split('/').map(encode).join('/')
}

/** What the router would give back, but a browser or a proxy on the way there would not (RFC 3986 §5.2.4, §4.2). */
function checkPath (view: NamedUrl, { names }: UrlPattern, path: string, params: UrlParams): void {
  if (/\/\.\.?(?:\/|$)/.test(path)) {
    const name = names.find(name => /(?:^|\/)\.\.?(?:\/|$)/.test(String(params[name]))) ?? names[0]!
    throw new WSV_ERR_URL_PARAM_INVALID(view.name, name, "such that no path segment is '.' or '..'", describe(params[name]))
  }
  if (path.startsWith('//')) {
    throw new WSV_ERR_URL_PARAM_INVALID(view.name, names[0]!, "such that the path does not begin with '//', which names a host", describe(params[names[0]!]))
  }
}

function readParam (view: NamedUrl, name: string, params: UrlParams): string {
  const value = Object.hasOwn(params, name) ? params[name] : undefined
  if (value === undefined) throw new WSV_ERR_URL_PARAM_MISSING(view.name, name, view.url)
  const text = readText(view, name, value)
  if (text === '') throw new WSV_ERR_URL_PARAM_INVALID(view.name, name, 'a text that is not empty', describe(value))
  return text
}

function readText (view: Pick<NamedUrl, 'name'>, name: string, value: unknown): string {
  if (typeof value === 'string') {
    if (/\p{Surrogate}/u.test(value)) throw new WSV_ERR_URL_PARAM_INVALID(view.name, name, 'well-formed Unicode', 'a lone surrogate')
    return value
  }
  if (typeof value === 'boolean' || typeof value === 'bigint' || Number.isFinite(value)) return String(value)
  throw new WSV_ERR_URL_PARAM_INVALID(view.name, name, 'a string, a finite number, a bigint or a boolean', describe(value))
}

/** @returns `?since=7`, or `''` when nothing is given */
export function buildQuery (view: Pick<NamedUrl, 'name'>, query: UrlQuery): string {
  if (typeof query !== 'object' || query === null || Array.isArray(query)) {
    throw new WSV_ERR_URL_PARAM_INVALID(view.name, 'query', 'an object', kindOf(query))
  }
  const pairs: string[] = []
  for (const [key, value] of Object.entries(query)) {
    if (value === undefined || value === null) continue
    const name = encode(readText(view, `query.${describe(key)}`, key))
    for (const item of Array.isArray(value) ? value : [value]) {
      pairs.push(`${name}=${encode(readText(view, `query.${key}`, item))}`)
    }
  }
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`
}

/** All but the unreserved characters of RFC 3986 §2.3: `'` and its like too, so that a URL can stand between quotes in a page. */
function encode (text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, char => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
}

/** The views of a server by name. */
export class ViewNames {
  readonly #builders = new Map<string, UrlBuilder>()

  /** @throws WSV_ERR_VIEW_NAME_TAKEN, WSV_ERR_VIEW_INVALID */
  add (view: NamedUrl): UrlBuilder {
    const taken = this.#builders.get(view.name)
    if (taken !== undefined) throw new WSV_ERR_VIEW_NAME_TAKEN(view.name, taken.view.url)
    const builder = compileUrl(view)
    this.#builders.set(view.name, builder)
    return builder
  }

  /** @throws WSV_ERR_VIEW_NOT_FOUND with the names there are, the nearest first, at most twenty */
  get (name: string): UrlBuilder {
    const builder = this.#builders.get(name)
    if (builder === undefined) throw new WSV_ERR_VIEW_NOT_FOUND(String(name), this.#list(String(name)))
    return builder
  }

  #list (name: string): string {
    const nearest = nearestNames(name, this.#builders.keys())
    if (nearest.length === 0) return 'none'
    const more = nearest.length - 20
    return nearest.slice(0, 20).map(known => `'${known}'`).join(', ') + (more > 0 ? ` and ${more} more` : '')
  }
}
