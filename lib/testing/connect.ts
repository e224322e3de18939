import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { connect as connectTcp, type AddressInfo, type Socket as TcpSocket } from 'node:net'
import { Server as TlsServer, connect as connectTls } from 'node:tls'
import type { Duplex } from 'node:stream'
import { WebSocket, type ClientOptions } from 'ws'
import type { FastifyInstance } from 'fastify'
import { WSV_ERR_URL_PARAM_UNUSED } from '../errors.ts'
import { ServerState } from '../server-state.ts'
import { kView } from '../symbols.ts'
import type { WsSocket, WsUrlParam, WsUrlOptions, WsViewName } from '../types.ts'
import { buildQuery, resolveUrl } from '../url.ts'
import { Arrivals } from './arrivals.ts'
import { callSite } from './call-site.ts'
import { readFrame, WsTestClient } from './client.ts'
import { WSV_ERR_TEST_CLOSED, WSV_ERR_TEST_INSTANCE, WSV_ERR_TEST_NO_ANSWER } from './errors.ts'
import { HandshakeRefused } from './handshake-refused.ts'
import { openPipe } from './pipe.ts'

/** The options of `wsConnect`. */
export interface WsConnectOptions {
  /** one value per parameter of the view's path, as for `wsUrl`; none where the target is a path */
  params?: Readonly<Record<string, WsUrlParam | undefined>>
  /** as for `wsUrl`; added to a path too */
  query?: WsUrlOptions['query']
  /** `host` too. Default of `host`: the view's `host` constraint, or `localhost` */
  headers?: Readonly<Record<string, string>>
  /** by name, not encoded; they are added to `headers.cookie` */
  cookies?: Readonly<Record<string, string>>
  /** Sent as `Origin`. Default: none, as from a client that is no browser */
  origin?: string
  /** the subprotocols that are offered */
  protocols?: readonly string[]
  /** `true`: over TCP, to the server as it listens or else on a free port of 127.0.0.1. Default `false`: in this process */
  listen?: boolean
  /** Who the client seems to be, `request.ip`; not over TCP. Default `'127.0.0.1'` */
  remoteAddress?: string
  /** How long `next()` and `expectErrors()` wait, in milliseconds. Default 5000 */
  timeoutMs?: number
}

/** How the client gets to the server, and which socket of the server is its other end. */
interface Route {
  connect (): Duplex
  isOtherEnd (stream: Duplex): boolean
  letGo (): void
}

/**
 * Connect to a view of the application and wait for the 101. The handshake and the frames go through the HTTP parser and
 * the hooks of the application whether there is a port or not, and every limit applies.
 *
 * @param app - the instance that has `wsUrl`; it is made ready
 * @param target - the name of a view, or a path that begins with `/`
 * @throws (rejects) HandshakeRefused with the HTTP response; WSV_ERR_TEST_NO_ANSWER when the connection ended without one;
 *   WSV_ERR_TEST_CLOSED when the view terminated it at once; WSV_ERR_TEST_INSTANCE; what `wsUrl` throws; what `ws` throws for a header or a subprotocol that cannot be sent
 */
export async function wsConnect (app: FastifyInstance, target: WsViewName | `/${string}`, options: WsConnectOptions = {}): Promise<WsTestClient> {
  const fromHere = callSite()
  await app.ready()
  if (!app.hasDecorator('wsUrl')) throw new WSV_ERR_TEST_INSTANCE('wsConnect', 'the instance that fastify-ws-views is registered on')
  const { path, host } = pathOf(app, target, options)
  // a closed one would listen again, and nobody would close it
  const route = options.listen === true && !ServerState.of(app, {}).isClosing ? await routeOverTcp(app) : routeInProcess(app, options)
  const { origin, protocols = [], timeoutMs = 5000 } = options
  const raw = new WebSocket(`ws://localhost${path}`, [...protocols], {
    headers: headersOf(options, host),
    ...(origin === undefined ? {} : { origin }),
    createConnection: () => route.connect() as TcpSocket
  } satisfies ClientOptions)
  return await handshake(app, raw, route, timeoutMs).catch((error: Error) => { throw fromHere(error) })
}

function pathOf (app: FastifyInstance, target: string, { params, query }: WsConnectOptions): { path: string, host: string | undefined } {
  if (String(target).startsWith('/')) {
    for (const [name, value] of Object.entries(params ?? {})) if (value !== undefined) throw new WSV_ERR_URL_PARAM_UNUSED(target, name, target)
    const more = query === undefined ? '' : buildQuery({ name: target }, query)
    return { path: target + (target.includes('?') ? more.replace('?', '&') : more), host: undefined }
  }
  // not `wsUrl`: with a `baseUrl` its path is the one outside, in front of a proxy
  const builder = ServerState.of(app, {}).names.get(target)
  return { path: resolveUrl(builder, params, query), host: builder.view.host }
}

function headersOf ({ headers = {}, cookies = {} }: WsConnectOptions, host = 'localhost'): Record<string, string> {
  const all: Record<string, string> = { host }
  for (const [name, value] of Object.entries(headers)) all[name.toLowerCase()] = value
  const pairs = Object.entries(cookies).map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
  if (pairs.length > 0) all.cookie = [...all.cookie === undefined ? [] : [all.cookie], ...pairs].join('; ')
  return all
}

function routeInProcess (app: FastifyInstance, { remoteAddress }: WsConnectOptions): Route {
  const encrypted = app.server instanceof TlsServer
  let server: Duplex | undefined
  return {
    connect () {
      const pipe = openPipe({ remoteAddress, encrypted })
      server = pipe.server
      // what an HTTP/2 server asks a connection that negotiated nothing: it is served as HTTP/1.1
      if (encrypted) Object.assign(server, { alpnProtocol: false, server: app.server })
      // Node's documentation of 'connection': "This event can also be explicitly emitted by users to inject connections
      // into the HTTP server." With TLS it is the event that comes after the TLS handshake.
      app.server.emit(encrypted ? 'secureConnection' : 'connection', pipe.server)
      return pipe.client
    },
    isOtherEnd: (stream) => stream === server,
    letGo () { /* the pipe does, when the server ends it */ }
  }
}

const starting = new WeakMap<object, Promise<unknown>>()

async function routeOverTcp (app: FastifyInstance): Promise<Route> {
  if (!app.server.listening) {
    const listening = starting.get(app.server) ?? app.listen({ port: 0, host: '127.0.0.1' })
    starting.set(app.server, listening)
    await listening
  }
  const address = app.server.address() as AddressInfo | string
  let tcp: TcpSocket | undefined
  return {
    connect () {
      const to = typeof address === 'string' ? { path: address } : { port: address.port, host: reachable(address.address) }
      tcp = app.server instanceof TlsServer ? connectTls({ ...to, rejectUnauthorized: false }) : connectTcp(to)
      return tcp
    },
    isOtherEnd: (stream) => tcp?.localPort !== undefined && (stream as TcpSocket).remotePort === tcp.localPort,
    letGo () { tcp?.unref() }
  }
}

/** An address to listen on may be none to connect to. */
function reachable (address: string): string {
  return address === '::' ? '::1' : address === '0.0.0.0' ? '127.0.0.1' : address
}

function handshake (app: FastifyInstance, raw: WebSocket, route: Route, timeoutMs: number): Promise<WsTestClient> {
  return new Promise((resolve, reject) => {
    const messages = new Arrivals<string | Buffer>('message', timeoutMs)
    // from the first one on: it may come in one piece with the 101
    raw.on('message', (data, isBinary) => { messages.add(readFrame(data, isBinary)) })
    raw.on('error', (error) => {
      // after the 101 'close' tells it
      reject(Object.assign(new WSV_ERR_TEST_NO_ANSWER(error.message), { cause: error }))
    })
    raw.once('unexpected-response', (_request, response: IncomingMessage) => {
      // a server may keep the connection for another request, and it would keep the process
      const { socket } = response
      readBody(response).finally(() => { socket.destroy() }).then(
        (body) => { reject(new HandshakeRefused(response.statusCode ?? 0, response.headers, body)) },
        (error: Error) => { reject(Object.assign(new WSV_ERR_TEST_NO_ANSWER(error.message), { cause: error })) })
    })
    raw.once('upgrade', ({ statusCode = 101, headers }: { statusCode?: number, headers: IncomingHttpHeaders }) => {
      const socket = socketOf(app, route)
      const vanish = (): void => {
        route.letGo()
        socket?.closed.then(() => { raw.terminate() }).catch(() => { /* it never rejects */ })
      }
      const frames = socket?.request.routeOptions.config[kView]?.options.frames ?? 'json'
      const client = new WsTestClient(raw, { statusCode, headers }, frames, messages, vanish)
      raw.once('open', () => { resolve(client) })
      raw.once('close', (code, reason) => { reject(new WSV_ERR_TEST_CLOSED(code, reason.toString())) })
    })
  })
}

async function readBody (response: IncomingMessage): Promise<string> {
  let body = ''
  response.setEncoding('utf8')
  for await (const text of response) body += text as string
  return body
}

/** The view's end of it, unless it is gone already. */
function socketOf (app: FastifyInstance, route: Route): WsSocket | undefined {
  return [...app.wsSockets].find(({ request }) => route.isOtherEnd(request.raw.socket))
}
