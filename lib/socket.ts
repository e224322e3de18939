import { randomBytes } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { checkClose } from './check-close.ts'
import { clockMs } from './clock.ts'
import { closeCodes } from './close-codes.ts'
import { WSV_ERR_TOO_MANY_SUBSCRIPTIONS } from './errors.ts'
import type { FanOut, Subscriber } from './fan-out/fan-out.ts'
import type { FormContext } from './form/form.ts'
import { Inbox, type InboxOwner, type Waiting } from './inbox.ts'
import { isPromise } from './is-promise.ts'
import { Liveness } from './liveness.ts'
import { isLeft, messageLoop, type LoopOwner } from './message-loop.ts'
import { Outbox, type OutboxOwner } from './outbox.ts'
import type { OpenSockets } from './open-sockets.ts'
import type { ServerOptions } from './options.ts'
import type { Payload } from './payload.ts'
import { Rate } from './rate.ts'
import { sessionIdOf, SocketSession, withSession, type SessionOwner, type StoredSession } from './session.ts'
import type { Credentialed, SessionWatch, Standing } from './session-watch.ts'
import { kReader, kSocket } from './symbols.ts'
import { MessageReader, type MessageReaderOwner } from './message-reader.ts'
import type { Channel, CloseInfo, WsSocket, WsSockets } from './types.ts'
import { userOf } from './user-of.ts'
import type { Checked, View } from './view.ts'
import type { ViewWebSocket } from './view-websocket.ts'
import type { Watch } from './watch.ts'
import type { Upgraded } from './ws-servers.ts'

/** What the sockets of one server share. */
export interface SocketHome {
  readonly options: Pick<ServerOptions, 'userOf'>
  readonly door: { releaseAddress (address: string): void }
  readonly sessionWatch: SessionWatch
  readonly wsSockets: WsSockets
  readonly watch: Watch
  readonly fanOut: FanOut
  readonly sockets: OpenSockets
}

/** unique among processes, and not to be guessed */
const idPrefix = randomBytes(9).toString('base64url')
let idCount = 0

/**
 * What a view holds. It asks its inbox and its outbox, and knows one thing itself: how a socket ends.
 */
export class Socket implements WsSocket, InboxOwner, OutboxOwner, LoopOwner, Subscriber, MessageReaderOwner, SessionOwner, Credentialed {
  /** joined: a template would leave two strings and a rope between them */
  readonly id = [idPrefix, (++idCount).toString(36)].join('-')
  readonly request: FastifyRequest
  readonly raw: ViewWebSocket
  /** what `userOf` said */
  readonly user: string | undefined
  /** as the handshake ended with it, whether it is stored or not */
  readonly sessionId: string | undefined
  data: unknown
  /** the view's name, for logs and filters */
  get view (): string { return this.#view.name }

  readonly inbox: Inbox
  readonly #outbox: Outbox
  readonly #view: View
  readonly #home: SocketHome
  readonly #openedAt: number
  #channels: Set<string> | undefined
  #controller: AbortController | undefined
  #closed: Promise<CloseInfo> | undefined
  #resolveClosed: ((info: CloseInfo) => void) | undefined
  #info: CloseInfo | undefined
  #isOpened = false
  #isOurClose = false
  #isGone = false
  #isFinished = false
  #isSettled = false
  /** onOpen, or an owning handler; and onGap */
  #tasks = 0
  /** messages that an owning handler has taken and not answered yet */
  #taken = 0
  #closeWhenIdle: CloseInfo | undefined
  readonly #liveness: Liveness
  /** whether its session is still good; `undefined` where there is none to ask for */
  #standing: Standing | undefined
  #formContext: FormContext | undefined
  /** once a handler has asked for it, where there is something to save */
  #session: SocketSession | undefined
  #invalid: Rate | undefined
  #arrived: Rate | undefined
  /** what `maxConnectionsPerAddress` has counted for it */
  #address: string | undefined

  constructor (view: View, home: SocketHome, request: FastifyRequest, user: string | undefined, data: unknown, { raw, tcp, outboxOptions, isPlain }: Upgraded, address?: string) {
    this.#view = view
    this.#home = home
    this.request = request
    this.user = user
    this.sessionId = sessionIdOf(request)
    this.data = data
    this.raw = raw
    this.#address = address
    this.inbox = new Inbox(this, view.options)
    this.#outbox = new Outbox(tcp, this, outboxOptions)
    this.#liveness = new Liveness(view.options, home.watch.now)
    this.#openedAt = clockMs()
    raw[kSocket] = this
    if (isPlain) raw[kReader] = MessageReader.attach(this, tcp, view.options.maxPayload)
  }

  // ---------- what a view uses

  /**
   * What a handler changes in it is saved when the handler has ended, before its reply is sent: a client that has the
   * reply may rely on it. `undefined` without a session plugin; the session itself where the plugin has no store.
   */
  get session (): WsSocket['session'] {
    const session = (this.#session ??= SocketSession.of(this))
    return (session === undefined ? (this.request as FastifyRequest & { session?: unknown }).session : session.value) as WsSocket['session']
  }

  /** Aborts when the socket begins to end. */
  get signal (): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#info !== undefined) this.#controller.abort()
    }
    return this.#controller.signal
  }

  get closed (): Promise<CloseInfo> {
    return (this.#closed ??= this.#isSettled
      ? Promise.resolve(this.#info!)
      : new Promise((resolve) => { this.#resolveClosed = resolve }))
  }

  /** for the fan-out: a view of text takes text that is no JSON; a codec is given the value */
  get anyText (): boolean {
    const { frames } = this.#view.options
    return frames !== 'json' && typeof frames === 'string'
  }

  get isOpen (): boolean {
    return this.#info === undefined
  }

  /** We have closed it, not the client: what runs may finish, nothing more begins. */
  get hasClosed (): boolean {
    return this.#isOurClose
  }

  get bufferedAmount (): number {
    return this.#outbox.bufferedAmount
  }

  get writable (): boolean {
    return this.#info === undefined && this.#outbox.writable
  }

  /** not sent, or not handled */
  get dropped (): number {
    return this.#outbox.dropped + this.inbox.dropped
  }

  drained (): Promise<void> {
    return this.#outbox.drained()
  }

  send (message: unknown): void {
    if (this.#info !== undefined) return
    const payload = this.#view.payloadOf(this, message)
    if (payload !== undefined) this.#outbox.send(payload)
  }

  async subscribe (channel: string | Channel<never>): Promise<void> {
    if (this.#info !== undefined) return
    const name = nameOf(channel)
    const channels = (this.#channels ??= new Set())
    const { maxSubscriptions } = this.#view.options
    const isNew = !channels.has(name)
    if (isNew && channels.size >= maxSubscriptions) throw new WSV_ERR_TOO_MANY_SUBSCRIPTIONS(maxSubscriptions)
    channels.add(name)
    try {
      await this.#home.fanOut.join(channel, this)
    } catch (error) {
      if (isNew) channels.delete(name)
      throw error
    }
  }

  async unsubscribe (channel: string | Channel<never>): Promise<void> {
    this.#channels?.delete(nameOf(channel))
    await this.#home.fanOut.leave(channel, this)
  }

  close (code: number = closeCodes.NORMAL, reason = ''): void {
    checkClose(code, reason)
    if (this.#info !== undefined) return
    this.refuse()
    this.#end(code, reason)
    this.raw.close(code, reason)
    // the client's close frame may be behind messages that we have not read
    if (this.raw.isPaused) this.raw.resume()
  }

  terminate (): void {
    // where the client has closed, messages may wait still
    this.refuse()
    if (this.#info === undefined) this.#end(1006, '')
    this.raw.terminate()
  }

  [Symbol.asyncIterator] (): AsyncGenerator<unknown, void, undefined> {
    return messageLoop(this)
  }

  // ---------- what a loop over its messages uses

  check ({ data, isBinary }: Waiting): Checked | undefined | Promise<Checked | undefined> {
    return this.#view.receive(this, data, isBinary)
  }

  taken (): void {
    this.#taken++
  }

  handled (): void {
    this.#taken--
    this.inbox.handled++
    // where the loop is left: what the handler sends right away leaves first
    if (this.#closeWhenIdle !== undefined) setImmediate(() => { this.closeIfIdle() })
  }

  // ---------- the beginning

  /** In the tick of the upgrade: `ws` delivers messages from the next one. */
  open (): void {
    this.#isOpened = true
    this.#home.sockets.add(this)
    this.request.log.info({ ws: { id: this.id, view: this.view } }, 'WebSocket opened')
    this.#standing = this.#home.sessionWatch.add(this)
    const { heartbeat, maxPauseMs } = this.#view.options
    this.#home.watch.add(this.#home.sockets, Math.min(heartbeat.intervalMs, heartbeat.timeoutMs, maxPauseMs))
    this.#tasks++
    const { onOpen, handler, takesMessages } = this.#view.options
    const { instance } = this.#view
    // a message to a view that only pushes is answered at once, whatever runs
    if (!takesMessages) this.inbox.open()
    const done = this.#run(() => handler !== undefined ? handler.call(instance, this, this.request) : onOpen?.call(instance, this))
    if (done === undefined) this.#taskDone()
    else done.then(() => { this.#taskDone() }, (error) => this.fail(error).then(() => { this.#taskDone({ code: closeCodes.INTERNAL_ERROR, reason: 'internal_error' }) }))
  }

  /** Run a handler that no message began, and save what it has put into the session, also when it throws. */
  #run (handler: () => unknown): Promise<void> | undefined {
    let result: unknown
    try {
      result = handler()
    } catch (error) {
      result = Promise.reject(error)
    }
    if (!isPromise(result)) return this.saveSession()
    return result.then(() => this.saveSession(), async (error) => {
      try {
        await this.saveSession()
      } catch (second) {
        this.request.log.error({ err: error, ws: { id: this.id, view: this.view } }, 'a handler failed, and its session could not be saved')
        throw second
      }
      throw error
    })
  }

  /** @param failure - how an owning handler that threw ends its socket, answered or not: nobody is left to handle it */
  #taskDone (failure?: CloseInfo): void {
    this.#tasks--
    if (this.#view.options.handler === undefined) {
      this.inbox.open()
    } else {
      const { code, reason } = failure ?? this.#closeWhenIdle ?? { code: closeCodes.NORMAL, reason: '' }
      this.close(code, reason)
      // where the client has closed: nobody is left to read what waits
      this.inbox.drop()
    }
    this.#finishIfDone()
  }

  // ---------- messages

  /** One message, from `ws` or from our own reader. */
  receive (data: Buffer | string, isBinary: boolean): void {
    this.seen()
    if (this.#view.options.rateLimit === false || this.#isWithinRate(data, isBinary)) this.inbox.receive(data, isBinary)
  }

  pinged (): void {
    this.seen()
    this.countArrived()
  }

  handle (data: Buffer | string, isBinary: boolean): void | Promise<void> {
    return this.#view.handle(this, data, isBinary)
  }

  pause (): void {
    this.raw.pause()
    this.#liveness.pause(clockMs(), this.inbox.handled)
  }

  resume (): void {
    this.#liveness.resume(this.#home.watch.now)
    if (this.raw.isPaused) this.raw.resume()
  }

  idle (): void {
    this.closeIfIdle()
    this.#finishIfDone()
  }

  /** One more message that the client should not have sent: false when it was one too many. */
  countInvalid (): boolean {
    const { count, perMs } = this.#view.options.maxInvalid
    return (this.#invalid ??= new Rate(perMs)).add() <= count
  }

  /** One more message has come. False when it is not to be handled: it was answered, or has closed the socket. */
  #isWithinRate (data: Buffer | string, isBinary: boolean): boolean {
    const arrived = this.countArrived()
    if (arrived !== undefined && this.#info === undefined) this.#view.rateLimited(this, arrived.endsInMs, data, isBinary)
    return arrived === undefined
  }

  /**
   * One more message or ping has come.
   *
   * @returns the rate when it was one too many; ten times too many close
   */
  countArrived (): Rate | undefined {
    const { rateLimit } = this.#view.options
    if (rateLimit === false) return undefined
    const arrived = (this.#arrived ??= new Rate(rateLimit.perMs))
    const count = arrived.add()
    if (count <= rateLimit.messages) return undefined
    if (count >= 10 * rateLimit.messages) this.close(closeCodes.POLICY_VIOLATION, 'rate_limited')
    return arrived
  }

  sendPayload (payload: Payload): void {
    if (this.#info === undefined) this.#outbox.send(payload)
  }

  /** Fan-out, straight to this socket. */
  deliver (payload: Payload): void {
    if (this.#info !== undefined) return
    const filtered = this.#view.filterPayload(this, payload)
    if (filtered !== undefined) this.#outbox.deliver(filtered)
  }

  gap (channels: string[]): void {
    const { onGap } = this.#view.options
    if (onGap === undefined || this.#info !== undefined) return
    this.#tasks++
    const done = this.#run(() => onGap.call(this.#view.instance, this, channels))
    if (done === undefined) {
      this.#tasks--
    } else {
      done.catch((error) => this.fail(error)).then(() => {
        this.#tasks--
        this.idle()
      })
    }
  }

  /** A handler threw: an error reply where the error is one for the client, otherwise the end of the socket. */
  async fail (error: unknown): Promise<void> {
    await this.#view.refusals.fail(this, error, undefined)
  }

  /** What the form steps see of this socket. */
  get formContext (): FormContext {
    return (this.#formContext ??= { socket: this, locale: this.#view.localeOf(this.request) })
  }

  // ---------- its session

  /** What handlers have changed, on its way to the store; nothing when none has looked at the session, or changed it. */
  saveSession (): Promise<void> | undefined {
    const session = this.#session
    if (session?.isUsed !== true) return undefined
    const saved = session.save()
    // another handler that runs may have taken something out of it, and change that later
    session.isUsed = this.#running > 1
    return saved
  }

  get sessionGraceMs (): number {
    return this.#view.options.sessionGraceMs
  }

  isSameUser (session: StoredSession): boolean | Promise<boolean> {
    const { options } = this.#home
    if (options.userOf === undefined) return true
    const user = userOf(options, withSession(this.request, session))
    return isPromise(user) ? user.then((user) => user === this.user) : user === this.user
  }

  sessionOver (): void {
    this.close(closeCodes.CREDENTIALS_OVER, 'session_over')
  }

  async sessionDestroyed (sessionId: string): Promise<void> {
    try {
      await this.#home.wsSockets.close({ sessionId }, closeCodes.CREDENTIALS_OVER, 'session_over')
    } catch (error) {
      // the others find out when they ask for it
      this.request.log.warn({ err: error }, 'the sockets of a session that has ended are closed in this process only')
    }
  }

  // ---------- deadlines

  /** @param now - of the watch */
  tick (now: number): void {
    // at shutdown we do not read, and the deadline is another one
    if (this.#info !== undefined || this.#closeWhenIdle !== undefined) return
    const verdict = this.#liveness.judge(now, this.inbox.handled, this.#bytesRead)
    if (verdict === 'ping') this.raw.ping()
    else if (verdict === 'dead') this.terminate()
    else if (verdict === 'overloaded') this.close(closeCodes.TRY_AGAIN_LATER, 'overloaded')
  }

  /** Something came from the client. */
  seen (): void {
    this.#liveness.seen(this.#home.watch.now)
  }

  get #bytesRead (): number {
    return this.request.raw.socket.bytesRead
  }

  slow (): void {
    this.close(closeCodes.TRY_AGAIN_LATER, 'too_slow')
  }

  /** At shutdown: at once when nothing is being handled, otherwise after the reply. */
  closeIdle (code: number, reason: string): void {
    if (this.#info !== undefined) return
    this.#closeWhenIdle = { code, reason }
    this.closeIfIdle()
    if (this.#info !== undefined) return
    this.raw.pause()
    this.inbox.drop()
  }

  closeIfIdle (): void {
    const info = this.#closeWhenIdle
    if (info !== undefined && this.#running === 0) this.close(info.code, info.reason)
  }

  /** Handlers that run. An owning one runs for as long as the socket: it counts while it has a message. */
  get #running (): number {
    const taken = this.#taken > 0 && isLeft(this) ? this.#taken - 1 : this.#taken
    return this.inbox.running + taken + (this.#view.options.handler === undefined ? this.#tasks : this.#tasks - 1)
  }

  // ---------- the end

  /** The client has sent its close frame, or `ws` closes because the client broke the protocol. */
  closing (code: number, reason: string): void {
    if (this.#info !== undefined) return
    this.inbox.end()
    this.#end(code, reason)
  }

  /** The TCP socket is gone. */
  gone (code: number, reason: string): void {
    this.#isGone = true
    // without a close frame, or with one that TCP's end has overtaken within `ws`
    if (this.#info === undefined) {
      this.inbox.end()
      this.#end(code, reason)
    }
    this.raw[kReader]?.detach()
    this.#outbox.discard()
    if (this.#standing !== undefined) this.#home.sessionWatch.delete(this.#standing)
    this.#standing = undefined
    if (this.#address !== undefined) this.#home.door.releaseAddress(this.#address)
    this.#address = undefined
    this.#finishIfDone()
  }

  /** `ws` closes by itself when the client broke the protocol (`Z_`: its compression); then nothing that waits is handled. */
  failed (error: Error & { code?: string }): void {
    this.raw[kReader]?.stop()
    if (/^(?:WS_ERR|Z)_/.test(error.code ?? '')) this.refuse()
    this.request.log.info({ err: error, ws: { id: this.id, view: this.view } }, 'WebSocket error')
  }

  /** Wait no longer for handlers: `onClose` runs now. */
  finish (): void {
    if (this.#isFinished) return
    this.#isFinished = true
    const info = this.#info ?? { code: 1006, reason: '' }
    const { onClose } = this.#view.options
    const done = this.#run(() => this.#isOpened ? onClose?.call(this.#view.instance, this, info) : undefined)
    if (done === undefined) {
      this.#settle(info)
    } else {
      done.then(() => { this.#settle(info) }, (error) => {
        this.request.log.error({ err: error, ws: { id: this.id, view: this.view } }, 'onClose of the view failed')
        this.#settle(info)
      })
    }
  }

  /** Nothing that waits is handled any more. */
  refuse (): void {
    this.#isOurClose = true
    this.inbox.drop()
  }

  #end (code: number, reason: string): void {
    this.#info = { code, reason }
    this.#outbox.end()
    this.#home.fanOut.leaveAll(this)
    this.#channels = undefined
    this.#controller?.abort()
  }

  #finishIfDone (): void {
    if (this.#isGone && this.#tasks === 0 && this.inbox.isIdle) this.finish()
  }

  #settle (info: CloseInfo): void {
    this.#isSettled = true
    const { sockets, watch } = this.#home
    sockets.delete(this)
    if (sockets.size === 0) watch.delete(sockets)
    this.request.log.info({
      ws: {
        id: this.id,
        view: this.view,
        code: info.code,
        reason: info.reason,
        received: this.inbox.handled,
        droppedIn: this.inbox.dropped,
        droppedOut: this.#outbox.dropped,
        durationMs: clockMs() - this.#openedAt
      }
    }, 'WebSocket closed')
    this.#resolveClosed?.(info)
  }
}

/** What is no channel is refused by the fan-out. */
function nameOf (channel: string | Channel<never> | null | undefined): string {
  return typeof channel === 'string' ? channel : String(channel?.name)
}
