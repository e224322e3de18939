import type { WsFanout } from '../types.ts'
import { WSV_ERR_FANOUT_CLOSED } from '../errors.ts'
import type { Broker, BrokerEvents } from './broker.ts'
import type { ChannelMessage } from './message.ts'

const done = Promise.resolve()

// What a turn of the event loop takes before publishers have to wait for its end
const maxMessages = 64
const maxBytes = 64 * 1024

/**
 * The fan-out of a single process.
 *
 * It delivers a little later, in `setImmediate`, as Redis does: a publisher never runs a subscriber's code in the middle
 * of its own. All messages of one turn are delivered together, in the order they were published, each to those who were
 * subscribed when it was published.
 *
 * `publish` resolves at once while the turn has few messages, then after their delivery: a publisher that loops with
 * `await` leaves the event loop its turns, and the sockets time to send.
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

  publish (channel: string, message: ChannelMessage): Promise<void> {
    if (this.#closed) return Promise.reject(new WSV_ERR_FANOUT_CLOSED())
    const round = (this.#round ??= new Round(this))
    return round.add(channel, message)
  }

  /** @internal what is published meanwhile waits for the next round */
  deliver (): void {
    const round = this.#round
    if (round === undefined) return // close() was faster
    this.#round = undefined
    const { messages } = round
    for (let i = 0; i < messages.length; i += 2) {
      this.#events.message(messages[i] as string, messages[i + 1] as ChannelMessage)
    }
    round.resolve?.()
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

/** The messages of one turn of the event loop. */
class Round {
  /** channel, message, channel, message … */
  readonly messages: (string | ChannelMessage)[] = []
  resolve: (() => void) | undefined
  #bytes = 0
  #delivered: Promise<void> | undefined

  constructor (broker: InProcessBroker) {
    setImmediate(deliver, broker)
  }

  add (channel: string, message: ChannelMessage): Promise<void> {
    // of a text its characters: near enough for a bound, and known without reading it
    this.#bytes += message.data.length
    if (this.messages.push(channel, message) <= 2 * maxMessages && this.#bytes <= maxBytes) return done
    return (this.#delivered ??= new Promise((resolve) => { this.resolve = resolve }))
  }
}

function deliver (broker: InProcessBroker): void {
  broker.deliver()
}
