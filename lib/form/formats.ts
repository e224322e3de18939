import { isIPv4, isIPv6 } from 'node:net'

const days = [0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
const datePattern = /^(\d{4})-(\d\d)-(\d\d)$/

/** RFC 3339 §5.6 full-date */
function isDate (text: string): boolean {
  const parts = datePattern.exec(text)
  if (parts === null) return false
  const [year, month, day] = [Number(parts[1]), Number(parts[2]), Number(parts[3])]
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  return month >= 1 && month <= 12 && day >= 1 && day <= (month === 2 && leap ? 29 : days[month]!)
}

const timePattern = /^(\d\d):(\d\d):(\d\d)(?:\.\d+)?(?:z|([+-])(\d\d):(\d\d))?$/i

/** RFC 3339 §5.6 full-time, with its leap second; without an offset only where `offset` is not asked for */
function isTime (text: string, offset = true): boolean {
  const parts = timePattern.exec(text)
  if (parts === null || (offset && parts[4] === undefined && !/z$/i.test(text))) return false
  const [hour, minute, second] = [Number(parts[1]), Number(parts[2]), Number(parts[3])]
  const zoneHour = Number(parts[5] ?? 0)
  const zoneMinute = Number(parts[6] ?? 0)
  if (hour > 23 || minute > 59 || zoneHour > 23 || zoneMinute > 59) return false
  if (second <= 59) return true
  // a leap second is the last one of a day in UTC
  const sign = parts[4] === '-' ? 1 : -1
  const utc = (hour * 60 + minute + sign * (zoneHour * 60 + zoneMinute) + 2880) % 1440
  return second === 60 && utc === 1439
}

function isDateTime (text: string, offset = true): boolean {
  return /^[t ]$/i.test(text.charAt(10)) && isDate(text.slice(0, 10)) && isTime(text.slice(11), offset)
}

const localPart = /^[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*$/
const label = /^[a-z\d](?:[a-z\d-]{0,61}[a-z\d])?$/i

function isHostname (text: string): boolean {
  if (text.length > 254) return false
  return (text.endsWith('.') ? text.slice(0, -1) : text).split('.').every((part) => label.test(part))
}

/** RFC 5321 §4.1.2 dot-string at a domain name of two labels or more; at most 320 characters */
function isEmail (text: string): boolean {
  const at = text.lastIndexOf('@')
  if (at < 1 || text.length > 320) return false
  const domain = text.slice(at + 1)
  return localPart.test(text.slice(0, at)) && !domain.endsWith('.') &&
    (domain === 'localhost' || (domain.includes('.') && isHostname(domain)))
}

const uriPattern = /^(?:([a-z][a-z\d+.-]*):)?(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/is
const path = /^(?:[\w.~!$&'()*+,;=:@/-]|%[\da-f]{2})*$/i
const query = /^(?:[\w.~!$&'()*+,;=:@/?-]|%[\da-f]{2})*$/i
const authority = /^(?:(?:[\w.~!$&'()*+,;=:-]|%[\da-f]{2})*@)?(?:\[([^\]]*)\]|((?:[\w.~!$&'()*+,;=-]|%[\da-f]{2})*))(?::\d*)?$/i
const ipFuture = /^v[\da-f]+\.[\w.~!$&'()*+,;=:-]+$/i

/** RFC 3986 §3, §4.1 */
function isUriReference (text: string, absolute = false): boolean {
  const parts = uriPattern.exec(text)
  if (parts === null || (absolute && parts[1] === undefined)) return false
  if (parts[2] !== undefined) {
    const host = authority.exec(parts[2])
    if (host === null || (host[1] !== undefined && !isAddress6(host[1]) && !ipFuture.test(host[1]))) return false
    // what names a server on the web has to name one
    if (/^(?:https?|wss?|ftp)$/i.test(parts[1] ?? '') && host[1] === undefined && host[2] === '') return false
  } else if (parts[1] === undefined && /^[^/]*:/.test(parts[3]!)) return false
  return path.test(parts[3]!) && query.test(parts[4] ?? '') && query.test(parts[5] ?? '')
}

function isAddress6 (text: string): boolean {
  // Node takes a zone (fe80::1%eth0), the format does not (RFC 4291 §2.2)
  return isIPv6(text) && !text.includes('%')
}

function isRegex (text: string): boolean {
  try {
    return new RegExp(text, 'u') instanceof RegExp
  } catch {
    return false
  }
}

const uuid = /^(?:urn:uuid:)?[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/i
const duration = /^P(?!$)(?:(?:\d+Y)?(?:\d+M)?(?:\d+D)?(?:T(?=\d)(?:\d+H)?(?:\d+M)?(?:\d+S)?)?|\d+W)$/
const jsonPointer = /^(?:\/(?:[^~/]|~[01])*)*$/
const jsonPointerFragment = /^#(?:\/(?:[\w.~!$&'()*+,;=:@-]|%[\da-f]{2})*)*$/i
const relativeJsonPointer = /^(?:0|[1-9]\d*)(?:#|(?:\/(?:[^~/]|~[01])*)*)$/
const uriTemplate = /^(?:[^\s"'<>\\^`{|}]|\{[+#./;?&=,!@|]?(?:[\w.,*:]|%[\da-f]{2})+\})*$/i
const byte = /^(?:[A-Za-z\d+/]{4})*(?:[A-Za-z\d+/]{2}==|[A-Za-z\d+/]{3}=)?$/

/** The formats that are ours: they have texts of their own. */
export const formats: Record<string, (text: string) => boolean> = {
  email: isEmail,
  uri: (text) => isUriReference(text, true),
  uuid: (text) => uuid.test(text),
  date: isDate,
  time: (text) => isTime(text),
  'date-time': (text) => isDateTime(text),
  duration: (text) => duration.test(text),
  ipv4: isIPv4,
  ipv6: isAddress6
}

/** Formats that the server's own validator compiler answers where there is one. */
export const moreFormats: Record<string, (text: string) => boolean> = {
  url: (text) => isUriReference(text, true) && /^(?:https?|ftp):\/\//i.test(text),
  hostname: (text) => isHostname(text),
  'uri-reference': (text) => isUriReference(text),
  'uri-template': (text) => uriTemplate.test(text),
  regex: isRegex,
  'json-pointer': (text) => jsonPointer.test(text),
  'json-pointer-uri-fragment': (text) => jsonPointerFragment.test(text),
  'relative-json-pointer': (text) => relativeJsonPointer.test(text),
  'iso-time': (text) => isTime(text, false),
  'iso-date-time': (text) => isDateTime(text, false),
  byte: (text) => byte.test(text),
  password: () => true,
  binary: () => true
}

export const numberFormats: Record<string, (value: number) => boolean> = {
  int32: (value) => Number.isInteger(value) && value >= -(2 ** 31) && value < 2 ** 31,
  int64: (value) => Number.isInteger(value),
  float: () => true,
  double: () => true
}
