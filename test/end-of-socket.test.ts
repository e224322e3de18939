import t from 'tap'
import { setTimeout as wait } from 'node:timers/promises'
import { Type } from '@sinclair/typebox'
import wsViews from '../lib/index.ts'
import type { CloseInfo, WsViews, WsViewsOptions } from '../lib/index.ts'
import { InProcessBroker } from '../lib/fan-out/in-process.ts'
import { ServerState } from '../lib/server-state.ts'
import { clientFrame, rawClient, type FrameOut } from './fixtures/rfc6455.ts'
import { endings, finish, type AnySocket } from './fixtures/endings.ts'
import { buildApp, listen, startViews as start } from './fixtures/server.ts'
import { closedBy, deferred, Journal, leave, logger } from './fixtures/waiting.ts'

/** A closing handshake that does not come to its end fails the test: nobody cuts it short. */
const startViews: typeof start = (t, views, options) => start(t, views, { closeTimeoutMs: 600_000, ...options })

const Anything = Type.Unknown()
const Numbered = Type.Object({ n: Type.Integer() })
t.test('the signal aborts at once, and a late one is aborted already', async t => {
  for (const { label, end, isOurs } of endings) {
    t.test(label, async t => {
      const opened = deferred<AnySocket>()
      const { port } = await startViews(t, async ws => {
        ws.wsView('/v', { name: 'v', onOpen (socket) { opened.resolve(socket) } })
      })
      const client = await rawClient(port, '/ws/v', { t })
      const socket = await opened.promise
      t.equal(socket.signal.aborted, false)
      const aborted = new Promise(resolve => { socket.signal.addEventListener('abort', resolve) })
      end(client, socket)
      if (isOurs && !label.includes('protocol')) t.equal(socket.signal.aborted, true, 'before close() returns')
      await aborted
      await finish(client)
      await socket.closed
    })
  }
  t.test('first asked for in onClose', async t => {
    const aborted = deferred<boolean>()
    const { port } = await startViews(t, async ws => {
      ws.wsView('/v', { name: 'v', onClose (socket) { aborted.resolve(socket.signal.aborted) } })
    })
    await leave(await rawClient(port, '/ws/v', { t }))
    t.equal(await aborted.promise, true)
  })
})

const shapes: [label: string, options: Record<string, unknown>][] = [
  ['plain', {}], ['with preMessage', { preMessage () {} }], ['with an asynchronous form', { async clean () {} }], ['with two at once', { concurrency: 2 }]
]

t.test('the client closes: what it sent before is handled, in order, then onClose', async t => {
  for (const { label, end } of endings.filter(({ isOurs }) => !isOurs)) {
    for (const [shape, options] of [...shapes, ['owning style', undefined]] as const) {
      t.test(`${label}, ${shape}`, async t => {
        const gate = deferred()
        const started = deferred()
        const events = new Journal<unknown>()
        const handle = async (n: number): Promise<void> => {
          started.resolve()
          await gate.promise
          events.add(n)
        }
        let socket!: AnySocket
        const { port } = await startViews(t, async ws => {
          const common = { name: 'v', messageSchema: Numbered, onClose (_: unknown, info: CloseInfo) { events.add(info) } }
          if (options === undefined) {
            ws.wsView('/v', common, async opened => {
              socket = opened
              for await (const { n } of opened) await handle(n)
              events.add('the loop has ended')
            })
          } else {
            ws.wsView('/v', { ...common, ...options, onOpen (opened) { socket = opened }, onMessage: (_, { n }) => handle(n) })
          }
        })
        const client = await rawClient(port, '/ws/v', { t })
        for (let n = 0; n < 10; n++) client.send(`{"n":${n}}`)
        // a reset throws away what the server has not read
        client.ping()
        await client.nextPong()
        await started.promise
        const aborted = new Promise(resolve => { socket.signal.addEventListener('abort', resolve) })
        end(client, socket)
        await aborted
        await client.ended
        t.same(events.entries, [], 'onClose waits for the handlers')
        gate.resolve()
        await socket.closed
        t.same(events.entries.filter(Number.isInteger), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
        if (options === undefined) t.equal(events.entries[10], 'the loop has ended')
        t.match(events.entries.at(-1), { code: Number })
        t.equal(socket.dropped, 0)
      })
    }
  }
})

t.test('we close: what waits is dropped and counted, what runs settles, and what it sends is a no-op', async t => {
  for (const { label, end, code, reason } of endings.filter(({ isOurs }) => isOurs)) {
    for (const [shape, options] of [...shapes, ['owning style', undefined]] as const) {
      t.test(`${label}, ${shape}`, async t => {
        const gate = deferred()
        const concurrency = options !== undefined && 'concurrency' in options ? 2 : 1
        const running = new Journal<number>()
        const events = new Journal<unknown>()
        let socket!: AnySocket
        const handle = async (n: number): Promise<void> => {
          running.add(n)
          await gate.promise
          socket.send('never seen')
          await socket.subscribe('never:joined')
          events.add(n)
        }
        const { port } = await startViews(t, async ws => {
          const common = { name: 'v', messageSchema: Numbered, onClose (_: unknown, info: CloseInfo) { events.add(info) } }
          if (options === undefined) {
            ws.wsView('/v', common, async opened => {
              socket = opened
              for await (const { n } of opened) await handle(n)
              events.add('the loop has ended')
            })
          } else {
            ws.wsView('/v', { ...common, ...options, onOpen (opened) { socket = opened }, onMessage: (_, { n }) => handle(n) })
          }
        })
        const client = await rawClient(port, '/ws/v', { t })
        for (let n = 0; n < 10; n++) client.send(`{"n":${n}}`)
        client.ping()
        await client.nextPong()
        await running.until(concurrency)
        const aborted = new Promise(resolve => { socket.signal.addEventListener('abort', resolve) })
        end(client, socket)
        await aborted
        client.send('{"n":10}')
        await finish(client)
        t.same(events.entries, [])
        gate.resolve()
        t.same(await socket.closed, { code, reason })
        t.same(events.entries.slice(0, concurrency), Array.from({ length: concurrency }, (_, n) => n))
        t.same(events.entries.slice(concurrency), options === undefined ? ['the loop has ended', { code, reason }] : [{ code, reason }])
        t.equal(client.reader.messages.length, 0)
        t.ok(socket.dropped >= 10 - concurrency, `${socket.dropped} dropped`)
        t.equal(client.violation, undefined)
      })
    }
  }
})

t.test('onClose runs exactly once, with the code and the reason, whatever happened before', async t => {
  const opens: [label: string, open: () => unknown][] = [
    ['onOpen done', () => {}], ['onOpen threw', () => { throw new Error('open') }], ['onOpen rejected', () => Promise.reject(new Error('open'))]
  ]
  for (const { label, end, code, reason } of endings) {
    for (const [when, open] of opens) {
      t.test(`${label}, ${when}`, async t => {
        const infos: CloseInfo[] = []
        const opened = deferred<AnySocket>()
        const { port } = await startViews(t, async ws => {
          ws.wsView('/v', {
            name: 'v',
            onOpen (socket) {
              opened.resolve(socket)
              return open() as void
            },
            onClose (socket, info) { infos.push(info) }
          })
        })
        const client = await rawClient(port, '/ws/v', { t })
        const socket = await opened.promise
        if (when === 'onOpen done') end(client, socket)
        else t.same(await client.closed, { code: 1011, reason: 'internal_error' })
        if (when !== 'onOpen done' && label === 'we terminate') socket.terminate()
        await finish(client)
        const info = await socket.closed
        t.same(info, when === 'onOpen done' ? { code, reason } : { code: 1011, reason: 'internal_error' })
        socket.close()
        socket.terminate()
        t.same(infos, [info])
      })
    }
  }
})

t.test('the client is gone while onOpen runs: onClose comes after it, also when it throws', async t => {
  for (const { label, end } of endings) {
    for (const throws of [false, true]) {
      t.test(`${label}${throws ? ', then it throws' : ''}`, async t => {
        const gate = deferred()
        const opened = deferred<AnySocket>()
        const events: unknown[] = []
        const { port } = await startViews(t, async ws => {
          ws.wsView('/v', {
            name: 'v',
            messageSchema: Numbered,
            async onOpen (socket) {
              opened.resolve(socket)
              await gate.promise
              events.push('onOpen')
              if (throws) throw new Error('open')
            },
            onMessage (socket, { n }) { events.push(n) },
            onClose () { events.push('onClose') }
          })
        })
        const client = await rawClient(port, '/ws/v', { t })
        const socket = await opened.promise
        client.send('{"n":1}')
        client.ping()
        await client.nextPong()
        const aborted = new Promise(resolve => { socket.signal.addEventListener('abort', resolve) })
        end(client, socket)
        await aborted
        await finish(client)
        t.same(events, [])
        gate.resolve()
        await socket.closed
        const isHandled = !throws && endings.find(ending => ending.label === label)!.isOurs === false
        t.same(events, isHandled ? ['onOpen', 1, 'onClose'] : ['onOpen', 'onClose'])
      })
    }
  }
})

t.test('closed resolves after onClose, whenever it is asked for', async t => {
  const gate = deferred()
  const inOnClose = deferred()
  const events: string[] = []
  let socket!: AnySocket
  const { port } = await startViews(t, async ws => {
    ws.wsView('/v', {
      name: 'v',
      onOpen (opened) { socket = opened },
      async onClose () {
        socket.closed.then(() => events.push('asked in onClose'))
        inOnClose.resolve()
        await gate.promise
        events.push('onClose')
      }
    })
  })
  const client = await rawClient(port, '/ws/v', { t })
  const before = socket.closed.then(() => events.push('asked before'))
  await leave(client)
  await inOnClose.promise
  const during = socket.closed.then(() => events.push('asked meanwhile'))
  await new Promise(resolve => setImmediate(resolve))
  t.same(events, [])
  gate.resolve()
  await Promise.all([before, during])
  t.equal(events[0], 'onClose')
  t.equal(events.length, 4)
  t.same(await socket.closed, { code: 1000, reason: '' })
})

t.test('closed that was not asked for before onClose resolves too', async t => {
  const gate = deferred()
  const inOnClose = deferred()
  let isDone = false
  let socket!: AnySocket
  const { port } = await startViews(t, async ws => {
    ws.wsView('/v', {
      name: 'v',
      onOpen (opened) { socket = opened },
      async onClose () {
        inOnClose.resolve()
        await gate.promise
        isDone = true
      }
    })
  })
  await leave(await rawClient(port, '/ws/v', { t }))
  await inOnClose.promise
  const closed = socket.closed.then(() => isDone)
  gate.resolve()
  t.equal(await closed, true)
  t.same(await socket.closed, { code: 1000, reason: '' })
})

t.test('an onClose that throws is logged, and the socket is released all the same', async t => {
  const log = logger('error')
  const app = buildApp(t, { logger: log.options })
  const views: WsViews = async ws => {
    ws.wsView('/sync', { name: 'sync', onClose () { throw new Error('bug') } })
    ws.wsView('/async', { name: 'async', async onClose () { throw new Error('bug') } })
  }
  await app.register(wsViews, { prefix: '/ws', views })
  const port = await listen(app)
  for (const [i, name] of ['sync', 'async'].entries()) {
    const client = await rawClient(port, `/ws/${name}`, { t })
    const [socket] = app.wsSockets
    await leave(client)
    t.same(await socket!.closed, { code: 1000, reason: '' })
    t.match((await log.lines.until(i + 1))[i], { err: { message: 'bug' }, ws: { id: socket!.id, view: name } })
    t.equal(app.wsSockets.count, 0)
  }
})

t.test('a handler that waits with the signal is not a failure when the client leaves', async t => {
  const log = logger('error')
  const app = buildApp(t, { logger: log.options })
  const views: WsViews = async ws => {
    ws.wsView('/event', { name: 'event', messageSchema: Anything, onMessage: socket => wait(60_000, undefined, { signal: socket.signal }), onHandlerError () { t.fail('asked') } })
    ws.wsView('/own', { name: 'own', onHandlerError () { t.fail('asked') } }, socket => wait(60_000, undefined, { signal: socket.signal }))
  }
  await app.register(wsViews, { prefix: '/ws', views })
  const port = await listen(app)
  for (const name of ['event', 'own']) {
    const client = await rawClient(port, `/ws/${name}`, { t })
    const [socket] = app.wsSockets
    client.send('1')
    client.ping()
    await client.nextPong()
    await leave(client)
    await socket!.closed
  }
  t.same(log.lines.entries, [])
})

t.test('an owning handler that leaves messages unread still has its end', async t => {
  for (const { label, end } of endings) {
    t.test(label, async t => {
      const opened = deferred<AnySocket>()
      const infos: CloseInfo[] = []
      const { app, port } = await startViews(t, async ws => {
        ws.wsView('/v', { name: 'v', messageSchema: Anything, onClose (socket, info) { infos.push(info) } }, async socket => {
          opened.resolve(socket)
          await new Promise(resolve => { socket.signal.addEventListener('abort', resolve) })
        })
      })
      const client = await rawClient(port, '/ws/v', { t })
      for (let n = 0; n < 5; n++) client.send('1')
      client.ping()
      await client.nextPong()
      const socket = await opened.promise
      end(client, socket)
      await finish(client)
      await socket.closed
      t.equal(infos.length, 1)
      t.equal(app.wsSockets.count, 0)
    })
  }
})

t.test('close: codes and reasons', async t => {
  const bad: [args: unknown[], code: string][] = [
    ...[0, 999, 1002, 1004, 1005, 1006, 1010, 1015, 1016, 2999, 5000, 1000.5, -1, NaN, Infinity, '1000', null].map((code): [unknown[], string] => [[code], 'WSV_ERR_CLOSE_CODE']),
    [[1000, 'a'.repeat(124)], 'WSV_ERR_CLOSE_REASON'], [[4000, 'é'.repeat(62)], 'WSV_ERR_CLOSE_REASON']
  ]
  const good: [args: [code?: number | undefined, reason?: string], frame: { code: number, reason: string }][] = [
    [[], { code: 1000, reason: '' }], [[undefined, 'why'], { code: 1000, reason: 'why' }], [[4999], { code: 4999, reason: '' }],
    ...[1000, 1001, 1003, 1007, 1008, 1009, 1011, 1012, 1013, 1014, 3000, 4401].map((code): [[number, string], { code: number, reason: string }] => [[code, 'r'], { code, reason: 'r' }]),
    [[1000, 'a'.repeat(123)], { code: 1000, reason: 'a'.repeat(123) }], [[1000, 'é'.repeat(61)], { code: 1000, reason: 'é'.repeat(61) }]
  ]
  const opened = new Journal<AnySocket>()
  const { port } = await startViews(t, async ws => { ws.wsView('/v', { name: 'v', onOpen (socket) { opened.add(socket) } }) })
  const client = await rawClient(port, '/ws/v', { t })
  const socket = (await opened.until(1))[0]!
  for (const [args, code] of bad) t.throws(() => socket.close(...args as [number, string]), { code }, String(args[0]))
  t.equal(socket.signal.aborted, false, 'a close that throws closes nothing')
  socket.close(4000)
  t.throws(() => socket.close(1), { code: 'WSV_ERR_CLOSE_CODE' }, 'a mistake is a mistake on a closed socket too')
  await finish(client)
  for (const [i, [args, frame]] of good.entries()) {
    const client = await rawClient(port, '/ws/v', { t })
    const socket = (await opened.until(i + 2)).at(-1)!
    socket.close(...args as [number, string])
    t.same(await closedBy(client), frame)
    t.same(await socket.closed, frame)
  }
})

t.test('the first close counts', async t => {
  const opened = new Journal<AnySocket>()
  const { port } = await startViews(t, async ws => { ws.wsView('/v', { name: 'v', onOpen (socket) { opened.add(socket) } }) })
  const twice = await rawClient(port, '/ws/v', { t })
  const [first] = await opened.until(1)
  first!.close(4000, 'first')
  first!.close(4001, 'second')
  t.same(await closedBy(twice), { code: 4000, reason: 'first' })
  t.same(await first!.closed, { code: 4000, reason: 'first' })

  const cut = await rawClient(port, '/ws/v', { t })
  const second = (await opened.until(2))[1]!
  second.close(4000, 'first')
  second.terminate()
  second.terminate()
  await cut.ended
  t.same(await second.closed, { code: 4000, reason: 'first' }, 'terminate after close only cuts it short')
})

t.test('close and terminate from within: onOpen, a handler, the signal, onClose', async t => {
  const infos = new Journal<CloseInfo>()
  const onClose = (socket: AnySocket, info: CloseInfo) => {
    socket.close(4009)
    socket.terminate()
    socket.send('never')
    infos.add(info)
  }
  const { port } = await startViews(t, async ws => {
    ws.wsView('/open/close', { name: 'a', messageSchema: Anything, onOpen (socket) { socket.close(4001) }, onMessage () { t.fail('handled') }, onClose })
    ws.wsView('/open/terminate', { name: 'b', messageSchema: Anything, onOpen (socket) { socket.terminate() }, onMessage () { t.fail('handled') }, onClose })
    ws.wsView('/handler/close', { name: 'c', messageSchema: Anything, replySchema: Anything, onMessage (socket) { socket.send('last'); socket.close(4001); return 'never' }, onClose })
    ws.wsView('/handler/terminate', { name: 'd', messageSchema: Anything, onMessage (socket) { socket.terminate() }, onClose })
    ws.wsView('/own/close', { name: 'e', messageSchema: Anything, onClose }, async socket => {
      for await (const message of socket) {
        if (message === 1) socket.close(4001)
        else t.fail('handled')
      }
    })
    ws.wsView('/signal', {
      name: 'f',
      messageSchema: Anything,
      onOpen (socket) {
        socket.signal.addEventListener('abort', () => {
          socket.close(4002)
          socket.terminate()
        })
      },
      onMessage (socket) { socket.close(4001) },
      onClose
    })
  })
  const cases = [['/open/close', 4001], ['/open/terminate', 1006], ['/handler/close', 4001], ['/handler/terminate', 1006], ['/own/close', 4001], ['/signal', 1006]] as const
  for (const [i, [path, code]] of cases.entries()) {
    const head = Buffer.concat([1, 2, 3].map(n => clientFrame({ opcode: 1, payload: String(n) })))
    const client = await rawClient(port, `/ws${path}`, { t, head }).catch((error: Error) => error)
    if (client instanceof Error) {
      t.match(client.message, /ended before an answer/, 'a socket that was terminated before the 101 was on its way')
    } else {
      t.equal((await closedBy(client)).code, code, path)
      t.same(client.reader.messages.map(({ data }) => data), path === '/handler/close' ? ['"last"'] : [], path)
    }
    t.equal((await infos.until(i + 1))[i]!.code, path === '/signal' ? 4001 : code, path)
  }
})

t.test('nothing is written after the close frame, whatever the client still sends', async t => {
  const { port } = await startViews(t, async ws => {
    ws.wsView('/v', {
      name: 'v',
      messageSchema: Anything,
      replySchema: Anything,
      async onOpen (socket) { await socket.subscribe('news') },
      onMessage (socket, message) {
        if (message === 'close') socket.close(4001)
        return message
      }
    })
  })
  const client = await rawClient(port, '/ws/v', { t })
  client.send('"one"')
  client.send('"close"')
  client.send('"two"')
  client.send('not JSON')
  client.ping('a')
  t.same(await client.closed, { code: 4001, reason: '' })
  client.ping('b')
  client.send('"three"')
  client.sendFrame({ opcode: 9, payload: 'c' })
  client.sendClose(4001)
  await client.ended
  t.same(client.reader.messages.map(({ data }) => data), ['"one"'])
})

const violations: [label: string, frames: FrameOut[], code: number][] = [
  ['an unmasked frame', [{ opcode: 1, payload: '1', mask: false }], 1002],
  ['RSV1 without compression', [{ opcode: 1, payload: '1', rsv: 0x40 }], 1002],
  ['RSV2', [{ opcode: 1, payload: '1', rsv: 0x20 }], 1002],
  ['RSV3', [{ opcode: 1, payload: '1', rsv: 0x10 }], 1002],
  ['an unknown opcode', [{ opcode: 3 }], 1002],
  ['an unknown control opcode', [{ opcode: 11 }], 1002],
  ['a continuation of nothing', [{ opcode: 0, payload: '1' }], 1002],
  ['a message within a message', [{ opcode: 1, fin: false, payload: '1' }, { opcode: 1, payload: '1' }], 1002],
  ['a fragmented ping', [{ opcode: 9, fin: false }], 1002],
  ['a ping of 126 bytes', [{ opcode: 9, payload: 'a'.repeat(126) }], 1002],
  ['a close of one byte', [{ opcode: 8, payload: 'a' }], 1002],
  ['a close with the code 1005', [{ opcode: 8, payload: Buffer.from([0x03, 0xed]) }], 1002],
  ['a close with the code 999', [{ opcode: 8, payload: Buffer.from([0x03, 0xe7]) }], 1002],
  ['a close reason that is not UTF-8', [{ opcode: 8, payload: Buffer.from([0x03, 0xe8, 0xff]) }], 1007],
  ['a length beyond 2^53', [{ opcode: 1, lengthForm: 64, length: Number.MAX_SAFE_INTEGER * 2 }], 1009]
]

t.test('a client that breaks the protocol: the code of ws, and nothing it sent after', async t => {
  const infos = new Journal<CloseInfo>()
  const { port } = await startViews(t, async ws => {
    ws.wsView('/v', { name: 'v', messageSchema: Anything, replySchema: Anything, onMessage: (socket, message) => message, onClose (socket, info) { infos.add(info) } })
  })
  for (const [i, [label, frames, code]] of violations.entries()) {
    const client = await rawClient(port, '/ws/v', { t })
    client.send('"before"')
    for (const frame of frames) client.sendFrame(frame)
    client.send('"after"')
    t.match(await client.closed, { code }, label)
    await client.ended
    t.same(client.reader.messages.map(({ data }) => data), ['"before"'], label)
    t.equal((await infos.until(i + 1))[i]!.code, code, label)
  }
})

const moments: [label: string, start: WsViewsOptions, until: 'open' | 'running' | 'closing' | 'paused'][] = [
  ['in onOpen', {}, 'open'], ['in a handler', {}, 'running'], ['while it is paused', { backlog: 2 }, 'paused'], ['in onClose', {}, 'closing']
]

t.test('a client that resets TCP at any moment', async t => {
  for (const [label, options, moment] of moments) {
    t.test(label, async t => {
      const gate = deferred()
      const reached = { open: deferred(), running: deferred(), closing: deferred(), paused: deferred() }
      let handled = 0
      let closes = 0
      let socket!: AnySocket
      const { app, port } = await startViews(t, async ws => {
        ws.wsView('/v', {
          name: 'v',
          messageSchema: Anything,
          async onOpen (opened) {
            socket = opened
            reached.open.resolve()
            if (moment === 'open') await gate.promise
            socket.send('open')
          },
          async onMessage () {
            reached.running.resolve()
            if (moment === 'running' || moment === 'paused') await gate.promise
            socket.send('handled')
            handled++
          },
          async onClose () {
            closes++
            reached.closing.resolve()
            if (moment === 'closing') await gate.promise
          }
        })
      }, options)
      app.server.on('connection', tcp => { tcp.on('pause', reached.paused.resolve) })
      const client = await rawClient(port, '/ws/v', { t })
      if (moment !== 'open') for (let n = 0; n < 10; n++) client.send('1')
      if (moment === 'closing') client.sendClose(1000)
      await reached[moment].promise
      client.tcp.resetAndDestroy()
      await client.ended
      gate.resolve()
      await socket.closed
      t.equal(closes, 1)
      t.ok(handled <= 10)
      t.equal(app.wsSockets.count, 0)
      t.equal(ServerState.of(app, {}).watch.size, 0)
    })
  }
})

/** What the broker has subscriptions for. */
function subscriptions (t: { teardown (fn: () => unknown): void }): Set<string> {
  const names = new Set<string>()
  const { subscribe, unsubscribe } = InProcessBroker.prototype
  const broker = InProcessBroker.prototype as unknown as Record<'subscribe' | 'unsubscribe', (name: string) => Promise<void>>
  broker.subscribe = function (name) {
    names.add(name)
    return subscribe.call(this as never)
  }
  broker.unsubscribe = function (name) {
    names.delete(name)
    return unsubscribe.call(this as never)
  }
  t.teardown(() => { Object.assign(InProcessBroker.prototype, { subscribe, unsubscribe }) })
  return names
}

t.test('subscriptions, timers and listeners are released', async t => {
  for (const { label, end } of endings) {
    t.test(label, async t => {
      const channels = subscriptions(t)
      const opened = deferred<AnySocket>()
      const { app, port } = await startViews(t, async ws => {
        ws.wsView('/v', {
          name: 'v',
          async onOpen (socket) {
            await socket.subscribe('a')
            await socket.subscribe('b')
            opened.resolve(socket)
          }
        })
      })
      let server: import('node:net').Socket | undefined
      app.server.once('connection', tcp => { server = tcp })
      const client = await rawClient(port, '/ws/v', { t })
      const socket = await opened.promise
      const { watch } = ServerState.of(app, {})
      t.equal(watch.size, 1)
      t.same([...channels], ['a', 'b'])
      await app.wsFanout.publish('a', 1)
      await client.next()
      end(client, socket)
      await finish(client)
      await socket.closed
      await app.wsFanout.publish('a', 2)
      t.equal(watch.size, 0)
      t.same([...channels], [], 'nobody subscribes any more')
      t.equal(app.wsSockets.count, 0)
      t.equal(server!.listenerCount('drain'), 0)
      t.equal(client.reader.messages.length, 1)
    })
  }
})
