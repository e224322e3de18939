import t from 'tap'
import { Type } from '@sinclair/typebox'
import wsViews, { defineChannel, ValidationError } from '../lib/index.ts'
import type { WsSocket, WsViews } from '../lib/index.ts'
import { rawClient, type RawClient } from './fixtures/rfc6455.ts'
import { buildApp, listen, startViews as start } from './fixtures/server.ts'
import { closedBy, Journal, leave, logger } from './fixtures/waiting.ts'

/** A closing handshake that does not come to its end fails the test: nobody cuts it short. */
const startViews: typeof start = (t, views, options) => start(t, views, { closeTimeoutMs: 600_000, ...options })

const Anything = Type.Unknown()
const Trail = Type.Object({ trail: Type.Array(Type.String()) })

async function ask (client: RawClient, message: unknown): Promise<any> {
  client.send(JSON.stringify(message))
  return JSON.parse(String((await client.next()).data))
}
const nextJson = async (client: RawClient): Promise<any> => JSON.parse(String((await client.next()).data))

t.test('preMessage runs after the form and before the handler, with the cleaned message', async t => {
  const events: unknown[] = []
  const { port } = await startViews(t, async ws => {
    ws.wsView('/v', {
      name: 'v',
      messageSchema: Type.Object({ n: Type.Integer() }),
      replySchema: Anything,
      async preMessage (socket, message) {
        events.push(['preMessage', message, this === ws, socket.id.length > 0])
        await new Promise(resolve => setImmediate(resolve))
        events.push(['preMessage, later'])
      },
      onMessage (socket, message) {
        events.push(['onMessage', message])
        return message
      }
    })
  })
  const client = await rawClient(port, '/ws/v', { t })
  t.same(await ask(client, { n: '5', unknown: 1, ref: 'r' }), { n: 5, ref: 'r' })
  t.equal((await ask(client, { n: 'x' })).type, 'error')
  t.same(events, [['preMessage', { n: 5 }, true, true], ['preMessage, later'], ['onMessage', { n: 5 }]], 'an invalid message does not come that far')
  await leave(client)
})

t.test('addWsHook: inherited by encapsulation, outermost first, the view\'s own last', async t => {
  const app = buildApp(t)
  const grow = (name: string) => (socket: WsSocket<any, any, any>, message: unknown) => { (message as { trail: string[] }).trail.push(name) }
  const wrap = (name: string) => (socket: WsSocket<any, any, any>, message: unknown) => ({ trail: [...(message as { trail: string[] }).trail, name] })
  const view = { messageSchema: Trail, replySchema: Trail, onMessage: (socket: unknown, message: { trail: string[] }) => message }
  const views: WsViews = async ws => {
    ws.addWsHook('preMessage', grow('in views'))
    ws.addWsHook('preSend', wrap('in views, out'))
    ws.wsView('/first', { name: 'first', ...view })
    // after the view, and still its hook: what counts is where, not when
    ws.addWsHook('preMessage', grow('in views, late'))
    await ws.register(async inner => {
      inner.addWsHook('preMessage', grow('inner'))
      inner.addWsHook('preSend', wrap('inner, out'))
      inner.wsView('/inner', { name: 'inner', ...view, preMessage: grow('own'), preSend: wrap('own, out') })
    })
    await ws.register(async sibling => {
      sibling.addWsHook('preMessage', grow('sibling'))
      sibling.wsView('/sibling', { name: 'sibling', ...view })
    })
  }
  await app.register(wsViews, { prefix: '/ws', views })
  app.addWsHook('preMessage', grow('root'))
  app.addWsHook('preSend', wrap('root, out'))
  app.addWsHook('preMessage', grow('root, second'))
  app.wsView('/outside', { name: 'outside', ...view })
  const port = await listen(app)
  const expected: Record<string, string[]> = {
    outside: ['root', 'root, second', 'root, out'],
    first: ['root', 'root, second', 'in views', 'in views, late', 'root, out', 'in views, out'],
    inner: ['root', 'root, second', 'in views', 'in views, late', 'inner', 'own', 'root, out', 'in views, out', 'inner, out', 'own, out'],
    sibling: ['root', 'root, second', 'in views', 'in views, late', 'sibling', 'root, out', 'in views, out']
  }
  for (const [name, trail] of Object.entries(expected)) {
    const client = await rawClient(port, `/ws/${name}`, { t })
    t.same(await ask(client, { trail: ['client'] }), { trail: ['client', ...trail] }, name)
    await leave(client)
  }
})

t.test('addWsHook: `this` is the instance of the view', async t => {
  const app = buildApp(t)
  const seen: unknown[] = []
  let inside: unknown
  const views: WsViews = async ws => {
    inside = ws
    ws.wsView('/v', { name: 'v', messageSchema: Anything, replySchema: Anything, onMessage: (socket, message) => message })
  }
  await app.register(wsViews, { prefix: '/ws', views })
  app.addWsHook('preMessage', function () { seen.push(this) })
  app.addWsHook('preSend', function (socket, message) { seen.push(this); return message })
  const client = await rawClient(await listen(app), '/ws/v', { t })
  await ask(client, 1)
  t.equal(seen.length, 2)
  t.ok(seen.every(instance => instance === inside))
  await leave(client)
})

t.test('addWsHook refuses what is no hook', async t => {
  const { app } = await startViews(t, async ws => {
    const addWsHook = ws.addWsHook as (...args: unknown[]) => unknown
    t.throws(() => addWsHook.call(ws, 'onMessage', () => {}), { code: 'WSV_ERR_OPTION_INVALID', message: /'preMessage' or 'preSend'/ })
    t.throws(() => addWsHook.call(ws, 'preSend', 'text'), { code: 'WSV_ERR_OPTION_INVALID' })
    t.throws(() => addWsHook.call(ws, 'preSend', async () => {}), { code: 'WSV_ERR_OPTION_INVALID', message: /a synchronous function, got an async function/ })
    t.throws(() => addWsHook.call(ws, undefined), { code: 'WSV_ERR_OPTION_INVALID' })
    t.throws(() => addWsHook.call(ws, 'toString', () => {}), { code: 'WSV_ERR_OPTION_INVALID' })
    ws.wsView('/v', { name: 'v' })
  })
  t.throws(() => app.addWsHook('preMessage', () => {}), { code: 'WSV_ERR_HOOK_TOO_LATE' }, 'nobody would run it any more')
})

t.test('preMessage refuses: the hooks after it and the handler do not run', async t => {
  const events: string[] = []
  const { port } = await startViews(t, async ws => {
    ws.addWsHook('preMessage', (socket, message) => {
      events.push('first')
      if ((message as { kind?: string }).kind === 'refuse') throw new ValidationError('Not you.', { code: 'forbidden' })
      if ((message as { kind?: string }).kind === 'close') socket.close(4003, 'forbidden')
      if ((message as { kind?: string }).kind === 'terminate') socket.terminate()
    })
    ws.wsView('/event', {
      name: 'event',
      messageSchema: Type.Object({ kind: Type.String() }),
      replySchema: Anything,
      preMessage () { events.push('second') },
      onMessage (socket, message) { events.push('handler'); return message.kind }
    })
    ws.wsView('/own', { name: 'own', messageSchema: Type.Object({ kind: Type.String() }), preMessage () { events.push('second') } }, async socket => {
      for await (const message of socket) {
        events.push('handler')
        socket.send(message.kind)
      }
    })
  })
  for (const path of ['/ws/event', '/ws/own']) {
    events.length = 0
    const client = await rawClient(port, path, { t })
    t.match(await ask(client, { kind: 'refuse', ref: 1 }), { type: 'error', ref: 1, errors: { __all__: [{ message: 'Not you.', code: 'forbidden' }] } })
    t.same(events.splice(0), ['first'])
    t.same(await ask(client, { kind: 'good' }), 'good')
    t.same(events.splice(0), ['first', 'second', 'handler'])
    client.send('{"kind":"close"}')
    client.send('{"kind":"good"}')
    t.same(await closedBy(client), { code: 4003, reason: 'forbidden' })
    t.same(events.splice(0), ['first'], 'nor a hook after the one that closed')
    const cut = await rawClient(port, path, { t })
    cut.send('{"kind":"terminate"}')
    await cut.ended
    t.same(events.splice(0), ['first'])
  }
})

t.test('preMessage that breaks: 1011, and the handler does not run', async t => {
  const log = logger('error')
  const app = buildApp(t, { logger: log.options })
  const views: WsViews = async ws => {
    ws.addWsHook('preMessage', async () => { throw new Error('bug') })
    ws.wsView('/v', { name: 'v', messageSchema: Anything, onMessage () { t.fail('handled') } })
  }
  await app.register(wsViews, { prefix: '/ws', views })
  const client = await rawClient(await listen(app), '/ws/v', { t })
  client.send('1')
  t.same(await closedBy(client), { code: 1011, reason: 'internal_error' })
  t.match(log.lines.entries, [{ err: { message: 'bug' } }])
})

t.test('preMessage keeps the order of messages', async t => {
  const { port } = await startViews(t, async ws => {
    ws.wsView('/v', {
      name: 'v',
      messageSchema: Type.Object({ n: Type.Integer() }),
      replySchema: Anything,
      async preMessage (socket, { n }) { for (let i = n; i < 10; i++) await new Promise(resolve => setImmediate(resolve)) },
      onMessage: (socket, { n }) => n
    })
  })
  const client = await rawClient(port, '/ws/v', { t })
  for (let n = 0; n < 10; n++) client.send(`{"n":${n}}`)
  for (let n = 0; n < 10; n++) t.equal(await nextJson(client), n)
  await leave(client)
})

const Said = Type.Object({ to: Type.String(), text: Type.String(), secret: Type.Optional(Type.String()) })
type Said = { to: string, text: string, secret?: string }
const room = defineChannel('room', Said)

t.test('preSend replaces and drops: what is sent, what is returned and what is published', async t => {
  const calls: unknown[] = []
  const { app, port } = await startViews(t, async ws => {
    ws.wsView('/as/:name', {
      name: 'as',
      messageSchema: Type.Object({ how: Type.String(), to: Type.String() }),
      replySchema: Said,
      preSend (socket, message) {
        const { to, text } = message as Said
        calls.push([(socket.request.params as { name: string }).name, text])
        if (to === 'nobody') return undefined
        return to === (socket.request.params as { name: string }).name || to === 'all' ? { to, text: `${text}!` } : undefined
      },
      async onOpen (socket) { await socket.subscribe(room); socket.send({ to: 'all', text: 'ready' }) },
      async onMessage (socket, { how, to }) {
        const message: Said = { to, text: how, secret: 's' }
        if (how === 'send') socket.send(message)
        else if (how === 'publish') await this.wsFanout.publish(room, message)
        else return message
      }
    })
  })
  const ada = await rawClient(port, '/ws/as/ada', { t })
  const bob = await rawClient(port, '/ws/as/bob', { t })
  for (const client of [ada, bob]) t.same(await nextJson(client), { to: 'all', text: 'ready!' })
  for (const how of ['send', 'return']) {
    ada.send(JSON.stringify({ how, to: 'bob' }))
    ada.send(JSON.stringify({ how, to: 'nobody' }))
    t.same(await ask(ada, { how, to: 'ada', ref: 7 }), how === 'send' ? { to: 'ada', text: 'send!' } : { ref: 7, to: 'ada', text: 'return!' })
  }
  calls.length = 0
  ada.send(JSON.stringify({ how: 'publish', to: 'bob' }))
  t.same(await nextJson(bob), { to: 'bob', text: 'publish!' }, 'each socket has its own say')
  ada.send(JSON.stringify({ how: 'publish', to: 'nobody' }))
  ada.send(JSON.stringify({ how: 'publish', to: 'all' }))
  t.same(await nextJson(bob), { to: 'all', text: 'publish!' })
  t.same(await nextJson(ada), { to: 'all', text: 'publish!' })
  t.equal(calls.length, 6)
  t.not(app, undefined)
  await leave(ada)
  await leave(bob)
})

t.test('preSend sees a published message once read, shared, and not to be written to', async t => {
  const seen: unknown[] = []
  const { app, port } = await startViews(t, async ws => {
    const join = async (socket: WsSocket<any, any, any>) => {
      await socket.subscribe('room')
      socket.send({ ready: true })
    }
    ws.wsView('/reads', { name: 'reads', onOpen: join, preSend (socket, message) { seen.push(message); return message } })
    ws.wsView('/writes', {
      name: 'writes',
      onOpen: join,
      preSend (socket, message) {
        const { list } = message as { list?: string[] }
        list?.push('of another socket')
        return message
      }
    })
  })
  const writer = await rawClient(port, '/ws/writes', { t })
  const readers = await Promise.all([1, 2, 3].map(() => rawClient(port, '/ws/reads', { t })))
  for (const client of [writer, ...readers]) await client.next()
  seen.length = 0
  await app.wsFanout.publish('room', { list: ['a'] })
  for (const client of readers) t.same(await nextJson(client), { list: ['a'] }, 'nobody else sees what a hook wrote')
  t.same(await closedBy(writer), { code: 1011, reason: 'internal_error' })
  t.equal(seen.length, 3)
  t.equal(new Set(seen).size, 1, 'parsed once')
  await app.wsFanout.publish('room', { list: ['b'] })
  for (const client of readers) t.same(await nextJson(client), { list: ['b'] })
  for (const client of readers) await leave(client)
})

t.test('preSend that throws: for a sent or returned message 1011, for a published one only this socket', async t => {
  const log = logger('error')
  const app = buildApp(t, { logger: log.options })
  const caught = new Journal<string>()
  const views: WsViews = async ws => {
    ws.wsView('/:name', {
      name: 'v',
      messageSchema: Type.Object({ how: Type.String() }),
      replySchema: Anything,
      preSend (socket, message) {
        if (message === 'bad' || (message === 'bad for eve' && (socket.request.params as { name: string }).name === 'eve')) throw new Error('bug')
        return message
      },
      async onOpen (socket) { await socket.subscribe('room'); socket.send('ready') },
      onMessage (socket, { how }) {
        if (how === 'return') return 'bad'
        try {
          socket.send('bad')
        } catch (error) {
          caught.add((error as Error).message)
        }
        return 'good'
      }
    })
  }
  await app.register(wsViews, { prefix: '/ws', views })
  const port = await listen(app)
  const join = async (name: string): Promise<RawClient> => {
    const client = await rawClient(port, `/ws/${name}`, { t })
    t.equal(await nextJson(client), 'ready')
    return client
  }
  const ada = await join('ada')
  t.equal(await ask(ada, { how: 'send' }), 'good')
  t.same(caught.entries, ['bug'], 'thrown where it is sent')
  const eve = await join('eve')
  await app.wsFanout.publish('room', 'bad for eve')
  t.same(await closedBy(eve), { code: 1011, reason: 'internal_error' })
  t.equal(await nextJson(ada), 'bad for eve')
  ada.send('{"how":"return"}')
  t.same(await closedBy(ada), { code: 1011, reason: 'internal_error' })
  t.same(log.lines.entries.map(line => line.err?.message), ['bug', 'bug'])
})

t.test('preSend of text and binary views gets the text or the bytes', async t => {
  const { app, port } = await startViews(t, async ws => {
    const bytes = defineChannel('bytes', {}, { binary: true })
    ws.wsView('/text', {
      name: 'text',
      frames: 'text',
      preSend: (socket, message) => message === '"drop"' ? undefined : `${typeof message} ${message}`,
      async onOpen (socket) { await socket.subscribe('texts'); socket.send('ready') },
      onMessage: (socket, message) => message
    })
    ws.wsView('/binary', {
      name: 'binary',
      frames: 'binary',
      preSend: (socket, message) => Buffer.concat([Buffer.from([message instanceof Uint8Array ? 1 : 0]), message as Buffer]),
      async onOpen (socket) { await socket.subscribe(bytes); socket.send(Buffer.from('ready')) }
    })
    ws.get('/publish', async () => {
      await ws.wsFanout.publish('texts', 'drop')
      await ws.wsFanout.publish('texts', 'keep')
      await ws.wsFanout.publish(bytes, Buffer.from('bytes'))
    })
  })
  const text = await rawClient(port, '/ws/text', { t })
  t.equal((await text.next()).data, 'string ready')
  text.send('hi')
  t.equal((await text.next()).data, 'string hi')
  const binary = await rawClient(port, '/ws/binary', { t })
  t.same((await binary.next()).data, Buffer.from('\u0001ready'))
  await app.inject('/ws/publish')
  t.equal((await text.next()).data, 'string "keep"')
  t.same((await binary.next()).data, Buffer.from('\u0001bytes'))
  await leave(text)
  await leave(binary)
})

t.test('preSend with except, with a codec, and with a replacement that cannot be sent', async t => {
  const { app, port } = await startViews(t, async ws => {
    const codec = { parse: (data: string | Buffer): unknown => JSON.parse(String(data)), serialize: (message: unknown) => `codec ${JSON.stringify(message)}` }
    ws.wsView('/codec', {
      name: 'codec',
      frames: codec,
      preSend: (socket, message) => (message as { n?: number }).n === 0 ? undefined : message,
      async onOpen (socket) { await socket.subscribe('room'); socket.send('ready') },
      async onMessage (socket) { await this.wsFanout.publish('room', { n: 2 }, { except: socket }); await this.wsFanout.publish('room', { n: 3 }) }
    })
    ws.wsView('/bad', { name: 'bad', preSend: (socket, message) => message === 'ready' ? message : 1n, async onOpen (socket) { await socket.subscribe('room'); socket.send('ready') } })
  })
  const codec = await rawClient(port, '/ws/codec', { t })
  const bad = await rawClient(port, '/ws/bad', { t })
  t.equal((await codec.next()).data, 'codec "ready"')
  t.equal((await bad.next()).data, '"ready"')
  await app.wsFanout.publish('room', { n: 0 })
  t.same(await closedBy(bad), { code: 1011, reason: 'internal_error' })
  codec.send('1')
  t.equal((await codec.next()).data, 'codec {"n":3}')
  await leave(codec)
})

t.test('a promise where none is waited for: 1011, nothing is sent, and its rejection does not end the process', async t => {
  const log = logger('error')
  const app = buildApp(t, { logger: log.options })
  const later = (): Promise<never> => Promise.reject(new Error('later'))
  const Number_ = Type.Object({ n: Type.Integer() })
  const views: WsViews = async ws => {
    const reply = { messageSchema: Number_, replySchema: Anything, onMessage: (socket: unknown, message: unknown) => message }
    ws.wsView('/own', { name: 'own', ...reply, preSend: later })
    await ws.register(async inner => {
      inner.addWsHook('preSend', () => later())
      inner.wsView('/hook', { name: 'hook', ...reply })
      inner.wsView('/published', { name: 'published', ...reply, async onOpen (socket) { await socket.subscribe('room'); await this.wsFanout.publish('room', 1) } })
    })
    ws.wsView('/format', { name: 'format', ...reply, formatError: later })
    ws.wsView('/parse', { name: 'parse', ...reply, frames: { parse: () => later(), serialize: String } })
    ws.wsView('/serialize', { name: 'serialize', ...reply, frames: { parse: data => JSON.parse(String(data)) as unknown, serialize: later as never } })
  }
  await app.register(wsViews, { prefix: '/ws', views })
  const port = await listen(app)
  const cases = { own: 'preSend', hook: 'preSend', published: 'preSend', format: 'formatError', parse: 'frames.parse', serialize: 'frames.serialize' }
  for (const [view, option] of Object.entries(cases)) {
    log.lines.entries.length = 0
    const client = await rawClient(port, `/ws/${view}`, { t })
    if (view !== 'published') client.send(view === 'format' ? '{}' : '{"n":1}')
    t.same(await closedBy(client), { code: 1011, reason: 'internal_error' }, view)
    t.equal(client.reader.messages.length, 0)
    const { err } = log.lines.entries.at(-1)!
    t.match(err, { code: 'WSV_ERR_OPTION_INVALID', message: `option '${option}' must be a synchronous function` })
  }
})
