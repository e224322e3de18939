import type { FastifyRequest } from 'fastify'
import type { WebSocket } from 'ws'
import type { Channel } from './fan-out.ts'

/** How a socket was closed. */
export interface CloseInfo {
  /** RFC 6455 §7.4; 1006 when the connection broke */
  code: number
  /** what the closing side said; `''`: nothing */
  reason: string
}

/** What `request.session` is in this app: a session plugin says so, without one it is `unknown`. */
export type WsSession = FastifyRequest extends { session: infer Session } ? Session : unknown

/** What a view holds: thin, not an EventEmitter, not the object of `ws` (that one is `raw`). */
export interface WsSocket<Data = unknown, Out = unknown, In = unknown, Request = FastifyRequest> extends AsyncIterable<In> {
  /** unique in all processes */
  readonly id: string
  /** the handshake's request; its reply and raw response are released */
  readonly request: Request
  /** the session of the request, saved after a handler that changed it */
  readonly session: WsSession
  /** what the view's `data(request)` made */
  data: Data
  /** aborts as soon as the connection ends, whoever ends it */
  readonly signal: AbortSignal
  /** resolves after `onClose`; never rejects */
  readonly closed: Promise<CloseInfo>
  /** bytes that wait to be sent */
  readonly bufferedAmount: number
  /** false while more than half of `maxBuffered` waits, and once closing */
  readonly writable: boolean
  /** messages that were not sent (`onSlow: 'drop'`) or not handled (we closed) */
  readonly dropped: number
  /** the object of `ws` */
  readonly raw: WebSocket
  /**
   * Send one message; nothing happens on a closed socket.
   *
   * @param message - what the `replySchema` describes; without one any JSON value, on text, binary and raw views text or bytes
   * @throws WSV_ERR_NOT_SERIALIZABLE; WSV_ERR_REPLY_INVALID with `checkReplies`; what `preSend` and a codec throw
   */
  send (message: Out): void
  /** Resolves when `writable` is true again, or the socket has ended; never rejects. */
  drained (): Promise<void>
  /**
   * From now on what is published on the channel goes straight to this socket. Resolves when the broker has confirmed, at
   * once while it is away, and on a closed socket.
   *
   * @throws WSV_ERR_TOO_MANY_SUBSCRIPTIONS, WSV_ERR_CHANNEL_INVALID, WSV_ERR_SCHEMA_INVALID, WSV_ERR_FANOUT_REFUSED,
   *   WSV_ERR_FANOUT_CLOSED
   */
  subscribe (channel: string | Channel): Promise<void>
  /**
   * Nothing more of the channel goes to this socket, from the call on. Resolves when the broker has confirmed.
   *
   * @throws WSV_ERR_CHANNEL_INVALID, WSV_ERR_FANOUT_REFUSED
   */
  unsubscribe (channel: string | Channel): Promise<void>
  /**
   * Messages that wait are dropped, running handlers may finish. The first close counts, the client's too.
   *
   * @param code - default 1000; also 1001, 1003, 1007 to 1009, 1011 to 1014, 3000 to 4999
   * @param reason - at most 123 bytes; clients see it
   * @throws WSV_ERR_CLOSE_CODE, WSV_ERR_CLOSE_REASON
   */
  close (code?: number, reason?: string): void
  /** End the connection without a closing handshake; `onClose` gets 1006. Messages that wait are dropped. */
  terminate (): void
}

/** Sockets by what they are; all members given must match, at least one is given. */
export type WsSocketQuery = WsSocketFilter & OneOf<WsSocketFilter>

/** What a socket is known by. */
export interface WsSocketFilter {
  /** of the socket */
  id?: string
  /** the name of its view, with its namespace; of a view without one, its URL */
  view?: string
  /** what `userOf(request)` gave */
  user?: string
  /** `request.session.sessionId` */
  sessionId?: string
}

/** At least one of the members. */
type OneOf<Members> = { [Name in keyof Members]-?: Required<Pick<Members, Name>> }[keyof Members]

/** `fastify.wsSockets`: the sockets of this process. */
export interface WsSockets extends Iterable<WsSocket> {
  /** how many there are */
  readonly count: number
  /**
   * Close sockets: those for which a function returns true, in this process; or those that match, in every process.
   *
   * @param code - default 1000; 4401 where the filter names a user or a session
   * @throws WSV_ERR_OPTION_INVALID, WSV_ERR_CLOSE_CODE, WSV_ERR_CLOSE_REASON; WSV_ERR_FANOUT_UNAVAILABLE,
   *   WSV_ERR_FANOUT_OVERLOADED, WSV_ERR_FANOUT_REFUSED, WSV_ERR_FANOUT_CLOSED when only the sockets of this process could be closed
   */
  close (filter: WsSocketQuery | ((socket: WsSocket) => boolean), code?: number, reason?: string): Promise<void>
}
