import t from 'tap'
import type { Socket as TcpSocket } from 'node:net'
import { Type } from '@sinclair/typebox'
import { defineChannel } from '../lib/index.ts'
import type { WsSocket, WsViews, WsViewsOptions } from '../lib/index.ts'
import type { Socket } from '../lib/socket.ts'
import { rawClient, type RawClient } from './fixtures/rfc6455.ts'
import { startViews } from './fixtures/server.ts'
import { deferred, Journal, leave } from './fixtures/waiting.ts'

const Anything = Type.Unknown()
type AnySocket = WsSocket<any, any, any>
const json = (client: RawClient): unknown[] => client.reader.messages.map(({ data }) => JSON.parse(String(data)) as unknown)
const nextJson = async (client: RawClient): Promise<any> => JSON.parse(String((await client.next()).data))

/** A view that does what it is told: `['subscribe', 'news']`. */
const obedient: WsViews = async ws => {
  ws.wsView('/v', {
    name: 'v',
    messageSchema: Anything,
    replySchema: Anything,
    maxSubscriptions: 3,
    async onMessage (socket, message) {
      const [verb, channel, value] = message as [string, string, unknown]
      if (verb === 'subscribe') await socket.subscribe(channel)
      if (verb === 'unsubscribe') await socket.unsubscribe(channel)
      if (verb === 'publish') await this.wsFanout.publish(channel, value)
      if (verb === 'others') await this.wsFanout.publish(channel, value, { except: socket })
      return { done: message }
    }
  })
}

async function tell (client: RawClient, ...message: unknown[]): Promise<void> {
  client.send(JSON.stringify(message))
  for (;;) {
    const reply = await nextJson(client) as { done?: unknown }
    if (reply.done !== undefined) return
  }
}

async function start (t: Parameters<typeof startViews>[0], views: WsViews = obedient, options: WsViewsOptions = {}) {
  const { app, port } = await startViews(t, views, options)
  const connections: TcpSocket[] = []
  app.server.on('connection', tcp => { connections.push(tcp) })
  return { app, connections, connect: (deflate?: string) => rawClient(port, '/ws/v', { t, ...(deflate === undefined ? {} : { deflate }) }) }
}

/** without the replies of the obedient view */
const published = (client: RawClient): unknown[] => json(client).filter(message => (message as { done?: unknown } | null)?.done === undefined)

t.test('subscribe: what is published from then on comes; unsubscribe: nothing more', async t => {
  const { app, connect } = await start(t)
  const [a, b] = [await connect(), await connect()]
  await app.wsFanout.publish('news', 'before')
  await tell(a, 'subscribe', 'news')
  await app.wsFanout.publish('news', 1)
  await tell(b, 'subscribe', 'news')
  await tell(b, 'publish', 'news', { two: 2 })
  await tell(a, 'unsubscribe', 'news')
  await app.wsFanout.publish('news', 3)
  await app.wsFanout.publish('other', 4)
  await tell(a, 'nothing')
  await tell(b, 'nothing')
  t.same(published(a), [1, { two: 2 }])
  t.same(published(b), [{ two: 2 }, 3])
  await leave(a)
  await leave(b)
})

t.test('subscribing twice is subscribing once; unsubscribing where one is not is fine', async t => {
  const { app, connect } = await start(t)
  const client = await connect()
  await tell(client, 'unsubscribe', 'news')
  await tell(client, 'subscribe', 'news')
  await tell(client, 'subscribe', 'news')
  await app.wsFanout.publish('news', 1)
  await tell(client, 'unsubscribe', 'news')
  await app.wsFanout.publish('news', 2)
  await tell(client, 'unsubscribe', 'news')
  t.same(published(client), [1])
  await leave(client)
})

t.test('except: everybody but this socket', async t => {
  const { connect } = await start(t)
  const clients = [await connect(), await connect(), await connect()]
  for (const client of clients) await tell(client, 'subscribe', 'news')
  await tell(clients[0]!, 'others', 'news', 'from 0')
  await tell(clients[1]!, 'others', 'news', 'from 1')
  await tell(clients[0]!, 'publish', 'news', 'to all')
  for (const client of clients) await tell(client, 'nothing')
  t.same(clients.map(published), [['from 1', 'to all'], ['from 0', 'to all'], ['from 0', 'from 1', 'to all']])
  for (const client of clients) await leave(client)
})

t.test('the messages of one tick leave in one write per socket, in order', async t => {
  for (const perMessageDeflate of [false, { threshold: 0 }]) {
    const { connections, connect, app } = await start(t, async ws => {
      ws.wsView('/v', { name: 'v', async onOpen (socket) { await socket.subscribe('news'); await socket.subscribe('sport'); socket.send('ready') } })
    }, { websocket: { perMessageDeflate } })
    const clients: RawClient[] = []
    for (let i = 0; i < 5; i++) {
      clients.push(await connect(perMessageDeflate === false ? undefined : i % 2 === 0 ? '' : 'server_max_window_bits=9'))
      await clients[i]!.next()
    }
    const writes = connections.map(countWrites)
    const sockets = [...app.wsSockets]
    const all: Promise<void>[] = []
    for (let n = 0; n < 50; n++) all.push(app.wsFanout.publish(n % 2 === 0 ? 'news' : 'sport', { n, text: 'again and '.repeat(20) }))
    await Promise.all(all)
    for (const [i, client] of clients.entries()) {
      for (let n = 0; n < 50; n++) await client.next()
      t.same((json(client).slice(1) as { n: number }[]).map(({ n }) => n), Array.from({ length: 50 }, (_, n) => n))
      t.equal(client.reader.messages.at(-1)!.isCompressed, perMessageDeflate !== false)
      t.equal(writes[i]!.count, 1, 'one write for 50 messages')
    }
    // what the view sends itself keeps its order too
    for (let n = 0; n < 10; n++) {
      for (const socket of sockets as AnySocket[]) socket.send({ sent: n })
      await app.wsFanout.publish('news', { published: n })
    }
    for (const client of clients) {
      const got: { sent?: number, published?: number }[] = []
      for (let n = 0; n < 20; n++) got.push(await nextJson(client))
      for (const kind of ['sent', 'published'] as const) {
        t.same(got.filter(message => kind in message).map(message => message[kind]), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], kind)
      }
      await leave(client)
    }
  }
})

/** Counts what goes to the kernel: a corked pair of writes is one. */
function countWrites (tcp: TcpSocket): { count: number } {
  const counter = { count: 0 }
  const internals = tcp as unknown as Record<'_write' | '_writev', (...args: unknown[]) => void>
  for (const name of ['_write', '_writev'] as const) {
    const original = internals[name]
    internals[name] = function (...args) {
      counter.count++
      original.apply(this, args)
    }
  }
  return counter
}

t.test('a message to many sockets is framed once', async t => {
  const { app, connect } = await start(t, async ws => {
    ws.wsView('/v', { name: 'v', async onOpen (socket) { await socket.subscribe('news'); socket.send('ready') } })
  })
  const clients = await Promise.all([1, 2, 3].map(() => connect()))
  for (const client of clients) await client.next()
  const payloads = new Set<unknown>()
  for (const socket of app.wsSockets) {
    const ours = socket as unknown as Socket
    const { deliver } = ours
    ours.deliver = function (payload) {
      payloads.add(payload.frame)
      deliver.call(this, payload)
    }
  }
  await app.wsFanout.publish('news', { text: 'hi' })
  for (const client of clients) t.same(await nextJson(client), { text: 'hi' })
  t.equal(payloads.size, 1)
  for (const client of clients) await leave(client)
})

t.test('maxSubscriptions: one more is a coded error, and leaves the others as they are', async t => {
  const codes = new Journal<unknown>()
  const { app, connect } = await start(t, async ws => {
    ws.wsView('/v', {
      name: 'v',
      maxSubscriptions: 2,
      async onOpen (socket) {
        const attempt = async (channel: string) => { codes.add(await socket.subscribe(channel).then(() => 'subscribed', (error: { code: string }) => error.code)) }
        await attempt('a')
        await attempt('b')
        await attempt('c')
        await attempt('a') // no new one
        await socket.unsubscribe('b')
        await attempt('c')
        await attempt('wsv:control:1')
        await attempt('d')
        await Promise.all([attempt('e'), attempt('f'), socket.unsubscribe('a'), attempt('g')])
        socket.send('done')
      }
    })
    ws.wsView('/none', { name: 'none', maxSubscriptions: 0, async onOpen (socket) { await socket.subscribe('a') } })
  })
  const client = await connect()
  await client.next()
  t.same(codes.entries, [
    'subscribed', 'subscribed', 'WSV_ERR_TOO_MANY_SUBSCRIPTIONS', 'subscribed', 'subscribed',
    'WSV_ERR_TOO_MANY_SUBSCRIPTIONS', 'WSV_ERR_TOO_MANY_SUBSCRIPTIONS', 'WSV_ERR_TOO_MANY_SUBSCRIPTIONS', 'WSV_ERR_TOO_MANY_SUBSCRIPTIONS', 'subscribed'
  ])
  for (const channel of ['a', 'b', 'c', 'd', 'e', 'f', 'g']) await app.wsFanout.publish(channel, channel)
  t.equal(await nextJson(client), 'c')
  t.equal(await nextJson(client), 'g')
  await leave(client)
})

t.test('a subscription that is refused takes no place, and does not end the one that stands', async t => {
  const first = defineChannel('news', Type.Object({ n: Type.Integer() }))
  const second = defineChannel('news', Type.Object({ text: Type.String() }))
  const codes = new Journal<unknown>()
  const { app, connect } = await start(t, async ws => {
    ws.wsView('/v', {
      name: 'v',
      maxSubscriptions: 1,
      async onOpen (socket) {
        const attempt = async (channel: Parameters<AnySocket['subscribe']>[0]) => { codes.add(await socket.subscribe(channel).then(() => 'subscribed', (error: { code: string }) => error.code)) }
        await attempt('')
        await attempt('wsv:mine')
        await attempt({} as never)
        await attempt(undefined as never)
        await attempt(first as never)
        await attempt(second as never)
        await attempt('other')
        socket.send('done')
      }
    })
  })
  const client = await connect()
  await client.next()
  t.same(codes.entries, [
    'WSV_ERR_CHANNEL_INVALID', 'WSV_ERR_CHANNEL_INVALID', 'WSV_ERR_CHANNEL_INVALID', 'WSV_ERR_CHANNEL_INVALID', 'subscribed', 'WSV_ERR_CHANNEL_INVALID',
    'WSV_ERR_TOO_MANY_SUBSCRIPTIONS'
  ])
  await app.wsFanout.publish(first, { n: 1 })
  t.same(await nextJson(client), { n: 1 })
  await leave(client)
})

t.test('on a socket that has ended subscribe is a no-op', async t => {
  const opened = deferred<AnySocket>()
  const { app, connect } = await start(t, async ws => {
    ws.wsView('/v', { name: 'v', onOpen (socket) { opened.resolve(socket) } })
  })
  const client = await connect()
  const socket = await opened.promise
  await leave(client)
  await socket.closed
  await socket.subscribe('news')
  await socket.unsubscribe('news')
  let delivered = 0
  ;(socket as unknown as Socket).deliver = () => { delivered++ }
  await app.wsFanout.publish('news', 1)
  t.equal(delivered, 0)
})

t.test('a socket that ends while it subscribes is subscribed to nothing', async t => {
  const { app, connect } = await start(t, async ws => {
    ws.wsView('/v', {
      name: 'v',
      async onOpen (socket) {
        const subscribing = socket.subscribe('news')
        socket.terminate()
        await subscribing
        await socket.subscribe('other')
        ;(socket as unknown as Socket).deliver = () => { t.fail('delivered') }
      },
      onClose () { closed.resolve() }
    })
  })
  const closed = deferred()
  await connect().catch(() => {})
  await closed.promise
  await app.wsFanout.publish('news', 1)
  await app.wsFanout.publish('other', 1)
})

t.test('joining and leaving in the middle of a delivery', async t => {
  const opened = new Journal<AnySocket>()
  const { app, connect } = await start(t, async ws => {
    ws.wsView('/v', {
      name: 'v',
      preSend (socket, message) {
        const sockets = opened.entries
        if (message === 'leave') sockets[1]!.unsubscribe('news').catch(t.error)
        if (message === 'close') sockets[1]!.close(4000)
        if (message === 'join') sockets[2]!.subscribe('news').catch(t.error)
        return message
      },
      async onOpen (socket) {
        if (opened.entries.length < 2) await socket.subscribe('news')
        opened.add(socket)
        socket.send('ready')
      }
    })
  })
  const clients = [await connect(), await connect(), await connect()]
  for (const client of clients) t.equal(await nextJson(client), 'ready')
  await app.wsFanout.publish('news', 'join')
  await app.wsFanout.publish('news', 'leave')
  await app.wsFanout.publish('news', 'last')
  while (await nextJson(clients[0]!) !== 'last');
  await app.wsFanout.publish('news', 'later')
  t.equal(await nextJson(clients[2]!), 'later')
  t.same(json(clients[0]!), ['ready', 'join', 'leave', 'last', 'later'])
  t.same(json(clients[1]!), ['ready', 'join'], 'who has left in the middle does not get it')
  t.same(json(clients[2]!), ['ready', 'later'], 'nor who has come in the middle')
  for (const client of clients) await leave(client)
})

t.test('a binary channel comes in binary frames, whatever the view speaks', async t => {
  const bytes = defineChannel('bytes', {}, { binary: true })
  for (const frames of ['json', 'text', 'binary', 'raw'] as const) {
    const { app, connect } = await start(t, async ws => {
      ws.wsView('/v', { name: 'v', frames, async onOpen (socket) { await socket.subscribe(bytes); socket.send((frames === 'binary' ? Buffer.from('ready') : 'ready') as never) } })
    })
    const client = await connect()
    await client.next()
    const memory = Buffer.from([0x01, 0x61, 0x0a, 0xff])
    const done = app.wsFanout.publish(bytes, memory)
    memory.fill(0)
    await done
    await app.wsFanout.publish(bytes, new Uint8Array(0))
    t.match(await client.next(), { data: Buffer.from([0x01, 0x61, 0x0a, 0xff]), isBinary: true }, frames)
    t.match(await client.next(), { data: Buffer.alloc(0), isBinary: true })
    await leave(client)
  }
})

t.test('a JSON channel comes as its JSON text; through a codec it is the codec\'s, made once', async t => {
  let serialized = 0
  const { app, connect } = await start(t, async ws => {
    ws.wsView('/v', {
      name: 'v',
      frames: {
        parse: String,
        serialize (message: unknown) {
          serialized++
          return Buffer.from(`<${JSON.stringify(message)}>`)
        }
      },
      async onOpen (socket) { await socket.subscribe('news'); socket.send('ready') }
    })
    ws.wsView('/text', { name: 'text', frames: 'text', async onOpen (socket) { await socket.subscribe('news'); socket.send('ready') } })
  })
  const codec = [await connect(), await connect()]
  const text = await rawClient(codec[0]!.tcp.remotePort!, '/ws/text', { t })
  for (const client of [...codec, text]) await client.next()
  serialized = 0
  await app.wsFanout.publish('news', { a: ['é'] })
  for (const client of codec) t.match(await client.next(), { data: Buffer.from('<{"a":["é"]}>'), isBinary: true })
  t.equal(serialized, 1)
  t.match(await text.next(), { data: '{"a":["é"]}', isBinary: false })
  for (const client of [...codec, text]) await leave(client)
})

t.test('the schema of a channel is checked where it is published', async t => {
  const news = defineChannel('news', Type.Object({ n: Type.Integer() }))
  const { app, connect } = await start(t, async ws => {
    ws.wsView('/v', { name: 'v', async onOpen (socket) { await socket.subscribe(news as never); socket.send('ready') } })
  })
  const client = await connect()
  await client.next()
  await t.rejects(app.wsFanout.publish(news, { n: 'x' } as never), { code: 'WSV_ERR_CHANNEL_MESSAGE_INVALID' })
  await app.wsFanout.publish(news, { n: 1 })
  t.same(await nextJson(client), { n: 1 })
  await leave(client)
})

t.test('text and raw views take any text of other programs, JSON views only JSON', async t => {
  const opened = new Journal<AnySocket>()
  const { connect, app } = await start(t, async ws => {
    ws.wsView('/v', { name: 'v', onOpen (socket) { opened.add(socket) } })
    for (const frames of ['text', 'raw', 'binary'] as const) ws.wsView(`/${frames}`, { name: frames, frames, onOpen (socket) { opened.add(socket) } })
    ws.wsView('/codec', { name: 'codec', frames: { parse: String, serialize: String }, onOpen (socket) { opened.add(socket) } })
  })
  const first = await connect()
  const clients = [first]
  for (const frames of ['text', 'raw', 'binary', 'codec']) clients.push(await rawClient(first.tcp.remotePort!, `/ws/${frames}`, { t }))
  await opened.until(5)
  t.same(opened.entries.map(socket => (socket as unknown as Socket).anyText), [false, true, true, true, false])
  t.not(app, undefined)
  for (const client of clients) await leave(client)
})
