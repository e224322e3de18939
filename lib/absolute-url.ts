import { WSV_ERR_OPTION_INVALID, WSV_ERR_URL_HOST_INVALID } from './errors.ts'

export interface AbsoluteUrlOptions {
  /** the public base of the WebSocket server; decides over `secure` and `requestHost` */
  baseUrl?: string | undefined
  /** the view's own host, from a string `host` constraint: stands in the place of any other */
  host?: string | undefined
  /** the request came over TLS: `wss:` */
  secure?: boolean | undefined
  /** host and port the client asked for */
  requestHost?: string | undefined
}

/** RFC 3986 §3.2.2 and §3.2.3: a name or an IPv4 address, or an IPv6 address in brackets; then perhaps a port */
const HOST = /^(?:\[[0-9a-f:.]+\]|[\w.~!$&'()*+,;=-]+)(?::\d{1,5})?$/i

/**
 * @param path - as `resolveUrl` gives it
 * @returns `wss://ws.example.com/base/chat/42`
 * @throws WSV_ERR_URL_HOST_INVALID without `baseUrl`, when the client sent no host or something else in its place
 * @throws WSV_ERR_OPTION_INVALID for a `baseUrl` that `readBaseUrl` refuses
 */
export function absoluteUrl (path: string, { baseUrl, host, secure, requestHost }: AbsoluteUrlOptions): string {
  if (baseUrl === undefined) {
    return `${secure === true ? 'wss' : 'ws'}://${host ?? checkedHost(requestHost)}${path}`
  }
  const base = readBaseUrl(baseUrl)
  // The router compares a host constraint with the whole Host header, so a port in the base is not carried over.
  return (host === undefined ? base : base.replace(/(?<=:\/\/)[^/]+/, host)) + path
}

/** The Host header is the client's word: it must not be able to put a path or a user before ours. */
function checkedHost (host: string | undefined): string {
  if (host === undefined || !HOST.test(host)) throw new WSV_ERR_URL_HOST_INVALID()
  return host
}

/** the base URL that was read last: there is one in a server, and a page may ask for many URLs */
let lastRead = { from: '', base: '' }

/**
 * Check a `baseUrl` and bring it to one form: host in lower case, a default port and a slash at the end left out.
 *
 * @throws WSV_ERR_OPTION_INVALID unless it is an absolute `ws:` or `wss:` URL without user, query and fragment
 */
export function readBaseUrl (baseUrl: string): string {
  if (lastRead.from === baseUrl) return lastRead.base
  const url = URL.canParse(baseUrl) ? new URL(baseUrl) : undefined
  const isBase = url !== undefined && (url.protocol === 'ws:' || url.protocol === 'wss:') &&
    url.username === '' && url.password === '' && url.search === '' && url.hash === ''
  if (!isBase) {
    throw new WSV_ERR_OPTION_INVALID('wsViews', 'baseUrl',
      "a ws:// or wss:// URL without user, query and fragment, such as 'wss://ws.example.com'", describeBase(url, baseUrl))
  }
  lastRead = { from: baseUrl, base: `${url.protocol}//${url.host}${url.pathname.replace(/\/+$/, '')}` }
  return lastRead.base
}

/** What was given, without a password that may stand in it. */
function describeBase (url: URL | undefined, given: string): string {
  if (url === undefined) return `'${given}'`
  if (url.username !== '' || url.password !== '') return 'one with a user'
  return `'${url.href}'`
}
