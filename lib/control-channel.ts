import { randomBytes } from 'node:crypto'
import { Type } from '@sinclair/typebox'
import { checkClose } from './check-close.ts'
import { defineOwnChannel } from './fan-out/channel.ts'
import type { FanOut } from './fan-out/fan-out.ts'
import type { SocketFilter } from './open-sockets.ts'

/** Sockets to be closed, and how: at least one member of the filter is there, users and sessions as SHA-256 in hex. */
export interface CloseRequest extends SocketFilter {
  code: number
  /** at most 123 bytes */
  reason: string
}

type ControlMessage = CloseRequest & { from?: string }

const aText = { type: 'string' }
const aDigest = { type: 'string', pattern: '^[0-9a-f]{64}$' }

/** A message that breaks this is dropped and counted by the fan-out: one without a filter would close everybody's sockets. */
const schema = Type.Unsafe<ControlMessage>({
  type: 'object',
  properties: {
    id: aText,
    view: aText,
    user: aDigest,
    sessionId: aDigest,
    code: { type: 'integer', minimum: 1000, maximum: 4999 },
    reason: { type: 'string', maxLength: 123 },
    from: aText
  },
  required: ['code', 'reason'],
  anyOf: ['id', 'view', 'user', 'sessionId'].map((name) => ({ required: [name] })),
  additionalProperties: false
})

const channel = defineOwnChannel('wsv:control:1', schema)

/** What the processes of one application ask of each other. */
export class ControlChannel {
  /** who asks, on the wire: a server, of which a process may have several */
  readonly #self = randomBytes(9).toString('base64url')
  readonly #fanOut: FanOut
  readonly #log: { warn (fields: object, message: string): void }

  constructor (fanOut: FanOut, log: { warn (fields: object, message: string): void }) {
    this.#fanOut = fanOut
    this.#log = log
  }

  /** Ask the other processes, where there are any. */
  async ask (request: CloseRequest): Promise<void> {
    if (this.#isAlone) return
    await this.#fanOut.publish(channel, { ...request, from: this.#self })
  }

  /** Hear what the other processes ask, and any other program that can publish. */
  async listen (answer: (request: CloseRequest) => void): Promise<void> {
    if (this.#isAlone) return
    await this.#fanOut.subscribe(channel, (message) => {
      // done before it was published; whoever connected since then is not meant
      if (message.from === this.#self) return
      try {
        checkClose(message.code, message.reason)
      } catch (error) {
        this.#log.warn({ err: error }, 'wsViews: a control message was dropped')
        return
      }
      answer(message)
    })
  }

  get #isAlone (): boolean {
    return this.#fanOut.kind === 'in-process'
  }
}
