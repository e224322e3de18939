import type { FastifyInstance } from 'fastify'
import type { Channel, PublishOptions, WsFanout } from '../types.ts'
import { Arrivals } from './arrivals.ts'
import { WSV_ERR_TEST_INSTANCE } from './errors.ts'

/** One message that was published. */
export interface PublishedMessage {
  /** the channel's name */
  channel: string
  /** as others receive it: a JSON value, or bytes */
  message: unknown
  /** the id of the socket that does not get it */
  except?: string
}

/** What the application publishes from now on. */
export interface Published extends Disposable {
  /** all of it so far, in order */
  readonly messages: readonly PublishedMessage[]
  /**
   * The next one that has not been returned yet.
   *
   * @throws (rejects) WSV_ERR_TEST_TIMEOUT
   */
  next (): Promise<PublishedMessage>
  /** Capture no more. Also `using published = …` */
  stop (): void
}

/**
 * Look at what the application publishes; it is delivered all the same. What the fan-out refuses is not published.
 *
 * @param options.timeoutMs - how long `next()` waits, in milliseconds. Default 5000
 * @throws WSV_ERR_TEST_INSTANCE
 */
export function capturePublishes (app: FastifyInstance, options: { timeoutMs?: number } = {}): Published {
  if (!app.hasDecorator('wsFanout')) {
    throw new WSV_ERR_TEST_INSTANCE('capturePublishes', 'an instance that has wsFanout: await the registration of fastify-ws-views')
  }
  const fanout: { publish: WsFanout['publish'] } = app.wsFanout
  const publish = fanout.publish
  const messages: PublishedMessage[] = []
  let isStopped = false
  const arrivals = new Arrivals<PublishedMessage>('published message', options.timeoutMs ?? 5000)

  const capture = async (channel: string | Channel, message: unknown, publishOptions?: PublishOptions): Promise<void> => {
    const name = typeof channel === 'string' ? channel : channel?.name
    const published = publish.call(fanout, channel, message, publishOptions)
    // what begins with wsv: is the plugin's own, not the application's
    if (isStopped || typeof name !== 'string' || name.startsWith('wsv:')) return await published
    const copy = copyOf(message)
    await published
    const except = publishOptions?.except
    const entry = { channel: name, message: copy, ...(except === undefined ? {} : { except: except.id }) }
    messages.push(entry)
    arrivals.add(entry)
  }
  fanout.publish = capture as WsFanout['publish']

  const stop = (): void => {
    isStopped = true
    // one that began later calls this one
    if (fanout.publish === capture) fanout.publish = publish
  }
  return { messages, next: () => arrivals.next(), stop, [Symbol.dispose]: stop }
}

/** As it is at this moment: the object may be changed later. What cannot be copied is refused by the fan-out. */
function copyOf (message: unknown): unknown {
  if (message instanceof Uint8Array) return Buffer.from(message)
  try {
    return JSON.parse(JSON.stringify(message)) as unknown
  } catch {
    return undefined
  }
}
