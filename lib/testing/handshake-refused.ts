import type { IncomingHttpHeaders } from 'node:http'
import { WSV_ERR_TEST_HANDSHAKE_REFUSED } from './errors.ts'

/** The HTTP response in place of the 101: what `wsConnect` rejects with. */
export class HandshakeRefused extends WSV_ERR_TEST_HANDSHAKE_REFUSED {
  /** of HTTP */
  override readonly statusCode: number
  /** names in lower case */
  readonly headers: IncomingHttpHeaders
  /** as text */
  readonly body: string

  constructor (statusCode: number, headers: IncomingHttpHeaders, body: string) {
    super(statusCode, body)
    this.statusCode = statusCode
    this.headers = headers
    this.body = body
  }

  /**
   * The body as a value.
   *
   * @throws SyntaxError when it is no JSON
   */
  json<Body = unknown> (): Body {
    return JSON.parse(this.body) as Body
  }
}
