import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Static, StaticDecode, TSchema } from '@sinclair/typebox'
import type { ValidationErrorInput, ValidationErrorRecord } from '../form/validation-error.ts'
import type { WsSocket } from './socket.ts'

/** One error of a field, as Django's `errors.get_json_data()` shows it. */
export interface FormError {
  /** in the client's language */
  message: string
  /** `required`, `invalid`, `max_length`, … */
  code: string
  /** what the text was filled with: `{ limit_value: 3 }` */
  params?: Record<string, unknown>
}

/** Errors by field path (`person.first_name`); `__all__` is the message as a whole. */
export type FormErrors = Record<string, FormError[]>

/** What a form makes of a message. */
export type FormResult<Message = unknown> = FormSuccess<Message> | FormFailure

/** A good message. */
export interface FormSuccess<Message = unknown> {
  /** it passed */
  ok: true
  /** a fresh object of declared fields */
  cleaned: Message
  /** there are none */
  errors: null
}

/** A bad message. */
export interface FormFailure {
  /** it did not pass */
  ok: false
  /** there is none */
  cleaned: null
  /** by field */
  errors: FormErrors
}

/** The type of a message that passed its schema: TypeBox schemas know it, other JSON Schemas are `unknown`. */
export type Cleaned<Schema> = [Schema] extends [TSchema] ? StaticDecode<Schema> : unknown

/** Before any transform. TypeBox has other types for CommonJS than for ES modules, and only `static` is the same in both. */
export type StaticOf<Schema, Otherwise = unknown> = [Schema] extends [TSchema] ? Static<Schema>
  : [Schema] extends [{ static: infer Value, params: unknown[] }] ? Value : Otherwise

/** The field names of a message; of a union, those of every branch. */
export type FieldName<Message> = unknown extends Message
  ? string
  : Message extends object ? keyof Message & string : never

/** The type of one field. */
export type FieldValue<Message, Field> = unknown extends Message
  ? unknown
  : Message extends unknown ? Field extends keyof Message ? Message[Field] : never : never

/** What a list field chooses from is one item of the list. */
type Choice<Value> = Value extends readonly (infer Item)[] ? Item : NonNullable<Value>

/** A text, a `ValidationError`, several of them, or some by field. */
export type FormErrorInput = ValidationErrorInput | ValidationErrorRecord

/** What the form steps are handed besides the value: one per message. */
export interface WsForm<Field extends string = string> {
  /** the socket that sent the message; `undefined` under `cleanMessage` */
  readonly socket: WsSocket | undefined
  /** the errors so far, by path */
  readonly errors: FormErrors
  /** the errors of the message as a whole, those under `__all__` */
  readonly nonFieldErrors: readonly FormError[]
  /**
   * Add an error to a field, which is then no longer part of the cleaned message.
   *
   * @param path - `null` is the message as a whole
   * @param options - for the texts in `error`; the code's default is `invalid`
   */
  addError (path: Field | `${Field}.${string}` | null, error: FormErrorInput, options?: { code?: string, params?: Record<string, unknown> }): void
  /** Has the field an error, or this one? */
  hasError (path: Field | `${Field}.${string}` | null, code?: string): boolean
  /** The fields that differ from a message or row of before, in the schema's order. */
  changed (previous: { readonly [Name in Field]?: unknown }): Field[]
}

/** The steps that JSON Schema cannot express, in the order in which they run (Django's). A step throws `ValidationError` or calls `form.addError`. */
export interface FormSteps<Message = unknown> {
  /** The values that a field may have for this socket; anything else is `invalid_choice`. */
  choices?: {
    readonly [Field in FieldName<Message>]?: (form: WsForm<FieldName<Message>>) =>
      Iterable<Choice<FieldValue<Message, Field>>> | Promise<Iterable<Choice<FieldValue<Message, Field>>>>
  }
  /** Further checks of one field, all run; not asked about an empty value. */
  validators?: {
    readonly [Field in FieldName<Message>]?: readonly ((value: NonNullable<FieldValue<Message, Field>>, form: WsForm<FieldName<Message>>) => void | Promise<void>)[]
  }
  /** Django's `clean_<field>`: returns the field's cleaned value; runs only while the field has no error. */
  cleanFields?: {
    readonly [Field in FieldName<Message>]?: (value: FieldValue<Message, Field>, form: WsForm<FieldName<Message>>) =>
      FieldValue<Message, Field> | Promise<FieldValue<Message, Field>>
  }
  /** Django's `clean`: looks at the fields together; always runs, so fields with errors are missing. May return the message to go on with. */
  clean? (message: Partial<Message>, form: WsForm<FieldName<Message>>): Partial<Message> | void | Promise<Partial<Message> | void>
  /** Other texts by field and code; placeholders in braces are filled from `params`. */
  errorMessages?: {
    readonly [Field in FieldName<Message> | `${FieldName<Message>}.${string}` | '__all__']?: { readonly [code: string]: string }
  }
}

/** What `onInvalid` is told besides the errors. */
export interface InvalidContext {
  /** the message's `ref`, if it had one */
  ref: string | number | undefined
  /** the message as it came */
  raw: unknown
}

/** How messages are cleaned and what happens to bad ones: for all views of a registration, or for one view. */
export interface FormSettings {
  /** `'form'` cleans as a Django form does, `'strict'` only checks (JSON Schema draft-07). Default `'form'` */
  form?: 'form' | 'strict'
  /** Keys that the schema does not declare: dropped, or the error `extra_keys`. Default `'drop'` */
  unknownKeys?: 'drop' | 'refuse'
  /** The key that ties a reply to its message; `false`: there is none. Default `'ref'` */
  refKey?: string | false
  /** The language of the error texts, asked once per socket. Default: from `Accept-Language` */
  locale? (request: FastifyRequest): string
  /** Other error texts; `undefined` keeps the usual one. Default: Django's English ones */
  messages? (code: string, params: Record<string, unknown>, context: { field: string, locale: string }): string | undefined
  /** What an invalid message leads to; whatever it is, it counts for `maxInvalid`. Default `'reply'` */
  onInvalid?: 'reply' | 'close' | 'ignore' | ((socket: WsSocket, errors: FormErrors, context: InvalidContext) => void | Promise<void>)
  /** Another shape for the error reply; synchronous. Default `{ type: 'error', ref, errors }` */
  formatError? (errors: FormErrors, socket: WsSocket, context: { ref: string | number | undefined }): unknown
  /** Accept `pattern`s that can take exponential time. Default `false`: refused at registration */
  unsafePatterns?: boolean
  /** How deep a message may nest, in levels; deeper is the error `invalid`. Default 32 */
  maxDepth?: number
  /** How many errors are collected for one message. Default 100 */
  maxErrors?: number
}

/** The options of `cleanMessage`. */
export interface FormOptions<Schema = unknown>
  extends FormSteps<Cleaned<Schema>>, Pick<FormSettings, 'form' | 'unknownKeys' | 'messages' | 'unsafePatterns' | 'maxDepth' | 'maxErrors'> {
  /** whose shared schemas, formats and keywords count */
  instance?: FastifyInstance
  /** the language of the error texts, default `'en'` */
  locale?: string
}
