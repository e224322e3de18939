import t from 'tap'
import type { WsSocket, WsSockets } from '../lib/index.ts'
import { rawClient, type RawClient } from './fixtures/rfc6455.ts'
import { startViews } from './fixtures/server.ts'
import { closedBy, leave } from './fixtures/waiting.ts'

type Filter = Parameters<WsSockets['close']>[0]

async function start (t: Parameters<typeof startViews>[0]) {
  const { app, port } = await startViews(t, async ws => {
    ws.wsView('/a', { name: 'a' })
    ws.wsView('/b', { name: 'b' })
  }, { userOf: request => (request.query as { user?: string }).user, closeTimeoutMs: 600_000 })
  const clients: Record<string, RawClient> = {}
  for (const path of ['a?user=ada', 'a?user=bob', 'b?user=ada', 'b']) clients[path] = await rawClient(port, `/ws/${path}`, { t })
  return { app, clients, port }
}

const byUrl = (sockets: WsSockets): Map<string, WsSocket> => new Map([...sockets].map(socket => [socket.request.url.replace('/ws/', ''), socket]))

t.test('wsSockets counts and iterates over the sockets of this process', async t => {
  const { app, clients } = await start(t)
  t.equal(app.wsSockets.count, 4)
  t.same([...byUrl(app.wsSockets).keys()].sort(), Object.keys(clients).sort())
  const gone = byUrl(app.wsSockets).get('b')!
  await leave(clients['b']!)
  await gone.closed
  t.equal(app.wsSockets.count, 3)
})

const filters: [label: string, filter: (sockets: Map<string, WsSocket>) => Filter, closed: string[], code: number][] = [
  ['by view', () => ({ view: 'a' }), ['a?user=ada', 'a?user=bob'], 1000],
  ['by user', () => ({ user: 'ada' }), ['a?user=ada', 'b?user=ada'], 4401],
  ['by both', () => ({ view: 'b', user: 'ada' }), ['b?user=ada'], 4401],
  ['by id', sockets => ({ id: sockets.get('b')!.id }), ['b'], 1000],
  ['by id and another view', sockets => ({ id: sockets.get('b')!.id, view: 'a' }), [], 1000],
  ['by a session that nobody has', () => ({ sessionId: 'x' }), [], 4401],
  ['by a function', () => socket => socket.request.url.includes('bob'), ['a?user=bob'], 1000],
  ['all, by a function', () => () => true, ['a?user=ada', 'a?user=bob', 'b?user=ada', 'b'], 1000]
]

t.test('close closes those that match, and no others', async t => {
  for (const [label, filter, closed, code] of filters) {
    const { app, clients } = await start(t)
    await app.wsSockets.close(filter(byUrl(app.wsSockets)))
    for (const [path, client] of Object.entries(clients)) {
      if (closed.includes(path)) t.same(await closedBy(client), { code, reason: '' }, `${label}: ${path}`)
      else t.same(await leave(client, 1000, 'mine'), { code: 1000, reason: 'mine' }, `${label}: ${path} stays`)
    }
  }
})

t.test('close with a code and a reason', async t => {
  const { app, clients } = await start(t)
  await app.wsSockets.close({ user: 'ada' }, 4000, 'renamed')
  for (const path of ['a?user=ada', 'b?user=ada']) t.same(await closedBy(clients[path]!), { code: 4000, reason: 'renamed' })
  await t.rejects(app.wsSockets.close({ view: 'b' }, 999), { code: 'WSV_ERR_CLOSE_CODE' })
  await t.rejects(app.wsSockets.close({ view: 'b' }, 4000, 'a'.repeat(124)), { code: 'WSV_ERR_CLOSE_REASON' })
  t.same(await leave(clients['b']!, 1000, 'mine'), { code: 1000, reason: 'mine' })
  await leave(clients['a?user=bob']!)
})

t.test('a filter that names nobody closes nobody: it is refused', async t => {
  const { app, clients } = await start(t)
  const bad: unknown[] = [
    {}, undefined, null, 'ada', { user: undefined }, { user: null }, { user: 5 }, { view: 'a', user: undefined }, { usr: 'ada' }, { view: 'a', room: 'x' }, ['ada']
  ]
  for (const filter of bad) await t.rejects(app.wsSockets.close(filter as Filter), { code: 'WSV_ERR_OPTION_INVALID' }, JSON.stringify(filter) ?? 'undefined')
  for (const client of Object.values(clients)) t.same(await leave(client, 1000, 'mine'), { code: 1000, reason: 'mine' })
})
