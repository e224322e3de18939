import type { Socket as TcpSocket } from 'node:net'
import t, { type Test } from 'tap'
import { Type } from '@sinclair/typebox'
import { defineChannel } from '../lib/index.ts'
import { rawClient } from './fixtures/rfc6455.ts'
import { startViews } from './fixtures/server.ts'

// What is done for each message, counted: a regression is caught without a clock. How it is read is counted in
// test/shared-read-buffer.test.ts, what publishing to Redis takes in test/fan-out-redis.test.ts.

const Said = Type.Object({ text: Type.String({ minLength: 1 }) })
const news = defineChannel('news', Said)

function start (t: Test) {
  return startViews(t, async (ws) => {
    ws.wsView('/echo', { name: 'echo', messageSchema: Said, replySchema: Said, onMessage: (_socket, message) => message })
    ws.wsView('/news', {
      name: 'news',
      messageSchema: Said,
      async onOpen (socket) {
        await socket.subscribe(news)
        socket.send({ text: 'ready' })
      },
      onMessage (_socket, message) { return this.wsFanout.publish(news, message) }
    })
  })
}

/** The texts that are parsed and made of JSON until the test has ended. */
function watchJson (t: Test): { parsed: string[], made: string[] } {
  const { parse, stringify } = JSON
  const seen = { parsed: [] as string[], made: [] as string[] }
  t.teardown(() => { Object.assign(JSON, { parse, stringify }) })
  JSON.parse = (text: string, ...rest) => {
    seen.parsed.push(text)
    return parse(text, ...rest) as unknown
  }
  JSON.stringify = (...args: unknown[]) => {
    const text = Reflect.apply(stringify, JSON, args) as string
    seen.made.push(text)
    return text
  }
  return seen
}

/** Writes to the kernel. One that goes through the stream is in its `writableLength` already when it is made. */
function watchWrites (tcp: TcpSocket): { queued: number, direct: number } {
  const writes = { queued: 0, direct: 0 }
  const { _write, _writev } = tcp
  tcp._write = (...args) => {
    if (tcp.writableLength > 0) writes.queued++
    else writes.direct++
    _write.apply(tcp, args)
  }
  tcp._writev = (...args) => {
    writes.queued++
    _writev!.apply(tcp, args)
  }
  return writes
}

t.test('a message is parsed once, whatever becomes of it, and no reply is', async (t) => {
  const { port } = await start(t)
  const client = await rawClient(port, '/ws/echo', { t })
  const { parsed } = watchJson(t)
  const sent = ['{"text":" hello "}', '{"text":"hello","ref":1}', '{"text":""}', '{"text":"","ref":2}', '{', '{"text":"\\u0041"}']
  for (const text of sent) {
    client.send(text)
    await client.next()
  }
  t.strictSame(parsed, sent)
})

t.test('what is published is parsed once, where it comes in, and made into text once, whoever gets it', async (t) => {
  const { port } = await start(t)
  const clients = await Promise.all(Array.from({ length: 20 }, () => rawClient(port, '/ws/news', { t })))
  for (const client of clients) await client.next()
  const { parsed, made } = watchJson(t)
  clients[0]!.send('{"text":" hello "}')
  const got = await Promise.all(clients.map((client) => client.next()))
  t.strictSame(new Set(got.map(({ data }) => data)), new Set(['{"text":"hello"}']))
  t.strictSame(parsed, ['{"text":" hello "}'])
  t.strictSame(made, ['{"text":"hello"}'])
})

t.test('a reply, and what is published, is one write past the queue of the stream', async (t) => {
  const { app, port } = await start(t)
  for (const view of ['echo', 'news']) {
    const client = await rawClient(port, `/ws/${view}`, { t })
    if (view === 'news') await client.next()
    const writes = watchWrites([...app.wsSockets].find(({ request }) => request.url === `/ws/${view}`)!.request.raw.socket)
    for (let n = 0; n < 20; n++) {
      client.send(`{"text":"${n}"}`)
      await client.next()
    }
    t.strictSame(writes, { queued: 0, direct: 20 }, view)
  }
})

t.test('what comes together is answered together, still past the queue', async (t) => {
  const { app, port } = await start(t)
  const client = await rawClient(port, '/ws/echo', { t })
  const writes = watchWrites([...app.wsSockets][0]!.request.raw.socket)
  client.tcp.cork()
  for (let n = 0; n < 20; n++) client.send(`{"text":"${n}"}`)
  client.tcp.uncork()
  for (let n = 0; n < 20; n++) await client.next()
  t.strictSame(writes, { queued: 0, direct: 1 })
})
