import type { FastifyInstance, FastifyRequest } from 'fastify'
import { closeCodes } from './close-codes.ts'
import { WSV_ERR_REPLY_WITHOUT_SCHEMA, WSV_ERR_VIEW_INVALID } from './errors.ts'
import { compileForm, type Form, type FormApp } from './form/form.ts'
import { isPromise } from './is-promise.ts'
import { INVALID, isPlain, parseJson, parseWith, refOf, withoutRef, type Ref, type Serialize } from './message.ts'
import type { MessageHandler, ViewOptions } from './options.ts'
import { Outgoing } from './outgoing.ts'
import type { Payload } from './payload.ts'
import { Refusals } from './refusals.ts'
import type { Socket } from './socket.ts'
import type { WsHooks } from './ws-hooks.ts'

/** A message that has passed the form, with the `ref` that was taken off it. */
export interface Checked { message: unknown, ref: Ref }

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
  readonly refusals: Refusals
  readonly #outgoing: Outgoing
  #form: Form | undefined
  /** those of `addWsHook` */
  #preMessageHooks: MessageHandler[] = []
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
    this.#outgoing = new Outgoing(instance, name, options)
    this.refusals = new Refusals(name, options, this.#outgoing)
    if (typeof options.onMessage === 'function') this.#handler = options.onMessage
  }

  /**
   * Compile what the schemas ask for.
   *
   * @throws WSV_ERR_SCHEMA_INVALID, WSV_ERR_PATTERN_UNSAFE, WSV_ERR_VIEW_INVALID
   */
  ready (app: ViewApp): void {
    const { options } = this
    this.#preMessageHooks = app.hooks.preMessage
    const hasFields = !isPlain(options.frames)
    // a text or bytes are checked as they are, they have no fields to clean
    this.#form = compileForm(options.hasForm ? options.messageSchema : {}, hasFields ? options : { ...options, form: 'strict' }, {
      ...app,
      isParsed: options.frames === 'json',
      customCompiler: options.form === 'strict' && app.customCompiler === true
    })
    this.refusals.ready(this.#form)
    this.#outgoing.ready(app, app.serialize, app.hooks.preSend)
    this.#takesRef = hasFields && options.refKey !== false
    const isDropped = options.hasForm && options.form === 'form' && options.unknownKeys === 'drop' && isClosed(options.messageSchema)
    this.#stripsRef = this.#takesRef && !isDropped && !this.#form.declares(options.refKey as string)
    if (typeof options.onMessage === 'object') this.#readHandlers(options.onMessage, this.#form)
  }

  // ---------- in

  /** One message, through all the steps. Never throws, never rejects. */
  handle (socket: Socket, data: Buffer | string, isBinary: boolean): void | Promise<void> {
    try {
      const checked = this.receive(socket, data, isBinary)
      if (isPromise(checked)) {
        return checked
          .then((checked) => checked === undefined ? socket.saveSession() : this.#dispatch(socket, checked))
          .catch((error) => this.refusals.fail(socket, error, undefined))
      }
      if (checked !== undefined) return this.#dispatch(socket, checked)
      // a step of the form, or preMessage, may have looked at the session
      return socket.saveSession()?.catch((error) => this.refusals.fail(socket, error, undefined))
    } catch (error) {
      // a form step, or another function of the user's
      return this.refusals.fail(socket, error, undefined)
    }
  }

  /**
   * Parse and check one message. What is wrong with it is answered here; what a function of the user's throws is thrown.
   *
   * @returns `undefined` when the message goes no further
   */
  receive (socket: Socket, data: Buffer | string, isBinary: boolean): Checked | undefined | Promise<Checked | undefined> {
    const { options } = this
    const { frames } = options
    let message: unknown
    let ref: Ref
    if (frames === 'json') {
      if (isBinary) return this.#wrongKind(socket)
      const text = data.toString()
      message = parseJson(text, options.maxDepth)
      if (message === INVALID) return this.#stop(this.refusals.invalid(socket, this.refusals.error(socket, '__all__', 'invalid', 'json'), undefined, text))
    } else if (typeof frames === 'object') {
      message = parseWith(frames, isBinary ? data : data.toString())
      if (message === INVALID) return this.#stop(this.refusals.invalid(socket, this.refusals.error(socket, '__all__', 'invalid', 'json'), undefined, data))
    } else {
      if (frames !== 'raw' && isBinary !== (frames === 'binary')) return this.#wrongKind(socket)
      message = isBinary ? data : data.toString()
    }
    if (this.#takesRef) {
      ref = refOf(message, options.refKey as string)
      if (this.#stripsRef) message = withoutRef(message, options.refKey as string)
    }
    if (!options.takesMessages) return this.#stop(this.refusals.invalid(socket, this.refusals.error(socket, '__all__', 'unexpected'), ref, message))
    if (options.hasForm) {
      const result = this.#form!.clean(message, socket.formContext)
      if (isPromise(result)) return result.then((result) => this.#afterForm(socket, result, ref, message))
      return this.#afterForm(socket, result, ref, message)
    }
    return this.#preMessage(socket, { message, ref })
  }

  /**
   * A message beyond `rateLimit`: nothing of it is read but its `ref`.
   *
   * @param retryAfterMs - until the window ends, in milliseconds
   */
  rateLimited (socket: Socket, retryAfterMs: number, data: Buffer | string, isBinary: boolean): void {
    try {
      this.refusals.rateLimited(socket, retryAfterMs, this.#takesRef ? this.#refWithin(data, isBinary) : undefined)
    } catch (error) {
      // a codec, `messages` or `formatError` of the user's
      this.refusals.crash(socket, error)
    }
  }

  #refWithin (data: Buffer | string, isBinary: boolean): Ref {
    const { frames, maxDepth, refKey } = this.options
    if (typeof frames === 'object') return refOf(parseWith(frames, isBinary ? data : data.toString()), refKey as string)
    return isBinary ? undefined : refOf(parseJson(data.toString(), maxDepth), refKey as string)
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
    return this.#outgoing.payloadOf(socket, message)
  }

  /** A fan-out message on its way to one socket: untouched, unless there is a codec or a preSend hook. */
  filterPayload (socket: Socket, payload: Payload): Payload | undefined {
    try {
      return this.#outgoing.filterPayload(socket, payload)
    } catch (error) {
      // one socket's hook is not the other sockets' loss
      this.refusals.fail(socket, error, undefined)
      return undefined
    }
  }

  // ---------- the steps

  #afterForm (socket: Socket, result: Awaited<ReturnType<Form['clean']>>, ref: Ref, raw: unknown): Checked | undefined | Promise<Checked | undefined> {
    if (!result.ok) return this.#stop(this.refusals.invalid(socket, result.errors, ref, raw))
    return this.#preMessage(socket, { message: result.cleaned, ref })
  }

  #preMessage (socket: Socket, checked: Checked): Checked | undefined | Promise<Checked | undefined> {
    const { preMessage } = this.options
    if (preMessage === undefined && this.#preMessageHooks.length === 0) return checked
    return this.#runPreMessage(socket, checked)
  }

  async #runPreMessage (socket: Socket, checked: Checked): Promise<Checked | undefined> {
    try {
      for (const hook of this.#preMessageHooks) {
        await hook.call(this.instance, socket, checked.message)
        if (socket.hasClosed) return undefined
      }
      await this.options.preMessage?.call(this.instance, socket, checked.message)
    } catch (error) {
      await this.refusals.fail(socket, error, checked.ref)
      return undefined
    }
    return checked
  }

  #dispatch (socket: Socket, { message, ref }: Checked): void | Promise<void> {
    // a step may close the socket instead of throwing
    if (socket.hasClosed) return socket.saveSession()?.catch((error) => this.refusals.fail(socket, error, ref))
    const handler = this.#handler ?? this.#handlers!.get((message as Record<string, unknown>)[this.#tag])
    // in strict mode a schema may let a message without a tag pass
    if (handler === undefined) return this.refusals.invalid(socket, this.refusals.error(socket, this.#tag, 'required'), ref, message)
    try {
      const reply = handler.call(this.instance, socket, message)
      const done = isPromise(reply)
        ? reply.then((reply) => this.#saveAndReply(socket, reply, ref))
        : this.#saveAndReply(socket, reply, ref)
      if (isPromise(done)) return done.catch((error) => this.#saveAndFail(socket, error, ref))
    } catch (error) {
      return this.#saveAndFail(socket, error, ref)
    }
  }

  /** A client that has the reply may rely on what the handler has put into the session. */
  #saveAndReply (socket: Socket, reply: unknown, ref: Ref): void | Promise<void> {
    const saved = socket.saveSession()
    if (saved === undefined) this.#reply(socket, reply, ref)
    else return saved.then(() => this.#reply(socket, reply, ref))
  }

  /** What a handler has put into the session before it threw is saved too, as it is for an HTTP request. */
  #saveAndFail (socket: Socket, error: unknown, ref: Ref): void | Promise<void> {
    const saved = socket.saveSession()
    if (saved === undefined) return this.refusals.fail(socket, error, ref)
    return saved.then(() => this.refusals.fail(socket, error, ref), (second) => { this.refusals.crash(socket, error, second) })
  }

  #reply (socket: Socket, reply: unknown, ref: Ref): void {
    if (reply === undefined) return
    if (this.options.replySchema === undefined && !isPlain(this.options.frames)) throw new WSV_ERR_REPLY_WITHOUT_SCHEMA(this.name)
    if (!socket.isOpen) return
    const payload = this.#outgoing.payloadOf(socket, reply, ref)
    if (payload !== undefined) socket.sendPayload(payload)
  }

  #wrongKind (socket: Socket): undefined {
    socket.close(closeCodes.UNSUPPORTED_DATA, 'wrong_kind_of_frame')
  }

  /** The message goes no further; where its answer takes time, the next message waits for it. */
  #stop (answered: void | Promise<void>): undefined | Promise<undefined> {
    return isPromise(answered) ? answered.then(() => undefined) : undefined
  }

  #readHandlers (table: Readonly<Record<string, MessageHandler>>, { tag }: Form): void {
    if (tag === undefined) {
      throw new WSV_ERR_VIEW_INVALID(this.name, "onMessage is a table, so messageSchema must be a union of objects that one property tells apart: a 'const' or 'enum' of its own in each")
    }
    const missing = tag.values.filter((value) => !Object.hasOwn(table, String(value)))
    const unknown = Object.keys(table).filter((key) => !tag.values.some((value) => String(value) === key))
    if (missing.length > 0) throw new WSV_ERR_VIEW_INVALID(this.name, `onMessage has no handler for ${tag.key} ${missing.join(', ')}`)
    if (unknown.length > 0) throw new WSV_ERR_VIEW_INVALID(this.name, `onMessage has a handler for ${unknown.join(', ')}, which is no ${tag.key} of messageSchema`)
    this.#tag = tag.key
    this.#handlers = new Map(tag.values.map((value) => [value, table[String(value)]!]))
  }
}

const closedKeywords = new Set(['type', 'properties', 'required', 'anyOf', 'oneOf', '$id', 'title', 'description'])

/** Does the form drop every key that this schema does not declare? Then the `ref` needs no taking off. */
function isClosed (schema: unknown): boolean {
  if (typeof schema !== 'object' || schema === null) return false
  const { anyOf, oneOf, additionalProperties = false } = schema as Record<string, unknown>
  if (additionalProperties !== false) return false
  if (!Object.keys(schema).every((keyword) => closedKeywords.has(keyword) || keyword === 'additionalProperties')) return false
  const branches = anyOf ?? oneOf
  return Array.isArray(branches) ? branches.every(isClosed) : 'properties' in schema
}
