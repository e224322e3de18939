import { Buffer } from 'node:buffer'
import type { FastifyBaseLogger } from 'fastify'
import type { Channel, FormErrors, PublishOptions, SubscribeOptions, Subscription, WsFanout } from '../types.ts'
import {
  WSV_ERR_CHANNEL_MESSAGE_INVALID, WSV_ERR_FANOUT_CLOSED, WSV_ERR_NOT_SERIALIZABLE, WSV_ERR_OPTION_INVALID
} from '../errors.ts'
import { ignoreRejection, isPromise } from '../is-promise.ts'
import type { Broker, BrokerEvents } from './broker.ts'
import { definitionOf, type ChannelDefinition } from './channel.ts'
import type { CompileCheck, FanOut, FanOutOptions, Subscriber } from './fan-out.ts'
import { LocalChannel } from './local-channel.ts'
import { ChannelMessage, isSocketId, type DropReason } from './message.ts'
import { IteratorSubscription, ListenerSubscription, type LocalSubscription, type SubscriptionHost } from './subscription.ts'

type Check = (value: unknown) => FormErrors | null

const nobody: readonly Subscriber[] = []

/**
 * Counts the subscribers of this process, so that the broker has one subscription per channel however many there are;
 * checks and serialises what is published, checks what arrives.
 */
export class Hub implements FanOut, BrokerEvents, SubscriptionHost {
  readonly opened: Promise<void>
  dropped = 0

  readonly #broker: Broker
  readonly #log: FastifyBaseLogger
  readonly #prefix: string
  readonly #maxQueued: number
  readonly #compileCheck: CompileCheck | undefined
  readonly #checks = new WeakMap<object, Check>()
  readonly #channels = new Map<string, LocalChannel>() // by the broker's name
  readonly #memberships = new Map<Subscriber, LocalChannel[]>()
  #closing: Promise<void> | undefined

  constructor (broker: Broker, options: FanOutOptions) {
    this.#broker = broker
    this.#log = options.log
    this.#prefix = options.channelPrefix ?? ''
    this.#maxQueued = options.maxQueued ?? 1024
    this.#compileCheck = options.compileCheck
    this.opened = broker.open(this)
  }

  get kind (): string {
    return this.#broker.kind
  }

  get status (): WsFanout['status'] {
    return this.#closing === undefined ? this.#broker.status : 'closed'
  }

  // ---------- publishing

  publish<T> (channel: string | Channel<T>, message: T, options?: PublishOptions): Promise<void> {
    // not an async function: the broker's promise is passed on as it is
    try {
      if (this.#closing !== undefined) throw new WSV_ERR_FANOUT_CLOSED()
      const definition = definitionOf(channel)
      const name = nameOf(channel)
      const except = options?.except === undefined ? undefined : idOf(options.except)
      const data = definition?.binary === true ? bytesOf(message, name) : this.#textOf(message, name, definition)
      const published = new ChannelMessage(data, except, definition)
      const brokerName = this.#prefix + name
      published.audience = this.#channels.get(brokerName)?.audience ?? nobody
      return this.#broker.publish(brokerName, published)
    } catch (err) {
      return Promise.reject(err)
    }
  }

  /** serialised before it is checked: a check could follow a cycle for ever */
  #textOf (message: unknown, name: string, definition: ChannelDefinition | undefined): string {
    if (message instanceof Uint8Array) {
      throw new WSV_ERR_NOT_SERIALIZABLE(`The message for channel '${name}'`, 'a JSON value, got bytes: define the channel with binary: true')
    }
    if (isPromise(message)) {
      ignoreRejection(message)
      throw new WSV_ERR_NOT_SERIALIZABLE(`The message for channel '${name}'`, 'a JSON value, got a promise')
    }
    let text: string | undefined
    try {
      text = JSON.stringify(message)
    } catch (cause) {
      throw Object.assign(
        new WSV_ERR_NOT_SERIALIZABLE(`The message for channel '${name}'`, `a JSON value: ${firstLine(cause)}`), { cause })
    }
    if (text === undefined) {
      throw new WSV_ERR_NOT_SERIALIZABLE(`The message for channel '${name}'`, `a JSON value, got ${typeof message}`)
    }
    const errors = definition === undefined ? null : this.#checkOf(definition)?.(message)
    if (errors) throw new WSV_ERR_CHANNEL_MESSAGE_INVALID(name, summary(errors))
    return text
  }

  /** compiled once per schema object, however many channels have it */
  #checkOf ({ schema, name, binary }: ChannelDefinition): Check | undefined {
    if (this.#compileCheck === undefined || binary || typeof schema !== 'object' || schema === null) return undefined
    let check = this.#checks.get(schema)
    if (check === undefined) {
      check = this.#compileCheck(schema, name)
      this.#checks.set(schema, check)
    }
    return check
  }

  // ---------- subscribing

  subscribe<T> (channel: string | Channel<T>, options?: SubscribeOptions): Promise<Subscription<T>>
  subscribe<T> (channel: string | Channel<T>, listener: (message: T) => void, options?: SubscribeOptions): Promise<Subscription<T>>
  async subscribe<T> (
    channel: string | Channel<T>, second?: ((message: T) => void) | SubscribeOptions, third?: SubscribeOptions
  ): Promise<Subscription<T>> {
    definitionOf(channel)
    const name = nameOf(channel)
    const options = (typeof second === 'function' ? third : second) ?? {}
    const maxQueued = options.maxQueued ?? this.#maxQueued
    if (!Number.isSafeInteger(maxQueued) || maxQueued < 1) {
      throw new WSV_ERR_OPTION_INVALID(`subscribe('${name}')`, 'maxQueued', 'a whole number above 0', String(maxQueued))
    }
    const { signal } = options
    const subscription = typeof second === 'function'
      ? new ListenerSubscription<T>(channel, name, this, signal, second)
      : new IteratorSubscription<T>(channel, name, this, signal, maxQueued)
    // As an abort later on does: an end, not an error. `socket.signal` aborts when a socket ends in peace.
    if (signal?.aborted === true) {
      subscription.end()
      return subscription
    }
    try {
      await this.join(channel, subscription)
    } catch (err) {
      subscription.end()
      throw err
    }
    return subscription
  }

  join (channel: string | Channel<any>, subscriber: Subscriber): Promise<void> {
    try {
      if (this.#closing !== undefined) throw new WSV_ERR_FANOUT_CLOSED()
      const definition = definitionOf(channel)
      if (definition !== undefined) this.#checkOf(definition) // a bad schema is the subscriber's error, not the message's
      const name = nameOf(channel)
      const brokerName = this.#prefix + name
      let local = this.#channels.get(brokerName)
      if (local === undefined) {
        local = new LocalChannel(brokerName, name)
        local.adopt(definition)
        this.#channels.set(brokerName, local)
        this.#enter(local, subscriber)
        local.standing = this.#stand(local)
      } else {
        local.adopt(definition)
        this.#enter(local, subscriber)
      }
      return local.standing
    } catch (err) {
      return Promise.reject(err)
    }
  }

  /** Everybody who joined before the answer waits for it; when it is a no, nobody has joined. */
  async #stand (local: LocalChannel): Promise<void> {
    try {
      await this.#broker.subscribe(local.brokerName)
    } catch (err) {
      for (const subscriber of [...local.subscribers]) this.#exit(local, subscriber)
      if (this.#channels.get(local.brokerName) === local) this.#channels.delete(local.brokerName)
      throw err
    }
  }

  async leave (channel: string | Channel<any>, subscriber: Subscriber): Promise<void> {
    definitionOf(channel)
    const local = this.#channels.get(this.#prefix + nameOf(channel))
    if (local === undefined || !this.#exit(local, subscriber)) return
    await this.#abandon(local)
  }

  release (subscription: LocalSubscription): Promise<void> {
    return this.leave(subscription.target, subscription)
  }

  leaveAll (subscriber: Subscriber): void {
    const locals = this.#memberships.get(subscriber)
    if (locals === undefined) return
    this.#memberships.delete(subscriber)
    for (const local of locals) {
      local.delete(subscriber)
      this.#abandon(local)?.catch((err: unknown) => {
        this.#log.warn({ err, channel: local.name }, 'wsFanout: could not unsubscribe')
      })
    }
  }

  /** @returns undefined when it still has subscribers */
  #abandon (local: LocalChannel): Promise<void> | undefined {
    if (!local.isEmpty) return undefined
    this.#channels.delete(local.brokerName)
    return this.#unsubscribe(local.brokerName)
  }

  /** A broker that throws rejects: the end of a socket goes on. */
  async #unsubscribe (brokerName: string): Promise<void> {
    await this.#broker.unsubscribe(brokerName)
  }

  #enter (local: LocalChannel, subscriber: Subscriber): void {
    if (!local.add(subscriber)) return
    const locals = this.#memberships.get(subscriber)
    if (locals === undefined) this.#memberships.set(subscriber, [local])
    else locals.push(local)
  }

  #exit (local: LocalChannel, subscriber: Subscriber): boolean {
    if (!local.delete(subscriber)) return false
    const locals = this.#memberships.get(subscriber)!
    if (locals.length === 1) this.#memberships.delete(subscriber)
    else locals.splice(locals.indexOf(local), 1)
    return true
  }

  // ---------- from the broker

  message (brokerName: string, incoming: Buffer | ChannelMessage): void {
    const local = this.#channels.get(brokerName)
    if (local === undefined) return // the last subscriber left while it was on its way
    let audience: readonly Subscriber[] | undefined
    if (incoming instanceof ChannelMessage) {
      audience = incoming.audience
      const good = local.definition === undefined ? !incoming.isBinary : local.definition === incoming.definition
      if (good) return local.deliver(incoming, true, this.#onDeliverError)
      // Published by its bare name, or with another definition: as strange to us as a message of another process.
      const { wire } = incoming
      incoming = typeof wire === 'string' ? Buffer.from(wire) : wire
    }
    const message = ChannelMessage.fromWire(incoming, local.binary, local.definition)
    if (typeof message === 'string') return this.#drop(local, message)
    message.audience = audience
    if (message.isBinary) return local.deliver(message, true, this.#onDeliverError)

    const check = local.definition === undefined || local.definition.trustForeign ? undefined : this.#checkOf(local.definition)
    let isJson = true
    if (check !== undefined || local.needsJson) {
      isJson = message.isValue()
      if (!isJson) this.#drop(local, 'json')
      if (check !== undefined && !isJson) return
      if (check !== undefined && !isGood(message.value, check)) return this.#drop(local, 'schema')
    }
    local.deliver(message, isJson, this.#onDeliverError)
  }

  #drop (local: LocalChannel, reason: DropReason): void {
    this.dropped++
    // one line per channel: whoever publishes garbage publishes a lot of it
    this.#log[local.dropped++ === 0 ? 'warn' : 'debug'](
      { channel: local.name, reason, dropped: local.dropped }, 'wsFanout: a message from outside was dropped')
  }

  gap (brokerNames: string[]): void {
    const missed = new Map<Subscriber, string[]>()
    for (const brokerName of brokerNames) {
      const local = this.#channels.get(brokerName)
      if (local === undefined) continue
      for (const subscriber of local.subscribers) {
        if (subscriber.gap === undefined) continue
        const names = missed.get(subscriber)
        if (names === undefined) missed.set(subscriber, [local.name])
        else names.push(local.name)
      }
    }
    for (const [subscriber, names] of missed) {
      try {
        subscriber.gap!(names)
      } catch (err) {
        this.#onDeliverError(err, subscriber)
      }
    }
  }

  failed (err: unknown, { channel }: { channel: string }): void {
    this.#log.error({ err, channel }, 'wsFanout: a listener failed')
  }

  readonly #onDeliverError = (err: unknown, subscriber: Subscriber): void => {
    if (subscriber instanceof ListenerSubscription) this.failed(err, subscriber)
    else this.#log.error({ err, subscriber: subscriber.id }, 'wsFanout: a subscriber failed')
  }

  // ---------- the end

  close (): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async #close (): Promise<void> {
    try {
      await this.#broker.close()
    } finally {
      this.#channels.clear()
      for (const subscriber of this.#memberships.keys()) {
        if (subscriber instanceof ListenerSubscription || subscriber instanceof IteratorSubscription) subscriber.end()
      }
      this.#memberships.clear()
    }
  }
}

function nameOf (channel: string | Channel<any>): string {
  return typeof channel === 'string' ? channel : channel.name
}

function idOf (socket: unknown): string {
  const id = typeof socket === 'object' && socket !== null && 'id' in socket ? socket.id : undefined
  if (!isSocketId(id)) throw new WSV_ERR_OPTION_INVALID('publish', 'except', 'a socket of a view', typeof socket)
  return id
}

/** a copy: the publisher may use its bytes again before they are sent */
function bytesOf (message: unknown, name: string): Buffer {
  if (!(message instanceof Uint8Array)) {
    throw new WSV_ERR_NOT_SERIALIZABLE(`The message for channel '${name}'`, `a Buffer or Uint8Array, got ${message === null ? 'null' : typeof message}`)
  }
  return Buffer.from(message)
}

function firstLine (err: unknown): string {
  return (err instanceof Error ? err.message : String(err)).split('\n', 1)[0]!
}

/** Of what comes from outside, nobody knows how deep it is: too deep for a check that follows a recursive schema is not good. */
function isGood (value: unknown, check: Check): boolean {
  try {
    return check(value) === null
  } catch {
    return false
  }
}

/** `text: required; __all__: invalid`: codes, never values */
function summary (errors: FormErrors): string {
  return Object.entries(errors).map(([field, list]) => `${field}: ${list.map((error) => error.code).join(', ')}`).join('; ')
}
