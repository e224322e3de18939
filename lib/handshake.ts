import { IncomingMessage, ServerResponse, STATUS_CODES } from 'node:http'
import { Socket as TcpSocket } from 'node:net'
import { finished, type Duplex } from 'node:stream'
import type { FastifyError } from '@fastify/error'
import {
  WSV_ERR_KEY_INVALID, WSV_ERR_METHOD_NOT_ALLOWED, WSV_ERR_UPGRADE_WITH_BODY, WSV_ERR_VERSION_UNSUPPORTED
} from './errors.ts'
import { kHandshake } from './symbols.ts'
import type { Watched } from './watch.ts'

declare module 'node:http' {
  interface IncomingMessage { [kHandshake]?: Handshake | undefined }
}

export interface HandshakeOwner {
  /** hand the request to Fastify's router */
  route (request: IncomingMessage, response: ServerResponse): void
  /** why no handshake is taken at the moment: answered before any hook */
  refusal (handshake: Handshake): { error: FastifyError, headers?: Record<string, string> } | undefined
  /** the handshake has ended: as an open socket, or with its TCP socket */
  ended (handshake: Handshake): void
}

/**
 * One upgrade request, from the moment Node hands it over until it is an open socket or its TCP socket is
 * gone. It owns the TCP socket meanwhile: errors, the HTTP answer, the end after the answer, the deadline.
 */
export class Handshake implements Watched {
  readonly request: IncomingMessage
  readonly tcp: Duplex
  readonly head: Buffer
  /** false for an upgrade to something else, which is served as plain HTTP (RFC 9110 §7.8) */
  readonly isWebSocket: boolean
  response: ServerResponse | undefined
  /** the caps have let it in, and count it until it ends */
  isAdmitted = false
  /** what `maxConnectionsPerAddress` has counted for it */
  address: string | undefined
  /** what the view's handler hands to its onSend hook: who it is, and the socket's data */
  accepted: { user: string | undefined, data: unknown } | undefined
  /** what the view adds to the 101 */
  headers: string[] = []
  /** the line of the 101 that names them; `''`: none */
  extensions = ''
  #owner: HandshakeOwner
  #deadline: number

  constructor (owner: HandshakeOwner, request: IncomingMessage, tcp: Duplex, head: Buffer, deadline: number) {
    this.#owner = owner
    this.request = request
    this.tcp = tcp
    this.head = head
    this.#deadline = deadline
    // RFC 6455 §4.2.1: HTTP/1.1 or higher, a header "containing the value 'websocket'"; RFC 9110 §7.8: a list, ignored in HTTP/1.0
    this.isWebSocket = request.httpVersion !== '1.0' && websocketPattern.test(request.headers.upgrade ?? '')
    // Node has taken its own listeners off before it emits 'upgrade'
    tcp.on('error', destroyThis)
    tcp.once('end', this.#onTcpEnd)
    tcp.once('close', this.#onTcpClose)
  }

  /** Answer, or hand over to the router; waits while an earlier response still uses the TCP socket. */
  begin (): void {
    if (this.tcp.destroyed) return
    const response = new ServerResponse(this.request)
    response.shouldKeepAlive = false
    try {
      response.assignSocket(this.tcp as Parameters<ServerResponse['assignSocket']>[0])
    } catch {
      // The request was pipelined behind another one (RFC 9112 §9.3.2): answers keep the order of the requests.
      // Without Node's field for the earlier response only the deadline is left.
      const earlier = (this.tcp as { _httpMessage?: unknown })._httpMessage
      if (earlier instanceof ServerResponse) this.#waitFor(earlier)
      return
    }
    this.response = response
    response.once('finish', this.#onAnswered)

    const refusal = this.#refusal()
    if (refusal !== undefined) {
      this.refuse(refusal.error, refusal.headers)
      return
    }
    if (this.isWebSocket) {
      this.request[kHandshake] = this
      // of a list, this is what `ws` expects to be left
      this.request.headers.upgrade = 'websocket'
    }
    this.#owner.route(this.request, response)
  }

  #waitFor (earlier: ServerResponse): void {
    // Node has taken this listener off as well: a large answer would stand still
    const onDrain = (): void => { earlier.emit('drain') }
    this.tcp.on('drain', onDrain)
    earlier.once('close', () => {
      this.tcp.off('drain', onDrain)
      this.begin()
    })
  }

  /** Answer with an error, the way Fastify words it, unless an answer has begun. */
  refuse (error: FastifyError, headers: Record<string, string> = {}): void {
    const response = this.response
    if (response === undefined) {
      this.tcp.destroy()
      return
    }
    if (response.headersSent || response.writableEnded) return
    const statusCode = error.statusCode ?? 500
    const body = JSON.stringify({ statusCode, code: error.code, error: STATUS_CODES[statusCode], message: error.message })
    response.writeHead(statusCode, {
      ...headers,
      'content-type': 'application/json; charset=utf-8',
      'content-length': Buffer.byteLength(body)
    })
    response.end(body)
  }

  /**
   * The server closes. What waits behind an earlier answer is refused when its turn comes, plain HTTP is Fastify's.
   *
   * @param deadline - what has not ended by then is destroyed
   */
  close (error: FastifyError, deadline: number): void {
    this.#deadline = Math.min(this.#deadline, deadline)
    if (this.response?.writableFinished === true) this.tcp.destroy()
    else if (this.isWebSocket && this.response !== undefined) this.refuse(error)
  }

  /** Take the response off the TCP socket: what is written from here on is the WebSocket's. */
  detach (): void {
    // a third listener, which `ws` is about to add, would make Node's list of them many times as long
    this.tcp.off('end', this.#onTcpEnd)
    this.response?.detachSocket(this.tcp as Parameters<ServerResponse['detachSocket']>[0])
  }

  /** The TCP socket is somebody else's now. */
  handOver (): void {
    this.tcp.off('end', this.#onTcpEnd)
    this.tcp.off('close', this.#onTcpClose)
    this.response?.off('finish', this.#onAnswered)
    this.request[kHandshake] = undefined
    this.#owner.ended(this)
  }

  /** The WebSocket is open: the response is done, with status 101. */
  complete (): void {
    this.handOver()
    // `ws` has one of its own
    this.tcp.off('error', destroyThis)
    // the stream of `injectWS` does not close by itself when both sides have ended
    const { response, tcp } = this
    if (!(tcp instanceof TcpSocket)) finished(tcp, () => { tcp.destroy() })
    if (response === undefined) return
    response.statusCode = 101
    // Fastify runs onResponse, and logs the request, on 'finish'
    response.emit('finish')
  }

  /** Nobody has answered yet. */
  get isPending (): boolean {
    return !this.tcp.destroyed && this.response?.writableEnded !== true
  }

  tick (now: number): boolean {
    if (now < this.#deadline) return true
    // a plain HTTP answer that has begun may take its time
    const isAnswering = this.response?.headersSent === true && !this.response.writableFinished
    if (this.isWebSocket || !isAnswering) this.tcp.destroy()
    return false
  }

  #refusal (): { error: FastifyError, headers?: Record<string, string> } | undefined {
    const { headers, method } = this.request
    if (!this.isWebSocket) return hasBody(headers) ? { error: new WSV_ERR_UPGRADE_WITH_BODY() } : undefined
    // RFC 6455 §4.2.1, in the order of the request
    if (method !== 'GET') return { error: new WSV_ERR_METHOD_NOT_ALLOWED(String(method)), headers: { allow: 'GET' } }
    if (hasBody(headers)) return { error: new WSV_ERR_UPGRADE_WITH_BODY() }
    const version = headers['sec-websocket-version']
    // a number where `injectWS` of @fastify/websocket made the request
    if (String(version) !== '13') {
      // RFC 6455 §4.4; what Upgrade names, Connection names (RFC 9110 §7.8)
      return {
        error: new WSV_ERR_VERSION_UNSUPPORTED(version === undefined ? 'none' : 'another'),
        headers: { 'sec-websocket-version': '13', upgrade: 'websocket', connection: 'close, upgrade' }
      }
    }
    if (!keyPattern.test(headers['sec-websocket-key'] ?? '')) return { error: new WSV_ERR_KEY_INVALID() }
    return this.#owner.refusal(this)
  }

  /** The client leaves, and needs no answer; the HTTP server of Node would do the same. */
  #onTcpEnd = (): void => {
    if (this.isPending) this.tcp.destroy()
  }

  #onTcpClose = (): void => {
    this.#owner.ended(this)
    // as Node does for a request that is no upgrade: Fastify runs onRequestAbort; `injectWS` makes a request that is none
    if (this.response?.writableEnded === false && this.request instanceof IncomingMessage) this.request.destroy()
  }

  #onAnswered = (): void => {
    const tcp = this.tcp as Duplex & { destroySoon? (): void }
    const { headers } = this.request
    if (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > this.head.length) {
      // RFC 9112 §9.6: closed with unread bytes, TCP is reset, and the reset may overtake the answer
      tcp.end()
      tcp.resume()
    } else if (tcp.destroySoon !== undefined) {
      tcp.destroySoon()
    } else {
      tcp.end()
    }
  }
}

/** one of the protocols of an Upgrade header (RFC 9110 §7.8) */
const websocketPattern = /(?:^|,)[ \t]*websocket[ \t]*(?:,|$)/i

/** 16 bytes in base64 (RFC 6455 §4.1) */
const keyPattern = /^[A-Za-z0-9+/]{22}==$/

function hasBody (headers: IncomingMessage['headers']): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0
}

/** A plain function: `this` is the TCP socket, so one listener serves them all. */
export function destroyThis (this: Duplex): void {
  this.destroy()
}
