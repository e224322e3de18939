import type {
  ContextConfigDefault, FastifyContextConfig, FastifyInstance, FastifyReply, FastifyRequest, FastifySchema, RawReplyDefaultExpression,
  RawRequestDefaultExpression, RawServerDefault, RouteShorthandOptions
} from 'fastify'
import type { FormSteps, StaticOf } from './form.ts'
import type { Incoming, Outgoing, Reply, WsFrames } from './frames.ts'
import type { MessageFunction, WsDispatch, WsHandler, WsPreMessage, WsPreSend } from './handlers.ts'
import type { WsViewSettings } from './options.ts'
import type { CloseInfo, WsSocket } from './socket.ts'
import type { PatternParams } from './url.ts'

// ---------- the request

type PartOf<Schema, Part extends string, Otherwise = unknown> = Schema extends { [Key in Part]: infer Type } ? StaticOf<Type, Otherwise> : Otherwise

/** Params, querystring and headers as the route's `schema` has them; params without a schema as the pattern has them. */
interface ViewRoute<Url extends string, Schema> {
  Params: PartOf<Schema, 'params', PatternParams<Url>>
  Querystring: PartOf<Schema, 'querystring'>
  Headers: PartOf<Schema, 'headers'>
}

/** The request of a view's handshake. */
export type WsRequest<Url extends string = string, Schema = unknown> = FastifyRequest<ViewRoute<Url, Schema>>

// ---------- options

/** Fastify's own route options that a view may have, hooks included. */
type RouteOption =
  | 'attachValidation' | 'validatorCompiler' | 'serializerCompiler' | 'schemaErrorFormatter' | 'errorHandler'
  | 'logLevel' | 'logSerializers' | 'childLoggerFactory' | 'prefixTrailingSlash'
  | 'onRequest' | 'preParsing' | 'preValidation' | 'preHandler' | 'preSerialization' | 'onSend' | 'onResponse'
  | 'onError' | 'onTimeout' | 'onRequestAbort'

type RouteOptionsOf<Url extends string, Schema> = Pick<RouteShorthandOptions<
  RawServerDefault, RawRequestDefaultExpression, RawReplyDefaultExpression, ViewRoute<Url, Schema>, ContextConfigDefault>,
  RouteOption>

/** Fastify's route constraints. A browser cannot send the header of a `version`. */
interface ViewConstraints {
  /** a browser cannot send it */
  version?: never
  /** the `Host` of the handshake */
  host?: string | RegExp
  [name: string]: unknown
}

interface WsViewBase<Url extends string, Name extends string, MessageSchema, ReplySchema, Frames, Schema, Data, Socket, Message>
  extends RouteOptionsOf<Url, Schema>, FormSteps<Message>, WsViewSettings {
  /** Unique in the server, together with its namespace; `wsUrl`, logs and documents use it. A view without one goes by its URL in the logs. */
  name?: Name
  /** What a client may send. Required for a JSON view that takes messages; `Type.Unknown()` or `{}` takes anything, as it came. */
  messageSchema?: MessageSchema
  /** What the view itself sends: `socket.send` and what `onMessage` returns. Undeclared properties are left out. */
  replySchema?: ReplySchema
  /** Text frames holding JSON; text as it is; bytes as they are; both (a string or a Buffer); or a codec. Default `'json'` */
  frames?: Frames
  /** Fastify's: checks params, querystring and headers of the handshake. */
  schema?: Schema
  /** Fastify's: what hooks find in `request.routeOptions.config`. */
  config?: FastifyContextConfig & { [name: string]: unknown }
  /** Fastify's, without `version`. */
  constraints?: ViewConstraints
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
  /** none: the handler reads the messages */
  onMessage?: 'a view with a handler reads its messages from the socket, it has no onMessage'
}

// ---------- declaring

/** What `defineView` makes: a view that no instance has yet. */
export interface WsView<Url extends string = string, Name extends string = string, In = unknown, Out = unknown> {
  /** the pattern of its route, without prefixes */
  readonly url: Url
  /** as they were given */
  readonly options: WsViewOptions
  /** of the owning style */
  readonly handler: WsHandler | undefined
  /** @hidden only in the types; `WsViewTypes` of an application reads it, so it is published */
  readonly __types?: { name: Name, message: In, reply: Out }
}

/** `defineView`. Nothing is checked before an instance declares the view. */
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

/**
 * `instance.wsView`; the number of arguments tells the styles apart, so that errors speak of one style only.
 *
 * @throws WSV_ERR_OPTION_UNKNOWN, WSV_ERR_OPTION_INVALID, WSV_ERR_VIEW_NAME_TAKEN, WSV_ERR_VIEW_INVALID, WSV_ERR_VIEW_TOO_LATE,
 *   WSV_ERR_PREFIX_AMBIGUOUS; when the server gets ready WSV_ERR_SCHEMA_INVALID, WSV_ERR_PATTERN_UNSAFE, WSV_ERR_VIEW_INVALID
 */
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

/** A view as it will run: `fastify.wsViews` lists them, and `routeOptions.wsView` has it in Fastify's `onRoute`. */
export interface DeclaredView {
  /** with its namespace */
  readonly name: string | undefined
  /** the full path of its route, with every prefix, as a pattern: `/ws/room/:id` */
  readonly url: string
  /** a string `host` constraint */
  readonly host: string | undefined
  /** as it was given */
  readonly messageSchema: object | undefined
  /** as it was given */
  readonly replySchema: object | undefined
  /** `'json'` where none were given */
  readonly frames: WsFrames
  /** in the server's order */
  readonly subprotocols: readonly string[]
}
