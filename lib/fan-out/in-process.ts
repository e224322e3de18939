import type { WsFanout } from '../types.ts'
import { WSV_ERR_FANOUT_CLOSED } from '../errors.ts'
import type { Broker, BrokerEvents } from './broker.ts'
import type { ChannelMessage } from './message.ts'

const done = Promise.resolve()

/**
 * The fan-out of a single process.
 *
 * It delivers a little later, in `setImmediate`, as Redis does: a publisher never runs a subscriber's code in the middle
 * of its own; a subscriber that publishes, joins or leaves while it is given a message changes nothing about the message
 * that is under way; and one that answers every message with another leaves the event loop its turns. All messages of
 * one turn are delivered together, in the order they were published, and share one promise.
 */
export class InProcessBroker implements Broker {
  readonly kind = 'in-process'
  #events!: BrokerEvents
  #closed = false
  #round: Round | undefined

  get status (): WsFanout['status'] {
    return this.#closed ? 'closed' : 'ready'
  }

  open (events: BrokerEvents): Promise<void> {
    this.#events = events
    return done
  }

  /** Resolves when the message was delivered: whoever subscribes after that does not get it. */
  publish (channel: string, message: ChannelMessage): Promise<void> {
    if (this.#closed) return Promise.reject(new WSV_ERR_FANOUT_CLOSED())
    this.#round ??= new Round(this)
    this.#round.messages.push(channel, message)
    return this.#round.delivered
  }

  /** @internal what is published meanwhile waits for the next round */
  deliver (round: Round): void {
    if (this.#round !== round) return // close() was faster
    this.#round = undefined
    const { messages } = round
    for (let i = 0; i < messages.length; i += 2) {
      this.#events.message(messages[i] as string, messages[i + 1] as ChannelMessage)
    }
    round.resolve()
  }

  subscribe (): Promise<void> {
    return done
  }

  unsubscribe (): Promise<void> {
    return done
  }

  async close (): Promise<void> {
    this.#closed = true
    if (this.#round !== undefined) this.deliver(this.#round)
  }
}

/** The messages of one turn of the event loop: channel, message, channel, message … */
class Round {
  readonly messages: (string | ChannelMessage)[] = []
  readonly delivered: Promise<void>
  resolve!: () => void

  constructor (broker: InProcessBroker) {
    this.delivered = new Promise((resolve) => { this.resolve = resolve })
    setImmediate(deliver, broker, this)
  }
}

function deliver (broker: InProcessBroker, round: Round): void {
  broker.deliver(round)
}
