/** on a raw request: the handshake that the door began for it */
export const kHandshake = Symbol('wsViews.handshake')
/** on a `ws` socket: our socket */
export const kSocket = Symbol('wsViews.socket')
/** on an instance: the registrations of wsViews on it */
export const kRegistrations = Symbol('wsViews.registrations')
