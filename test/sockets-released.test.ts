import t from 'tap'
import { queryObjects } from 'node:v8'
import { Type } from '@sinclair/typebox'
import { select } from '../lib/index.ts'
import { Inbox } from '../lib/inbox.ts'
import { Outbox } from '../lib/outbox.ts'
import { ServerState } from '../lib/server-state.ts'
import { Socket } from '../lib/socket.ts'
import { endings, finish, type AnySocket } from './fixtures/endings.ts'
import { rawClient } from './fixtures/rfc6455.ts'
import { startViews } from './fixtures/server.ts'
import { Journal, leave } from './fixtures/waiting.ts'

const Anything = Type.Unknown()
/** how many are alive: collects the garbage first */
const alive = () => [Socket, Inbox, Outbox].map(type => queryObjects(type as never, { format: 'count' }))

t.test('hundreds of sockets, opened and killed in every way, leave nothing behind', async t => {
  const count = 504
  const opened = new Journal<WeakRef<AnySocket>>()
  let closes = 0
  const { app, port } = await startViews(t, async ws => {
    ws.wsView('/event', {
      name: 'event',
      messageSchema: Anything,
      replySchema: Anything,
      async onOpen (socket) {
        await socket.subscribe('news')
        opened.add(new WeakRef(socket))
      },
      onMessage: async (socket, message) => message,
      onClose () { closes++ }
    })
    ws.wsView('/own', { name: 'own', messageSchema: Anything, onClose () { closes++ } }, async socket => {
      const feed = await ws.wsFanout.subscribe<unknown>('news', { signal: socket.signal })
      opened.add(new WeakRef(socket))
      for await (const [, message] of select({ client: socket, feed })) socket.send(message)
    })
  })
  for (let done = 0; done < count;) {
    const batch = await Promise.all(Array.from({ length: 56 }, async (_, i) => ({
      client: await rawClient(port, i % 2 === 0 ? '/ws/event' : '/ws/own'), ending: endings[i % endings.length]!
    })))
    const sockets = new Map((await opened.until(done + batch.length)).slice(done).map(ref => [ref.deref()!.request.raw.socket.remotePort, ref.deref()!]))
    await app.wsFanout.publish('news', 'extra')
    await Promise.all(batch.map(async ({ client, ending }) => {
      const socket = sockets.get(client.tcp.localPort)!
      await client.next()
      client.send('1')
      client.send('2')
      ending.end(client, socket)
      await finish(client)
      await socket.closed
    }))
    done += batch.length
  }
  opened.entries.length = 0
  t.equal(closes, count)
  t.equal(app.wsSockets.count, 0)
  t.equal(ServerState.of(app, {}).watch.size, 0)
  await new Promise(resolve => setImmediate(resolve))
  t.same(alive(), [0, 0, 0])

  const last = await rawClient(port, '/ws/event')
  t.same(alive(), [1, 1, 1], 'one that is alive is seen')
  await leave(last)
})
