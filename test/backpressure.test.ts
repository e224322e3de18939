import t from 'tap'
import type { Socket as TcpSocket } from 'node:net'
import { Type } from '@sinclair/typebox'
import { defineChannel } from '../lib/index.ts'
import type { CloseInfo, WsSocket, WsViews, WsViewsOptions } from '../lib/index.ts'
import type { Socket } from '../lib/socket.ts'
import { clientFrame, rawClient, type RawClient } from './fixtures/rfc6455.ts'
import { startViews } from './fixtures/server.ts'
import { closedBy, deferred, Journal, leave } from './fixtures/waiting.ts'

const Numbered = Type.Object({ n: Type.Integer(), padding: Type.Optional(Type.String()) })

/** As `startViews`, with the server's end of each TCP connection in the order in which they came. */
async function start (t: Parameters<typeof startViews>[0], views: WsViews, options: WsViewsOptions = {}) {
  // a closing handshake that does not end would be waited for
  const { app, port } = await startViews(t, views, { closeTimeoutMs: 600_000, ...options })
  const connections: TcpSocket[] = []
  app.server.on('connection', tcp => { connections.push(tcp) })
  return { app, connections, connect: (path: string) => rawClient(port, path, { t }) }
}

/** One socket of ours that the views hold, as we know it. */
const ours = (socket: WsSocket<any, any, any>) => socket as unknown as Socket

/** Everything that both sides have under way has been seen, several times over. */
async function roundTrips (client: RawClient, count = 10): Promise<void> {
  for (let i = 0; i < count; i++) {
    client.ping()
    await client.nextPong()
  }
}

function answerPings (client: RawClient): void {
  client.nextPing().then(payload => {
    client.sendFrame({ opcode: 10, payload })
    answerPings(client)
  }, () => {})
}

/** More than the kernel takes from a client whose server does not read. */
const flood = (count: number, size: number): Buffer => Buffer.concat(
  Array.from({ length: count }, (_, n) => clientFrame({ opcode: 1, payload: `{"n":${n},"padding":"${'.'.repeat(size - 30)}"}` })))

const inEventStyle = (handle: (n: number) => void | Promise<void>): Record<string, unknown> => ({
  onMessage: (socket: unknown, { n }: { n: number }) => handle(n)
})

const limits: [label: string, size: number, count: number, options: Record<string, unknown>, style: 'event' | 'owning'][] = [
  ['backlog', 1024, 16_000, { backlog: 8 }, 'event'],
  ['backlogBytes', 16_384, 1_000, { backlog: 10_000, backlogBytes: 65_536 }, 'event'],
  ['backlog, with concurrency', 1024, 16_000, { backlog: 8, concurrency: 3 }, 'event'],
  ['backlog, owning style', 1024, 16_000, { backlog: 8 }, 'owning']
]

t.test('a flood that the handler cannot keep up with: we stop reading, and nothing is lost', async t => {
  for (const [label, size, count, options, style] of limits) {
    t.test(label, async t => {
      const gate = deferred()
      const handled: number[] = []
      let running = 0
      let most = 0
      let mostWaiting = 0
      let socket!: Socket
      const handle = async (n: number): Promise<void> => {
        most = Math.max(most, ++running)
        await gate.promise
        mostWaiting = Math.max(mostWaiting, socket.inbox.size)
        // a promise, and now and then a turn of the event loop
        if (n % 50 === 0) await new Promise(resolve => setImmediate(resolve))
        handled.push(n)
        running--
      }
      const all = deferred()
      const { connections, connect } = await start(t, async ws => {
        const common = { name: 'slow', messageSchema: Numbered, onClose () { all.resolve() } }
        if (style === 'event') {
          ws.wsView('/slow', { ...common, ...options, onOpen (opened) { socket = ours(opened) }, ...inEventStyle(handle) })
        } else {
          ws.wsView('/slow', { ...common, ...options }, async opened => {
            socket = ours(opened)
            for await (const { n } of opened) await handle(n)
          })
        }
        ws.wsView('/other', { name: 'other' })
      })
      const client = await connect('/ws/slow')
      const paused = new Promise(resolve => { connections[0]!.once('pause', resolve) })
      client.sendRaw(flood(count, size))
      await paused
      const other = await connect('/ws/other')
      await roundTrips(other)
      const bytesRead = connections[0]!.bytesRead
      await roundTrips(other, 50)
      t.equal(connections[0]!.bytesRead, bytesRead, 'nothing more was read')
      t.ok(bytesRead < 400_000, `${bytesRead} of ${count * size} bytes were read`)
      t.ok(client.tcp.writableLength > 0, 'the client\'s writes stall')
      t.equal(socket.raw.isPaused, true)
      gate.resolve()
      client.sendClose(1000)
      await client.ended
      await all.promise
      t.equal(client.violation, undefined)
      const concurrency = Number(options.concurrency ?? 1)
      t.equal(most, concurrency)
      const chunk = Math.ceil(65536 / size)
      t.ok(mostWaiting <= Number(options.backlog ?? 64) + chunk + 1, `at most ${mostWaiting} waited`)
      t.same(handled.length, count, 'every one is handled once')
      if (concurrency === 1) t.ok(handled.every((n, i) => n === i), 'in order')
      else t.ok([...handled].sort((a, b) => a - b).every((n, i) => n === i))
    })
  }
})

t.test('reading goes on when half of the backlog is done, not before', async t => {
  const gates: (() => void)[] = []
  const started = new Journal<number>()
  let socket!: Socket
  const { connections, connect } = await start(t, async ws => {
    ws.wsView('/slow', {
      name: 'slow',
      backlog: 4,
      messageSchema: Numbered,
      onOpen (opened) { socket = ours(opened) },
      onMessage (_, { n }) {
        started.add(n)
        return new Promise<void>(resolve => { gates.push(resolve) })
      }
    })
  })
  const client = await connect('/ws/slow')
  const tcp = connections[0]!
  const paused = new Promise(resolve => { tcp.once('pause', resolve) })
  // one runs, five wait: one more than the backlog
  for (let n = 0; n < 6; n++) client.send(`{"n":${n}}`)
  await paused
  for (let n = 0; n < 3; n++) {
    t.equal(socket.raw.isPaused, true)
    await started.until(n + 1)
    gates[n]!()
  }
  await started.until(4)
  t.equal(socket.raw.isPaused, false)
  t.equal(socket.inbox.size, 2)
  for (let n = 3; n < 6; n++) {
    await started.until(n + 1)
    gates[n]!()
  }
  await leave(client)
})

t.test('messages that wait for onOpen stop the reading too', async t => {
  const ready = deferred()
  const handled: number[] = []
  const all = deferred()
  const { connections, connect } = await start(t, async ws => {
    ws.wsView('/slow', {
      name: 'slow',
      backlog: 4,
      messageSchema: Numbered,
      onOpen: () => ready.promise,
      onMessage (socket, { n }) { handled.push(n) },
      onClose () { all.resolve() }
    })
  })
  const client = await connect('/ws/slow')
  const paused = new Promise(resolve => { connections[0]!.once('pause', resolve) })
  client.sendRaw(flood(10_000, 1024))
  client.sendClose(1000)
  await paused
  ready.resolve()
  await all.promise
  t.equal(handled.length, 10_000)
  t.ok(handled.every((n, i) => n === i))
  await client.ended
})

t.test('maxPauseMs: 1013 when no message finishes', async t => {
  const infos = new Journal<CloseInfo>()
  const hung = deferred()
  let dropped = 0
  const { connect } = await start(t, async ws => {
    ws.wsView('/event', {
      name: 'event',
      backlog: 2,
      maxPauseMs: 40,
      messageSchema: Numbered,
      onMessage: () => hung.promise,
      onClose (socket, info) { dropped = ours(socket).inbox.dropped; infos.add(info) }
    })
    ws.wsView('/own', { name: 'own', backlog: 2, maxPauseMs: 40, messageSchema: Numbered, onClose (socket, info) { infos.add(info) } }, async socket => {
      for await (const message of socket) if (message.n === 0) await hung.promise
    })
  })
  for (const name of ['event', 'own']) {
    const client = await connect(`/ws/${name}`)
    for (let n = 0; n < 10; n++) client.send(`{"n":${n}}`)
    t.same(await closedBy(client), { code: 1013, reason: 'overloaded' }, name)
  }
  t.same(infos.entries, [], 'onClose waits for the handler')
  hung.resolve()
  t.same(await infos.until(2), [{ code: 1013, reason: 'overloaded' }, { code: 1013, reason: 'overloaded' }])
  t.equal(dropped, 9, 'what waited was dropped and counted')
})

t.test('maxPauseMs: not when messages finish, however long it takes together', async t => {
  const done = deferred()
  let pauses = 0
  const handle = async (n: number): Promise<void> => {
    // the work of the handler
    await new Promise(resolve => setTimeout(resolve, 20))
    if (n === 39) done.resolve()
  }
  const { connections, connect } = await start(t, async ws => {
    ws.wsView('/event', { name: 'event', backlog: 40, backlogBytes: 1000, maxPauseMs: 300, messageSchema: Numbered, ...inEventStyle(handle) })
  })
  const client = await connect('/ws/event')
  connections[0]!.on('pause', () => { pauses++ })
  const began = performance.now()
  client.sendRaw(flood(40, 100))
  await done.promise
  t.ok(performance.now() - began > 600, 'it was longer than the limit')
  t.ok(pauses > 0)
  await leave(client)
})

t.test('while we do not read, the heartbeat does not judge', async t => {
  const gate = deferred()
  const handled = new Journal<number>()
  const heartbeat = { intervalMs: 20, timeoutMs: 20 }
  const { app, connections, connect } = await start(t, async ws => {
    ws.wsView('/slow', {
      name: 'slow', backlog: 2, heartbeat, messageSchema: Numbered, async onMessage (socket, { n }) { await gate.promise; handled.add(n) }
    })
    ws.wsView('/judged', { name: 'judged', heartbeat })
  })
  const client = await connect('/ws/slow')
  const isOpen = (): boolean => [...app.wsSockets].some(socket => socket.request.url === '/ws/slow' && !socket.signal.aborted)
  const paused = new Promise(resolve => { connections[0]!.once('pause', resolve) })
  for (let n = 0; n < 10; n++) client.send(`{"n":${n}}`)
  await paused
  // two silent clients, one after the other, show that the time is up twice
  for (let i = 0; i < 2; i++) t.match(await (await connect('/ws/judged')).closed, { code: 1006 })
  t.ok(isOpen())
  answerPings(client)
  gate.resolve()
  t.same(await handled.until(10), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  t.match(await (await connect('/ws/judged')).closed, { code: 1006 })
  t.ok(isOpen(), 'nor is it judged for what was before')
  await leave(client)
})

t.test('heartbeat: a client that does not answer is terminated, one that lives is not', async t => {
  const infos = new Journal<[string, CloseInfo]>()
  const { connect } = await start(t, async ws => {
    for (const name of ['silent', 'answers', 'talks', 'pings']) {
      ws.wsView(`/${name}`, {
        name,
        frames: 'text',
        heartbeat: { intervalMs: 30, timeoutMs: 60 },
        onMessage () {},
        onClose (socket, info) { infos.add([name, info]) }
      })
    }
  })
  const lives = async (name: string, onPing: (client: RawClient, payload: Buffer, n: number) => void): Promise<void> => {
    const client = await connect(`/ws/${name}`)
    for (let n = 0; n < 6; n++) onPing(client, await client.nextPing(), n)
    t.same(await leave(client), { code: 1000, reason: '' }, name)
  }
  await Promise.all([
    (async () => {
      const client = await connect('/ws/silent')
      t.same(await client.closed, { code: 1006, reason: '' })
      await client.ended
      t.equal(client.reader.pings.length, 1, 'it was asked once')
    })(),
    lives('answers', (client, payload) => { client.sendFrame({ opcode: 10, payload }) }),
    lives('talks', client => { client.send('I never answer pings') }),
    lives('pings', client => { client.ping() })
  ])
  const closes = await infos.until(4)
  t.same(closes.find(([name]) => name === 'silent'), ['silent', { code: 1006, reason: '' }])
})

t.test('heartbeat: bytes of a message that is not whole yet are a sign of life', async t => {
  const got = deferred<number>()
  const { connect } = await start(t, async ws => {
    ws.wsView('/upload', { name: 'upload', frames: 'binary', heartbeat: { intervalMs: 30, timeoutMs: 60 }, onMessage (socket, bytes) { got.resolve(bytes.length) } })
  })
  const client = await connect('/ws/upload')
  const frame = clientFrame({ opcode: 2, payload: Buffer.alloc(60_000) })
  // within a frame there is no place for a pong
  for (let i = 0; i < 6; i++) {
    client.sendRaw(frame.subarray(i * 10_000, (i + 1) * 10_000))
    await client.nextPing()
  }
  client.sendRaw(frame.subarray(60_000))
  t.equal(await got.promise, 60_000)
  t.same(await leave(client), { code: 1000, reason: '' })
})

t.test('heartbeat: when it is we who were away, the clients have their say first', async t => {
  const { connect } = await start(t, async ws => {
    ws.wsView('/alive', { name: 'alive', heartbeat: { intervalMs: 40, timeoutMs: 40 } })
  })
  const client = await connect('/ws/alive')
  for (let n = 0; n < 3; n++) {
    client.sendFrame({ opcode: 10, payload: await client.nextPing() })
    // the pong waits in the kernel while the process does nothing
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
  }
  t.same(await leave(client), { code: 1000, reason: '' })
})

t.test('heartbeat: a half-open client that sends nothing at all after the handshake', async t => {
  const info = deferred<CloseInfo>()
  const { app, connect } = await start(t, async ws => {
    ws.wsView('/half', { name: 'half', heartbeat: { intervalMs: 20, timeoutMs: 20 } }, async socket => {
      await new Promise(resolve => { socket.signal.addEventListener('abort', resolve) })
      info.resolve(await Promise.race([socket.closed, { code: 0, reason: 'not closed yet' }]))
    })
  })
  const client = await connect('/ws/half')
  // it does not even read
  client.tcp.pause()
  t.same(await info.promise, { code: 0, reason: 'not closed yet' }, 'closed resolves after the handler')
  for (const socket of app.wsSockets) t.same(await socket.closed, { code: 1006, reason: '' })
  client.tcp.resume()
  await client.ended
})

const news = defineChannel('news', Type.Object({ n: Type.Integer(), padding: Type.String() }))
const padding = '.'.repeat(16_000)

async function startReaders (t: Parameters<typeof startViews>[0], onSlow: 'close' | 'drop') {
  const infos = new Journal<[string, CloseInfo, number]>()
  const { app, connect } = await start(t, async ws => {
    ws.wsView('/news/:name', {
      name: 'news',
      maxBuffered: 256 * 1024,
      onSlow,
      async onOpen (socket) {
        await socket.subscribe(news)
        socket.send('subscribed')
      },
      onClose (socket, info) { infos.add([socket.request.params.name, info, socket.dropped]) }
    })
  })
  const join = async (name: string): Promise<RawClient> => {
    const client = await connect(`/ws/news/${name}`)
    await client.next()
    return client
  }
  const numbers = (client: RawClient): number[] => client.reader.messages.slice(1).map(({ data }) => (JSON.parse(String(data)) as { n: number }).n)
  return { app, infos, slow: await join('slow'), healthy: await join('healthy'), numbers }
}

t.test('a client that does not read, onSlow close: 1013, and the others do not notice', async t => {
  const { app, infos, slow, healthy, numbers } = await startReaders(t, 'close')
  slow.tcp.pause()
  for (let n = 0; n < 1000; n++) await app.wsFanout.publish(news, { n, padding })
  for (let n = 0; n < 1000; n++) await healthy.next()
  t.ok(numbers(healthy).every((n, i) => n === i))
  slow.tcp.resume()
  t.same(await closedBy(slow), { code: 1013, reason: 'too_slow' })
  const got = numbers(slow)
  t.ok(got.length < 1000, `it got ${got.length}`)
  t.ok(got.every((n, i) => n === i), 'what it got is in order, without a gap')
  t.same(await infos.until(1), [['slow', { code: 1013, reason: 'too_slow' }, 0]])
  await leave(healthy)
})

t.test('a client that does not read, onSlow drop: what does not fit is dropped and counted', async t => {
  const { app, infos, slow, healthy, numbers } = await startReaders(t, 'drop')
  slow.tcp.pause()
  for (let n = 0; n < 1000; n++) await app.wsFanout.publish(news, { n, padding })
  for (let n = 0; n < 1000; n++) await healthy.next()
  t.equal(numbers(healthy).length, 1000)
  const socket = [...app.wsSockets].find(socket => (socket.request.params as { name: string }).name === 'slow')!
  const { dropped } = socket
  t.ok(dropped > 0)
  t.ok(socket.bufferedAmount <= 256 * 1024 + padding.length + 100, `${socket.bufferedAmount} bytes wait`)
  slow.tcp.resume()
  for (let i = 0; i < 1000 - dropped; i++) await slow.next()
  await socket.drained()
  await app.wsFanout.publish(news, { n: 1000, padding })
  t.match(JSON.parse(String((await slow.next()).data)), { n: 1000 })
  t.equal(numbers(slow).length, 1001 - dropped)
  t.ok(numbers(slow).every((n, i, all) => i === 0 || n > all[i - 1]!), 'in order')
  await leave(slow)
  t.same(await infos.until(1), [['slow', { code: 1000, reason: '' }, dropped]])
  await leave(healthy)
})

t.test('writable, drained and bufferedAmount tell the view when to go on', async t => {
  const full = deferred()
  const end = deferred<unknown>()
  const { connect } = await start(t, async ws => {
    ws.wsView('/pull', { name: 'pull', frames: 'text', maxBuffered: 1 << 20 }, async socket => {
      await socket.drained() // nothing waits: at once
      let n = 0
      let most = 0
      const payload = '.'.repeat(16_000)
      let waits = 0
      while (n < 1500) {
        while (n < 1500 && socket.writable) socket.send(`${n++} ${payload}`)
        most = Math.max(most, socket.bufferedAmount)
        if (n < 1500) {
          waits++
          full.resolve()
          await socket.drained()
          if (!socket.writable) throw new Error('drained, but not writable')
        }
      }
      while (socket.bufferedAmount > 0) await new Promise(resolve => setImmediate(resolve))
      end.resolve({ isBounded: most < (1 << 20), waited: waits > 0, writable: socket.writable, bufferedAmount: socket.bufferedAmount })
    })
  })
  const client = await connect('/ws/pull')
  client.tcp.pause()
  await full.promise
  client.tcp.resume()
  t.same(await end.promise, { isBounded: true, waited: true, writable: true, bufferedAmount: 0 })
  t.same(await closedBy(client), { code: 1000, reason: '' })
  t.equal(client.reader.messages.length, 1500)
  t.ok(client.reader.messages.every(({ data }, i) => String(data).startsWith(`${i} `)))
})

t.test('who waits in drained is let go when the socket ends', async t => {
  const waiting = deferred()
  const after = deferred<unknown>()
  const { connect } = await start(t, async ws => {
    ws.wsView('/pull', { name: 'pull', frames: 'text', maxBuffered: 1 << 16, onSlow: 'drop' }, async socket => {
      const payload = '.'.repeat(16_000)
      while (socket.writable) {
        socket.send(payload)
        await new Promise(resolve => setImmediate(resolve))
      }
      waiting.resolve()
      await socket.drained()
      after.resolve({ writable: socket.writable, aborted: socket.signal.aborted })
    })
  })
  const client = await connect('/ws/pull')
  client.tcp.pause()
  await waiting.promise
  client.tcp.resetAndDestroy()
  t.same(await after.promise, { writable: false, aborted: true })
})

t.test('TCP is reset while reading has stopped, in the middle of a frame: what had been read is handled', async t => {
  const gate = deferred()
  const handled: number[] = []
  const { connections, connect } = await start(t, async ws => {
    ws.wsView('/slow', {
      name: 'slow',
      messageSchema: Numbered,
      backlog: 2,
      async onMessage (socket, { n }) {
        await gate.promise
        handled.push(n)
      },
      onClose () { closed.resolve() }
    })
  })
  const closed = deferred()
  const client = await connect('/ws/slow')
  const [tcp] = connections
  const paused = new Promise(resolve => { tcp!.once('pause', resolve) })
  const bytes = flood(8, 60)
  const cut = bytes.length * 6 / 8 + 20
  client.sendRaw(bytes.subarray(0, cut))
  await paused
  client.sendRaw(bytes.subarray(cut))
  while (tcp!.readableLength === 0) await new Promise(resolve => setImmediate(resolve))
  client.tcp.resetAndDestroy()
  await new Promise(resolve => { tcp!.once('close', resolve) })
  gate.resolve()
  await closed.promise
  t.same(handled, [0, 1, 2, 3, 4, 5, 6, 7])
})

t.test('reading is stopped when half a frame has come, and TCP is reset when the rest has: what had been read is handled', async t => {
  const handled: number[] = []
  const closed = deferred()
  const { app, connections, connect } = await start(t, async ws => {
    ws.wsView('/fast', {
      name: 'fast',
      messageSchema: Numbered,
      onMessage (_socket, { n }) { handled.push(n) },
      onClose () { closed.resolve() }
    })
  })
  const client = await connect('/ws/fast')
  const [tcp] = connections
  const bytes = flood(4, 60)
  const cut = bytes.length / 2 + 20
  client.sendRaw(bytes.subarray(0, cut))
  while (handled.length < 2) await new Promise(resolve => setImmediate(resolve))
  ;[...app.wsSockets][0]!.raw.pause()
  client.sendRaw(bytes.subarray(cut))
  while (tcp!.readableLength === 0) await new Promise(resolve => setImmediate(resolve))
  client.tcp.resetAndDestroy()
  await closed.promise
  t.same(handled, [0, 1, 2, 3])
})

for (const [how, leaveIt, shutsDown] of [
  ['TCP is reset', (client: RawClient) => { client.tcp.resetAndDestroy() }, false],
  ['TCP ends', (client: RawClient) => { client.tcp.end() }, false],
  ['TCP is reset, at shutdown', (client: RawClient) => { client.tcp.resetAndDestroy() }, true]
] as const) {
  t.test(`${how} while reading has stopped: a handler that runs is told`, async t => {
    const gate = deferred()
    const runs = deferred<AbortSignal>()
    const { app, connections, connect } = await start(t, async ws => {
      ws.wsView('/slow', {
        name: 'slow',
        messageSchema: Numbered,
        backlog: 2,
        async onMessage (socket, { n }) {
          if (n === 0) return socket.send({ read: true })
          runs.resolve(socket.signal)
          await gate.promise
        }
      })
    })
    const client = await connect('/ws/slow')
    const [tcp] = connections
    client.sendRaw(flood(1, 60))
    await client.next() // from now on TCP is read into the shared buffer
    const paused = new Promise(resolve => { tcp!.once('pause', resolve) })
    const bytes = flood(8, 60)
    client.sendRaw(bytes.subarray(bytes.length / 8, shutsDown ? bytes.length / 4 : bytes.length))
    const signal = await runs.promise
    const closed = shutsDown ? app.close() : undefined
    await paused
    leaveIt(client)
    if (!signal.aborted) await new Promise(resolve => { signal.addEventListener('abort', resolve) })
    gate.resolve()
    await closed
    t.pass('its signal has aborted')
  })
}
