import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import { expect, test } from 'tstyche'

declare const ws: FastifyInstance

const Say = Type.Object({ text: Type.String() })
const Said = Type.Object({ type: Type.Literal('said'), text: Type.String() })
const Refused = Type.Object({ type: Type.Literal('refused') })

test('the replySchema types send and what onMessage returns', () => {
  ws.wsView('/chat', {
    name: 'chat',
    messageSchema: Say,
    replySchema: Type.Union([Said, Refused]),
    onOpen (socket) {
      expect(socket.send).type.toBeCallableWith({ type: 'refused' })
      expect(socket.send).type.not.toBeCallableWith({ type: 'said' })
      expect(socket.send).type.not.toBeCallableWith('said')
    },
    onMessage (socket, message) {
      if (message.text === '') return
      if (message.text === '?') return { type: 'refused' }
      return { type: 'said', text: message.text }
    }
  })
  ws.wsView('/async', {
    name: 'async',
    messageSchema: Say,
    replySchema: Said,
    async onMessage (socket, message) { return message.text === '' ? undefined : { type: 'said', text: message.text } }
  })
  ws.wsView('/short', { name: 'short', messageSchema: Say, replySchema: Said, async onMessage () { return { type: 'said', text: '' } } })
  ws.wsView('/arrow', { name: 'arrow', messageSchema: Say, replySchema: Refused, onMessage: () => ({ type: 'refused' }) })
  ws.wsView('/nested', {
    name: 'nested',
    messageSchema: Say,
    replySchema: Type.Object({ list: Type.Array(Said), pair: Type.Tuple([Type.Literal('pair'), Said]) }),
    async onMessage () { return { list: [{ type: 'said', text: '' }], pair: ['pair', { type: 'said', text: '' }] } }
  })
  ws.wsView('/owning', { name: 'owning', replySchema: Said }, (socket) => {
    expect(socket.send).type.not.toBeCallableWith({ type: 'refused' })
    socket.send({ type: 'said', text: 'hello' })
  })
})

test('a handler may end in an error, or in what another function promises', () => {
  const load = async <Row>(key: string): Promise<Row> => JSON.parse(key) as Row
  ws.wsView('/fails', { name: 'fails', messageSchema: Say, onMessage () { return Promise.reject(new Error('no')) } })
  ws.wsView('/throws', { name: 'throws', messageSchema: Say, replySchema: Said, onMessage () { throw new Error('no') } })
  ws.wsView('/loads', { name: 'loads', messageSchema: Say, replySchema: Said, onMessage: (socket, message) => load(message.text) })
})

test('a reply that the replySchema does not have is refused', () => {
  expect(ws.wsView('/chat', {
    name: 'chat',
    messageSchema: Say,
    replySchema: Said,
    onMessage (socket, message) { return { type: 'said', txt: message.text } }
  })).type.toRaiseError("Property 'text' is missing in type '{ type: \"said\"; txt: string; }'")
  expect(ws.wsView('/async', {
    name: 'async',
    messageSchema: Say,
    replySchema: Said,
    async onMessage () { return { type: 'sad', text: '' } }
  })).type.toRaiseError("is not assignable to type '\"said\"'")
})

test('any other JSON Schema leaves replies unknown', () => {
  ws.wsView('/plain', {
    name: 'plain',
    messageSchema: Say,
    replySchema: { type: 'object' },
    onMessage (socket, message) {
      expect(socket.send).type.toBeCallableWith(message as unknown)
      return { anything: message }
    }
  })
})

test('without a replySchema a JSON view sends anything and returns nothing', () => {
  ws.wsView('/chat', {
    name: 'chat',
    messageSchema: Say,
    onMessage (socket) {
      expect(socket.send).type.toBeCallableWith({ any: 'thing' })
    }
  })
  expect(ws.wsView('/chat', { name: 'chat', messageSchema: Say, onMessage: () => ({ id: 1 }) })).type.toRaiseError(
    "is not assignable to type 'Awaitable<void>'")
})

test('text and binary views send and return what they speak', () => {
  ws.wsView('/text', {
    name: 'text',
    frames: 'text',
    onMessage (socket, message) {
      expect(socket.send).type.toBeCallableWith('text')
      expect(socket.send).type.not.toBeCallableWith(Buffer.from('bytes'))
      return message
    }
  })
  ws.wsView('/binary', {
    name: 'binary',
    frames: 'binary',
    onMessage (socket, message) {
      expect(socket.send).type.toBeCallableWith(new Uint8Array(1))
      expect(socket.send).type.not.toBeCallableWith('text')
      return message
    }
  })
  ws.wsView('/raw', {
    name: 'raw',
    frames: 'raw',
    onMessage (socket, message) {
      expect(socket.send).type.toBeCallableWith('text')
      expect(socket.send).type.toBeCallableWith(Buffer.from('bytes'))
      return message
    }
  })
  expect(ws.wsView('/text', { name: 'text', frames: 'text', onMessage: () => 5 })).type.toRaiseError(
    "Type 'number' is not assignable to type ")
})
