import { closeCodes } from './close-codes.ts'
import type { Form } from './form/form.ts'
import { ValidationError } from './form/validation-error.ts'
import { isPromise } from './is-promise.ts'
import type { Ref } from './message.ts'
import type { ViewOptions } from './options.ts'
import type { Outgoing } from './outgoing.ts'
import type { Socket } from './socket.ts'
import type { FormErrors } from './types.ts'

/**
 * What a view does where a message is refused or a handler fails, shared by all its sockets: an error reply, what
 * `onInvalid` and `onHandlerError` say, or the end of the socket.
 */
export class Refusals {
  readonly #name: string
  readonly #options: ViewOptions
  readonly #outgoing: Outgoing
  #form: Form | undefined

  constructor (name: string, options: ViewOptions, outgoing: Outgoing) {
    this.#name = name
    this.#options = options
    this.#outgoing = outgoing
  }

  /** @param form - has the texts */
  ready (form: Form): void {
    this.#form = form
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
    const { onInvalid } = this.#options
    if (onInvalid === 'reply') this.#reply(socket, errors, ref)
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

  /** What a step or a handler threw: an error reply if it is one for the client, otherwise 1011. Never throws, never rejects. */
  fail (socket: Socket, error: unknown, ref: Ref): void | Promise<void> {
    const { onHandlerError } = this.#options
    try {
      if (error instanceof ValidationError) {
        this.#reply(socket, this.#form!.report(error, socket.formContext), ref)
      } else if ((error as { code?: unknown } | null)?.code === 'WSV_ERR_FANOUT_UNAVAILABLE') {
        this.#reply(socket, this.error(socket, '__all__', 'unavailable'), ref)
      } else if (!socket.isOpen && (error as { name?: unknown } | null)?.name === 'AbortError') {
        // it waited with `socket.signal`: that is how a handler is meant to end
      } else if (onHandlerError === undefined) {
        this.crash(socket, error)
      } else {
        const answered = onHandlerError(error, socket)
        if (isPromise(answered)) {
          return answered.then(
            (answered) => { if (answered !== true) this.crash(socket, error) },
            (second) => { this.crash(socket, error, second) })
        }
        if (answered !== true) this.crash(socket, error)
      }
    } catch (second) {
      this.crash(socket, error, second)
    }
  }

  /** @param retryAfterMs - until the window of `rateLimit` ends, in milliseconds */
  rateLimited (socket: Socket, retryAfterMs: number, ref: Ref): void {
    this.#reply(socket, this.#form!.error('__all__', 'rate_limited', { retryAfterMs }, socket.formContext), ref)
  }

  /** One error with its text, in the client's language. */
  error (socket: Socket, path: string, code: string, kind?: string): FormErrors {
    return this.#form!.error(path, code, undefined, socket.formContext, kind)
  }

  /**
   * Close with 1011.
   *
   * @param second - what was thrown while the error was being answered
   */
  crash (socket: Socket, error: unknown, second: unknown = error): void {
    const ws = { id: socket.id, view: this.#name }
    socket.request.log.error({ err: error, ws }, 'the view failed')
    if (second !== error) socket.request.log.error({ err: second, ws }, 'its error could not be answered')
    socket.close(closeCodes.INTERNAL_ERROR, 'internal_error')
    // where the client has closed, messages may wait still
    socket.refuse()
  }

  #reply (socket: Socket, errors: FormErrors, ref: Ref): void {
    if (!socket.isOpen) return
    const payload = this.#outgoing.errorOf(socket, errors, ref)
    if (payload !== undefined) socket.sendPayload(payload)
  }
}
