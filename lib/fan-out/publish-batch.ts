import type { RedisClient } from './redis-client.ts'
import { nodeOf } from './redis-cluster.ts'

/** The publishes of one turn of the event loop: one write for each Redis, one answer for each message. */
export class PublishBatch {
  readonly #channels: string[] = []
  readonly #messages: (string | Buffer)[] = []
  readonly #settles: { resolve: () => void, reject: (err: unknown) => void }[] = []

  get size (): number {
    return this.#channels.length
  }

  add (channel: string, message: string | Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#channels.push(channel)
      this.#messages.push(message)
      this.#settles.push({ resolve, reject })
    })
  }

  /** @returns what went wrong with each, null where nothing did */
  async send (client: RedisClient): Promise<(Error | null)[]> {
    if (client.isCluster === true) return await this.#sendToNodes(client)
    const { stream } = client
    const answers: Promise<Error | null>[] = []
    // a pipeline of ioredis is one write as well, but what belongs to it is kept until the next major GC
    stream?.cork()
    try {
      for (let i = 0; i < this.size; i++) answers.push(client.publish(this.#channels[i]!, this.#messages[i]!).then(good, bad))
    } finally {
      stream?.uncork()
    }
    return await Promise.all(answers)
  }

  async #sendToNodes (cluster: RedisClient): Promise<(Error | null)[]> {
    const parts = new Map<RedisClient, PublishBatch>()
    const answers: Promise<Error | null>[] = []
    for (let i = 0; i < this.size; i++) {
      const node = nodeOf(cluster, this.#channels[i]!)
      let part = parts.get(node)
      if (part === undefined) parts.set(node, part = new PublishBatch())
      answers.push(part.add(this.#channels[i]!, this.#messages[i]!).then(good, bad))
    }
    for (const [node, part] of parts) part.send(node).then((errors) => { part.settle(errors) }, (err: unknown) => { part.reject(err) })
    return await Promise.all(answers)
  }

  settle (errors: (Error | null)[]): void {
    for (let i = 0; i < this.size; i++) {
      const err = errors[i]
      if (err) this.#settles[i]!.reject(err)
      else this.#settles[i]!.resolve()
    }
  }

  reject (err: unknown): void {
    for (const { reject } of this.#settles) reject(err)
  }
}

const good = (): null => null
const bad = (err: Error): Error => err
