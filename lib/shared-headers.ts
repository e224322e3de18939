import type { IncomingMessage } from 'node:http'

/** Fields whose values are the same for many clients. Never those of one client: cookies, keys, credentials. */
const sharedValues = new Set([
  'accept', 'accept-encoding', 'accept-language', 'cache-control', 'connection', 'host', 'origin', 'pragma', 'sec-fetch-dest', 'sec-fetch-mode',
  'sec-fetch-site', 'sec-websocket-extensions', 'sec-websocket-version', 'upgrade', 'user-agent', 'x-forwarded-proto'
])

/** How many strings are kept, and how long one may be: clients choose them, and cannot fill the memory with them. */
const maxStrings = 1000
const maxLength = 512

interface FieldName { text: string, key: string, isShared: boolean }

const names = new Map<string, FieldName>()
const values = new Map<string, string>()

/**
 * Node makes new strings for each request, also of what every client sends. For as long as a socket is open it keeps its
 * request: put one string in place of its equals. Nothing that can be seen changes.
 *
 * @param path - the URL of most requests of this route
 */
export function shareHeaders (request: IncomingMessage, path: string): void {
  const { rawHeaders, headers } = request
  // the request of `injectWS` has none
  if (rawHeaders === undefined) return
  request.httpVersion = valueOf(request.httpVersion) ?? request.httpVersion
  if (request.url === path) request.url = path
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = nameOf(rawHeaders[i]!)
    if (name === undefined) continue
    rawHeaders[i] = name.text
    if (!name.isShared) continue
    const value = rawHeaders[i + 1]!
    const shared = valueOf(value)
    if (shared === undefined) continue
    rawHeaders[i + 1] = shared
    if (headers[name.key] === value) headers[name.key] = shared
  }
}

function nameOf (text: string): FieldName | undefined {
  let name = names.get(text)
  if (name === undefined && names.size < maxStrings && text.length <= maxLength) {
    const key = text.toLowerCase()
    names.set(text, name = { text, key, isShared: sharedValues.has(key) })
  }
  return name
}

function valueOf (text: string): string | undefined {
  let value = values.get(text)
  if (value === undefined && values.size < maxStrings && text.length <= maxLength) values.set(text, value = text)
  return value
}
