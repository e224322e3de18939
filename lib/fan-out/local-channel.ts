import { WSV_ERR_CHANNEL_INVALID } from '../errors.ts'
import type { ChannelDefinition } from './channel.ts'
import type { Subscriber } from './fan-out.ts'
import type { ChannelMessage } from './message.ts'

/** A channel with at least one subscriber in this process. */
export class LocalChannel {
  /** as the broker knows it, with `channelPrefix` */
  readonly brokerName: string
  /** as subscribers know it */
  readonly name: string
  /** of the first subscriber that came with one; nobody has to */
  definition: ChannelDefinition | undefined
  /** resolves when the broker has confirmed the subscription */
  standing!: Promise<void>
  /** foreign messages that were refused */
  dropped = 0

  readonly #subscribers = new Set<Subscriber>()
  // Delivery walks over this array and not the set: it is faster, and who comes or goes meanwhile cannot disturb it.
  #list: Subscriber[] | undefined
  #needsJson = 0

  constructor (brokerName: string, name: string) {
    this.brokerName = brokerName
    this.name = name
  }

  get binary (): boolean {
    return this.definition !== undefined && this.definition.binary
  }

  get isEmpty (): boolean {
    return this.#subscribers.size === 0
  }

  /** Is there anybody for whom a text has to be JSON? */
  get needsJson (): boolean {
    return this.#needsJson > 0
  }

  get subscribers (): Iterable<Subscriber> {
    return this.#subscribers
  }

  /** Who gets what is published now. A change of the subscribers makes another array. */
  get audience (): readonly Subscriber[] {
    return (this.#list ??= [...this.#subscribers])
  }

  /**
   * Take over a subscriber's definition. A bare name (`undefined`) goes with every definition.
   *
   * @throws WSV_ERR_CHANNEL_INVALID when another subscriber here has other ideas of the same channel
   */
  adopt (definition: ChannelDefinition | undefined): void {
    const known = this.definition
    if (definition === undefined || definition === known) return
    if (known === undefined) {
      this.definition = definition
    } else if (known.schema !== definition.schema || known.binary !== definition.binary || known.trustForeign !== definition.trustForeign) {
      throw new WSV_ERR_CHANNEL_INVALID(`'${this.name}' has subscribers with another schema object or other options; share one defineChannel, or one schema`)
    }
  }

  /** @returns false when it was there already */
  add (subscriber: Subscriber): boolean {
    if (this.#subscribers.has(subscriber)) return false
    this.#subscribers.add(subscriber)
    this.#list = undefined
    if (subscriber.anyText !== true) this.#needsJson++
    return true
  }

  /** @returns false when it was not there */
  delete (subscriber: Subscriber): boolean {
    if (!this.#subscribers.delete(subscriber)) return false
    this.#list = undefined
    if (subscriber.anyText !== true) this.#needsJson--
    return true
  }

  /**
   * @param isJson - false: only for those who take any text
   * @param onError - a subscriber that throws does not keep the message from the others
   */
  deliver (message: ChannelMessage, isJson: boolean, onError: (err: unknown, subscriber: Subscriber) => void): void {
    const { except } = message
    // a message that waits for its turn goes to those who were there when it was published
    const list = message.audience ?? this.audience
    for (let i = 0; i < list.length; i++) {
      const subscriber = list[i]!
      if (subscriber.id === except) continue
      if (!isJson && subscriber.anyText !== true) continue
      // somebody came or went meanwhile: do not give it to who has left
      if (this.#list !== list && !this.#subscribers.has(subscriber)) continue
      try {
        subscriber.deliver(message)
      } catch (err) {
        onError(err, subscriber)
      }
    }
  }
}
