import { EventEmitter } from 'node:events'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyContextConfig, FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import type {} from '@fastify/websocket'
import type { FastifyError } from '@fastify/error'
import { WSV_ERR_CLOSING, WSV_ERR_NOT_A_VIEW, WSV_ERR_TOO_MANY_CONNECTIONS, WSV_ERR_TOO_MANY_CONNECTIONS_PER_ADDRESS } from './errors.ts'
import { Addresses } from './addresses.ts'
import { clientAddressOf, type ClientAddressOf } from './client-address.ts'
import { clockMs } from './clock.ts'
import { contextsOf, rootOf } from './contexts.ts'
import { learnMarks, type UpgradeListener, type UpgradeMarks } from './fastify-websocket.ts'
import { Handshake, type HandshakeOwner } from './handshake.ts'
import { OfferedUpgrade } from './offered-upgrade.ts'
import { kHandshake, kRouteKind } from './symbols.ts'
import type { Watch } from './watch.ts'

declare module 'fastify' {
  interface FastifyContextConfig { [kRouteKind]?: 'view' | 'websocket' | 'plain' }
}

export interface DoorLimits {
  /** milliseconds until an unanswered upgrade is destroyed */
  handshakeTimeoutMs: number
  /** open sockets and pending handshakes */
  maxConnections: number | undefined
  /** the same by client address */
  maxConnectionsPerAddress: number | undefined
  /** milliseconds that a handshake may still take when the server closes */
  closeTimeoutMs: number
}

/**
 * Every upgrade that reaches one `http.Server` comes in here, and none leaves without an end: an open socket, an
 * HTTP answer followed by the end of the TCP socket, or destruction at the deadline.
 */
export class Door implements HandshakeOwner {
  isClosing = false
  readonly pending = new Set<Handshake>()
  /** `@fastify/websocket` of ours listens here, so that it never listens on the server itself */
  readonly emitter = new EventEmitter()
  #instance: FastifyInstance
  #watch: Watch
  #limits: DoorLimits
  #openSockets: () => number
  #marks: UpgradeMarks | undefined
  /** the application has registered `@fastify/websocket` itself, perhaps before us: some of its routes we have not seen */
  #hasUnseenRoutes = false
  /** upgrade listeners of others: they get what no route has */
  #others: UpgradeListener[] = []
  readonly #offered = new Set<OfferedUpgrade>()
  readonly #addresses: Addresses | undefined
  readonly #clientAddressOf: ClientAddressOf | undefined
  /** pending handshakes that the caps have let in */
  #admitted = 0
  #knownServers = new WeakSet<EventEmitter>()

  constructor (instance: FastifyInstance, watch: Watch, limits: DoorLimits, openSockets: () => number) {
    this.#instance = instance
    this.#watch = watch
    this.#limits = limits
    this.#openSockets = openSockets
    const { maxConnectionsPerAddress } = limits
    if (maxConnectionsPerAddress !== undefined) {
      this.#addresses = new Addresses(maxConnectionsPerAddress)
      this.#clientAddressOf = clientAddressOf(instance)
    }
  }

  /** Take over the server's upgrades; `release` gives them back. */
  open (): void {
    this.#server.prependListener('upgrade', this.#onUpgrade)
    // Fastify gives an onRequest hook to the children that are there already, an onRoute hook it does not
    rootOf(this.#instance).addHook('onRequest', this.#guardUpgrade)
    for (const instance of contextsOf(this.#instance)) instance.addHook('onRoute', markRoute)
  }

  /**
   * When everything is loaded: `@fastify/websocket` no longer listens on the server, the door hands it what is
   * its own. So it does with a listener of somebody else, whose paths are those that no route has: left on the
   * server it would see the others too, and a `ws` server with a `path` refuses what is not its own.
   */
  adoptListeners (): void {
    const registered = contextsOf(this.#instance).filter((context) => Object.hasOwn(context, 'websocketServer'))
    const hasForeignOne = registered.length > this.emitter.listenerCount('upgrade')
    for (const listener of this.#server.rawListeners('upgrade') as UpgradeListener[]) {
      if (listener === this.#onUpgrade) continue
      const marks = hasForeignOne ? learnMarks(listener) : undefined
      if (marks === undefined) {
        this.#others.push(listener)
      } else {
        this.#marks = marks
        this.#hasUnseenRoutes = true
      }
      this.#server.off('upgrade', listener)
    }
    for (const listener of this.emitter.listeners('upgrade') as UpgradeListener[]) {
      if (listener === this.#onUpgrade) continue
      this.#marks ??= learnMarks(listener)
      this.emitter.off('upgrade', listener)
    }
    // `injectWS` emits here
    if (this.emitter.listenerCount('upgrade') === 0) this.emitter.on('upgrade', this.#onUpgrade)
  }

  /** No more handshakes: 503 for what is under way and for what comes until the server is closed. */
  close (): void {
    this.isClosing = true
    const { closeTimeoutMs } = this.#limits
    const deadline = clockMs() + closeTimeoutMs
    for (const handshake of this.pending) {
      this.#watch.add(handshake, closeTimeoutMs)
      handshake.close(new WSV_ERR_CLOSING(), deadline)
    }
    for (const offered of this.#offered) {
      this.#watch.add(offered, closeTimeoutMs)
      offered.close(deadline)
    }
  }

  release (): void {
    this.#server.off('upgrade', this.#onUpgrade)
    for (const handshake of this.pending) handshake.tcp.destroy()
  }

  route (request: IncomingMessage, response: ServerResponse): void {
    try {
      this.#instance.routing(request, response)
    } catch (error) {
      this.#instance.log.error({ err: error }, 'the upgrade could not be routed')
      request.socket?.destroy()
    }
  }

  refusal (handshake: Handshake): { error: FastifyError, headers?: Record<string, string> } | undefined {
    if (this.isClosing) return { error: new WSV_ERR_CLOSING() }
    const { maxConnections } = this.#limits
    if (maxConnections !== undefined && this.#openSockets() + this.#admitted >= maxConnections) {
      return { error: new WSV_ERR_TOO_MANY_CONNECTIONS(), headers: { 'retry-after': '10' } }
    }
    // before any hook: who floods us costs no look-up of a session
    if (!this.#take(handshake, this.#clientAddressOf?.(handshake.request))) {
      return { error: new WSV_ERR_TOO_MANY_CONNECTIONS_PER_ADDRESS() }
    }
    handshake.isAdmitted = true
    this.#admitted++
    return undefined
  }

  /** @returns false when the address has too many already; one that is not known, of a Unix socket, has no limit */
  #take (handshake: Handshake, address: string | undefined): boolean {
    // where the client has left, nobody would release it
    if (this.#addresses === undefined || address === undefined || handshake.address !== undefined || handshake.tcp.destroyed) return true
    if (!this.#addresses.take(address)) return false
    handshake.address = address
    return true
  }

  releaseAddress (address: string): void {
    this.#addresses!.release(address)
  }

  ended (handshake: Handshake): void {
    this.pending.delete(handshake)
    if (handshake.isAdmitted) this.#admitted--
    handshake.isAdmitted = false
    if (handshake.address !== undefined) this.releaseAddress(handshake.address)
    this.#watch.delete(handshake)
  }

  get #server (): Server {
    return this.#instance.server
  }

  #onUpgrade = (request: IncomingMessage, tcp: Duplex, head: Buffer): void => {
    if (this.#hasOthers && !this.#hasRoute(request)) {
      this.#offer(request, tcp, head)
      return
    }
    const timeoutMs = this.#timeoutMs
    const handshake = new Handshake(this, request, tcp, head, clockMs() + timeoutMs)
    this.pending.add(handshake)
    this.#watch.add(handshake, timeoutMs)
    handshake.begin()
  }

  get #timeoutMs (): number {
    const { handshakeTimeoutMs, closeTimeoutMs } = this.#limits
    return this.isClosing ? Math.min(handshakeTimeoutMs, closeTimeoutMs) : handshakeTimeoutMs
  }

  /** Also one that was added since everything was loaded: it is called after us. */
  get #hasOthers (): boolean {
    return this.#others.length > 0 || this.#server.listenerCount('upgrade') > 1
  }

  #offer (request: IncomingMessage, tcp: Duplex, head: Buffer): void {
    const timeoutMs = this.#timeoutMs
    const offered = new OfferedUpgrade(tcp, clockMs() + timeoutMs)
    this.#offered.add(offered)
    tcp.once('close', () => { this.#offered.delete(offered) })
    this.#watch.add(offered, timeoutMs)
    for (const listener of this.#others) listener.call(this.#server, request, tcp, head)
  }

  /** Fastify's findRoute knows neither rewriteUrl nor the constraints of an application's own: where others listen, such a route is theirs. */
  #hasRoute (request: IncomingMessage): boolean {
    return this.#instance.findRoute({
      method: 'GET', url: request.url ?? '/', constraints: { host: request.headers.host ?? '' }
    }) as unknown !== null
  }

  /**
   * The hook that runs for every request of every context: an upgrade goes on to a view or to a `websocket: true`
   * route, and nowhere else.
   */
  #guardUpgrade = (request: FastifyRequest, reply: FastifyReply, done: () => void): void => {
    const handshake = request.raw[kHandshake]
    if (handshake === undefined || request.is404) {
      done()
      return
    }
    if (this.#addresses !== undefined && !this.#take(handshake, request.ip)) {
      reply.send(new WSV_ERR_TOO_MANY_CONNECTIONS_PER_ADDRESS())
      return
    }
    const kind = request.routeOptions.config[kRouteKind]
    const marks = this.#marks
    if (kind === 'view') {
      // to @fastify/websocket a view is a plain route: it would open and close the socket
      if (marks !== undefined && 'ws' in request) {
        const raw = request.raw as unknown as Record<symbol, unknown>
        raw[marks.socket] = undefined
        request.ws = false as FastifyRequest['ws']
      }
      done()
    } else if (marks !== undefined && 'ws' in request && (kind === 'websocket' || (kind === undefined && this.#hasUnseenRoutes))) {
      const raw = request.raw as unknown as Record<symbol, unknown>
      raw[marks.socket] = handshake.tcp
      raw[marks.head] = handshake.head
      request.ws = true as FastifyRequest['ws']
      this.#releaseOnConnection(reply.server)
      done()
    } else {
      // the message is logged: what stands in a query may be a secret
      reply.send(new WSV_ERR_NOT_A_VIEW(request.url.split('?', 1)[0]!))
    }
  }

  #releaseOnConnection (instance: FastifyInstance): void {
    const { websocketServer } = instance
    if (this.#knownServers.has(websocketServer)) return
    this.#knownServers.add(websocketServer)
    websocketServer.on('connection', (_socket: unknown, request: IncomingMessage) => { request[kHandshake]?.handOver() })
  }
}

/** In onRoute, after `@fastify/websocket` or before it: which routes take an upgrade. */
function markRoute (route: RouteOptions & { websocket?: boolean, wsHandler?: unknown }): void {
  const config = (route.config ?? {}) as FastifyContextConfig
  if (config[kRouteKind] !== undefined) return
  const isWebSocket = route.websocket === true || route.wsHandler !== undefined
  route.config = { ...config, [kRouteKind]: isWebSocket ? 'websocket' : 'plain' }
}
