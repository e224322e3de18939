import type {} from 'fastify'
import type { WsFanout } from './types/fan-out.ts'
import type { WsSockets } from './types/socket.ts'
import type { WsUrl } from './types/url.ts'
import type { AddWsHook } from './types/handlers.ts'
import type { DeclareView, DeclaredView } from './types/view.ts'

export type {
  Cleaned, FieldName, FormError, FormErrorInput, FormErrors, FormFailure, FormOptions, FormResult, FormSteps, FormSuccess, StaticOf, WsForm
} from './types/form.ts'
export type { Channel, ChannelOptions, PublishOptions, SubscribeOptions, Subscription, WsFanout } from './types/fan-out.ts'
export type { Broker, BrokerEvents } from './fan-out/broker.ts'
export type { CloseInfo, WsSession, WsSocket, WsSocketQuery, WsSockets } from './types/socket.ts'
export type { PatternParams, WsUrl, WsUrlOptions, WsUrlParam, WsViewName, WsViewTypes } from './types/url.ts'
export type { WsCodec, WsFrames } from './types/frames.ts'
export type { WsHandler, WsMessageHandler, WsPreMessage, WsPreSend } from './types/handlers.ts'
export type { DeclaredView, DefineView, WsOwningViewOptions, WsRequest, WsView, WsViewOptions } from './types/view.ts'
export type { FanoutSettings, Heartbeat, InvalidLimit, RateLimit, WsViews, WsViewSettings, WsViewsOptions } from './types/options.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Declare a view on this instance: it runs the hooks of this instance. */
    wsView: DeclareView
    /** {@inheritDoc WsUrl} */
    wsUrl: WsUrl
    /** Publish and subscribe. */
    wsFanout: WsFanout
    /** The sockets of this process. */
    wsSockets: WsSockets
    /** The views of all registrations on this server, as they were declared so far; with `serve: false` too. */
    readonly wsViews: readonly DeclaredView[]
    /** Add a hook for the views of this instance and its children. */
    addWsHook: AddWsHook
  }
  interface FastifyRequest {
    /**
     * As `fastify.wsUrl`, but always absolute: from `baseUrl`, or from the request's own protocol and host.
     *
     * @throws as `fastify.wsUrl`; WSV_ERR_URL_HOST_INVALID
     */
    wsUrl: WsUrl
  }
  interface RouteOptions {
    /** in `onRoute`: the view behind this route */
    readonly wsView?: DeclaredView
  }
}
