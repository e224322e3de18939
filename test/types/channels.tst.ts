import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import { expect, test } from 'tstyche'
import { defineChannel } from '../../lib/fan-out/channel.ts'
import { select } from '../../lib/select.ts'
import type { Channel, Subscription, WsSocket } from '../../lib/types.ts'

declare const app: FastifyInstance
declare const socket: WsSocket

const lobby = defineChannel('chat:lobby', Type.Object({ type: Type.Literal('said'), text: Type.String() }))
interface Said { type: 'said', text: string }

test('defineChannel types the channel by its schema', () => {
  expect(lobby).type.toBe<Channel<Said>>()
  expect(defineChannel('news', { type: 'object' })).type.toBe<Channel<unknown>>()
  expect(defineChannel('film', {}, { binary: true })).type.toBe<Channel<Uint8Array>>()
})

test('what is published fits the channel', () => {
  expect(app.wsFanout.publish).type.toBeCallableWith(lobby, { type: 'said', text: 'hello' })
  expect(app.wsFanout.publish).type.toBeCallableWith(lobby, { type: 'said', text: 'hello' }, { except: socket })
  expect(app.wsFanout.publish).type.toBeCallableWith('anything', { goes: true })
  expect(app.wsFanout.publish(lobby, { type: 'said', txt: '' })).type.toRaiseError("'txt' does not exist in type '{ type: \"said\"; text: string; }'")
  expect(app.wsFanout.publish(lobby, { type: 'shouted', text: '' })).type.toRaiseError("Type '\"shouted\"' is not assignable to type '\"said\"'")
})

test('what is subscribed to has the channel\'s type', async () => {
  expect(app.wsFanout.subscribe(lobby)).type.toBe<Promise<Subscription<Said>>>()
  expect(app.wsFanout.subscribe('anything')).type.toBe<Promise<Subscription<unknown>>>()
  expect(app.wsFanout.subscribe(lobby, (message) => {
    expect(message).type.toBe<Said>()
  }, { signal: socket.signal })).type.toBe<Promise<Subscription<Said>>>()
  for await (const message of await app.wsFanout.subscribe(lobby, { signal: socket.signal, maxQueued: 10 })) {
    expect(message).type.toBe<Said>()
  }
})

test('a socket subscribes to any channel, by definition or by name', () => {
  expect(socket.subscribe).type.toBeCallableWith(lobby)
  expect(socket.subscribe).type.toBeCallableWith('user:1')
  expect(socket.unsubscribe).type.toBeCallableWith(lobby)
  expect(socket.subscribe).type.not.toBeCallableWith(1)
})

test('select tells the types of its sources apart', () => {
  app.wsView('/feed', { name: 'feed', messageSchema: Type.Object({ since: Type.Integer() }) }, async function (socket) {
    const feed = await this.wsFanout.subscribe(lobby, { signal: socket.signal })
    for await (const [source, value] of select({ client: socket, feed })) {
      if (source === 'client') expect(value).type.toBe<{ since: number }>()
      else expect(value).type.toBe<Said>()
    }
  })
})
