import type { Server } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { closeCodes } from './close-codes.ts'
import { ControlChannel } from './control-channel.ts'
import { Door } from './door.ts'
import type { Broker } from './fan-out/broker.ts'
import { createFanOut, type FanOut } from './fan-out/fan-out.ts'
import { formAppOf } from './form/app.ts'
import { compileCheck } from './form/strict.ts'
import { isFanout } from './option-rules.ts'
import { OpenSockets } from './open-sockets.ts'
import type { ServerOptions } from './options.ts'
import { mergeServerOptions } from './read-options.ts'
import { onSessionEnd } from './session-hooks.ts'
import { SessionWatch } from './session-watch.ts'
import { Sockets } from './sockets.ts'
import type { DeclaredView, FanoutSettings } from './types.ts'
import { ViewNames } from './url.ts'
import { Watch } from './watch.ts'
import { WsServers } from './ws-servers.ts'

const states = new WeakMap<Server, ServerState>()

/**
 * What all registrations on one `http.Server` share: names, fan-out, sockets, the door, the timer and the
 * server-wide options.
 */
export class ServerState {
  readonly options: ServerOptions
  readonly names = new ViewNames()
  readonly views: DeclaredView[] = []
  readonly watch = new Watch()
  readonly sockets = new OpenSockets()
  readonly wsSockets: Sockets
  readonly sessionWatch: SessionWatch
  readonly wsServers: WsServers
  readonly fanOut: FanOut
  readonly door: Door
  #closing: Promise<void> | undefined

  /**
   * The state of the instance's server; the first registration makes it.
   *
   * @throws WSV_ERR_OPTION_CONFLICT
   */
  static of (instance: FastifyInstance, given: Partial<ServerOptions>): ServerState {
    const known = states.get(instance.server)
    if (known !== undefined) {
      mergeServerOptions(known.options, given)
      return known
    }
    const options = mergeServerOptions(undefined, given)
    const state = new ServerState(instance, options)
    states.set(instance.server, state)
    state.#addHooks(instance)
    return state
  }

  private constructor (instance: FastifyInstance, options: ServerOptions) {
    this.options = options
    this.fanOut = createFanOut({
      log: instance.log,
      redis: options.redis,
      ...(isFanout(options.fanout) ? { broker: options.fanout as Broker } : options.fanout as FanoutSettings),
      compileCheck: (schema, name) => compileCheck(schema, formAppOf(instance, name))
    })
    this.wsSockets = new Sockets(this.sockets, new ControlChannel(this.fanOut, instance.log))
    this.sessionWatch = new SessionWatch(this.watch, options, instance.log)
    this.wsServers = new WsServers(options.websocket, options.closeTimeoutMs)
    this.door = new Door(instance, this.watch, options, () => this.sockets.size)
  }

  get isClosing (): boolean {
    return this.door.isClosing
  }

  #addHooks (instance: FastifyInstance): void {
    const { serve } = this.options
    if (serve) {
      this.door.open()
      instance.addHook('onReady', async () => { this.door.adoptListeners() })
      // Fastify gives a preClose hook no more than pluginTimeout: what takes longer is waited for in onClose
      const { pluginTimeout = 0 } = instance.initialConfig
      instance.addHook('preClose', async () => {
        this.#closing = this.#closeSockets()
        await atMost(pluginTimeout === 0 ? longestTimerMs : pluginTimeout * 0.9, this.#closing)
      })
    }
    onSessionEnd(instance, (sessionId, request) => {
      this.wsSockets.close({ sessionId }, closeCodes.CREDENTIALS_OVER, 'session_over').catch((error: unknown) => {
        request.log.warn({ err: error }, 'the sockets of a session that has ended are closed in this process only')
      })
    })
    instance.addHook('onReady', async () => {
      await this.fanOut.opened
      if (serve) await this.wsSockets.listen()
      if (!serve && this.fanOut.kind === 'in-process') {
        instance.log.warn('wsViews: this process accepts no WebSockets and has no fan-out to others: publishing reaches nobody')
      }
      instance.log.info(`wsViews: fan-out ${this.fanOut.kind}`)
    })
    instance.addHook('onClose', async () => {
      await this.#closing
      this.door.release()
      this.wsServers.close()
      await this.fanOut.close()
    })
  }

  /** Every socket gets 1001, busy ones after their handler; what is left at the deadline is terminated. */
  async #closeSockets (): Promise<void> {
    this.door.close()
    const closed: Promise<unknown>[] = []
    let count = 0
    for (const socket of [...this.sockets]) {
      closed.push(socket.closed)
      socket.closeIdle(closeCodes.GOING_AWAY, 'server_closing')
      // other work of the process goes on between the batches
      if (++count % 500 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    if (this.sockets.size === 0) return
    await atMost(this.options.closeTimeoutMs, Promise.all(closed))
    for (const socket of [...this.sockets]) {
      socket.terminate()
      socket.finish()
    }
  }
}

/** what setTimeout takes */
const longestTimerMs = 2 ** 31 - 1

async function atMost (ms: number, done: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  await Promise.race([done, new Promise((resolve) => { timer = setTimeout(resolve, ms) })])
  clearTimeout(timer)
}
