import type { Static, TSchema } from '@sinclair/typebox'
import type { Cleaned, StaticOf } from './form.ts'

/** Another wire format; synchronous. A `parse` that throws is the error `invalid` on `__all__`. */
export interface WsCodec<In = unknown, Out = never> {
  /**
   * A frame's content as a message.
   *
   * @param data - a string from a text frame, a Buffer from a binary one
   */
  parse (data: string | Buffer): In
  /** A message as text or bytes. */
  serialize (message: Out): string | Uint8Array
  /** the kind of frame it sends; default: binary for bytes, text for a string */
  binary?: boolean
}

/** What a view's frames hold: JSON, text, bytes, either of them as it came, or what a codec reads. */
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
export type Incoming<MessageSchema, Frames> = [MessageSchema] extends [TSchema] ? Cleaned<MessageSchema> : StaticOf<MessageSchema, Parsed<Frames>>

/** What a view sends: `Static` of its replySchema. */
export type Outgoing<ReplySchema, Frames> = [ReplySchema] extends [TSchema] ? Static<ReplySchema> : StaticOf<ReplySchema, Serializable<Frames>>

/**
 * What `onMessage` may return. Without a replySchema only text and bytes may leave (WSV_ERR_REPLY_WITHOUT_SCHEMA).
 * The first branch is never taken: TypeScript looks at it while it still infers, and so keeps `'said'` in
 * `return { type: 'said' }` from becoming `string`. The second is what it asks when nothing is inferred yet.
 */
export type Reply<MessageSchema, ReplySchema, Frames> =
  [''] extends [ReplySchema] ? Literals
    : [ReplySchema] extends [never] ? never
        : [MessageSchema, IsJson<Frames>] extends [undefined, true] ? 'a JSON view that takes messages needs a messageSchema'
            : [ReplySchema] extends [TSchema] ? Static<ReplySchema> & Anything | void
                : [ReplySchema] extends [undefined]
                    ? [Frames] extends ['text' | 'binary' | 'raw'] ? Serializable<Frames> & Anything | void : void
                    : StaticOf<ReplySchema, unknown> & Anything | void

/** `unknown`, written so that a union with it stays a union */
type Anything = {} | null | undefined

type Literals = '' | 0 | false | { readonly [key: string]: Literals } | readonly [Literals, ...Literals[]]
