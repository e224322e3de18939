import type { FastifyInstance, FastifyRequest } from 'fastify'
import { closeCodes } from './close-codes.ts'
import {
  WSV_ERR_NOT_SERIALIZABLE, WSV_ERR_REPLY_INVALID, WSV_ERR_REPLY_WITHOUT_SCHEMA, WSV_ERR_VIEW_INVALID
} from './errors.ts'
import { compileForm, type Form, type FormApp } from './form/form.ts'
import { compileCheck } from './form/strict.ts'
import { ValidationError } from './form/validation-error.ts'
import { INVALID, parseJson, refOf, withoutRef, withRef, type Ref } from './message.ts'
import type { Codec, MessageHandler, ViewOptions } from './options.ts'
import { Payload } from './payload.ts'
import { isPromise, type Socket } from './socket.ts'
import { tagOf } from './tag.ts'
import type { FormErrors } from './types.ts'
import type { WsHooks } from './ws-hooks.ts'

/** A message that has passed the form, with the `ref` that was taken off it. */
export interface Checked { message: unknown, ref: Ref }

export type Serialize = (message: unknown) => string

/** What is known of a view only when the application is ready. */
export interface ViewApp extends FormApp {
  hooks: WsHooks
  /** Fastify's serializer for the `replySchema` */
  serialize: Serialize | undefined
}

/**
 * A view, shared by all its sockets: the steps a message goes through.
 * parse, `ref`, form, preMessage, handler, reply.
 */
export class View {
  /** with its namespace; a view without one goes by its URL */
  readonly name: string
  /** as it was declared, with the prefix of its registration */
  readonly path: string
  readonly instance: FastifyInstance
  readonly options: ViewOptions
  #form: Form | undefined
  /** a text or bytes are checked as they are, they have no fields to clean */
  #checkPlain: ((message: unknown) => FormErrors | null) | undefined
  #checkReply: ((reply: unknown) => FormErrors | null) | undefined
  #serialize: Serialize | undefined
  #replyHasRef = false
  #hooks: WsHooks = { preMessage: [], preSend: [] }
  #handler: MessageHandler | undefined
  #handlers: Map<unknown, MessageHandler> | undefined
  #tag = ''
  #takesRef = false
  #stripsRef = false

  constructor (instance: FastifyInstance, name: string, path: string, options: ViewOptions) {
    this.instance = instance
    this.name = name
    this.path = path
    this.options = options
    if (typeof options.onMessage === 'function') this.#handler = options.onMessage
  }

  /**
   * Compile what the schemas ask for.
   *
   * @throws WSV_ERR_SCHEMA_INVALID, WSV_ERR_PATTERN_UNSAFE, WSV_ERR_VIEW_INVALID
   */
  ready (app: ViewApp): void {
    const { options } = this
    this.#hooks = app.hooks
    const isPlain = options.frames === 'text' || options.frames === 'binary' || options.frames === 'raw'
    this.#form = compileForm(options.hasForm && !isPlain ? options.messageSchema : {}, options, app)
    if (options.hasForm && isPlain) this.#checkPlain = compileCheck(options.messageSchema, app)
    if (options.replySchema !== undefined) {
      this.#serialize = app.serialize
      this.#replyHasRef = options.refKey !== false && declares(options.replySchema, options.refKey)
      if (options.checkReplies) this.#checkReply = compileCheck(options.replySchema, app)
    }
    this.#takesRef = !isPlain && options.refKey !== false
    // in a form that drops unknown keys, the `ref` goes with them
    this.#stripsRef = this.#takesRef && !this.#form.declares(options.refKey as string) &&
      (!options.hasForm || options.form === 'strict' || options.unknownKeys === 'refuse')
    if (typeof options.onMessage === 'object') this.#readHandlers(options.onMessage, app)
  }

  // ---------- in

  /** One message, through all the steps. Never throws, never rejects. */
  handle (socket: Socket, data: Buffer, isBinary: boolean): void | Promise<void> {
    const checked = this.receive(socket, data, isBinary)
    if (checked === undefined) return
    if (isPromise(checked)) return checked.then((checked) => checked === undefined ? undefined : this.#dispatch(socket, checked))
    return this.#dispatch(socket, checked)
  }

  /**
   * Parse and check one message. What fails is answered here.
   *
   * @returns `undefined` when the message goes no further
   */
  receive (socket: Socket, data: Buffer, isBinary: boolean): Checked | undefined | Promise<Checked | undefined> {
    const { options } = this
    const { frames } = options
    let message: unknown
    let ref: Ref
    if (frames === 'json') {
      if (isBinary) return this.#wrongKind(socket)
      const text = data.toString()
      message = parseJson(text, options.maxDepth)
      if (message === INVALID) return this.#stop(this.invalid(socket, this.#error(socket, 'invalid', 'json'), undefined, text))
    } else if (typeof frames === 'object') {
      message = parseWith(frames, isBinary ? data : data.toString())
      if (message === INVALID) return this.#stop(this.invalid(socket, this.#error(socket, 'invalid', 'json'), undefined, data))
    } else {
      if (frames !== 'raw' && isBinary !== (frames === 'binary')) return this.#wrongKind(socket)
      message = isBinary ? data : data.toString()
    }
    if (this.#takesRef) {
      ref = refOf(message, options.refKey as string)
      if (this.#stripsRef) message = withoutRef(message, options.refKey as string)
    }
    if (!options.takesMessages) return this.#stop(this.invalid(socket, this.#error(socket, 'unexpected'), ref, message))
    if (this.#checkPlain !== undefined) {
      const errors = this.#checkPlain(message)
      if (errors !== null) return this.#stop(this.invalid(socket, errors, ref, message))
    } else if (options.hasForm) {
      const result = this.#form!.clean(message, socket.formContext)
      if (isPromise(result)) return result.then((result) => this.#afterForm(socket, result, ref, message))
      return this.#afterForm(socket, result, ref, message)
    }
    return this.#preMessage(socket, { message, ref })
  }

  /**
   * A message that is answered with errors, unless there were too many.
   *
   * @param raw - the message as far as it was read
   */
  invalid (socket: Socket, errors: FormErrors, ref: Ref, raw: unknown): void | Promise<void> {
    if (!socket.countInvalid()) {
      socket.close(closeCodes.POLICY_VIOLATION, 'too_many_invalid')
      return
    }
    const { onInvalid } = this.options
    if (onInvalid === 'reply') this.#replyErrors(socket, errors, ref)
    else if (onInvalid === 'close') socket.close(closeCodes.POLICY_VIOLATION, 'invalid')
    else if (typeof onInvalid === 'function') {
      try {
        const result = onInvalid(socket, errors, { ref, raw })
        if (isPromise(result)) return result.then(undefined, (error) => this.fail(socket, error, ref))
      } catch (error) {
        return this.fail(socket, error, ref)
      }
    }
  }

  /** What a step or a handler threw: an error reply if it is one for the client, otherwise 1011. */
  fail (socket: Socket, error: unknown, ref: Ref): void | Promise<void> {
    if (error instanceof ValidationError) {
      this.#replyErrors(socket, this.#form!.report(error, socket.formContext), ref)
      return
    }
    if ((error as { code?: unknown } | null)?.code === 'WSV_ERR_FANOUT_UNAVAILABLE') {
      this.#replyErrors(socket, this.#error(socket, 'unavailable'), ref)
      return
    }
    const { onHandlerError } = this.options
    if (onHandlerError === undefined) {
      this.#crash(socket, error)
      return
    }
    try {
      const answered = onHandlerError(error, socket)
      if (isPromise(answered)) {
        return answered.then((answered) => { if (answered !== true) this.#crash(socket, error) }, (second) => { this.#crash(socket, second) })
      }
      if (answered !== true) this.#crash(socket, error)
    } catch (second) {
      this.#crash(socket, second)
    }
  }

  /** The client's language: the first of Accept-Language, unless the view has a better way. */
  localeOf (request: FastifyRequest): string {
    const { locale } = this.options
    if (locale !== undefined) return locale(request)
    return /^[A-Za-z0-9-]+/.exec(request.headers['accept-language'] ?? '')?.[0] ?? 'en'
  }

  // ---------- out

  /** @returns `undefined` when a preSend hook dropped the message */
  payloadOf (socket: Socket, message: unknown): Payload | undefined {
    const filtered = this.#filter(socket, message)
    return filtered === undefined ? undefined : new Payload(this.#encode(filtered))
  }

  /** A fan-out message on its way to one socket: untouched, unless there is a preSend hook. */
  filterPayload (socket: Socket, payload: Payload): Payload | undefined {
    if (!this.#hasPreSend) return payload
    let filtered: unknown
    try {
      const isJson = typeof payload.data === 'string' && this.options.frames === 'json'
      filtered = this.#filter(socket, isJson ? JSON.parse(payload.data as string) : payload.data)
      if (filtered === undefined) return undefined
      return new Payload(isJson ? JSON.stringify(filtered) : filtered as string | Buffer)
    } catch (error) {
      // one socket's hook is not the other sockets' loss
      this.fail(socket, error, undefined)
      return undefined
    }
  }

  // ---------- the steps

  #afterForm (socket: Socket, result: Awaited<ReturnType<Form['clean']>>, ref: Ref, raw: unknown): Checked | undefined | Promise<Checked | undefined> {
    if (!result.ok) return this.#stop(this.invalid(socket, result.errors, ref, raw))
    return this.#preMessage(socket, { message: result.cleaned, ref })
  }

  #preMessage (socket: Socket, checked: Checked): Checked | undefined | Promise<Checked | undefined> {
    const { preMessage } = this.options
    if (preMessage === undefined && this.#hooks.preMessage.length === 0) return checked
    return this.#runPreMessage(socket, checked)
  }

  async #runPreMessage (socket: Socket, checked: Checked): Promise<Checked | undefined> {
    try {
      for (const hook of this.#hooks.preMessage) await hook.call(this.instance, socket, checked.message)
      await this.options.preMessage?.call(this.instance, socket, checked.message)
    } catch (error) {
      await this.fail(socket, error, checked.ref)
      return undefined
    }
    // a hook may close the socket instead of throwing
    return socket.isOpen ? checked : undefined
  }

  #dispatch (socket: Socket, { message, ref }: Checked): void | Promise<void> {
    const handler = this.#handler ?? this.#handlers!.get((message as Record<string, unknown>)[this.#tag])!
    try {
      const reply = handler.call(this.instance, socket, message)
      if (isPromise(reply)) {
        return reply.then((reply) => this.#reply(socket, reply, ref)).catch((error) => this.fail(socket, error, ref))
      }
      this.#reply(socket, reply, ref)
    } catch (error) {
      return this.fail(socket, error, ref)
    }
  }

  #reply (socket: Socket, reply: unknown, ref: Ref): void {
    if (reply === undefined) return
    const { frames, refKey, replySchema } = this.options
    const isPlain = frames === 'text' || frames === 'binary' || frames === 'raw'
    if (replySchema === undefined && !isPlain) throw new WSV_ERR_REPLY_WITHOUT_SCHEMA(this.name)
    const filtered = this.#filter(socket, reply)
    if (filtered === undefined) return
    const hasRef = ref === undefined || refKey === false ||
      (this.#replyHasRef && (filtered as Record<string, unknown>)[refKey] !== undefined)
    if (typeof frames === 'object') {
      socket.sendPayload(new Payload(this.#encode(hasRef ? filtered : { [refKey]: ref, ...filtered as object })))
    } else {
      const encoded = this.#encode(filtered)
      socket.sendPayload(new Payload(hasRef || isPlain ? encoded : withRef(encoded as string, refKey, ref)))
    }
  }

  #replyErrors (socket: Socket, errors: FormErrors, ref: Ref): void {
    if (!socket.isOpen) return
    const { formatError, frames } = this.options
    const reply = formatError === undefined
      ? ref === undefined ? { type: 'error', errors } : { type: 'error', ref, errors }
      : formatError(errors, socket, { ref })
    const encoded = typeof frames === 'object' ? frames.serialize(reply) : JSON.stringify(reply)
    if (encoded !== undefined) socket.sendPayload(new Payload(encoded))
  }

  #filter (socket: Socket, message: unknown): unknown {
    if (!this.#hasPreSend) return message
    let filtered: unknown = message
    for (const hook of this.#hooks.preSend) {
      filtered = hook.call(this.instance, socket, filtered)
      if (filtered === undefined) return undefined
    }
    const { preSend } = this.options
    return preSend === undefined ? filtered : preSend.call(this.instance, socket, filtered)
  }

  get #hasPreSend (): boolean {
    return this.options.preSend !== undefined || this.#hooks.preSend.length > 0
  }

  #encode (message: unknown): string | Buffer {
    const { frames } = this.options
    if (frames === 'json' || typeof frames === 'object') {
      if (this.#checkReply !== undefined) {
        const errors = this.#checkReply(message)
        if (errors !== null) throw new WSV_ERR_REPLY_INVALID(this.name, JSON.stringify(errors))
      }
      if (typeof frames === 'object') return frames.serialize(message)
      const json = this.#serialize === undefined ? serializeJson(message) : this.#serialize(message)
      if (json === undefined) throw new WSV_ERR_NOT_SERIALIZABLE(typeof message, 'a JSON value')
      return json
    }
    if (frames !== 'binary' && typeof message === 'string') return message
    if (frames !== 'text' && message instanceof Uint8Array) {
      return Buffer.isBuffer(message) ? message : Buffer.from(message.buffer, message.byteOffset, message.byteLength)
    }
    throw new WSV_ERR_NOT_SERIALIZABLE(typeof message, frames === 'text' ? 'a string' : frames === 'binary' ? 'a Buffer' : 'a string or a Buffer')
  }

  #wrongKind (socket: Socket): undefined {
    socket.close(closeCodes.UNSUPPORTED_DATA, 'wrong_kind_of_frame')
  }

  #error (socket: Socket, code: string, kind?: string): FormErrors {
    return this.#form!.error('__all__', code, undefined, socket.formContext, kind)
  }

  /** The message goes no further; where its answer takes time, the next message waits for it. */
  #stop (answered: void | Promise<void>): undefined | Promise<undefined> {
    return isPromise(answered) ? answered.then(() => undefined) : undefined
  }

  #crash (socket: Socket, error: unknown): void {
    socket.request.log.error({ err: error, ws: { id: socket.id, view: this.name } }, 'the view failed')
    socket.close(closeCodes.INTERNAL_ERROR, 'internal_error')
  }

  #readHandlers (table: Readonly<Record<string, MessageHandler>>, app: ViewApp): void {
    const tag = tagOf(this.options.messageSchema, app.schemas)
    if (tag === undefined) {
      throw new WSV_ERR_VIEW_INVALID(this.name, "onMessage is a table, so messageSchema must be a union of objects that share a 'const' property")
    }
    const missing = tag.values.filter((value) => !Object.hasOwn(table, String(value)))
    const unknown = Object.keys(table).filter((key) => !tag.values.some((value) => String(value) === key))
    if (missing.length > 0) throw new WSV_ERR_VIEW_INVALID(this.name, `onMessage has no handler for ${tag.key} ${missing.join(', ')}`)
    if (unknown.length > 0) throw new WSV_ERR_VIEW_INVALID(this.name, `onMessage has a handler for ${unknown.join(', ')}, which is no ${tag.key} of messageSchema`)
    this.#tag = tag.key
    this.#handlers = new Map(tag.values.map((value) => [value, table[String(value)]!]))
  }
}

function parseWith (codec: Codec, data: string | Buffer): unknown {
  try {
    return codec.parse(data)
  } catch {
    // a client's mistake, which the caller answers
    return INVALID
  }
}

function serializeJson (message: unknown): string {
  try {
    return JSON.stringify(message)
  } catch (error) {
    throw Object.assign(new WSV_ERR_NOT_SERIALIZABLE(typeof message, 'a JSON value'), { cause: error })
  }
}

function declares (schema: Record<string, unknown>, key: string): boolean {
  const { properties } = schema
  return schema.additionalProperties === true || (typeof properties === 'object' && properties !== null && Object.hasOwn(properties, key))
}
