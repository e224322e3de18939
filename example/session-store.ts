import type { FastifyBaseLogger, Session } from 'fastify'
import { Redis } from 'ioredis'

const DAY_S = 24 * 60 * 60

/** Sessions in Redis, for pages and views in different processes. `close` ends its connection. */
export class RedisSessionStore {
  #redis: Redis

  constructor (url: string, log: FastifyBaseLogger) {
    // With Redis away a request fails after one attempt more, instead of waiting for it.
    this.#redis = new Redis(url, { lazyConnect: true, maxRetriesPerRequest: 1 })
    this.#redis.on('error', (error) => log.error(error, 'session store'))
  }

  set (id: string, session: Session, callback: (error?: unknown) => void): void {
    this.#redis.set(key(id), JSON.stringify(session), 'EX', DAY_S).then(() => callback(), callback)
  }

  get (id: string, callback: (error: unknown, session?: Session | null) => void): void {
    this.#redis.get(key(id)).then((text) => callback(null, text === null ? null : JSON.parse(text) as Session), callback)
  }

  destroy (id: string, callback: (error?: unknown) => void): void {
    this.#redis.del(key(id)).then(() => callback(), callback)
  }

  close (): void {
    this.#redis.disconnect()
  }
}

function key (id: string): string {
  return `sandbox:session:${id}`
}
