/**
 * The views whose names and parameters `wsUrl` checks at compile time. Merge yours into it; without that any
 * name is accepted.
 *
 * ```ts
 * declare module 'fastify-ws-views' {
 *   interface WsViewTypes {
 *     views: [typeof chat, typeof feed]   // each made by defineView
 *     prefix: '/:tenant'                  // only if the prefixes above them have parameters
 *   }
 * }
 * ```
 */
export interface WsViewTypes {}

/** A value in a URL; it is percent-encoded. */
export type WsUrlParam = string | number | bigint | boolean

/** The options of `wsUrl`. */
export interface WsUrlOptions {
  /** appended in order; a list repeats its key, `undefined` is skipped */
  query?: Readonly<Record<string, WsUrlParam | readonly WsUrlParam[] | undefined>>
}

interface RegisteredView { readonly url: string, readonly __types?: { name: string } }

type Registered = WsViewTypes extends { views: readonly (infer View)[] } ? View & RegisteredView : never
type Prefix = WsViewTypes extends { prefix: infer Value extends string } ? Value : ''
type NameOf<View> = View extends { __types?: { name: infer Name extends string } } ? Name : never
type RegisteredUrl<Name, View = Registered> = View extends { url: infer Url extends string }
  ? Name extends NameOf<View> | `${string}:${NameOf<View>}` ? Url : never
  : never

/** The names that `wsUrl` knows, with or without a namespace in front. */
export type WsViewName = [Registered] extends [never] ? string : NameOf<Registered> | `${string}:${NameOf<Registered>}`

/** `wsUrl(name, params?, options?)`; `params` may only be left out when the pattern needs none. */
export type WsUrlArguments<Name> = [Registered] extends [never]
  ? AnyArguments
  // an unknown name has all of them for a type: the error is about the name then
  : WsViewName extends Name ? AnyArguments : PatternArguments<`${Prefix}${RegisteredUrl<Name>}`>

type AnyArguments = [params?: Readonly<Record<string, WsUrlParam | undefined>>, options?: WsUrlOptions]

type PatternArguments<Pattern extends string> = string extends Pattern
  ? AnyArguments
  : [ParamOf<Pattern>] extends [never]
      ? [params?: Readonly<Record<string, never>>, options?: WsUrlOptions]
      : RequiredOf<ParamOf<Pattern>> extends never
        ? [params?: PatternParams<Pattern, WsUrlParam>, options?: WsUrlOptions]
        : [params: PatternParams<Pattern, WsUrlParam>, options?: WsUrlOptions]

/**
 * Build the URL of a named view: its path with the prefixes of the enclosing contexts, absolute when `baseUrl` is set.
 *
 * @throws WSV_ERR_VIEW_NOT_FOUND, WSV_ERR_URL_PARAM_MISSING, WSV_ERR_URL_PARAM_UNUSED, WSV_ERR_URL_PARAM_INVALID
 */
export type WsUrl = <Name extends WsViewName>(name: Name, ...args: WsUrlArguments<Name>) => string

// ---------- find-my-way's patterns

/** One value per parameter of a route's pattern: `/:room/:page?` is `{ room: …, page?: … }`. */
export type PatternParams<Pattern extends string, Value = string> = string extends Pattern
  ? unknown
  : [ParamOf<Pattern>] extends [never] ? unknown : Flat<
    & { [Name in RequiredOf<ParamOf<Pattern>>]: Value }
    & { [Name in OptionalOf<ParamOf<Pattern>>]?: Value }>

type Flat<Value> = { [Key in keyof Value]: Value[Key] }
type RequiredOf<Param> = Param extends `${string}?` ? never : Param & string
type OptionalOf<Param> = Param extends `${infer Name}?` ? Name : never

/** The parameters' names, an optional one with its `?`: `'room' | 'page?'`. */
type ParamOf<Pattern extends string> =
  Pattern extends `${infer Before}:${infer After}`
    ? After extends `:${infer Rest}` // '::' is a colon
      ? ParamOf<`${Before}${Rest}`>
      : ReadName<After>
    : Pattern extends `${string}*` ? '*' : never

type ReadName<Text extends string, Name extends string = ''> =
  Text extends `${infer First}${infer Rest}`
    ? First extends '/' | '-' | '.' ? Name | ParamOf<Rest>
      : First extends '(' ? Name | SkipRegExp<Rest>
        : First extends '?' ? `${Name}?` | ParamOf<Rest>
          : ReadName<Rest, `${Name}${First}`>
    : Name

type SkipRegExp<Text extends string, Depth extends unknown[] = []> =
  Text extends `${infer First}${infer Rest}`
    ? First extends '\\' ? Rest extends `${string}${infer Next}` ? SkipRegExp<Next, Depth> : never
      : First extends '(' ? SkipRegExp<Rest, [...Depth, unknown]>
        : First extends ')'
          ? Depth extends [unknown, ...infer Less] ? SkipRegExp<Rest, Less> : ParamOf<Rest>
          : SkipRegExp<Rest, Depth>
    : never
