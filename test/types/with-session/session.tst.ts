import type { FastifySessionObject } from '@fastify/session'
import type { FastifyInstance } from 'fastify'
import { expect, test } from 'tstyche'
import type { WsSession } from '../../../lib/types.ts'

declare module 'fastify' {
  interface Session { user?: string }
}

declare const ws: FastifyInstance

test('socket.session is the session of @fastify/session, with what the app keeps in it', () => {
  expect<WsSession>().type.toBe<FastifySessionObject>()
  ws.wsView('/chat', {
    name: 'chat',
    data: ({ session }) => session.user,
    onOpen (socket) {
      expect(socket.session.user).type.toBe<string | undefined>()
      expect(socket.data).type.toBe<string | undefined>()
    }
  })
})
