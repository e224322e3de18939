import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import { expect, test } from 'tstyche'

declare const ws: FastifyInstance

const Say = Type.Object({ v: Type.Literal(1), type: Type.Literal('say'), text: Type.String() })
const Leave = Type.Object({ v: Type.Literal(1), type: Type.Literal('leave'), why: Type.Optional(Type.Integer()) })
const Command = Type.Union([Say, Leave])
const Done = Type.Object({ type: Type.Literal('done') })

test('each handler is given its branch of the union', () => {
  ws.wsView('/chat', {
    name: 'chat',
    messageSchema: Command,
    replySchema: Done,
    data: () => ({ count: 0 }),
    onMessage: {
      say (socket, message) {
        expect(message).type.toBe<{ v: 1, type: 'say', text: string }>()
        expect(socket.data).type.toBe<{ count: number }>()
        expect(this).type.toBe<FastifyInstance>()
        return { type: 'done' }
      },
      async leave (socket, message) {
        expect(message).type.toBe<{ v: 1, type: 'leave', why?: number }>()
        return { type: 'done' }
      }
    }
  })
})

test('a tag may be a number or a boolean, and may be called like a method of functions', () => {
  ws.wsView('/numbers', {
    name: 'numbers',
    messageSchema: Type.Union([
      Type.Object({ op: Type.Literal(1), a: Type.String() }),
      Type.Object({ op: Type.Literal(2), b: Type.Boolean() })
    ]),
    onMessage: {
      1 (socket, message) { expect(message.a).type.toBe<string>() },
      2 (socket, message) { expect(message.b).type.toBe<boolean>() }
    }
  })
  ws.wsView('/booleans', {
    name: 'booleans',
    messageSchema: Type.Union([
      Type.Object({ on: Type.Literal(true), level: Type.Integer() }),
      Type.Object({ on: Type.Literal(false) })
    ]),
    onMessage: {
      true (socket, message) { expect(message.level).type.toBe<number>() },
      false (socket, message) { expect(message).type.toBe<{ on: false }>() }
    }
  })
  ws.wsView('/calls', {
    name: 'calls',
    messageSchema: Type.Union([
      Type.Object({ type: Type.Literal('call'), number: Type.String() }),
      Type.Object({ type: Type.Literal('name'), name: Type.String() })
    ]),
    onMessage: {
      call (socket, message) { expect(message.number).type.toBe<string>() },
      name (socket, message) { expect(message.name).type.toBe<string>() }
    }
  })
})

test('a branch may have several tags, as a union of literals or as an enum', () => {
  const Reaction = { Like: 'like', Laugh: 'laugh' } as const
  ws.wsView('/reactions', {
    name: 'reactions',
    messageSchema: Type.Union([
      Type.Object({ type: Type.Union([Type.Literal('start'), Type.Literal('stop')]), room: Type.Integer() }),
      Type.Object({ type: Type.Enum(Reaction), to: Type.String() }),
      Type.Object({ type: Type.Literal('leave') })
    ]),
    onMessage: {
      start (socket, message) { expect(message).type.toBe<{ type: 'start' | 'stop', room: number }>() },
      stop (socket, message) { expect(message.room).type.toBe<number>() },
      like (socket, message) { expect(message).type.toBe<{ type: 'like' | 'laugh', to: string }>() },
      laugh (socket, message) { expect(message.to).type.toBe<string>() },
      leave (socket, message) { expect(message).type.toBe<{ type: 'leave' }>() }
    }
  })
})

test('a tag that two branches share, or that may be any string, is none', () => {
  const Shared = Type.Union([
    Type.Object({ type: Type.Union([Type.Literal('a'), Type.Literal('b')]) }),
    Type.Object({ type: Type.Union([Type.Literal('b'), Type.Literal('c')]), n: Type.Integer() })
  ])
  expect(ws.wsView('/shared', { name: 'shared', messageSchema: Shared, onMessage: { a () {} } })).type.toRaiseError(
    'a table needs a union whose branches share a Type.Literal property')
  const Open = Type.Union([Type.Object({ type: Type.String(), a: Type.Integer() }), Type.Object({ type: Type.Literal('b') })])
  expect(ws.wsView('/open', { name: 'open', messageSchema: Open, onMessage: { b () {} } })).type.toRaiseError(
    'a table needs a union whose branches share a Type.Literal property')
})

test('where two properties could be the tag, the server decides and the handlers get the whole union', () => {
  const Both = Type.Union([
    Type.Object({ type: Type.Literal('a'), kind: Type.Literal('x') }),
    Type.Object({ type: Type.Literal('b'), kind: Type.Literal('y') })
  ])
  ws.wsView('/both', {
    name: 'both',
    messageSchema: Both,
    onMessage: {
      a (socket, message) { expect(message.kind).type.toBe<'x' | 'y'>() },
      b () {}
    }
  })
})

test('a function gets the whole union', () => {
  ws.wsView('/chat', {
    name: 'chat',
    messageSchema: Command,
    onMessage (socket, message) {
      if (message.type === 'say') expect(message.text).type.toBe<string>()
      else expect(message.why).type.toBe<number | undefined>()
    }
  })
})

test('where the schema has no type, any tag may have a handler', () => {
  ws.wsView('/plain', {
    name: 'plain',
    messageSchema: { anyOf: [{ $ref: 'say#' }, { $ref: 'leave#' }] },
    onMessage: {
      say (socket, message) { expect(message).type.toBe<unknown>() },
      leave () {}
    }
  })
})

test('a missing handler is an error that names it', () => {
  expect(ws.wsView('/chat', { name: 'chat', messageSchema: Command, onMessage: { say () {} } })).type.toRaiseError(
    "Property 'leave' is missing in type '{ say(")
})

test('a handler without a tag is an error that names it', () => {
  expect(ws.wsView('/chat', { name: 'chat', messageSchema: Command, onMessage: { say () {}, leave () {}, sya () {} } })).type.toRaiseError(
    "'sya' does not exist in type")
})

test('a handler that returns something else than the replySchema is an error', () => {
  expect(ws.wsView('/chat', {
    name: 'chat',
    messageSchema: Command,
    replySchema: Done,
    onMessage: { say () { return { type: 'dine' } }, async leave () { return { type: 'done' } } }
  })).type.toRaiseError("Type '\"dine\"' is not assignable to type '\"done\"'")
})

test('a table needs a tagged union', () => {
  expect(ws.wsView('/chat', { name: 'chat', messageSchema: Say, onMessage: { say () {} } })).type.toRaiseError(
    'a table needs a union whose branches share a Type.Literal property')
  const Untagged = Type.Union([Type.Object({ a: Type.String() }), Type.Object({ b: Type.String() })])
  expect(ws.wsView('/chat', { name: 'chat', messageSchema: Untagged, onMessage: { a () {} } })).type.toRaiseError(
    'a table needs a union whose branches share a Type.Literal property')
})
