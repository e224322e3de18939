import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { WsSocket } from './socket.ts'

type Awaitable<Value> = Value | Promise<Value>

/** What handles one checked message; what it returns is the reply. By default it returns nothing, as a view without a replySchema wants it. */
export interface WsMessageHandler<Socket = WsSocket, Message = unknown, ReplyMessage = void> {
  (this: FastifyInstance, socket: Socket, message: Message): Awaitable<ReplyMessage>
}

type IsUnion<Type, Whole = Type> = Type extends unknown ? [Whole] extends [Type] ? false : true : never

/** The properties that tell the branches of a union apart: one or several literals in each branch, of its own. */
type TagsOf<Message, Key extends keyof Message = keyof Message> = true extends IsUnion<Message>
  ? Key extends unknown
    ? false extends HasLiterals<Message, Key> ? never : [ValueInTwo<Message, Key>] extends [never] ? Key : never
    : never
  : never

/** Only one property can be meant. */
type TagOf<Message, Tags = TagsOf<Message>> = true extends IsUnion<Tags> ? never : Tags

type HasLiterals<Branches, Key extends PropertyKey> = Branches extends { [Name in Key]: infer Value } ? IsLiterals<Value> : false
type IsLiterals<Value> = [Value] extends [string | number | boolean]
  ? string extends Value ? false : number extends Value ? false : boolean extends Value ? false : true
  : false

type ValueInTwo<Branches, Key extends keyof Branches, Whole extends Branches = Branches> = Branches extends unknown
  ? Branches[Key] & Exclude<Whole, Branches>[Key]
  : never

type TagName<Value> = `${Value & (string | number | boolean)}`

/** The names in a dispatch table; any where the schema's type is not known. */
type HandlerName<Message> = [TagOf<Message>] extends [never] ? string : TagName<Message[TagOf<Message> & keyof Message]>

/** The error that TypeScript shows. */
type TagNeeded<Message> = unknown extends Message ? unknown
  : [TagsOf<Message>] extends [never] ? () => 'a table needs a union whose branches share a Type.Literal property' : unknown

type Branch<Message, Name, Tag = TagOf<Message>> = [Tag] extends [never]
  ? Message
  : Message extends { [Key in Tag & PropertyKey]: infer Value } ? Name extends TagName<Value> ? Message : never : never

/** One handler per tag of a tagged union, each with its branch of the message. */
export type WsDispatch<Socket, Message, ReplyMessage> = {
  readonly [Name in HandlerName<Message>]: WsMessageHandler<Socket, Branch<Message, Name>, ReplyMessage> & TagNeeded<Message>
}

/** What `onMessage` takes besides a table: a function whose methods do not type the handlers of the tags `call`, `apply` and `bind`. */
export interface MessageFunction<Socket, Message, ReplyMessage> {
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

/** The hooks of `addWsHook`: for all views of an instance and its children, before the view's own. */
export interface WsHooks {
  /** after the form */
  preMessage: WsPreMessage
  /** before a message leaves */
  preSend: WsPreSend
}

/**
 * `fastify.addWsHook`. `this` of the hook is the instance of the view.
 *
 * @throws WSV_ERR_HOOK_TOO_LATE, WSV_ERR_OPTION_INVALID
 */
export type AddWsHook = <Name extends keyof WsHooks>(name: Name, hook: WsHooks[Name]) => FastifyInstance
