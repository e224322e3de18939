import type { Static, TSchema } from '@sinclair/typebox'
import type { Channel, ChannelOptions, StaticOf } from '../types.ts'
import { WSV_ERR_CHANNEL_INVALID } from '../errors.ts'

/** The one class of channels: having it is the proof that the name was checked, or is one of ours. */
class DefinedChannel<T> implements Channel<T> {
  readonly name: string
  readonly schema: unknown
  readonly binary: boolean
  readonly trustForeign: boolean

  constructor (name: string, schema: unknown, options: ChannelOptions) {
    this.name = name
    this.schema = schema
    this.binary = options.binary === true
    this.trustForeign = options.trustForeign === true
  }
}
export type ChannelDefinition = DefinedChannel<unknown>

/**
 * A channel whose messages have a schema: checked and serialised where they are published, checked once per process
 * where they arrive. Costs nothing by itself: it may be called per user or per room, with one schema object for all
 * of them (schemas are compiled once per object).
 *
 * @param name - not empty, not beginning with `wsv:`
 * @param schema - of TypeBox, which gives the message its type, or any JSON Schema object
 * @throws WSV_ERR_CHANNEL_INVALID
 */
export function defineChannel (name: string, schema: object, options: ChannelOptions & { binary: true }): Channel<Uint8Array>
export function defineChannel<S extends TSchema> (name: string, schema: S, options?: ChannelOptions): Channel<Static<S>>
export function defineChannel<S extends object> (name: string, schema: S, options?: ChannelOptions): Channel<StaticOf<S>>
export function defineChannel (name: string, schema: object, options: ChannelOptions = {}): Channel<unknown> {
  checkName(name)
  // `true` and `false` are JSON Schemas too
  if (schema === null || (typeof schema !== 'object' && typeof schema !== 'boolean')) {
    throw new WSV_ERR_CHANNEL_INVALID(`the schema of '${name}' must be an object, got ${schema === null ? 'null' : typeof schema}`)
  }
  return new DefinedChannel(name, schema, options)
}

/** A channel of the plugin itself: the only ones whose names begin with `wsv:`. */
export function defineOwnChannel<S extends TSchema> (name: `wsv:${string}`, schema: S): Channel<Static<S>> {
  return new DefinedChannel(name, schema, {})
}

/**
 * @returns the channel's definition; `undefined` for a bare name
 * @throws WSV_ERR_CHANNEL_INVALID for a bad name and for what is neither a name nor from `defineChannel`
 */
export function definitionOf (channel: unknown): ChannelDefinition | undefined {
  if (channel instanceof DefinedChannel) return channel
  checkName(channel)
  return undefined
}

function checkName (name: unknown): asserts name is string {
  if (typeof name !== 'string') {
    throw new WSV_ERR_CHANNEL_INVALID(`expected a name or what defineChannel returns, got ${name === null ? 'null' : typeof name}`)
  }
  if (name === '') throw new WSV_ERR_CHANNEL_INVALID('the name is empty')
  if (name.startsWith('wsv:')) throw new WSV_ERR_CHANNEL_INVALID("names that begin with 'wsv:' are the plugin's own")
  // a lone surrogate has no UTF-8: the message would come back under another name
  if (/\p{Surrogate}/u.test(name)) throw new WSV_ERR_CHANNEL_INVALID('the name has a lone surrogate')
}
