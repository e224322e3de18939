import { createServer } from 'node:https'
import { Type, type Static, type TSchema } from '@sinclair/typebox'
import Fastify, { type FastifyInstance, type FastifyPluginAsync, type FastifyTypeProvider } from 'fastify'
import { expect, test } from 'tstyche'
import wsViews, { type WsViews } from '../../lib/index.ts'

// Instances that are not Fastify's default ones: wsViews must be no reason to leave them.

interface TypeBoxProvider extends FastifyTypeProvider {
  validator: this['schema'] extends TSchema ? Static<this['schema']> : unknown
  serializer: this['schema'] extends TSchema ? Static<this['schema']> : unknown
}

const Say = Type.Object({ text: Type.String() })

test('another type provider: views and routes are typed side by side', () => {
  const app = Fastify().withTypeProvider<TypeBoxProvider>()
  app.register(wsViews, { prefix: '/ws', views: async (ws) => { ws.wsView('/a', { name: 'a' }) } })
  app.wsView('/chat', { name: 'chat', messageSchema: Say, onMessage (socket, { text }) { expect(text).type.toBe<string>() } })
  app.get('/', { schema: { querystring: Say } }, async (request) => {
    expect(request.query.text).type.toBe<string>()
    return request.wsUrl('chat')
  })
})

test('a plugin that was typed with another type provider declares views', () => {
  const views: FastifyPluginAsync<{ prefix?: string }, import('fastify').RawServerDefault, TypeBoxProvider> = async (ws) => {
    ws.wsView('/chat', { name: 'chat', messageSchema: Say, onMessage (socket, { text }) { expect(text).type.toBe<string>() } })
  }
  const app = Fastify()
  app.register(wsViews, { views })
  app.register(wsViews, { views: [views, (async () => {}) satisfies WsViews] })
})

test('other servers and loggers', () => {
  const secure = Fastify({ https: {} })
  secure.register(wsViews, { prefix: '/ws' })
  expect(secure.wsUrl('chat')).type.toBe<string>()
  secure.wsView('/chat', { name: 'chat', messageSchema: Say, onMessage (socket, { text }) { expect(text).type.toBe<string>() } })
  const own = Fastify({ serverFactory: (handler) => createServer(handler), https: {} })
  own.register(wsViews)
  const logged = Fastify({ loggerInstance: { ...Fastify().log, special () {} } })
  logged.register(wsViews, { prefix: '/ws' })
  logged.wsView('/chat', { name: 'chat' })
  expect(logged.wsViews[0]!.url).type.toBe<string>()
})

test('an instance may stand for any other in a function of one\'s own', () => {
  const declare = (app: FastifyInstance): void => { app.wsView('/chat', { name: 'chat' }) }
  declare(Fastify())
})
