import type { FastifyInstance, FastifyRequest } from 'fastify'
import { expect, test } from 'tstyche'
import { defineView } from '../../../lib/define-view.ts'
import type { PatternParams } from '../../../lib/types.ts'

export const chat = defineView('/chat/:room', {
  name: 'chat',
  messageSchema: {},
  onMessage () {
    const own: string = this.wsUrl('chat', { room: 'a' })
    this.log.info(own)
  }
})
export const feed = defineView('/feed', { name: 'feed' }, async () => {})
export const page = defineView('/page/:number?', { name: 'page' })

declare module '../../../lib/types.ts' {
  interface WsViewTypes { views: [typeof chat, typeof feed, typeof page] }
}

declare const app: FastifyInstance
declare const request: FastifyRequest

test('names are checked', () => {
  expect(app.wsUrl).type.toBeCallableWith('feed')
  expect(app.wsUrl('fed')).type.toRaiseError("Argument of type '\"fed\"' is not assignable to parameter of type")
  expect(request.wsUrl('fed')).type.toRaiseError("Argument of type '\"fed\"' is not assignable to parameter of type")
})

test('params are checked', () => {
  expect(app.wsUrl).type.toBeCallableWith('chat', { room: 'lobby' })
  expect(app.wsUrl).type.toBeCallableWith('chat', { room: 7 }, { query: { since: 1 } })
  expect(app.wsUrl('chat')).type.toRaiseError('Expected 2-3 arguments, but got 1')
  expect(app.wsUrl('chat', {})).type.toRaiseError("Property 'room' is missing")
  expect(app.wsUrl('chat', { room: '1', rom: '2' })).type.toRaiseError("'rom' does not exist in type")
  expect(app.wsUrl('chat', { room: {} })).type.toRaiseError("Type '{}' is not assignable to type 'WsUrlParam'")
  expect(app.wsUrl('feed', { room: 'a' })).type.toRaiseError("Type 'string' is not assignable to type 'never'")
  expect(app.wsUrl).type.toBeCallableWith('feed', {}, { query: { since: 1 } })
  expect(app.wsUrl).type.toBeCallableWith('feed', undefined, { query: { since: 1 } })
  expect(app.wsUrl).type.toBeCallableWith('page')
  expect(app.wsUrl).type.toBeCallableWith('page', { number: 2 })
})

test('a namespace may stand in front', () => {
  expect(app.wsUrl).type.toBeCallableWith('v2:chat', { room: 'lobby' })
  expect(app.wsUrl).type.not.toBeCallableWith('v2:chat')
  expect(app.wsUrl).type.not.toBeCallableWith('v2:caht', { room: 'lobby' })
})

test('patterns are read as the router reads them', () => {
  expect<PatternParams<'/:a/:b'>>().type.toBe<{ a: string, b: string }>()
  expect<PatternParams<'/:a-:b.:ext'>>().type.toBe<{ a: string, b: string, ext: string }>()
  expect<PatternParams<'/at/:hour(^\\d{2})h:minute(^\\d{2})m'>>().type.toBe<{ hour: string, minute: string }>()
  expect<PatternParams<'/:id((?:a|b:c\\))+)/:rest'>>().type.toBe<{ id: string, rest: string }>()
  expect<PatternParams<'/:dir/*'>>().type.toBe<{ dir: string, '*': string }>()
  expect<PatternParams<'/:dir/:page?'>>().type.toBe<{ dir: string, page?: string }>()
  expect<PatternParams<'/name::verb/:id'>>().type.toBe<{ id: string }>()
  expect<PatternParams<'/plain'>>().type.toBe<unknown>()
  expect<PatternParams<string>>().type.toBe<unknown>()
})
