/** on a raw request: the handshake that the door began for it */
export const kHandshake = Symbol('wsViews.handshake')
/** on a `ws` socket: our socket */
export const kSocket = Symbol('wsViews.socket')
/** on an instance: the registrations of wsViews on it */
export const kRegistrations = Symbol('wsViews.registrations')
/** on a `ws` socket and its TCP socket: what reads messages before `ws` does */
export const kReader = Symbol('wsViews.reader')
/** in a route's config: 'view', 'websocket' (of @fastify/websocket) or 'plain' */
export const kRouteKind = Symbol('wsViews.routeKind')
/** in a route's config: the view */
export const kView = Symbol('wsViews.view')
/** on an instance: the hooks that addWsHook added to it */
export const kWsHooks = Symbol('wsViews.hooks')
/** on the context of the views: the registration that made it */
export const kInside = Symbol('wsViews.inside')
/** where `Type.Transform` of TypeBox keeps its functions; a registered symbol, so that TypeBox need not be loaded */
export const kTransform = Symbol.for('TypeBox.Transform')
