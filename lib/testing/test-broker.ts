import { WSV_ERR_FANOUT_UNAVAILABLE } from '../errors.ts'
import type { Broker, BrokerEvents } from '../fan-out/broker.ts'
import { InProcessBroker } from '../fan-out/in-process.ts'
import type { ChannelMessage } from '../fan-out/message.ts'
import type { WsFanout } from '../types.ts'
import { WSV_ERR_TEST_INSTANCE } from './errors.ts'

/**
 * A broker that can be taken away, as Redis can: `register(wsViews, { fanout: broker })`, one for each application.
 * While it is away `publish` rejects with WSV_ERR_FANOUT_UNAVAILABLE; when it is back, `onGap` runs.
 */
export class TestBroker implements Broker {
  readonly kind = 'test'
  readonly #carrier = new InProcessBroker()
  readonly #channels = new Set<string>()
  #events: BrokerEvents | undefined
  #isAway = false

  get status (): WsFanout['status'] {
    return this.#isAway && this.#carrier.status !== 'closed' ? 'reconnecting' : this.#carrier.status
  }

  /** Nothing can be published any more. */
  disconnect (): void {
    this.#isAway = true
  }

  /** It is back: every subscription stands again, and is told that messages may be missing. */
  reconnect (): void {
    if (!this.#isAway) return
    this.#isAway = false
    if (this.#channels.size > 0) this.#events?.gap([...this.#channels])
  }

  open (events: BrokerEvents): Promise<void> {
    if (this.#events !== undefined) return Promise.reject(new WSV_ERR_TEST_INSTANCE('TestBroker', 'an application of its own'))
    this.#events = events
    return this.#carrier.open(events)
  }

  publish (channel: string, message: ChannelMessage): Promise<void> {
    if (this.#isAway) return Promise.reject(new WSV_ERR_FANOUT_UNAVAILABLE())
    return this.#carrier.publish(channel, message)
  }

  subscribe (channel: string): Promise<void> {
    this.#channels.add(channel)
    return this.#carrier.subscribe()
  }

  unsubscribe (channel: string): Promise<void> {
    this.#channels.delete(channel)
    return this.#carrier.unsubscribe()
  }

  close (): Promise<void> {
    return this.#carrier.close()
  }
}
