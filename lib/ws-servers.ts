import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocketServer, type ServerOptions as WsServerOptions } from 'ws'
import { parseDeflate } from './deflate.ts'
import { WSV_ERR_HANDSHAKE_INVALID } from './errors.ts'
import type { Handshake } from './handshake.ts'
import type { ViewOptions } from './options.ts'
import { dropListenerTable } from './no-listeners.ts'
import type { OutboxOptions } from './outbox.ts'
import { guardReceiver } from './receiver-guard.ts'
import { kHandshake } from './symbols.ts'
import { ViewWebSocket } from './view-websocket.ts'

export interface Upgraded {
  raw: ViewWebSocket
  /** shared by all sockets of the view that negotiated the same compression */
  outboxOptions: OutboxOptions
  tcp: Duplex
  /** without compression, and `ws` is done with a chunk when its listener returns */
  isPlain: boolean
}

const deflateThreshold = 1024

/**
 * The `ws` servers behind the views: one per distinct `maxPayload` and `subprotocols`, none of which listens.
 */
export class WsServers {
  #options: WsServerOptions
  #closeTimeoutMs: number
  #servers = new Map<string, WebSocketServer>()
  #byView = new WeakMap<ViewOptions, WebSocketServer>()
  #outboxOptions = new WeakMap<ViewOptions, Map<string, OutboxOptions>>()

  constructor (options: WsServerOptions, closeTimeoutMs: number) {
    this.#options = options
    this.#closeTimeoutMs = closeTimeoutMs
  }

  /**
   * Write the 101 and open the socket, in this tick. `opened` is not called when the client is gone already, or
   * when `ws` cannot read the handshake (a malformed `Sec-WebSocket-Extensions`): that one is refused.
   */
  upgrade (handshake: Handshake, options: ViewOptions, opened: (upgraded: Upgraded) => void): void {
    this.#serverFor(options).handleUpgrade(handshake.request, handshake.tcp, handshake.head, (raw) => {
      handshake.tcp.setDefaultEncoding('utf8')
      const { extensions } = handshake
      const isPlain = extensions === '' && this.#options.allowSynchronousEvents !== false
      if (!isPlain) guardReceiver(raw)
      dropListenerTable(raw)
      opened({
        raw: raw as ViewWebSocket,
        tcp: handshake.tcp,
        outboxOptions: this.#outboxOptionsFor(options, extensions),
        isPlain
      })
    })
  }

  close (): void {
    for (const server of this.#servers.values()) server.close()
  }

  #serverFor (options: ViewOptions): WebSocketServer {
    let server = this.#byView.get(options)
    if (server === undefined) this.#byView.set(options, server = this.#serverLike(options))
    return server
  }

  #serverLike ({ maxPayload, subprotocols }: ViewOptions): WebSocketServer {
    const key = JSON.stringify([maxPayload, subprotocols])
    let server = this.#servers.get(key)
    if (server === undefined) {
      const { perMessageDeflate } = this.#options
      server = new WebSocketServer({
        ...this.#options,
        noServer: true,
        clientTracking: false,
        // a compressed message is the same for every socket: it is compressed once
        perMessageDeflate: perMessageDeflate === undefined || perMessageDeflate === false
          ? false
          : { ...(perMessageDeflate === true ? {} : perMessageDeflate), serverNoContextTakeover: true },
        maxPayload,
        closeTimeout: this.#closeTimeoutMs,
        // without this `ws` answers with the first one offered, which may be a token
        handleProtocols: (offered: Set<string>) => subprotocols.find((protocol) => offered.has(protocol)) ?? false,
        WebSocket: ViewWebSocket
      } as WsServerOptions)
      server.on('wsClientError', refuse)
      server.on('headers', complement)
      this.#servers.set(key, server)
    }
    return server
  }

  #outboxOptionsFor (options: ViewOptions, extensions: string): OutboxOptions {
    let known = this.#outboxOptions.get(options)
    if (known === undefined) this.#outboxOptions.set(options, known = new Map())
    let outboxOptions = known.get(extensions)
    if (outboxOptions === undefined) {
      const { perMessageDeflate } = this.#options
      const threshold = typeof perMessageDeflate === 'object' ? perMessageDeflate.threshold ?? deflateThreshold : deflateThreshold
      const { maxBuffered, onSlow } = options
      outboxOptions = { maxBuffered, onSlow, deflate: extensions === '' ? undefined : parseDeflate(extensions, threshold) }
      known.set(extensions, outboxOptions)
    }
    return outboxOptions
  }
}

/** The lines of the 101, before they are written. */
function complement (lines: string[], request: IncomingMessage): void {
  const handshake = request[kHandshake]!
  handshake.extensions = lines.find((line) => line.startsWith('Sec-WebSocket-Extensions:')) ?? ''
  lines.push(...handshake.headers)
  handshake.detach()
  // Latin-1, as Node writes headers (`injectWS` has a stream that knows the old name only); `ws` leaves it to the stream
  handshake.tcp.setDefaultEncoding('binary')
}

/** What only `ws` reads of a handshake, it could not read. */
function refuse (error: Error, _tcp: Duplex, request: IncomingMessage): void {
  request[kHandshake]?.refuse(new WSV_ERR_HANDSHAKE_INVALID(error.message))
}
