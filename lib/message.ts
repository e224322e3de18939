import { Buffer } from 'node:buffer'
import { types } from 'node:util'
import sjson from 'secure-json-parse'
import { WSV_ERR_NOT_SERIALIZABLE, WSV_ERR_OPTION_INVALID } from './errors.ts'
import { ignoreRejection, isPromise } from './is-promise.ts'
import type { Codec, ViewOptions } from './options.ts'

/** what `parse` and `depthOf` answer for text that is no JSON, or that we refuse */
export const INVALID = Symbol('wsViews.invalid')

const { isAnyArrayBuffer, isMap, isSet } = types

const safely = { protoAction: 'error', constructorAction: 'error' } as const

/** What a text has in it, if secure-json-parse would do anything else than `JSON.parse`: a BOM, the keys, an escape that spells them. */
const isSuspicious = /^\uFEFF|\\u|__proto__|constructor/

/**
 * Text to a value. `__proto__` and `constructor.prototype` keys are refused, and so is a value nested
 * deeper than `maxDepth`.
 */
export function parseJson (text: string, maxDepth: number): unknown {
  let value: unknown
  try {
    value = isSuspicious.test(text) ? sjson.parse(text, undefined, safely) : JSON.parse(text)
  } catch {
    // a client's mistake, which the caller answers
    return INVALID
  }
  // n levels need n brackets on each side
  if (text.length > 2 * maxDepth && isDeeper(value, maxDepth)) return INVALID
  return value
}

/**
 * With a codec of the user's; a `parse` that throws is the client's mistake too.
 *
 * @throws WSV_ERR_OPTION_INVALID where it gives a promise
 */
export function parseWith (codec: Codec, data: string | Buffer): unknown {
  let message: unknown
  try {
    message = codec.parse(data)
  } catch {
    // a client's mistake, which the caller answers
    return INVALID
  }
  return atOnce(message, 'frames.parse')
}

/**
 * What a synchronous function of the user's has given. A promise would be sent as `{}`, and would end the process
 * where it rejects.
 *
 * @param option - the name of the function
 * @throws WSV_ERR_OPTION_INVALID
 */
export function atOnce (result: unknown, option: string): unknown {
  if (!isPromise(result)) return result
  ignoreRejection(result)
  throw new WSV_ERR_OPTION_INVALID('wsView', option, 'a synchronous function', 'one that returns a promise')
}

function isDeeper (value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (levels === 0) return true
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) if (isDeeper(value[i], levels - 1)) return true
  } else {
    // makes no array; what JSON has made inherits nothing enumerable
    for (const key in value) if (isDeeper((value as Record<string, unknown>)[key], levels - 1)) return true
  }
  return false
}

export type Ref = string | number | undefined

/**
 * The `ref` of a message: a string of at most 64 characters, or a finite number. Anything else is none.
 */
export function refOf (message: unknown, key: string): Ref {
  if (typeof message !== 'object' || message === null || !Object.hasOwn(message, key)) return undefined
  const ref = (message as Record<string, unknown>)[key]
  return (typeof ref === 'string' && ref.length <= 64) || Number.isFinite(ref) ? ref as Ref : undefined
}

/** The message without its `ref`; the same object when it has none. */
export function withoutRef (message: unknown, key: string): unknown {
  if (typeof message !== 'object' || message === null || Array.isArray(message) || !Object.hasOwn(message, key)) return message
  const { [key]: _, ...rest } = message as Record<string, unknown>
  return rest
}

/** A serialised object with the `ref` in front, unless it has one of its own. */
export function withRef (json: string, key: string, ref: Ref): string {
  if (ref === undefined || json.charCodeAt(0) !== 0x7b) return json
  const name = JSON.stringify(key)
  // the name may stand deeper, or be a value
  if (json.includes(name) && Object.hasOwn(JSON.parse(json) as object, key)) return json
  const member = `{${name}:${JSON.stringify(ref)}`
  return json.length === 2 ? `${member}}` : `${member},${json.slice(1)}`
}

/** The same for a value that a codec will serialise: a plain object gets the `ref`, nothing else can. */
export function withRefOn (message: unknown, key: string, ref: Ref): unknown {
  if (typeof message !== 'object' || message === null) return message
  const prototype: unknown = Object.getPrototypeOf(message)
  if (prototype !== Object.prototype && prototype !== null) return message
  return (message as Record<string, unknown>)[key] === undefined ? { ...message, [key]: ref } : message
}

// ---------- a value as the data of a frame

export type Serialize = (message: unknown) => string
export type PlainFrames = 'text' | 'binary' | 'raw'
const plainValues = { text: 'a string', binary: 'a Buffer', raw: 'a string or a Buffer' } as const

/** Text and bytes are messages as they are, without fields. */
export function isPlain (frames: ViewOptions['frames']): frames is PlainFrames {
  return frames === 'text' || frames === 'binary' || frames === 'raw'
}

/** @throws WSV_ERR_NOT_SERIALIZABLE */
export function plainData (message: unknown, frames: PlainFrames): string | Buffer {
  if (frames !== 'binary' && typeof message === 'string') return message
  if (frames !== 'text' && message instanceof Uint8Array) return bufferOf(message)
  throw new WSV_ERR_NOT_SERIALIZABLE(typeof message, plainValues[frames])
}

/** @throws WSV_ERR_NOT_SERIALIZABLE */
export function jsonText (message: unknown, serialize: Serialize): string {
  let json: string | undefined
  try {
    json = serialize(message)
  } catch (cause) {
    // a cycle, a BigInt, or what the serializer of the replySchema has no text for
    throw notSerializable(message, 'a JSON value', cause)
  }
  if (json === undefined) throw new WSV_ERR_NOT_SERIALIZABLE(typeof message, 'a JSON value')
  return json
}

/**
 * For a codec: what the serializer of a `replySchema` leaves of a message, with the values that JSON does not have.
 *
 * @throws WSV_ERR_NOT_SERIALIZABLE
 */
export function declaredOf (message: unknown, serialize: Serialize): unknown {
  if (typeof message !== 'object' || message === null) return message
  return leftOf(message, JSON.parse(jsonText(message, serialize)))
}

function leftOf (value: unknown, json: unknown): unknown {
  // scalars; bytes and tables, whose members no schema declares
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || isAnyArrayBuffer(value) || isMap(value) || isSet(value)) return value
  if (typeof json !== 'object' || json === null) {
    // a Date or a URL is a string there; so is what has a toJSON of the user's
    return Array.isArray(value) || Object.prototype.toString.call(value) === '[object Object]' ? json : value
  }
  if (Array.isArray(json)) return Array.isArray(value) ? json.map((item, i) => leftOf(value[i], item)) : json
  return Object.fromEntries(Object.entries(json).map(([key, item]) =>
    [key, Object.hasOwn(value, key) ? leftOf((value as Record<string, unknown>)[key], item) : item]))
}

/**
 * The kind of frame is what `binary` says; where it says nothing, what `serialize` returns.
 *
 * @throws WSV_ERR_NOT_SERIALIZABLE, WSV_ERR_OPTION_INVALID
 */
export function codecData (codec: Codec, message: unknown): string | Buffer {
  const { binary } = codec
  let data: unknown
  try {
    data = codec.serialize(message)
  } catch (cause) {
    throw notSerializable(message, 'what the codec takes', cause)
  }
  atOnce(data, 'frames.serialize')
  if (typeof data === 'string') return binary === true ? Buffer.from(data) : data
  if (data instanceof Uint8Array) return binary === false ? bufferOf(data).toString() : bufferOf(data)
  throw new WSV_ERR_NOT_SERIALIZABLE(`What the codec made of it, ${typeof data},`, 'a string or a Buffer')
}

export function notSerializable (message: unknown, expected: string, cause: unknown): Error {
  const reason = cause instanceof Error ? cause.message.split('\n', 1)[0]! : String(cause)
  return Object.assign(new WSV_ERR_NOT_SERIALIZABLE(typeof message, `${expected}: ${reason}`), { cause })
}

/** The same memory. */
function bufferOf (bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
