import createError from '@fastify/error'

// Key = code = name.

// Registration
/** An option that does not exist, with the nearest name. */
export const WSV_ERR_OPTION_UNKNOWN = createError<[where: string, name: string, hint: string]>(
  'WSV_ERR_OPTION_UNKNOWN', "%s: there is no option '%s'%s", 500, TypeError)
/** An option of the wrong type or range, or two that contradict. */
export const WSV_ERR_OPTION_INVALID = createError<[where: string, name: string, expected: string, got: string]>(
  'WSV_ERR_OPTION_INVALID', "%s: option '%s' must be %s, got %s", 500, TypeError)
/** Another value for a server-wide option. */
export const WSV_ERR_OPTION_CONFLICT = createError<[name: string]>(
  'WSV_ERR_OPTION_CONFLICT', "wsViews: option '%s' holds for the whole server and was set to another value by an earlier registration", 500)
/** An HTTP/2 server without `allowHTTP1`. */
export const WSV_ERR_HTTP2 = createError(
  'WSV_ERR_HTTP2', 'wsViews: WebSockets need HTTP/1.1, this HTTP/2 server does not allow it; set http2 with allowHTTP1 and https', 500)
/** `wsView` outside `views` with several registrations. */
export const WSV_ERR_PREFIX_AMBIGUOUS = createError<[url: string]>(
  'WSV_ERR_PREFIX_AMBIGUOUS', "wsView '%s': wsViews is registered more than once on this instance, so its prefix is not clear; declare the view in the 'views' of one registration", 500)
/** `wsView` after the server was ready. */
export const WSV_ERR_VIEW_TOO_LATE = createError<[url: string]>(
  'WSV_ERR_VIEW_TOO_LATE', "wsView '%s': views can only be declared before the server is ready", 500)
/** `addWsHook` after the server was ready. */
export const WSV_ERR_HOOK_TOO_LATE = createError<[name: string]>(
  'WSV_ERR_HOOK_TOO_LATE', "addWsHook '%s': hooks can only be added before the server is ready", 500)
/** Two views of one name. */
export const WSV_ERR_VIEW_NAME_TAKEN = createError<[name: string, url: string]>(
  'WSV_ERR_VIEW_NAME_TAKEN', "wsView: the name '%s' is taken by the view at '%s'", 500)
/** A view that contradicts itself. */
export const WSV_ERR_VIEW_INVALID = createError<[view: string, reason: string]>(
  'WSV_ERR_VIEW_INVALID', "wsView '%s': %s", 500, TypeError)
/** A schema that cannot be compiled, with the name of the view. */
export const WSV_ERR_SCHEMA_INVALID = createError<[view: string, reason: string]>(
  'WSV_ERR_SCHEMA_INVALID', "'%s': the schema cannot be compiled: %s", 500)
/** A `pattern` that can take exponential time. */
export const WSV_ERR_PATTERN_UNSAFE = createError<[view: string, pattern: string]>(
  'WSV_ERR_PATTERN_UNSAFE', "'%s': the pattern '%s' can take exponential time; rewrite it, or set unsafePatterns: true", 500)

// Handshake
/** A handshake that is no GET. */
export const WSV_ERR_METHOD_NOT_ALLOWED = createError<[method: string]>(
  'WSV_ERR_METHOD_NOT_ALLOWED', 'A WebSocket handshake is a GET request, got %s', 405)
/** A WebSocket version other than 13. */
export const WSV_ERR_VERSION_UNSUPPORTED = createError<[version: string]>(
  'WSV_ERR_VERSION_UNSUPPORTED', 'Sec-WebSocket-Version must be 13, got %s', 426)
/** `Sec-WebSocket-Key` is missing or malformed. */
export const WSV_ERR_KEY_INVALID = createError(
  'WSV_ERR_KEY_INVALID', 'Sec-WebSocket-Key must be 16 bytes in base64', 400)
/** Malformed subprotocols or extensions. */
export const WSV_ERR_HANDSHAKE_INVALID = createError<[reason: string]>(
  'WSV_ERR_HANDSHAKE_INVALID', 'The handshake cannot be read: %s', 400)
/** An upgrade with a body. */
export const WSV_ERR_UPGRADE_WITH_BODY = createError(
  'WSV_ERR_UPGRADE_WITH_BODY', 'A request that asks for an upgrade cannot have a body', 400)
/** A plain GET of a view without `page`. */
export const WSV_ERR_UPGRADE_REQUIRED = createError<[name: string]>(
  'WSV_ERR_UPGRADE_REQUIRED', "'%s' is a WebSocket view: connect with a WebSocket", 426)
/** An upgrade of a route that is no view. */
export const WSV_ERR_NOT_A_VIEW = createError<[url: string]>(
  'WSV_ERR_NOT_A_VIEW', "No WebSocket view at '%s'", 404)
/** The page's origin is not allowed. */
export const WSV_ERR_ORIGIN_FORBIDDEN = createError<[origin: string]>(
  'WSV_ERR_ORIGIN_FORBIDDEN', "The origin '%s' is not allowed", 403)
/** A header that would split the 101. */
export const WSV_ERR_HANDSHAKE_HEADER = createError<[name: string]>(
  'WSV_ERR_HANDSHAKE_HEADER', "The header '%s' cannot go on the handshake response", 500)
/** An upgrade while the server closes. */
export const WSV_ERR_CLOSING = createError(
  'WSV_ERR_CLOSING', 'The server is closing', 503)
/** `maxConnections`. */
export const WSV_ERR_TOO_MANY_CONNECTIONS = createError(
  'WSV_ERR_TOO_MANY_CONNECTIONS', 'Too many connections', 503)
/** `maxConnectionsPerAddress`. */
export const WSV_ERR_TOO_MANY_CONNECTIONS_PER_ADDRESS = createError(
  'WSV_ERR_TOO_MANY_CONNECTIONS_PER_ADDRESS', 'Too many connections from this address', 429)

// Socket
/** `onMessage` returned a value, the view has no `replySchema`. */
export const WSV_ERR_REPLY_WITHOUT_SCHEMA = createError<[view: string]>(
  'WSV_ERR_REPLY_WITHOUT_SCHEMA', "The view '%s' returned a value but has no replySchema", 500)
/** A reply that its `replySchema` does not allow. */
export const WSV_ERR_REPLY_INVALID = createError<[view: string, errors: string]>(
  'WSV_ERR_REPLY_INVALID', "The view '%s' sent what its replySchema does not allow: %s", 500)
/** A message that cannot be sent: a cycle, a BigInt, `undefined`, the wrong kind. */
export const WSV_ERR_NOT_SERIALIZABLE = createError<[what: string, expected: string]>(
  'WSV_ERR_NOT_SERIALIZABLE', '%s cannot be sent: expected %s', 500, TypeError)
/** A close code that a server may not send. */
export const WSV_ERR_CLOSE_CODE = createError<[code: string]>(
  'WSV_ERR_CLOSE_CODE', 'A close code must be 1000, 1001, 1003, 1007 to 1014, or 3000 to 4999, got %s', 500, RangeError)
/** A close reason longer than 123 bytes. */
export const WSV_ERR_CLOSE_REASON = createError<[bytes: number]>(
  'WSV_ERR_CLOSE_REASON', 'A close reason must have at most 123 bytes, got %d', 500, RangeError)
/** `maxSubscriptions`. */
export const WSV_ERR_TOO_MANY_SUBSCRIPTIONS = createError<[limit: number]>(
  'WSV_ERR_TOO_MANY_SUBSCRIPTIONS', 'A socket can subscribe to at most %d channels', 500)
/** `regenerate()` on a socket. */
export const WSV_ERR_SESSION_ON_SOCKET = createError(
  'WSV_ERR_SESSION_ON_SOCKET', 'A session cannot be regenerated on a WebSocket: its cookie could not be sent', 500)

// Fan-out
/** A channel name that is empty, reserved or no string, or two schemas for one channel. */
export const WSV_ERR_CHANNEL_INVALID = createError<[reason: string]>(
  'WSV_ERR_CHANNEL_INVALID', 'Not a channel: %s', 500, TypeError)
/** The channel's schema does not allow what is published. */
export const WSV_ERR_CHANNEL_MESSAGE_INVALID = createError<[channel: string, errors: string]>(
  'WSV_ERR_CHANNEL_MESSAGE_INVALID', "The schema of channel '%s' does not allow this message: %s", 500)
/** Redis is away; leaving a handler it becomes the error reply `unavailable`. */
export const WSV_ERR_FANOUT_UNAVAILABLE = createError(
  'WSV_ERR_FANOUT_UNAVAILABLE', 'The fan-out is not connected', 503)
/** Redis itself refuses, for example by its ACL. */
export const WSV_ERR_FANOUT_REFUSED = createError<[command: string, reason: string]>(
  'WSV_ERR_FANOUT_REFUSED', 'Redis refuses %s: %s', 500)
/** More than `maxPending` publishes wait for Redis. */
export const WSV_ERR_FANOUT_OVERLOADED = createError<[limit: number]>(
  'WSV_ERR_FANOUT_OVERLOADED', 'More than %d publishes are waiting', 503)
/** An iterator that fell `maxQueued` messages behind. */
export const WSV_ERR_FANOUT_OVERFLOW = createError<[channel: string, limit: number]>(
  'WSV_ERR_FANOUT_OVERFLOW', "The subscription to '%s' fell %d messages behind", 500)
/** Publishing or subscribing after the server has closed. */
export const WSV_ERR_FANOUT_CLOSED = createError(
  'WSV_ERR_FANOUT_CLOSED', 'The fan-out is closed', 503)

// URLs
/** `wsUrl` of a name that no view has. */
export const WSV_ERR_VIEW_NOT_FOUND = createError<[name: string, known: string]>(
  'WSV_ERR_VIEW_NOT_FOUND', "wsUrl: no view is named '%s', the views are: %s", 500, ReferenceError)
/** A parameter is missing. */
export const WSV_ERR_URL_PARAM_MISSING = createError<[name: string, param: string, url: string]>(
  'WSV_ERR_URL_PARAM_MISSING', "wsUrl('%s'): the parameter '%s' of '%s' is missing", 500, TypeError)
/** A parameter that the route does not have. */
export const WSV_ERR_URL_PARAM_UNUSED = createError<[name: string, param: string, url: string]>(
  'WSV_ERR_URL_PARAM_UNUSED', "wsUrl('%s'): '%s' is no parameter of '%s'", 500, TypeError)
/** A parameter that the route would not give back. */
export const WSV_ERR_URL_PARAM_INVALID = createError<[name: string, param: string, expected: string, got: string]>(
  'WSV_ERR_URL_PARAM_INVALID', "wsUrl('%s'): the parameter '%s' must be %s, got %s", 500, TypeError)
/** `request.wsUrl` without a usable `Host`. */
export const WSV_ERR_URL_HOST_INVALID = createError(
  'WSV_ERR_URL_HOST_INVALID', 'wsUrl: the request names no valid host; set baseUrl, or send a Host header', 400)
