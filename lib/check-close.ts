import { WSV_ERR_CLOSE_CODE, WSV_ERR_CLOSE_REASON } from './errors.ts'

/**
 * May a server close with this?
 *
 * @throws WSV_ERR_CLOSE_CODE, WSV_ERR_CLOSE_REASON
 */
export function checkClose (code: number, reason: string): void {
  if (!isCloseCode(code)) throw new WSV_ERR_CLOSE_CODE(String(code))
  const bytes = Buffer.byteLength(reason)
  // a control frame has at most 125 bytes, two of them are the code (RFC 6455 §5.5)
  if (bytes > 123) throw new WSV_ERR_CLOSE_REASON(bytes)
}

/** RFC 6455 §7.4, and the IANA registry up to 1014: those that a server may send and that are not the protocol's own. */
function isCloseCode (code: number): boolean {
  return Number.isInteger(code) &&
    ((code >= 1007 && code <= 1014 && code !== 1010) || code === 1000 || code === 1001 || code === 1003 || (code >= 3000 && code <= 4999))
}
