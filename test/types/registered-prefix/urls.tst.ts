import type { FastifyInstance } from 'fastify'
import { expect, test } from 'tstyche'
import { defineView } from '../../../lib/define-view.ts'

export const chat = defineView('/chat/:room', { name: 'chat' })
export const feed = defineView('/feed', { name: 'feed' })

declare module '../../../lib/types.ts' {
  interface WsViewTypes {
    views: [typeof chat, typeof feed]
    prefix: '/:tenant'
  }
}

declare const app: FastifyInstance

test('the parameters of the prefixes above the views are asked for too', () => {
  expect(app.wsUrl).type.toBeCallableWith('chat', { tenant: 'a', room: 'b' })
  expect(app.wsUrl).type.toBeCallableWith('feed', { tenant: 'a' })
  expect(app.wsUrl('feed')).type.toRaiseError('Expected 2-3 arguments, but got 1')
  expect(app.wsUrl('chat', { room: 'b' })).type.toRaiseError("Property 'tenant' is missing")
})
