import createError from '@fastify/error'

// Key = code = name. What goes wrong in a test; nothing of it is in an application.

/** The application has no such plugin, or a `TestBroker` has another application already. */
export const WSV_ERR_TEST_INSTANCE = createError<[what: string, expected: string]>(
  'WSV_ERR_TEST_INSTANCE', '%s needs %s', 500, TypeError)
/** The answer was no 101: the `HandshakeRefused`. */
export const WSV_ERR_TEST_HANDSHAKE_REFUSED = createError<[status: number, body: string]>(
  'WSV_ERR_TEST_HANDSHAKE_REFUSED', 'The handshake was answered with %d: %s', 500)
/** The connection ended before there was an answer, or the answer was not one that a client accepts. */
export const WSV_ERR_TEST_NO_ANSWER = createError<[reason: string]>(
  'WSV_ERR_TEST_NO_ANSWER', 'The handshake failed: %s', 500)
/** Nothing came in time. */
export const WSV_ERR_TEST_TIMEOUT = createError<[what: string, ms: number]>(
  'WSV_ERR_TEST_TIMEOUT', 'No %s came within %d ms', 500)
/** The socket is closed: nothing can be sent, nothing more comes. */
export const WSV_ERR_TEST_CLOSED = createError<[code: number, reason: string]>(
  'WSV_ERR_TEST_CLOSED', "The socket is closed, with %d '%s'", 500)
/** Something else came; `actual` and `expected` show it to the test runner. */
export const WSV_ERR_TEST_UNEXPECTED = createError<[expected: string, got: string]>(
  'WSV_ERR_TEST_UNEXPECTED', 'Expected %s, got %s', 500)
