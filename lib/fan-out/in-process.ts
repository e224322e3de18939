import type { WsFanout } from '../types.ts'
import { WSV_ERR_FANOUT_CLOSED } from '../errors.ts'
import type { Broker, BrokerEvents } from './broker.ts'
import type { ChannelMessage } from './message.ts'

const done = Promise.resolve()

/**
 * The fan-out of a single process.
 *
 * It delivers a little later, in `setImmediate`, as Redis does: a publisher never runs a subscriber's code in the middle
 * of its own; and one that answers every message with another leaves the event loop its turns. All messages of one turn
 * are delivered together, in the order they were published, each to those who were subscribed when it was published.
 */
export class InProcessBroker implements Broker {
  readonly kind = 'in-process'
  #events!: BrokerEvents
  #closed = false
  /** channel, message, channel, message … */
  #round: (string | ChannelMessage)[] = []

  get status (): WsFanout['status'] {
    return this.#closed ? 'closed' : 'ready'
  }

  open (events: BrokerEvents): Promise<void> {
    this.#events = events
    return done
  }

  publish (channel: string, message: ChannelMessage): Promise<void> {
    if (this.#closed) return Promise.reject(new WSV_ERR_FANOUT_CLOSED())
    if (this.#round.push(channel, message) === 2) setImmediate(deliver, this)
    return done
  }

  /** @internal what is published meanwhile waits for the next round */
  deliver (): void {
    const round = this.#round
    this.#round = []
    for (let i = 0; i < round.length; i += 2) this.#events.message(round[i] as string, round[i + 1] as ChannelMessage)
  }

  subscribe (): Promise<void> {
    return done
  }

  unsubscribe (): Promise<void> {
    return done
  }

  async close (): Promise<void> {
    this.#closed = true
    this.deliver()
  }
}

function deliver (broker: InProcessBroker): void {
  broker.deliver()
}
