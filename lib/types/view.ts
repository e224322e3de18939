import type {
  ContextConfigDefault, FastifyInstance, FastifyReply, FastifyRequest, FastifySchema, RawReplyDefaultExpression,
  RawRequestDefaultExpression, RawServerDefault, RouteShorthandOptions
} from 'fastify'
import type { Static, TSchema } from '@sinclair/typebox'
import type { Cleaned, FormSteps } from './form.ts'
import type { WsViewSettings } from './options.ts'
import type { CloseInfo, WsSocket } from './socket.ts'
import type { PatternParams } from './url.ts'

// ---------- frames

/** Another wire format. A `parse` that throws is the error `invalid` on `__all__`. */
export interface WsCodec<In = unknown, Out = never> {
  /** @param data - a string from a text frame, a Buffer from a binary one */
  parse (data: string | Buffer): In
  serialize (message: Out): string | Uint8Array
  /** the kind of frame it sends; default: binary for bytes, text for a string */
  binary?: boolean
}

export type WsFrames = 'json' | 'text' | 'binary' | 'raw' | WsCodec

/** A view that does not name its frames has all of them for a type: it speaks JSON. */
type IsJson<Frames> = [WsFrames] extends [Frames] ? true : [Frames] extends ['json'] ? true : false

/** What comes out of a frame that no schema has checked. */
type Parsed<Frames> = IsJson<Frames> extends true ? unknown
  : Frames extends 'text' ? string
    : Frames extends 'binary' ? Buffer
      : Frames extends 'raw' ? string | Buffer
        : Frames extends { parse (...args: never): infer Message } ? Message : unknown

/** What may go into one; any bytes will do. */
type Serializable<Frames> = IsJson<Frames> extends true ? unknown
  : Frames extends 'text' ? string
    : Frames extends 'binary' ? Uint8Array
      : Frames extends 'raw' ? string | Uint8Array
        : Frames extends { serialize (message: infer Message): unknown } ? Message : unknown

/** What a view's handlers are given. */
export type Incoming<MessageSchema, Frames> = [MessageSchema] extends [TSchema] ? Cleaned<MessageSchema> : Parsed<Frames>

/** What a view sends: `Static` of its replySchema. */
export type Outgoing<ReplySchema, Frames> = [ReplySchema] extends [TSchema] ? Static<ReplySchema> : Serializable<Frames>

/**
 * What `onMessage` may return. Without a replySchema only text and bytes may leave (WSV_ERR_REPLY_WITHOUT_SCHEMA).
 * The first branch is never taken: TypeScript looks at it while it still infers, and so keeps `'said'` in
 * `return { type: 'said' }` from becoming `string`.
 */
export type Reply<MessageSchema, ReplySchema, Frames> =
  [ReplySchema] extends [never] ? Literals
    : [MessageSchema, IsJson<Frames>] extends [undefined, true] ? 'a JSON view that takes messages needs a messageSchema'
        : [ReplySchema] extends [TSchema] ? Static<ReplySchema> & Anything | void
            : [ReplySchema] extends [undefined]
                ? [Frames] extends ['text' | 'binary' | 'raw'] ? Serializable<Frames> & Anything | void : void
                : Anything | void

/** `unknown`, written so that a union with it stays a union */
type Anything = {} | null | undefined

type Literals = '' | 0 | false | { readonly [key: string]: Literals } | readonly [Literals, ...Literals[]]

// ---------- the request

type StaticOf<Schema, Part extends string, Otherwise = unknown> = Schema extends { [Key in Part]: infer Type extends TSchema } ? Static<Type> : Otherwise

/** Params, querystring and headers as the route's `schema` has them; params without a schema as the pattern has them. */
interface ViewRoute<Url extends string, Schema> {
  Params: StaticOf<Schema, 'params', PatternParams<Url>>
  Querystring: StaticOf<Schema, 'querystring'>
  Headers: StaticOf<Schema, 'headers'>
}

export type WsRequest<Url extends string = string, Schema = unknown> = FastifyRequest<ViewRoute<Url, Schema>>

// ---------- handlers

type Awaitable<Value> = Value | Promise<Value>

export interface WsMessageHandler<Socket = WsSocket, Message = unknown, ReplyMessage = unknown> {
  (this: FastifyInstance, socket: Socket, message: Message): Awaitable<ReplyMessage>
}

type IsUnion<Type, Whole = Type> = Type extends unknown ? [Whole] extends [Type] ? false : true : never

/** The properties that are a `const` in every branch, and not the same one in all. */
type TagOf<Message, Key extends keyof Message = keyof Message> = Key extends unknown
  ? false extends IsConstIn<Message, Key> ? never : true extends IsUnion<Message[Key]> ? Key : never
  : never

type IsConstIn<Branches, Key extends PropertyKey> = Branches extends { [Name in Key]: infer Value } ? IsConst<Value> : false
type IsConst<Value> = [Value] extends [string | number | boolean]
  ? string extends Value ? false : number extends Value ? false : true extends IsUnion<Value> ? false : true
  : false

type TagName<Value> = `${Value & (string | number | boolean)}`

/** The names in a dispatch table; any where the schema's type is not known. */
type HandlerName<Message> = [TagOf<Message>] extends [never] ? string : TagName<Message[TagOf<Message>]>

/** The error that TypeScript shows. */
type TagNeeded<Message> = unknown extends Message ? unknown
  : [TagOf<Message>] extends [never] ? () => 'a table needs a union whose branches share a Type.Literal property' : unknown

type Branch<Message, Name, Tag = TagOf<Message>> = [Tag] extends [never]
  ? Message
  : Message extends { [Key in Tag & PropertyKey]: infer Value } ? Name extends TagName<Value> ? Message : never : never

/** One handler per tag of a tagged union, each with its branch of the message. */
export type WsDispatch<Socket, Message, ReplyMessage> = {
  readonly [Name in HandlerName<Message>]: WsMessageHandler<Socket, Branch<Message, Name>, ReplyMessage> & TagNeeded<Message>
}

/** What `onMessage` takes besides a table: a function whose methods do not type the handlers of the tags `call`, `apply` and `bind`. */
interface MessageFunction<Socket, Message, ReplyMessage> {
  (this: FastifyInstance, socket: Socket, message: Message): Awaitable<ReplyMessage>
  readonly call: object
  readonly apply: object
  readonly bind: object
}

/** The owning style: runs for the whole connection; when it returns the socket closes with 1000, when it throws with 1011. */
export interface WsHandler<Socket = WsSocket, Request = FastifyRequest> {
  (this: FastifyInstance, socket: Socket, request: Request): void | Promise<void>
}

/** After the form, before the handler: throw `ValidationError` (an error reply), or close. */
export interface WsPreMessage<Socket = WsSocket, Message = unknown> {
  (this: FastifyInstance, socket: Socket, message: Message): void | Promise<void>
}

/** Replaces what goes to this socket, or drops it (`undefined`). Synchronous. */
export interface WsPreSend<Socket = WsSocket> {
  (this: FastifyInstance, socket: Socket, message: unknown): unknown
}

// ---------- options

/** Fastify's own route options that a view may have, hooks included. */
type RouteOption =
  | 'schema' | 'attachValidation' | 'validatorCompiler' | 'serializerCompiler' | 'schemaErrorFormatter' | 'errorHandler'
  | 'config' | 'logLevel' | 'logSerializers' | 'childLoggerFactory' | 'prefixTrailingSlash'
  | 'onRequest' | 'preParsing' | 'preValidation' | 'preHandler' | 'preSerialization' | 'onSend' | 'onResponse'
  | 'onError' | 'onTimeout' | 'onRequestAbort'

type RouteOptionsOf<Url extends string, Schema> = Pick<RouteShorthandOptions<
  RawServerDefault, RawRequestDefaultExpression, RawReplyDefaultExpression, ViewRoute<Url, Schema>, ContextConfigDefault>,
  Exclude<RouteOption, 'schema'>>

interface WsViewBase<Url extends string, Name extends string, MessageSchema, ReplySchema, Frames, Schema, Data, Socket, Message>
  extends RouteOptionsOf<Url, Schema>, FormSteps<Message>, WsViewSettings {
  /** Unique in the server, together with its namespace; `wsUrl`, logs and documents use it. */
  name: Name
  /** What a client may send. Required for a JSON view that takes messages; `Type.Unknown()` or `{}` takes anything, as it came. */
  messageSchema?: MessageSchema
  /** What the view itself sends: `socket.send` and what `onMessage` returns. Undeclared properties are left out. */
  replySchema?: ReplySchema
  /** Text frames holding JSON; text as it is; bytes as they are; both (a string or a Buffer); or a codec. Default `'json'` */
  frames?: Frames
  /** Fastify's: checks params, querystring and headers of the handshake. */
  schema?: Schema
  /** Fastify's, without `version`. */
  constraints?: { version?: never, host?: string | RegExp, [name: string]: unknown }
  /** Makes `socket.data`, after the request's hooks. Write it before the handlers: its type reaches only what stands after it. */
  data? (this: FastifyInstance, request: NoInfer<WsRequest<Url, Schema>>): Data | Promise<Data>
  /** The socket is open; messages wait until it has settled. */
  onOpen? (this: FastifyInstance, socket: NoInfer<Socket>): void | Promise<void>
  /** Exactly once for every socket whose `onOpen` was started. */
  onClose? (this: FastifyInstance, socket: NoInfer<Socket>, info: CloseInfo): void | Promise<void>
  /** The fan-out was away and is back: messages of these channels may be missing. Once per outage. */
  onGap? (this: FastifyInstance, socket: NoInfer<Socket>, channels: string[]): void | Promise<void>
  /** After the form, before the handler: throw `ValidationError` (an error reply), or close. */
  preMessage?: WsPreMessage<NoInfer<Socket>, Message>
  /** Replaces what goes to this socket, or drops it (`undefined`). Synchronous; costs one serialisation per socket. */
  preSend?: WsPreSend<NoInfer<Socket>>
  /** Accepted subprotocols, in the server's order. Default none */
  subprotocols?: readonly string[]
  /** Answers a GET that is no upgrade. Default: 426 */
  page? (this: FastifyInstance, request: NoInfer<WsRequest<Url, Schema>>, reply: FastifyReply): unknown
  /** Route options of other plugins: `{ helmet: false }`. */
  route?: Readonly<Record<string, unknown>>
}

/** The options of a view in event style. */
export interface WsViewOptions<
  Url extends string = string, Name extends string = string, MessageSchema = object | undefined,
  ReplySchema = object | undefined, Frames = WsFrames, Schema = FastifySchema, Data = unknown,
  Message = Incoming<MessageSchema, Frames>,
  Socket = WsSocket<Data, Outgoing<ReplySchema, Frames>, Message, WsRequest<Url, Schema>>
> extends WsViewBase<Url, Name, MessageSchema, ReplySchema, Frames, Schema, Data, Socket, Message> {
  /** One checked message; what it returns is sent as the reply. Or a table: one handler per tag of a tagged union. */
  onMessage?:
    | MessageFunction<NoInfer<Socket>, Message, Reply<MessageSchema, ReplySchema, Frames>>
    | WsDispatch<NoInfer<Socket>, Message, Reply<MessageSchema, ReplySchema, Frames>>
}

/** The options of a view in owning style: `wsView(url, options, handler)`. */
export interface WsOwningViewOptions<
  Url extends string = string, Name extends string = string, MessageSchema = object | undefined,
  ReplySchema = object | undefined, Frames = WsFrames, Schema = FastifySchema, Data = unknown,
  Message = Incoming<MessageSchema, Frames>,
  Socket = WsSocket<Data, Outgoing<ReplySchema, Frames>, Message, WsRequest<Url, Schema>>
> extends WsViewBase<Url, Name, MessageSchema, ReplySchema, Frames, Schema, Data, Socket, Message> {
  onMessage?: 'a view with a handler reads its messages from the socket, it has no onMessage'
}

// ---------- declaring

/** What `defineView` makes: a view that no instance has yet. */
export interface WsView<Url extends string = string, Name extends string = string, In = unknown, Out = unknown> {
  readonly url: Url
  readonly options: WsViewOptions
  readonly handler: WsHandler | undefined
  /** only in the types */
  readonly __types?: { name: Name, message: In, reply: Out }
}

export interface DefineView {
  /** A view in event style. */
  <Url extends string, Name extends string, MessageSchema extends object | undefined = undefined,
    ReplySchema extends object | undefined = undefined, Frames extends WsFrames = WsFrames,
    Schema extends FastifySchema = FastifySchema, Data = unknown>(
    url: Url,
    options: WsViewOptions<Url, Name, MessageSchema, ReplySchema, Frames, Schema, Data>
  ): WsView<Url, Name, Incoming<MessageSchema, Frames>, Outgoing<ReplySchema, Frames>>
  /** A view in owning style. */
  <Url extends string, Name extends string, MessageSchema extends object | undefined = undefined,
    ReplySchema extends object | undefined = undefined, Frames extends WsFrames = WsFrames,
    Schema extends FastifySchema = FastifySchema, Data = unknown>(
    url: Url,
    options: WsOwningViewOptions<Url, Name, MessageSchema, ReplySchema, Frames, Schema, Data>,
    handler: NoInfer<HandlerOf<Url, MessageSchema, ReplySchema, Frames, Schema, Data>>
  ): WsView<Url, Name, Incoming<MessageSchema, Frames>, Outgoing<ReplySchema, Frames>>
}

type HandlerOf<Url extends string, MessageSchema, ReplySchema, Frames, Schema, Data> = WsHandler<
  WsSocket<Data, Outgoing<ReplySchema, Frames>, Incoming<MessageSchema, Frames>, WsRequest<Url, Schema>>,
  WsRequest<Url, Schema>>

/** `instance.wsView`; the number of arguments tells the styles apart, so that errors speak of one style only. */
export interface DeclareView {
  /** A view in event style. */
  <Url extends string, MessageSchema extends object | undefined = undefined,
    ReplySchema extends object | undefined = undefined, Frames extends WsFrames = WsFrames,
    Schema extends FastifySchema = FastifySchema, Data = unknown>(
    url: Url,
    options: WsViewOptions<Url, string, MessageSchema, ReplySchema, Frames, Schema, Data>
  ): FastifyInstance
  /** A view in owning style. */
  <Url extends string, MessageSchema extends object | undefined = undefined,
    ReplySchema extends object | undefined = undefined, Frames extends WsFrames = WsFrames,
    Schema extends FastifySchema = FastifySchema, Data = unknown>(
    url: Url,
    options: WsOwningViewOptions<Url, string, MessageSchema, ReplySchema, Frames, Schema, Data>,
    handler: NoInfer<HandlerOf<Url, MessageSchema, ReplySchema, Frames, Schema, Data>>
  ): FastifyInstance
  /** A view made by `defineView`. */
  (view: WsView): FastifyInstance
}

/** `routeOptions.wsView` in Fastify's `onRoute`: a view as it will run. */
export interface DeclaredView {
  /** with its namespace */
  readonly name: string
  readonly messageSchema: object | undefined
  readonly replySchema: object | undefined
  readonly frames: WsFrames
  readonly subprotocols: readonly string[]
}

// ---------- hooks of an instance

/** The hooks of `addWsHook`: for all views of an instance and its children, before the view's own. */
export interface WsHooks {
  preMessage: WsPreMessage
  preSend: WsPreSend
}

export type AddWsHook = <Name extends keyof WsHooks>(name: Name, hook: WsHooks[Name]) => FastifyInstance
