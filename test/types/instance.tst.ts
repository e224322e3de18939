import Fastify, { type FastifyPluginAsync, type FastifyPluginCallback, type FastifyReply, type FastifyRequest } from 'fastify'
import { Cluster, Redis } from 'ioredis'
import { expect, test } from 'tstyche'
import wsViews, { type WsSocket, type WsViews, type WsViewsOptions } from '../../lib/index.ts'

const app = Fastify()
const chat: WsViews = async (ws) => { ws.wsView('/chat', { name: 'chat' }) }

test('the plugin takes views in every form that register takes', () => {
  const callback: FastifyPluginCallback = (instance, options, done) => { done() }
  const async: FastifyPluginAsync = async () => {}
  expect(app.register).type.toBeCallableWith(wsViews)
  expect(app.register).type.toBeCallableWith(wsViews, { prefix: '/ws', views: chat })
  expect(app.register).type.toBeCallableWith(wsViews, { views: [chat, callback, async, Promise.resolve({ default: chat })], logLevel: 'warn' })
  expect(app.register).type.not.toBeCallableWith(wsViews, { views: [{}] })
})

test('a plugin for views gets the instance typed', () => {
  const views: WsViews = async (ws) => { expect(ws.wsUrl('chat')).type.toBe<string>() }
  expect(views).type.toBeAssignableTo<WsViews>()
})

test('redis takes what ioredis knows, and a variable that may not be set', () => {
  expect<WsViewsOptions['redis']>().type.toBeAssignableFrom(process.env.REDIS_URL)
  expect<WsViewsOptions['redis']>().type.toBeAssignableFrom({ host: 'localhost', port: 6379, db: 1 })
  expect<WsViewsOptions['redis']>().type.toBeAssignableFrom<Redis>()
  expect<WsViewsOptions['redis']>().type.toBeAssignableFrom<Cluster>()
  expect<WsViewsOptions['redis']>().type.toBeAssignableFrom<{ publisher: Redis, subscriber: Redis }>()
})

test('the options of hooks and limits are typed', () => {
  expect<WsViewsOptions>().type.toBeAssignableFrom({
    origins: ['https://example.com', /\.example\.com$/],
    userOf: (request: FastifyRequest) => request.headers.authorization,
    onHandlerError: (error: unknown, socket: WsSocket) => { socket.request.log.error(error) },
    rateLimit: { messages: 10, perMs: 1000 },
    heartbeat: { intervalMs: 5000 },
    websocket: { perMessageDeflate: true }
  })
  expect<WsViewsOptions>().type.not.toBeAssignableFrom({ onSlow: 'wait' })
  expect<WsViewsOptions>().type.not.toBeAssignableFrom({ rateLimit: { messages: 10 } })
  expect<WsViewsOptions>().type.not.toBeAssignableFrom({ userOf: () => 5 })
})

test('without WsViewTypes wsUrl takes any name', () => {
  expect(app.wsUrl).type.toBeCallableWith('chat')
  expect(app.wsUrl).type.toBeCallableWith('chat', { room: 'a', page: 1 }, { query: { since: 7, tag: ['a', 'b'], off: undefined } })
  expect(app.wsUrl).type.not.toBeCallableWith('chat', { room: {} })
  expect(app.wsUrl('chat')).type.toBe<string>()
  app.get('/', (request) => expect(request.wsUrl('chat')).type.toBe<string>())
})

test('wsSockets iterates, counts and closes', async () => {
  for (const socket of app.wsSockets) expect(socket).type.toBe<WsSocket>()
  expect(app.wsSockets.count).type.toBe<number>()
  expect(app.wsSockets.close).type.toBeCallableWith({ user: '1' })
  expect(app.wsSockets.close).type.toBeCallableWith({ user: '1', view: 'chat' }, 4000, 'bye')
  expect(app.wsSockets.close).type.toBeCallableWith((socket: WsSocket) => socket.dropped > 0)
  expect(app.wsSockets.close).type.not.toBeCallableWith({})
  expect(app.wsSockets.close).type.not.toBeCallableWith({ usr: '1' })
})

test('addWsHook types the hook by its name', () => {
  app.addWsHook('preMessage', async function (socket, message) {
    expect(this.wsUrl('chat')).type.toBe<string>()
    expect(socket).type.toBe<WsSocket>()
    expect(message).type.toBe<unknown>()
  })
  app.addWsHook('preSend', (socket, message) => message)
  expect(app.addWsHook).type.not.toBeCallableWith('onMessage', () => {})
})

test('onRoute shows the view', () => {
  app.addHook('onRoute', (route) => { expect(route.wsView?.name).type.toBe<string | undefined>() })
})

test('the list of views is read only', () => {
  expect(app.wsViews[0]!.url).type.toBe<string>()
  expect(app.wsViews[0]!.name).type.toBe<string | undefined>()
  expect(app.wsViews).type.not.toHaveProperty('push')
})

test('hooks and page of a view are Fastify\'s', () => {
  app.wsView('/chat', {
    name: 'chat',
    preValidation: async (request, reply) => { await reply.code(401).send() },
    config: { anything: true },
    constraints: { host: 'example.com' },
    route: { helmet: false },
    page (request, reply) {
      expect(reply).type.toBe<FastifyReply>()
      return reply.redirect('/')
    }
  })
})
