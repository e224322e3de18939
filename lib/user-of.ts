import type { FastifyRequest } from 'fastify'
import { kindOf } from './describe.ts'
import { WSV_ERR_OPTION_INVALID } from './errors.ts'
import { isPromise } from './is-promise.ts'
import type { ServerOptions } from './options.ts'

/**
 * Who a socket belongs to, by the option `userOf`.
 *
 * @throws (or rejects) WSV_ERR_OPTION_INVALID for what is neither a string nor nothing: as the number 5, nobody would find
 *   the user '5'; and what `userOf` throws
 */
export function userOf (options: Pick<ServerOptions, 'userOf'>, request: FastifyRequest): string | undefined | Promise<string | undefined> {
  const user = options.userOf?.(request)
  return isPromise(user) ? user.then(checked) : checked(user)
}

function checked (user: unknown): string | undefined {
  if (user === undefined || user === null) return undefined
  if (typeof user === 'string') return user
  throw new WSV_ERR_OPTION_INVALID('wsViews', 'userOf', 'a function that returns a string or nothing', `one that returned ${kindOf(user)}`)
}
