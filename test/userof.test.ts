import t from 'tap'
import type { FastifyRequest } from 'fastify'
import wsViews, { type WsViewsOptions } from '../lib/index.ts'
import { rawClient } from './fixtures/rfc6455.ts'
import { buildApp, listen } from './fixtures/server.ts'
import { closedBy, refusal } from './fixtures/waiting.ts'

type UserOf = NonNullable<WsViewsOptions['userOf']>

async function start (t: Parameters<typeof buildApp>[0], userOf: unknown) {
  const app = buildApp(t)
  app.decorateRequest('token', '')
  app.addHook('preHandler', async (request) => { (request as FastifyRequest & { token: string }).token = 'from a hook' })
  await app.register(wsViews, { prefix: '/ws', userOf: userOf as UserOf, views: async (ws) => { ws.wsView('/view', { name: 'view' }) } })
  return { app, port: await listen(app) }
}

for (const [label, userOf] of [
  ['a string', () => 'ada'],
  ['a promise of a string', async () => 'ada'],
  ['what a preHandler hook has found', (request: FastifyRequest & { token: string }) => request.token === 'from a hook' ? 'ada' : 'too early']
] as const) {
  t.test(`userOf may be ${label}`, async (t) => {
    const { app, port } = await start(t, userOf)
    const client = await rawClient(port, '/ws/view', { t })
    await app.wsSockets.close({ user: 'bob' }, 4000)
    await app.wsSockets.close({ user: 'ada' })
    t.strictSame(await closedBy(client), { code: 4401, reason: '' })
  })
}

for (const [label, userOf] of [['undefined', () => undefined], ['null', () => null], ['a promise of nothing', async () => {}]] as const) {
  t.test(`${label} is nobody: no filter by user finds the socket`, async (t) => {
    const { app, port } = await start(t, userOf)
    const client = await rawClient(port, '/ws/view', { t })
    for (const user of ['', 'undefined', 'null']) await app.wsSockets.close({ user }, 4000)
    await app.wsSockets.close({ view: 'view' }, 4001)
    t.strictSame(await closedBy(client), { code: 4001, reason: '' })
  })
}

for (const [label, userOf] of [['a number', () => 5], ['an object', () => ({})], ['a promise of a number', async () => 5], ['true', () => true]] as const) {
  t.test(`${label} is refused at the handshake: nobody would find that user`, async (t) => {
    const { app, port } = await start(t, userOf)
    t.match(await refusal(rawClient(port, '/ws/view', { t })), { statusCode: 500, body: /WSV_ERR_OPTION_INVALID.*userOf/ })
    t.equal(app.wsSockets.count, 0)
  })
}

for (const [label, userOf] of [
  ['throws', () => { throw Object.assign(new TypeError('who are you?'), { statusCode: 401 }) }],
  ['rejects', async () => { throw Object.assign(new TypeError('who are you?'), { statusCode: 401 }) }]
] as const) {
  t.test(`a userOf that ${label} answers the handshake with its status`, async (t) => {
    const { app, port } = await start(t, userOf)
    t.match(await refusal(rawClient(port, '/ws/view', { t })), { statusCode: 401, body: /who are you\?/ })
    t.equal(app.wsSockets.count, 0)
  })
}

t.test('a userOf that rejects where data throws is one refused handshake, and no unhandled rejection', async (t) => {
  const unhandled: unknown[] = []
  const onUnhandled = (reason: unknown): void => { unhandled.push(reason) }
  process.on('unhandledRejection', onUnhandled)
  t.teardown(() => process.off('unhandledRejection', onUnhandled))
  const app = buildApp(t)
  await app.register(wsViews, {
    prefix: '/ws',
    async userOf () {
      await new Promise(setImmediate)
      throw Object.assign(new Error('who are you?'), { statusCode: 401 })
    },
    views: async (ws) => { ws.wsView('/view', { name: 'view', data () { throw new TypeError('of nobody') } }) }
  })
  const port = await listen(app)
  t.match(await refusal(rawClient(port, '/ws/view', { t })), { statusCode: 401, body: /who are you\?/ })
  await new Promise(setImmediate)
  t.strictSame(unhandled, [])
})
