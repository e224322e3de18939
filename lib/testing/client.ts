import { isDeepStrictEqual } from 'node:util'
import type { IncomingHttpHeaders } from 'node:http'
import type { RawData, WebSocket } from 'ws'
import { WSV_ERR_NOT_SERIALIZABLE } from '../errors.ts'
import type { CloseInfo, FormErrors, WsFrames } from '../types.ts'
import type { Arrivals } from './arrivals.ts'
import { WSV_ERR_TEST_CLOSED, WSV_ERR_TEST_UNEXPECTED } from './errors.ts'

/** What the server answered to the handshake. */
export interface Handshake {
  /** 101 */
  statusCode: number
  /** names in lower case */
  headers: IncomingHttpHeaders
}

/** The error reply of a view, in its usual shape. */
export interface ErrorReply {
  /** what tells it from other messages */
  type: 'error'
  /** of the message that was refused, if it had one */
  ref?: string | number
  /** by field */
  errors: FormErrors
}

/** The codes of each field, in the order of the reply: `{ text: ['required'] }`. */
export type ErrorCodes = Readonly<Record<string, readonly string[]>>

/** One connected client. It keeps every message from the first on until it is asked for. */
export class WsTestClient implements AsyncDisposable {
  /** what the server answered to the handshake */
  readonly response: Handshake
  /** the client's own object of `ws` */
  readonly raw: WebSocket
  /** resolves when the connection is gone: the code and reason that the server sent, 1006 when it sent none; never rejects */
  readonly closed: Promise<CloseInfo>
  readonly #frames: WsFrames
  readonly #messages: Arrivals<string | Buffer>
  readonly #vanish: () => void
  #info: CloseInfo | undefined
  #hasVanished = false

  /** @internal `wsConnect` makes them */
  constructor (raw: WebSocket, response: Handshake, frames: WsFrames, messages: Arrivals<string | Buffer>, vanish: () => void) {
    this.raw = raw
    this.response = response
    this.#frames = frames
    this.#messages = messages
    this.#vanish = vanish
    this.closed = new Promise((resolve) => {
      raw.on('close', (code, reason) => {
        // `ws` takes what had arrived when the connection ends, paused or not
        const info = this.#hasVanished ? { code: 1006, reason: '' } : { code, reason: reason.toString() }
        this.#info = info
        messages.end(() => new WSV_ERR_TEST_CLOSED(info.code, info.reason))
        resolve(info)
      })
    })
  }

  /** the subprotocol that the server chose; `''`: none */
  get protocol (): string {
    return this.raw.protocol
  }

  /**
   * Send one message: a value to a JSON view, text or bytes to the others.
   *
   * @throws WSV_ERR_NOT_SERIALIZABLE, WSV_ERR_TEST_CLOSED
   */
  send (message: unknown): void {
    if (this.#frames !== 'json') {
      if (typeof message !== 'string' && !(message instanceof Uint8Array)) {
        throw new WSV_ERR_NOT_SERIALIZABLE('This message', `text or bytes for this view, got ${typeof message}`)
      }
      this.sendRaw(message)
      return
    }
    this.sendRaw(jsonOf(message))
  }

  /**
   * Send one message as it is: a string in a text frame, bytes in a binary one.
   *
   * @throws WSV_ERR_TEST_CLOSED
   */
  sendRaw (data: string | Uint8Array): void {
    const { raw } = this
    if (raw.readyState !== raw.OPEN) throw this.#closedError()
    // a copy: `ws` masks some buffers where they are
    raw.send(typeof data === 'string' ? data : Buffer.from(data))
  }

  /**
   * The next message: a value from a JSON view, a string or a Buffer from the others.
   *
   * @throws (rejects) WSV_ERR_TEST_TIMEOUT; WSV_ERR_TEST_CLOSED when the socket closes before it; WSV_ERR_TEST_UNEXPECTED
   *   for text from a JSON view that is no JSON
   */
  async next<Message = unknown> (): Promise<Message> {
    return this.#valueOf(await this.#messages.next()) as Message
  }

  /**
   * The next message is the error reply with these codes, no more and no less.
   *
   * @returns the whole reply, with its texts and `ref`
   * @throws (rejects) WSV_ERR_TEST_UNEXPECTED with `actual` and `expected`, which test runners show; and as `next`
   */
  async expectErrors (codes: ErrorCodes): Promise<ErrorReply> {
    const text = (await this.#messages.next()).toString()
    const reply = errorReplyOf(text)
    const actual = reply === undefined ? text : codesOf(reply.errors)
    if (reply === undefined || !isDeepStrictEqual(actual, { ...codes })) {
      throw Object.assign(
        new WSV_ERR_TEST_UNEXPECTED(`the errors ${JSON.stringify(codes)}`, reply === undefined ? `the message ${text}` : JSON.stringify(actual)),
        { actual, expected: codes })
    }
    return reply
  }

  /**
   * No message comes, and the socket stays open.
   *
   * @param ms - how long to wait for it, in milliseconds
   * @throws (rejects) WSV_ERR_TEST_UNEXPECTED as soon as there is a message, which stays for `next`; WSV_ERR_TEST_CLOSED
   */
  async expectNothing (ms = 50): Promise<void> {
    await this.#messages.quiet(ms)
    const [message] = this.#messages.waiting
    if (message !== undefined) {
      const got = typeof message === 'string' ? message : `${message.length} bytes`
      throw new WSV_ERR_TEST_UNEXPECTED('no message', got.length > 200 ? `${got.slice(0, 200)}…` : got)
    }
    if (this.#messages.ended !== undefined) throw this.#messages.ended
  }

  /**
   * Say goodbye, read on if it was paused, and wait for the server's answer.
   *
   * @param code - default: a close frame without a code, as from a page that is left
   * @returns what `closed` has
   */
  close (code?: number, reason?: string): Promise<CloseInfo> {
    this.raw.close(code, reason)
    this.raw.resume()
    return this.closed
  }

  /** End the connection without a closing handshake; the server sees 1006. */
  terminate (): Promise<CloseInfo> {
    this.raw.terminate()
    return this.closed
  }

  /** A slow reader: read nothing more, so that what the server sends waits there. */
  pause (): void {
    this.raw.pause()
  }

  /** Read on. */
  resume (): void {
    this.raw.resume()
  }

  /**
   * The half-open peer that a lost network leaves behind: from now on it reads nothing, and answers neither pings nor
   * close frames. `closed` resolves with 1006 when the server has given it up, or when it is terminated.
   */
  vanish (): void {
    this.#hasVanished = true
    this.raw.pause()
    this.#vanish()
  }

  /** `await using client = …` */
  async [Symbol.asyncDispose] (): Promise<void> {
    await this.terminate()
  }

  #valueOf (message: string | Buffer): unknown {
    // a channel of bytes reaches JSON views as well
    if (this.#frames !== 'json' || typeof message !== 'string') return message
    try {
      return JSON.parse(message) as unknown
    } catch {
      throw new WSV_ERR_TEST_UNEXPECTED('JSON', message)
    }
  }

  #closedError (): Error {
    const { code, reason } = this.#info ?? { code: 1005, reason: 'closing' }
    return new WSV_ERR_TEST_CLOSED(code, reason)
  }
}

function jsonOf (message: unknown): string {
  let text: string | undefined
  try {
    text = JSON.stringify(message)
  } catch (cause) {
    throw Object.assign(new WSV_ERR_NOT_SERIALIZABLE('This message', `a JSON value: ${(cause as Error).message}`), { cause })
  }
  if (text === undefined) throw new WSV_ERR_NOT_SERIALIZABLE('This message', `a JSON value, got ${typeof message}`)
  return text
}

/** One message as it came: a string from a text frame, a Buffer from a binary one. */
export function readFrame (data: RawData, isBinary: boolean): string | Buffer {
  const bytes = Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data as Buffer)
  return isBinary ? bytes : bytes.toString()
}

function errorReplyOf (text: string): ErrorReply | undefined {
  try {
    const reply = JSON.parse(text) as Partial<ErrorReply> | null
    if (reply?.type === 'error' && typeof reply.errors === 'object' && reply.errors !== null) return reply as ErrorReply
  } catch {
    // no error reply
  }
  return undefined
}

function codesOf (errors: FormErrors): Record<string, string[]> {
  return Object.fromEntries(Object.entries(errors).map(([field, list]) => [field, list.map(({ code }) => code)]))
}
