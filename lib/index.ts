import fastifyWebsocket from '@fastify/websocket'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { decorate } from './decorators.ts'
import { WSV_ERR_HTTP2 } from './errors.ts'
import { readPluginOptions } from './read-options.ts'
import { Registration } from './registration.ts'
import { ServerState } from './server-state.ts'
import type { WsViewsOptions } from './types.ts'

async function wsViews (instance: FastifyInstance, raw: WsViewsOptions): Promise<void> {
  const options = readPluginOptions(raw as Record<string, unknown>)
  const { http2, https } = instance.initialConfig
  if (http2 === true && (typeof https !== 'object' || https.allowHTTP1 !== true)) throw new WSV_ERR_HTTP2()

  const state = ServerState.of(instance, options.server)
  const registration = new Registration(instance, state, options)
  decorate(instance, state)
  if (!instance.hasDecorator('websocketServer')) {
    // it must not listen on the server itself: every upgrade comes in through our door, and without one none does
    await instance.register(fastifyWebsocket, { options: { server: state.door.emitter as never } })
  }
  await registration.load()
}

/**
 * The plugin: `fastify.register(wsViews, options)`, at the root as a rule.
 *
 * @throws (rejects) WSV_ERR_OPTION_UNKNOWN, WSV_ERR_OPTION_INVALID, WSV_ERR_OPTION_CONFLICT, WSV_ERR_HTTP2
 */
export default fp(wsViews, { fastify: '5.x', name: 'fastify-ws-views' })
export { closeCodes } from './close-codes.ts'
export { defineView } from './define-view.ts'
export { defineChannel } from './fan-out/channel.ts'
export { cleanMessage } from './form/clean-message.ts'
export { formKeywords } from './form/keywords.ts'
export { ValidationError } from './form/validation-error.ts'
export { select } from './select.ts'
export * as errors from './errors.ts'
export type {
  Broker, BrokerEvents, Channel, ChannelOptions, Cleaned, CloseInfo, FanoutSettings, FormError, FormErrorInput, FormErrors, FormFailure,
  FormOptions, FormResult, FormSteps, FormSuccess, Heartbeat, InvalidLimit, PublishOptions, RateLimit, SubscribeOptions, Subscription,
  WsCodec, WsFanout, WsForm, WsFrames, WsHandler, WsMessageHandler, WsOwningViewOptions, WsPreMessage, WsPreSend, WsRequest, WsSession,
  WsSocket, WsSocketQuery, WsSockets, WsUrl, WsUrlOptions, WsUrlParam, WsView, WsViewName, WsViewOptions, WsViews, WsViewSettings,
  WsViewsOptions, WsViewTypes
} from './types.ts'
