import { Type } from '@sinclair/typebox'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { expect, test } from 'tstyche'
import type { CloseInfo, WsSession, WsSocket } from '../../lib/types.ts'

declare const ws: FastifyInstance
declare module 'fastify' {
  interface FastifyInstance { rooms: Map<string, number> }
}

test('what data returns is socket.data in every handler after it', () => {
  ws.wsView('/chat/:room', {
    name: 'chat',
    messageSchema: Type.Object({}),
    data (request) { return { room: request.params.room, count: 0 } },
    onOpen (socket) { expect(socket.data).type.toBe<{ room: string, count: number }>() },
    preMessage (socket) { expect(socket.data.room).type.toBe<string>() },
    onMessage (socket) { expect(socket.data.room).type.toBe<string>() },
    onGap (socket) { expect(socket.data.room).type.toBe<string>() },
    onClose (socket) { expect(socket.data.room).type.toBe<string>() }
  })
  ws.wsView('/first', {
    name: 'first',
    messageSchema: Type.Object({}),
    data (request) { return request.id },
    onMessage (socket) { expect(socket.data).type.toBe<string>() }
  })
  ws.wsView('/table', {
    name: 'table',
    messageSchema: Type.Union([Type.Object({ type: Type.Literal('a') }), Type.Object({ type: Type.Literal('b') })]),
    data (request) { return request.id },
    onMessage: { a (socket) { expect(socket.data).type.toBe<string>() }, b () {} }
  })
  ws.wsView('/owning', { name: 'owning', data: () => 5 }, async (socket) => { expect(socket.data).type.toBe<number>() })
  ws.wsView('/later', {
    name: 'later',
    async data () { return 5 },
    onOpen (socket) { expect(socket.data).type.toBe<number>() }
  })
  ws.wsView('/none', { name: 'none', onOpen (socket) { expect(socket.data).type.toBe<unknown>() } })
})

test('the type of data comes from data alone', () => {
  expect(ws.wsView('/chat', {
    name: 'chat',
    data: () => ({ count: 0 }),
    onOpen (socket: WsSocket<{ count: string }>) { socket.data.count = '' }
  })).type.toRaiseError("Type 'number' is not assignable to type 'string'")
})

test('schema types the request', () => {
  ws.wsView('/chat/:room', {
    name: 'chat',
    schema: {
      params: Type.Object({ room: Type.Integer() }),
      querystring: Type.Object({ since: Type.Optional(Type.Integer()) }),
      headers: Type.Object({ 'X-Token': Type.String() })
    },
    preHandler: async (request) => { expect(request.params.room).type.toBe<number>() },
    data (request) { expect(request.params.room).type.toBe<number>() },
    onOpen ({ request }) {
      expect(request.params).type.toBe<{ room: number }>()
      expect(request.query).type.toBe<{ since?: number }>()
      expect(request.headers['x-token']).type.toBe<string>()
    }
  })
  ws.wsView('/feed', { name: 'feed', schema: { querystring: Type.Object({ since: Type.Integer() }) } }, async (socket, request) => {
    expect(request.query.since).type.toBe<number>()
    expect(socket.request.query.since).type.toBe<number>()
  })
})

test('without a schema the pattern types the params', () => {
  ws.wsView('/chat/:room/:page?', {
    name: 'chat',
    onOpen ({ request }) {
      expect(request.params).type.toBe<{ room: string, page?: string }>()
      expect(request.query).type.toBe<unknown>()
    }
  })
  ws.wsView('/chat', { name: 'chat', onOpen ({ request }) { expect(request.params).type.toBe<unknown>() } })
  ws.wsView('/chat' as string, { name: 'chat', onOpen ({ request }) { expect(request.params).type.toBe<unknown>() } })
})

test('this is the Fastify instance, with what the app has decorated it with', () => {
  ws.wsView('/chat', {
    name: 'chat',
    messageSchema: Type.Object({ text: Type.String() }),
    data () { return this.rooms.size },
    onOpen () { expect(this.rooms).type.toBe<Map<string, number>>() },
    preMessage () { expect(this.rooms).type.toBe<Map<string, number>>() },
    preSend () { expect(this.rooms).type.toBe<Map<string, number>>() },
    onMessage () { expect(this.rooms).type.toBe<Map<string, number>>() },
    onGap (socket, channels) {
      expect(this.rooms).type.toBe<Map<string, number>>()
      expect(channels).type.toBe<string[]>()
    },
    onClose (socket, info) {
      expect(this.rooms).type.toBe<Map<string, number>>()
      expect(info).type.toBe<CloseInfo>()
    },
    page (request, reply) {
      expect(this.rooms).type.toBe<Map<string, number>>()
      expect(reply).type.toBe<FastifyReply>()
    }
  })
  ws.wsView('/feed', { name: 'feed' }, async function () { expect(this.rooms).type.toBe<Map<string, number>>() })
})

test('without a session plugin the session is unknown', () => {
  expect<WsSession>().type.toBe<unknown>()
  ws.wsView('/chat', { name: 'chat', onOpen (socket) { expect(socket.session).type.toBe<unknown>() } })
})

test('preSend is handed anything and may return anything', () => {
  ws.wsView('/chat', { name: 'chat', preSend (socket, message) { expect(message).type.toBe<unknown>(); return undefined } })
})

test('every socket of a view is a WsSocket', () => {
  ws.wsView('/chat/:room', {
    name: 'chat',
    replySchema: Type.Object({ a: Type.Integer() }),
    schema: { querystring: Type.Object({ since: Type.Integer() }) },
    data: () => 5,
    onOpen (socket) {
      expect(socket).type.toBeAssignableTo<WsSocket>()
      expect(socket.request).type.toBeAssignableTo<FastifyRequest>()
      expect(socket.close).type.toBeCallableWith(4000, 'reason')
      expect(socket.closed).type.toBe<Promise<CloseInfo>>()
    }
  })
})
