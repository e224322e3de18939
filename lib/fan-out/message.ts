import { Buffer, isUtf8 } from 'node:buffer'
import { Payload } from '../payload.ts'
import type { ChannelDefinition } from './channel.ts'
import type { Subscriber } from './fan-out.ts'

// What brokers carry: the message's own text or bytes, so that any program can publish to our sockets and read what we
// publish. Only a message that leaves somebody out has a header: U+0001, the socket's id, a newline. JSON text cannot
// begin with U+0001. Bytes can: bytes of ours that look like a header get one with the id '-', which no socket has.
const HEADER = 0x01
const NEWLINE = 0x0a
const NOBODY = '-'
const MAX_ID_LENGTH = 128

const UNPARSED = Symbol('wsViews.unparsed')

/** Why a message from a broker was dropped. */
export type DropReason = 'header' | 'utf8' | 'json' | 'schema'

/** A published message: one object for all local subscribers of its channel. */
export class ChannelMessage extends Payload {
  /** the definition its value was checked with in this process */
  readonly definition: ChannelDefinition | undefined
  /** who was subscribed here when it was published; `undefined` for a message that has come through a broker */
  audience: readonly Subscriber[] | undefined
  #value: unknown = UNPARSED

  constructor (data: string | Buffer, except: string | undefined, definition: ChannelDefinition | undefined) {
    super(data, except)
    this.definition = definition
  }

  /**
   * The message as a value, never the publisher's own object: parsed when first asked for, once per process. Everybody
   * who asks gets the same one, so it is for reading only. For a binary channel: the bytes.
   *
   * @throws SyntaxError when the text is no JSON, which only subscribers with `anyText` can meet
   */
  get value (): unknown {
    if (this.#value === UNPARSED) this.#value = this.isBinary ? this.data : JSON.parse(this.data as string)
    return this.#value
  }

  /** Is it good to be a `value`? Parses it: once, whoever asks. */
  isValue (): boolean {
    try {
      return this.value !== UNPARSED
    } catch {
      return false
    }
  }

  /** What a broker has to carry to the other processes. */
  get wire (): string | Buffer {
    const { data, except } = this
    if (typeof data === 'string') return except === undefined ? data : `\u0001${except}\n${data}`
    if (except === undefined && headerEnd(data) === -1) return data
    return Buffer.concat([Buffer.from(`\u0001${except ?? NOBODY}\n`, 'latin1'), data])
  }

  /** The opposite of `wire`. */
  static fromWire (bytes: Buffer, binary: boolean, definition: ChannelDefinition | undefined): ChannelMessage | DropReason {
    let except: string | undefined
    if (bytes[0] === HEADER) {
      const end = headerEnd(bytes)
      if (end !== -1) {
        except = bytes.toString('latin1', 1, end)
        bytes = bytes.subarray(end + 1)
      } else if (!binary) {
        return 'header'
      }
    }
    if (binary) return new ChannelMessage(bytes, except, definition)
    if (!isUtf8(bytes)) return 'utf8'
    return new ChannelMessage(bytes.toString(), except, definition)
  }
}

/** Can a socket with this id be left out? Visible ASCII, up to 128 characters. */
export function isSocketId (id: unknown): id is string {
  return typeof id === 'string' && id !== NOBODY && id.length <= MAX_ID_LENGTH && /^[\x21-\x7e]+$/.test(id)
}

/** @returns where the newline of a well-formed header is, or -1 */
function headerEnd (bytes: Buffer): number {
  if (bytes[0] !== HEADER) return -1
  for (let i = 1; i < bytes.length && i <= MAX_ID_LENGTH + 1; i++) {
    const byte = bytes[i]!
    if (byte === NEWLINE) return i > 1 ? i : -1
    if (byte < 0x21 || byte > 0x7e) return -1
  }
  return -1
}
