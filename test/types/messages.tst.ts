import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import { expect, test } from 'tstyche'
import { defineView } from '../../lib/define-view.ts'
import type { WsHandler, WsMessageHandler, WsSocket } from '../../lib/types.ts'

declare const ws: FastifyInstance

const Say = Type.Object({ type: Type.Literal('say'), text: Type.String(), at: Type.Optional(Type.Integer()) })

test('a TypeBox schema types the message', () => {
  ws.wsView('/chat', {
    name: 'chat',
    messageSchema: Say,
    preMessage (socket, message) { expect(message.text).type.toBe<string>() },
    onMessage (socket, message) {
      expect(message).type.toBe<{ type: 'say', text: string, at?: number }>()
    }
  })
})

test('a transform types the message as decoded', () => {
  const When = Type.Transform(Type.String()).Decode((value) => new Date(value)).Encode((value) => value.toISOString())
  ws.wsView('/when', {
    name: 'when',
    messageSchema: Type.Object({ when: When }),
    onMessage (socket, message) { expect(message.when).type.toBe<Date>() }
  })
})

test('any other JSON Schema is accepted and leaves the message unknown', () => {
  ws.wsView('/plain', {
    name: 'plain',
    messageSchema: { type: 'object', properties: { text: { type: 'string' } } },
    onMessage (socket, message) { expect(message).type.toBe<unknown>() }
  })
  ws.wsView('/anything', { name: 'anything', messageSchema: {}, onMessage (socket, message) { expect(message).type.toBe<unknown>() } })
  ws.wsView('/unknown', { name: 'unknown', messageSchema: Type.Unknown(), onMessage (socket, message) { expect(message).type.toBe<unknown>() } })
})

test('frames type the message where no schema does', () => {
  ws.wsView('/text', { name: 'text', frames: 'text', onMessage (socket, message) { expect(message).type.toBe<string>() } })
  ws.wsView('/binary', { name: 'binary', frames: 'binary', onMessage (socket, message) { expect(message).type.toBe<Buffer>() } })
  ws.wsView('/raw', { name: 'raw', frames: 'raw', onMessage (socket, message) { expect(message).type.toBe<string | Buffer>() } })
  ws.wsView('/checked', {
    name: 'checked',
    frames: 'text',
    messageSchema: Type.Union([Type.Literal('ping'), Type.Literal('pong')]),
    onMessage (socket, message) { expect(message).type.toBe<'ping' | 'pong'>() }
  })
})

test('a codec types the message by what its parse returns', () => {
  const csv = {
    parse: (data: string | Buffer) => data.toString().split(','),
    serialize: (row: readonly number[]) => row.join(',')
  }
  ws.wsView('/csv', {
    name: 'csv',
    frames: csv,
    onMessage (socket, message) {
      expect(message).type.toBe<string[]>()
      expect(socket.send).type.toBeCallableWith([1, 2])
      expect(socket.send).type.not.toBeCallableWith(['1'])
    }
  })
  ws.wsView('/inline', {
    name: 'inline',
    frames: { parse (data) { return data.length }, serialize (message: boolean) { return String(message) } },
    onMessage (socket, message) {
      expect(message).type.toBe<number>()
      expect(socket.send).type.toBeCallableWith(true)
    }
  })
  ws.wsView('/checked-csv', {
    name: 'checked-csv',
    frames: csv,
    messageSchema: Type.Array(Type.Integer()),
    onMessage (socket, message) { expect(message).type.toBe<number[]>() }
  })
})

test('an owning handler iterates over typed messages', () => {
  ws.wsView('/feed', { name: 'feed', messageSchema: Say }, async (socket) => {
    for await (const message of socket) expect(message).type.toBe<{ type: 'say', text: string, at?: number }>()
  })
  ws.wsView('/push', { name: 'push' }, async (socket) => {
    for await (const message of socket) expect(message).type.toBe<unknown>()
  })
  ws.wsView('/lines', { name: 'lines', frames: 'text' }, async (socket) => {
    for await (const message of socket) expect(message).type.toBe<string>()
  })
})

test('defineView infers what wsView infers', () => {
  const chat = defineView('/chat/:room', {
    name: 'chat',
    messageSchema: Say,
    onMessage (socket, message) {
      expect(message.text).type.toBe<string>()
      expect(socket.request.params.room).type.toBe<string>()
    }
  })
  const feed = defineView('/feed', { name: 'feed', messageSchema: Say }, async (socket, request) => {
    expect(request.id).type.toBe<string>()
    for await (const message of socket) expect(message.text).type.toBe<string>()
  })
  expect(chat.url).type.toBe<'/chat/:room'>()
  expect(ws.wsView).type.toBeCallableWith(chat)
  expect(ws.wsView).type.toBeCallableWith(feed)
  expect(ws.wsView(feed)).type.toBe<FastifyInstance>()
})

test('a JSON view with onMessage needs a messageSchema', () => {
  expect(ws.wsView('/chat', { name: 'chat', onMessage () {} })).type.toRaiseError(
    '"a JSON view that takes messages needs a messageSchema"')
})

test('a view can do without a name', () => {
  expect(ws.wsView).type.toBeCallableWith('/push', {})
})

test('a view has onMessage or a handler', () => {
  expect(ws.wsView('/chat', { name: 'chat', messageSchema: Say, onMessage () {} }, async () => {})).type.toRaiseError(
    '"a view with a handler reads its messages from the socket, it has no onMessage"')
})

test('unknown options are refused', () => {
  expect(ws.wsView('/chat', { name: 'chat', mesageSchema: Say })).type.toRaiseError(
    "'mesageSchema' does not exist in type 'WsViewOptions<")
  expect(ws.wsView('/chat', { name: 'chat', messageSchema: Say, constraints: { version: '1.0.0' } })).type.toRaiseError()
})

test('a handler may be declared apart from its view', () => {
  const listen: WsMessageHandler<WsSocket, { text: string }> = (socket, { text }) => { socket.send(text) }
  ws.wsView('/listen', { name: 'listen', messageSchema: Say, onMessage: listen })
  const echo: WsMessageHandler<WsSocket, { text: string }, { text: string }> = (socket, { text }) => ({ text })
  ws.wsView('/echo', { name: 'echo', messageSchema: Say, replySchema: Type.Object({ text: Type.String() }), onMessage: echo })
  const own: WsHandler<WsSocket<unknown, unknown, { text: string }>> = async (socket) => {
    for await (const { text } of socket) expect(text).type.toBe<string>()
  }
  ws.wsView('/own', { name: 'own', messageSchema: Say }, own)
})
