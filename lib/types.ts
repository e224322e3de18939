import type { FastifyInstance, FastifyReply, FastifyRequest, RouteShorthandOptions } from 'fastify'
import type { TSchema, Static, StaticDecode } from '@sinclair/typebox'
import type { WebSocket, ServerOptions } from 'ws'

// ---------- forms

export interface FormError {
  message: string
  code: string
  params?: Record<string, unknown>
}
/** Errors by field path (`person.first_name`); `__all__` is the message as a whole. */
export type FormErrors = Record<string, FormError[]>
export type FormResult<T = unknown> =
  | { ok: true, cleaned: T, errors: null }
  | { ok: false, cleaned: null, errors: FormErrors }

// ---------- fan-out

/** A channel with a schema, made by `defineChannel`. */
export interface Channel<T = unknown> {
  readonly name: string
  readonly schema: unknown
  readonly binary: boolean
  /** only in the types: what is published */
  readonly __message?: T
}

export interface Subscription<T = unknown> extends AsyncIterable<T>, AsyncDisposable {
  readonly channel: string
  unsubscribe (): Promise<void>
}

export interface PublishOptions { except?: WsSocket<any, any> }
export interface SubscribeOptions { signal?: AbortSignal, maxQueued?: number }

/** `fastify.wsFanout` */
export interface WsFanout {
  readonly status: 'connecting' | 'ready' | 'reconnecting' | 'closed'
  publish<T> (channel: string | Channel<T>, message: T, options?: PublishOptions): Promise<void>
  subscribe<T> (channel: string | Channel<T>, options?: SubscribeOptions): Promise<Subscription<T>>
  subscribe<T> (channel: string | Channel<T>, listener: (message: T) => void, options?: SubscribeOptions): Promise<Subscription<T>>
}

// ---------- sockets

export interface CloseInfo { code: number, reason: string }

/** What a view holds: thin, not an EventEmitter, not the object of `ws` (that one is `raw`). */
export interface WsSocket<Data = unknown, Out = unknown, In = unknown> extends AsyncIterable<In> {
  readonly id: string
  readonly request: FastifyRequest
  readonly session: FastifyRequest extends { session: infer S } ? S : any
  data: Data
  readonly signal: AbortSignal
  readonly closed: Promise<CloseInfo>
  readonly bufferedAmount: number
  readonly writable: boolean
  readonly dropped: number
  readonly raw: WebSocket
  send (message: Out): void
  drained (): Promise<void>
  subscribe (channel: string | Channel<any>): Promise<void>
  unsubscribe (channel: string | Channel<any>): Promise<void>
  close (code?: number, reason?: string): void
  terminate (): void
}
export type { FastifyInstance, FastifyReply, FastifyRequest, RouteShorthandOptions, TSchema, Static, StaticDecode, ServerOptions }
