import { createRequire } from 'node:module'
import { WSV_ERR_OPTION_INVALID } from '../errors.ts'
import { subscribersOf } from './redis-cluster.ts'
import type { ClientSource } from './redis-connection.ts'

/** What is used of an `ioredis` client, of version 5 or 6. Written down here, for `ioredis` need not be installed. */
export interface RedisClient {
  readonly status: string
  readonly isCluster?: boolean
  readonly options: { host?: unknown, port?: unknown, keyPrefix?: unknown, redisOptions?: { keyPrefix?: unknown } }
  readonly stream?: { readonly writable: boolean, cork (): void, uncork (): void } | null
  connect (): Promise<void>
  disconnect (): void
  duplicate (options: object): RedisClient
  publish (channel: string, message: string | Buffer): Promise<unknown>
  subscribe (...channels: string[]): Promise<unknown>
  unsubscribe (...channels: string[]): Promise<unknown>
  /** of a Cluster */
  nodes? (role: 'all' | 'master'): RedisClient[]
  on (event: string, listener: (...args: any[]) => void): unknown
  off (event: string, listener: (...args: any[]) => void): unknown
}

export interface RedisClients {
  publisher: RedisClient
  subscriber: ClientSource
  /** ours to connect and to close */
  ownsPublisher: boolean
  ownsSubscriber: boolean
}

/**
 * What our own clients are like, whatever the application's options say: nothing waits for a connection to come back
 * (a message that arrives late, or twice, is worse than one that was refused), and subscriptions are renewed by us,
 * who have to tell of the gap.
 */
const ours = {
  lazyConnect: true,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  autoResubscribe: false
}

const expected = 'a redis:// or rediss:// URL, a path, ioredis options, an ioredis client or Cluster, or { publisher, subscriber }'

/**
 * Read the option `redis`. Connects nothing.
 *
 * @throws WSV_ERR_OPTION_INVALID, also when `ioredis` is needed and not installed. The option's value is never part of
 *   the message: it may hold a password
 */
export function redisClients (option: unknown): RedisClients {
  if (isClient(option)) {
    const publisher = checked(option)
    const subscriber = publisher.isCluster === true ? subscribersOf(publisher, ours) : publisher.duplicate(ours)
    return { publisher, subscriber, ownsPublisher: false, ownsSubscriber: true }
  }
  if (isPair(option)) {
    if (!isClient(option.publisher) || !isClient(option.subscriber)) throw refusal('a pair of which one is no ioredis client')
    // a connection that has subscribed can do nothing else (in RESP2)
    if (option.publisher === option.subscriber) throw refusal('one client for both')
    const publisher = checked(option.publisher)
    const subscriber = checked(option.subscriber)
    // a Cluster hides when it changes the node it has subscribed at
    if (subscriber.isCluster === true) return { publisher, subscriber: subscribersOf(subscriber, ours), ownsPublisher: false, ownsSubscriber: true }
    return { publisher, subscriber, ownsPublisher: false, ownsSubscriber: false }
  }
  const Redis = loadRedis(option)
  const publisher = typeof option === 'string' ? connectTo(Redis, checkedUrl(option)) : new Redis({ ...option as object, ...ours })
  return { publisher: checked(publisher), subscriber: publisher.duplicate(ours), ownsPublisher: true, ownsSubscriber: true }
}

function isClient (value: unknown): value is RedisClient {
  if (typeof value !== 'object' || value === null) return false
  const client = value as Record<string, unknown>
  return typeof client['status'] === 'string' && ['publish', 'subscribe', 'duplicate', 'on'].every((name) => typeof client[name] === 'function')
}

function isPair (value: unknown): value is { publisher: unknown, subscriber: unknown } {
  return typeof value === 'object' && value !== null && ('publisher' in value || 'subscriber' in value)
}

/** ioredis puts the prefix before the channels it subscribes to, and not before those it publishes to. */
function checked (client: RedisClient): RedisClient {
  if (client.options.keyPrefix || client.options.redisOptions?.keyPrefix) {
    throw refusal('one with keyPrefix, which would not hold for channels; use channelPrefix')
  }
  return client
}

/** ioredis takes every string for something: a word for a host, a wrong scheme for none. */
function checkedUrl (url: string): string {
  if (url.startsWith('/')) return url
  const scheme = URL.canParse(url) ? new URL(url).protocol : undefined
  if (scheme !== 'redis:' && scheme !== 'rediss:') {
    throw refusal(scheme === undefined ? 'a string that is none of them' : `a URL with the scheme '${scheme}'`)
  }
  return url
}

function connectTo (Redis: RedisConstructor, url: string): RedisClient {
  try {
    return new Redis(url, ours)
  } catch {
    throw refusal('a URL that ioredis cannot read') // its error repeats the URL
  }
}

type RedisConstructor = new (...args: unknown[]) => RedisClient

/** ioredis is an optional peer: loaded when it is needed, and synchronously, so that it is missing at registration. */
function loadRedis (option: unknown): RedisConstructor {
  if (typeof option !== 'string') {
    if (typeof option !== 'object' || option === null) throw refusal(option === null ? 'null' : typeof option)
    if (Array.isArray(option)) throw refusal('an array')
    // as options it would be a connection to localhost
    if ('publish' in option) throw refusal('a client of another library')
  }
  try {
    const { Redis } = createRequire(import.meta.url)('ioredis') as { Redis: RedisConstructor }
    return Redis
  } catch (cause) {
    throw Object.assign(new WSV_ERR_OPTION_INVALID('wsViews', 'redis', "a client, unless 'ioredis' is installed", 'a URL or options'), { cause })
  }
}

function refusal (got: string): Error {
  return new WSV_ERR_OPTION_INVALID('wsViews', 'redis', expected, got)
}
