import type { FastifyInstance } from 'fastify'
import { WSV_ERR_NOT_SERIALIZABLE, WSV_ERR_REPLY_INVALID } from './errors.ts'
import { compileCheck } from './form/strict.ts'
import type { FormApp } from './form/form.ts'
import { ignoreRejection, isPromise } from './is-promise.ts'
import { atOnce, codecData, declaredOf, isPlain, jsonText, notSerializable, plainData, withRef, withRefOn, type Ref, type Serialize } from './message.ts'
import type { MessageHandler, ViewOptions } from './options.ts'
import { Payload } from './payload.ts'
import type { Socket } from './socket.ts'
import type { FormErrors } from './types.ts'

/**
 * What a view sends, shared by all its sockets: preSend, the check and the serializer of `replySchema`, the wire format.
 * What hooks and codecs throw is thrown.
 */
export class Outgoing {
  readonly #instance: FastifyInstance
  readonly #name: string
  readonly #options: ViewOptions
  #checkReply: ((reply: unknown) => FormErrors | null) | undefined
  #serialize: Serialize | undefined
  /** those of `addWsHook` */
  #preSend: MessageHandler[] = []
  /** the fan-out message that passed last, as preSend hooks and codecs see it: read once for all sockets */
  #read: { from: Payload, value: unknown, recoded: Payload | undefined } | undefined

  constructor (instance: FastifyInstance, name: string, options: ViewOptions) {
    this.#instance = instance
    this.#name = name
    this.#options = options
  }

  /**
   * Compile what the `replySchema` asks for.
   *
   * @param serialize - Fastify's serializer for it
   * @throws WSV_ERR_SCHEMA_INVALID
   */
  ready (app: FormApp, serialize: Serialize | undefined, preSend: MessageHandler[]): void {
    this.#preSend = preSend
    if (this.#options.replySchema === undefined) return
    this.#serialize = serialize
    if (this.#options.checkReplies) this.#checkReply = compileCheck(this.#options.replySchema, app)
  }

  /**
   * A message of the view itself.
   *
   * @param ref - put on a reply that is an object and has none
   * @returns `undefined` when a preSend hook dropped the message
   */
  payloadOf (socket: Socket, message: unknown, ref?: Ref): Payload | undefined {
    if (message === undefined || !this.#hasPreSend()) return new Payload(this.#encode(message, ref))
    const filtered = this.#filter(socket, message)
    return filtered === undefined ? undefined : new Payload(this.#encode(filtered, ref))
  }

  /** The reply to a message that was refused; `undefined` when `formatError` wants none. */
  errorOf (socket: Socket, errors: FormErrors, ref: Ref): Payload | undefined {
    const { formatError, frames, refKey } = this.#options
    const reply = formatError === undefined
      ? ref === undefined ? { type: 'error', errors } : { type: 'error', [refKey as string]: ref, errors }
      : atOnce(formatError(errors, socket, { ref }), 'formatError')
    if (reply === undefined) return undefined
    return new Payload(typeof frames === 'object' ? codecData(frames, reply) : jsonText(reply, JSON.stringify))
  }

  /** A fan-out message on its way to one socket: untouched, unless there is a codec or a preSend hook. */
  filterPayload (socket: Socket, payload: Payload): Payload | undefined {
    const { frames } = this.#options
    const isCodec = typeof frames === 'object'
    if (!this.#hasPreSend() && !isCodec) return payload
    // text and bytes are what they are, to text, binary and raw views, and bytes to every view
    if (payload.isBinary || (frames !== 'json' && !isCodec)) {
      const filtered = this.#filter(socket, payload.data)
      return filtered === undefined ? undefined : filtered === payload.data ? payload : new Payload(plainData(filtered, 'raw'))
    }
    const read = this.#readOnce(payload)
    const filtered = this.#filter(socket, read.value)
    if (filtered === undefined) return undefined
    if (filtered !== read.value) return new Payload(isCodec ? codecData(frames, filtered) : jsonText(filtered, JSON.stringify))
    return isCodec ? (read.recoded ??= new Payload(codecData(frames, filtered))) : payload
  }

  #filter (socket: Socket, message: unknown): unknown {
    if (!this.#hasPreSend()) return message
    let filtered: unknown = message
    for (const hook of this.#preSend) {
      filtered = atOnce(hook.call(this.#instance, socket, filtered), 'preSend')
      if (filtered === undefined) return undefined
    }
    const { preSend } = this.#options
    return preSend === undefined ? filtered : atOnce(preSend.call(this.#instance, socket, filtered), 'preSend')
  }

  #hasPreSend (): boolean {
    return this.#options.preSend !== undefined || this.#preSend.length > 0
  }

  /** The fan-out message as a value that all sockets share: no hook may write to it. */
  #readOnce (payload: Payload): { value: unknown, recoded: Payload | undefined } {
    if (this.#read?.from !== payload) {
      this.#read = { from: payload, value: frozen(JSON.parse(payload.data as string)), recoded: undefined }
    }
    return this.#read
  }

  /** @param ref - put on a reply that is an object and has none */
  #encode (message: unknown, ref?: Ref): string | Buffer {
    const { frames } = this.#options
    if (isPromise(message)) {
      // JSON has a text for it, {}
      ignoreRejection(message)
      throw new WSV_ERR_NOT_SERIALIZABLE('A promise', 'its value')
    }
    const plain = isPlain(frames) ? plainData(message, frames) : undefined
    if (this.#checkReply !== undefined && message !== undefined) this.#check(message, this.#checkReply)
    if (plain !== undefined) return plain
    const refKey = this.#options.refKey as string
    if (typeof frames === 'object') {
      const left = this.#serialize === undefined ? message : declaredOf(message, this.#serialize)
      return codecData(frames, ref === undefined ? left : withRefOn(left, refKey, ref))
    }
    return withRef(jsonText(message, this.#serialize ?? JSON.stringify), refKey, ref)
  }

  #check (message: unknown, checkReply: (reply: unknown) => FormErrors | null): void {
    let errors: FormErrors | null
    try {
      errors = checkReply(message)
    } catch (cause) {
      // a cycle, where the schema is one too
      throw notSerializable(message, 'a JSON value', cause)
    }
    if (errors !== null) throw new WSV_ERR_REPLY_INVALID(this.#name, JSON.stringify(errors))
  }
}

/** The value of a JSON text, not to be written to at any depth. */
function frozen (value: unknown): unknown {
  const waiting = [value]
  while (waiting.length > 0) {
    const next = waiting.pop()
    if (typeof next !== 'object' || next === null) continue
    Object.freeze(next)
    for (const member of Object.values(next)) waiting.push(member)
  }
  return value
}
