import t from 'tap'
import { connect as connectTcp } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import wsViews, { select } from '../lib/index.ts'
import type { CloseInfo, WsSocket, WsViews } from '../lib/index.ts'
import { ServerState } from '../lib/server-state.ts'
import { TestBroker } from '../lib/testing/index.ts'
import { clientFrame, rawClient, type RawClient } from './fixtures/rfc6455.ts'
import { buildApp, listen, startViews } from './fixtures/server.ts'
import { closedBy, deferred, Journal, leave, refusal } from './fixtures/waiting.ts'

const Anything = Type.Unknown()
const goingAway = { code: 1001, reason: 'server_closing' }

/** Bytes on a TCP connection until it ends. */
async function converse (port: number, request: string): Promise<string> {
  const tcp = connectTcp(port, '127.0.0.1')
  tcp.write(request)
  let answer = ''
  for await (const chunk of tcp) answer += String(chunk)
  return answer
}

/** Everything that was sent so far has been read by the other side. */
async function read (client: RawClient): Promise<void> {
  client.ping()
  await client.nextPong()
}

t.test('idle sockets get 1001 at once, with a reason; onClose has run when close() is done', async t => {
  const infos: [string, CloseInfo][] = []
  const onClose = (socket: WsSocket<any, any, any>, info: CloseInfo) => { infos.push([socket.request.url, info]) }
  const feeds = deferred()
  const { app, port } = await startViews(t, async ws => {
    ws.wsView('/event', { name: 'event', messageSchema: Anything, replySchema: Anything, onMessage: (socket, message) => message, onClose })
    ws.wsView('/push', { name: 'push', async onOpen (socket) { await socket.subscribe('news') }, onClose })
    ws.wsView('/iterates', { name: 'iterates', messageSchema: Anything, onClose }, async socket => {
      for await (const message of socket) socket.send(message)
      infos.push(['/iterates', { code: 0, reason: 'the loop has ended' }])
    })
    // these wait for something else than a message: nothing is being handled
    ws.wsView('/feed', { name: 'feed', onClose }, async socket => {
      const feed = await ws.wsFanout.subscribe<unknown>('news', { signal: socket.signal })
      feeds.resolve()
      for await (const message of feed) socket.send(message)
    })
    ws.wsView('/both', { name: 'both', messageSchema: Anything, onClose }, async socket => {
      const feed = await ws.wsFanout.subscribe<unknown>('news', { signal: socket.signal })
      for await (const [source, value] of select({ client: socket, feed })) socket.send([source, value])
    })
    ws.wsView('/waits', { name: 'waits', messageSchema: Anything, onClose }, async socket => {
      await wait(60_000, undefined, { signal: socket.signal })
    })
    ws.wsView('/left-the-loop', { name: 'left-the-loop', messageSchema: Anything, onClose }, async socket => {
      for await (const message of socket) {
        socket.send(message)
        if (message === 1) break
      }
      await wait(60_000, undefined, { signal: socket.signal })
    })
  })
  const paths = ['event', 'push', 'iterates', 'feed', 'both', 'waits', 'left-the-loop']
  const clients = await Promise.all(paths.map(path => rawClient(port, `/ws/${path}`, { t })))
  for (const i of [0, 2, 4, 6]) {
    clients[i]!.send('1')
    await clients[i]!.next()
  }
  await feeds.promise
  const closed = app.close()
  for (const [i, client] of clients.entries()) t.same(await closedBy(client), goingAway, paths[i]!)
  await closed
  t.same(infos.filter(([, { code }]) => code === 1001).map(([path]) => path).sort(), paths.map(path => `/ws/${path}`).sort())
  t.equal(infos.filter(([, { code }]) => code === 0).length, 1)
  t.equal(app.wsSockets.count, 0)
})

t.test('busy sockets get 1001 after their handler has replied; what waits is dropped, nothing more is read', async t => {
  const styles: Record<string, (ws: FastifyInstance, handle: (message: unknown) => Promise<unknown>) => void> = {
    event (ws, handle) {
      ws.wsView('/v', { name: 'v', messageSchema: Anything, replySchema: Anything, onMessage: (socket, message) => handle(message) as Promise<string> })
    },
    'event, two at once' (ws, handle) {
      ws.wsView('/v', { name: 'v', concurrency: 2, messageSchema: Anything, replySchema: Anything, onMessage: (socket, message) => handle(message) as Promise<string> })
    },
    'event, in preMessage' (ws, handle) {
      ws.wsView('/v', { name: 'v', messageSchema: Anything, replySchema: Anything, async preMessage (socket, message) { await handle(message) }, onMessage: (socket, message) => `${message} done` })
    },
    owning (ws, handle) {
      ws.wsView('/v', { name: 'v', messageSchema: Anything }, async socket => {
        for await (const message of socket) socket.send(await handle(message))
      })
    },
    'owning, with select' (ws, handle) {
      ws.wsView('/v', { name: 'v', messageSchema: Anything }, async socket => {
        const feed = await ws.wsFanout.subscribe<unknown>('news', { signal: socket.signal })
        for await (const [, message] of select({ client: socket, feed })) socket.send(await handle(message))
      })
    },
    'owning, and it returns' (ws, handle) {
      ws.wsView('/v', { name: 'v', messageSchema: Anything }, async socket => {
        for await (const message of socket) {
          socket.send(await handle(message))
          if (message !== null) return
        }
      })
    }
  }
  for (const [label, declare] of Object.entries(styles)) {
    t.test(label, async t => {
      const gate = deferred()
      const started = new Journal<unknown>()
      const { app, port } = await startViews(t, async ws => {
        declare(ws, async message => {
          started.add(message)
          await gate.promise
          return `${message} done`
        })
      })
      const client = await rawClient(port, '/ws/v', { t })
      const running = label.includes('two') ? 2 : 1
      for (let n = 0; n < 5; n++) client.send(String(n))
      await read(client)
      await started.until(running)
      const [socket] = app.wsSockets
      const closed = app.close()
      client.send('5')
      // a pong of the second connection: the server has turned over, and is up to answer
      t.equal((await refusal(rawClient(port, '/ws/v', { t }))).statusCode, 503)
      t.equal(socket!.signal.aborted, false)
      t.equal(socket!.raw.isPaused, true, 'reading has stopped')
      t.equal(client.reader.close, undefined)
      gate.resolve()
      for (let n = 0; n < running; n++) t.equal((await client.next()).data, `"${n} done"`)
      t.same(await closedBy(client), goingAway)
      await closed
      t.equal(client.reader.messages.length, running)
      t.equal(started.entries.length, running)
      t.ok(socket!.dropped >= 5 - running)
    })
  }
})

t.test('onOpen that runs may finish', async t => {
  const gate = deferred()
  const opening = deferred()
  const handled: unknown[] = []
  const { app, port } = await startViews(t, async ws => {
    ws.wsView('/v', {
      name: 'v',
      messageSchema: Anything,
      async onOpen (socket) {
        opening.resolve()
        await gate.promise
        socket.send('open')
      },
      onMessage (socket, message) { handled.push(message) }
    })
  })
  const client = await rawClient(port, '/ws/v', { t, head: clientFrame({ opcode: 1, payload: '1' }) })
  await opening.promise
  const closed = app.close()
  t.equal((await refusal(rawClient(port, '/ws/v', { t }))).statusCode, 503)
  t.equal(client.reader.close, undefined)
  gate.resolve()
  t.equal((await client.next()).data, '"open"')
  t.same(await closedBy(client), goingAway)
  await closed
  t.same(handled, [])
})

t.test('onGap that runs may finish, and is followed by onClose', async t => {
  const views: Record<string, (ws: FastifyInstance, common: { onGap: (socket: WsSocket<any, any, any>) => Promise<void>, onClose: () => void }) => void> = {
    event (ws, common) { ws.wsView('/v', { name: 'v', onOpen: socket => socket.subscribe('news'), ...common }) },
    owning (ws, common) {
      ws.wsView('/v', { name: 'v', messageSchema: Anything, ...common }, async socket => {
        await socket.subscribe('news')
        for await (const message of socket) socket.send(message)
      })
    }
  }
  for (const [label, declare] of Object.entries(views)) {
    // where a handler owns the socket, app.close() ends its iteration, and with the handler the socket
    for (const end of label === 'owning' ? ['the client closes'] : ['app.close()', 'the client closes']) {
      t.test(`${label}, ${end}`, async t => {
        const gate = deferred()
        const journal = new Journal<string>()
        const fanout = new TestBroker()
        const { app, port } = await startViews(t, async ws => {
          declare(ws, {
            async onGap (socket) {
              journal.add('gap')
              await gate.promise
              socket.send('the state of today')
              journal.add('gap done')
            },
            onClose () { journal.add('close') }
          })
        }, { fanout })
        const client = await rawClient(port, '/ws/v', { t })
        await read(client)
        fanout.disconnect()
        fanout.reconnect()
        await journal.until(1)
        const [socket] = app.wsSockets
        const gone = new Promise(resolve => { socket!.raw.once('close', resolve) })
        const closed = end === 'app.close()' ? app.close() : leave(client)
        if (end === 'app.close()') {
          t.equal((await refusal(rawClient(port, '/ws/v', { t }))).statusCode, 503)
          t.equal(socket!.signal.aborted, false)
          gate.resolve()
          t.equal((await client.next()).data, '"the state of today"')
          t.same(await closedBy(client), goingAway)
        } else {
          await gone
          gate.resolve()
        }
        await closed
        await socket!.closed
        t.same(journal.entries, ['gap', 'gap done', 'close'])
      })
    }
  }
})

t.test('a loop that is left while the server closes: the socket gets 1001 after what is sent next', async t => {
  const begun = deferred()
  const release = deferred()
  const { app, port } = await startViews(t, async ws => {
    ws.wsView('/v', { name: 'v', messageSchema: Type.Unknown() }, async socket => {
      for await (const message of socket) {
        begun.resolve()
        await release.promise
        if (message !== undefined) break
      }
      socket.send('welcome')
      await new Promise(resolve => { socket.signal.addEventListener('abort', resolve) })
    })
  }, { closeTimeoutMs: 600_000 })
  const client = await rawClient(port, '/ws/v', { t })
  client.send('{}')
  await begun.promise
  const closing = app.close()
  await refusal(rawClient(port, '/ws/v', { t })) // it has begun
  release.resolve()
  t.equal((await client.next()).data, '"welcome"')
  t.strictSame(await closedBy(client), { code: 1001, reason: 'server_closing' })
  await closing
})

t.test('a handler that finishes may publish, and others that are busy still get it', async t => {
  const gates = [deferred(), deferred()]
  const started = new Journal<number>()
  const published = deferred<string>()
  const { app, port } = await startViews(t, async ws => {
    ws.wsView('/chat', {
      name: 'chat',
      frames: { parse: Number, serialize: String },
      async onOpen (socket) { await socket.subscribe('news') },
      async onMessage (socket, n) {
        started.add(n)
        await gates[n]!.promise
        if (n === 0) await this.wsFanout.publish('news', 'goodbye').then(() => published.resolve(this.wsFanout.status), published.reject)
      }
    })
  })
  const clients = [await rawClient(port, '/ws/chat', { t }), await rawClient(port, '/ws/chat', { t })]
  for (const [n, client] of clients.entries()) client.send(String(n))
  await started.until(2)
  const closed = app.close()
  t.equal((await refusal(rawClient(port, '/ws/chat', { t }))).statusCode, 503)
  gates[0]!.resolve()
  t.equal(await published.promise, 'ready')
  t.equal((await clients[1]!.next()).data, 'goodbye')
  t.same(await closedBy(clients[0]!), goingAway)
  gates[1]!.resolve()
  t.same(await closedBy(clients[1]!), goingAway)
  await closed
  t.equal(app.wsFanout.status, 'closed')
  await t.rejects(app.wsFanout.publish('news', 1), { code: 'WSV_ERR_FANOUT_CLOSED' })
})

t.test('handlers that hang: terminated at closeTimeoutMs, onClose once', async t => {
  const never = deferred()
  const infos = new Journal<[string, CloseInfo]>()
  const started = new Journal<string>()
  const { app, port } = await startViews(t, async ws => {
    const onClose = (socket: WsSocket<any, any, any>, info: CloseInfo) => { infos.add([socket.request.url, info]) }
    ws.wsView('/event', { name: 'event', messageSchema: Anything, onClose, async onMessage () { started.add('event'); await never.promise } })
    ws.wsView('/open', { name: 'open', onClose, async onOpen () { started.add('open'); await never.promise } })
    ws.wsView('/own', { name: 'own', messageSchema: Anything, onClose }, async socket => {
      for await (const message of socket) {
        started.add(`own ${message}`)
        await never.promise
      }
    })
    ws.wsView('/deaf', { name: 'deaf', onClose }, async () => {
      started.add('deaf')
      await never.promise
    })
  }, { closeTimeoutMs: 80 })
  const paths = ['event', 'open', 'own', 'deaf']
  const clients = await Promise.all(paths.map(path => rawClient(port, `/ws/${path}`, { t })))
  clients[0]!.send('1')
  clients[2]!.send('1')
  await started.until(4)
  const sockets = [...app.wsSockets]
  await app.close()
  for (const [i, client] of clients.entries()) {
    await client.ended
    // who only waits has had the close frame at once, and its handler does not listen to the signal
    t.equal((await client.closed).code, paths[i] === 'deaf' ? 1001 : 1006, paths[i]!)
  }
  t.same((await infos.until(4)).map(([path, { code }]) => [path, code]).sort(), [['/ws/deaf', 1001], ['/ws/event', 1006], ['/ws/open', 1006], ['/ws/own', 1006]])
  await Promise.all(sockets.map(socket => socket.closed))
  never.resolve()
  await new Promise(resolve => setImmediate(resolve))
  t.equal(infos.entries.length, 4, 'and not again when the handler ends after all')
  t.equal(app.wsSockets.count, 0)
  t.equal(ServerState.of(app, {}).watch.size, 0)
})

t.test('a client that has left: what it sent before is not begun once app.close() is done', async t => {
  const gate = deferred()
  const journal = new Journal<string>()
  const { app, port } = await startViews(t, async ws => {
    ws.wsView('/v', {
      name: 'v',
      messageSchema: Anything,
      async onMessage (socket, message) {
        journal.add(`message ${message}`)
        await gate.promise
        if (message === 0) journal.add('done')
      },
      onClose () { journal.add('close') }
    })
  }, { closeTimeoutMs: 50 })
  const client = await rawClient(port, '/ws/v', { t })
  for (let n = 0; n < 3; n++) client.send(String(n))
  await leave(client)
  await journal.until(1)
  await app.close()
  gate.resolve()
  await journal.until(3)
  await new Promise(setImmediate)
  t.same(journal.entries, ['message 0', 'close', 'done'])
})

t.test('an onClose that hangs does not hold it', async t => {
  const never = deferred()
  const { app, port } = await startViews(t, async ws => {
    ws.wsView('/v', { name: 'v', onClose: () => never.promise })
  }, { closeTimeoutMs: 50 })
  const client = await rawClient(port, '/ws/v', { t })
  const closed = app.close()
  t.same(await closedBy(client), goingAway)
  await closed
  never.resolve()
})

t.test('clients that never answer the close frame do not hold it longer', async t => {
  const { app, port } = await startViews(t, async ws => { ws.wsView('/v', { name: 'v' }) }, { closeTimeoutMs: 100 })
  const silent = await rawClient(port, '/ws/v', { t })
  const deaf = await rawClient(port, '/ws/v', { t })
  deaf.tcp.pause()
  // one that we had closed before
  const closing = await rawClient(port, '/ws/v', { t })
  const sockets = [...app.wsSockets]
  sockets[2]!.close(4000)
  await closing.closed
  const began = performance.now()
  await app.close()
  t.ok(performance.now() - began < 3_000)
  await silent.ended
  t.same(await silent.closed, goingAway)
  for (const socket of sockets.slice(0, 2)) t.same(await socket.closed, goingAway)
})

t.test('upgrades that come meanwhile: 503 by the door, and their TCP ends', async t => {
  const gate = deferred()
  const app = buildApp(t)
  app.get('/plain', async () => 'plain')
  let hooks = 0
  app.addHook('onRequest', async () => { hooks++ })
  const views: WsViews = async ws => {
    ws.wsView('/v', { name: 'v', messageSchema: Anything, replySchema: Anything, async onMessage () { await gate.promise; return 'done' } })
  }
  await app.register(wsViews, { prefix: '/ws', views })
  const port = await listen(app)
  const client = await rawClient(port, '/ws/v', { t })
  client.send('1')
  await read(client)
  const before = hooks
  const closed = app.close()
  const lines = ['upgrade: websocket', 'connection: Upgrade', 'sec-websocket-version: 13', 'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==', '', ''].join('\r\n')
  for (const path of ['/ws/v', '/plain', '/unknown']) {
    const answer = await converse(port, `GET ${path} HTTP/1.1\r\nhost: localhost\r\n${lines}`)
    t.match(answer, /^HTTP\/1\.1 503 /, path)
    t.match(answer, /WSV_ERR_CLOSING/)
  }
  t.equal(hooks, before, 'no hook has run for them')
  gate.resolve()
  t.equal((await client.next()).data, '"done"')
  t.same(await closedBy(client), goingAway)
  await closed
})

t.test('handshakes that wait in a hook are answered 503 at once', async t => {
  const gate = deferred()
  const waiting = deferred()
  let opens = 0
  const { app, port } = await startViews(t, async ws => {
    ws.wsView('/v', {
      name: 'v',
      async preHandler () {
        waiting.resolve()
        await gate.promise
      },
      onOpen () { opens++ }
    })
  })
  const refused = refusal(rawClient(port, '/ws/v', { t }))
  await waiting.promise
  const closed = app.close()
  t.match(await refused, { statusCode: 503, body: /WSV_ERR_CLOSING/ })
  await closed
  gate.resolve()
  await new Promise(resolve => setImmediate(resolve))
  t.equal(opens, 0)
})

t.test('only our sockets are touched: a plain request under way is answered', async t => {
  const gate = deferred()
  const asked = deferred()
  const app = buildApp(t)
  app.get('/slow', async () => {
    asked.resolve()
    await gate.promise
    return 'answered'
  })
  app.get('/fast', async () => 'fast')
  await app.register(wsViews, { prefix: '/ws', views: (async ws => { ws.wsView('/v', { name: 'v' }) }) satisfies WsViews, closeTimeoutMs: 0 })
  const port = await listen(app)
  const client = await rawClient(port, '/ws/v', { t })
  const slow = converse(port, 'GET /slow HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n')
  await asked.promise
  const closed = app.close()
  await client.ended
  gate.resolve()
  t.match(await slow, /^HTTP\/1\.1 200 OK.*answered$/s)
  await closed
})

t.test('close() twice, and with nobody there', async t => {
  const { app, port } = await startViews(t, async ws => { ws.wsView('/v', { name: 'v' }) })
  const client = await rawClient(port, '/ws/v', { t })
  const both = Promise.all([app.close(), app.close()])
  t.same(await closedBy(client), goingAway)
  await both
  await app.close()
  const { app: empty } = await startViews(t, async ws => { ws.wsView('/v', { name: 'v' }) })
  await empty.close()
  const unready = buildApp(t)
  await unready.register(wsViews, { views: (async ws => { ws.wsView('/v', { name: 'v' }) }) satisfies WsViews })
  await unready.close()
})

t.test('close() during publishes: none of them is lost in silence', async t => {
  const { app, port } = await startViews(t, async ws => {
    ws.wsView('/v', { name: 'v', async onOpen (socket) { await socket.subscribe('news'); socket.send('ready') } })
  })
  const clients = await Promise.all(Array.from({ length: 20 }, () => rawClient(port, '/ws/v', { t })))
  await Promise.all(clients.map(client => client.next()))
  const results: Promise<unknown>[] = []
  let isOver = false
  const publish = () => {
    if (isOver) return
    for (let i = 0; i < 10; i++) results.push(app.wsFanout.publish('news', results.length))
    setImmediate(publish)
  }
  publish()
  const closed = app.close()
  for (const client of clients) {
    t.same(await closedBy(client), goingAway)
    const numbers = client.reader.messages.slice(1).map(({ data }) => Number(data))
    t.same(numbers, Array.from({ length: numbers.length }, (_, i) => i), 'what came is in order, without a gap')
  }
  await closed
  isOver = true
  const codes = (await Promise.allSettled(results)).map(result => result.status === 'fulfilled' ? 'published' : (result.reason as { code: string }).code)
  t.same(new Set(codes).size <= 2 && codes.every(code => code === 'published' || code === 'WSV_ERR_FANOUT_CLOSED'), true)
})

t.test('two thousand sockets', async t => {
  const count = 2_000
  let closes = 0
  const { app, port } = await startViews(t, async ws => {
    ws.wsView('/v', { name: 'v', async onOpen (socket) { await socket.subscribe('news') }, onClose () { closes++ } })
  })
  const clients: RawClient[] = []
  while (clients.length < count) clients.push(...await Promise.all(Array.from({ length: 250 }, () => rawClient(port, '/ws/v'))))
  t.equal(app.wsSockets.count, count)
  const closed = app.close()
  const frames = await Promise.all(clients.map(closedBy))
  await closed
  t.equal(frames.filter(({ code, reason }) => code === 1001 && reason === 'server_closing').length, count)
  t.equal(closes, count)
  t.equal(app.wsSockets.count, 0)
})
