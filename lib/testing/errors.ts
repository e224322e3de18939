import createError from '@fastify/error'

// Key = code = name. What goes wrong in a test; nothing of it is in an application.

export const WSV_ERR_TEST_INSTANCE = createError<[what: string, expected: string]>(
  'WSV_ERR_TEST_INSTANCE', '%s needs %s', 500, TypeError)
export const WSV_ERR_TEST_HANDSHAKE_REFUSED = createError<[status: number, body: string]>(
  'WSV_ERR_TEST_HANDSHAKE_REFUSED', 'The handshake was answered with %d: %s', 500)
export const WSV_ERR_TEST_NO_ANSWER = createError<[reason: string]>(
  'WSV_ERR_TEST_NO_ANSWER', 'The handshake was not answered: %s', 500)
export const WSV_ERR_TEST_TIMEOUT = createError<[what: string, ms: number]>(
  'WSV_ERR_TEST_TIMEOUT', 'No %s came within %d ms', 500)
export const WSV_ERR_TEST_CLOSED = createError<[code: number, reason: string]>(
  'WSV_ERR_TEST_CLOSED', "The socket is closed, with %d '%s'", 500)
export const WSV_ERR_TEST_UNEXPECTED = createError<[expected: string, got: string]>(
  'WSV_ERR_TEST_UNEXPECTED', 'Expected %s, got %s', 500)
