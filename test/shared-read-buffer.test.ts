// Reading past `Readable`, with private fields of Node: what comes, in what order, and what happens where they are missing.
import { once } from 'node:events'
import { duplexPair } from 'node:stream'
import type { AddressInfo, Socket } from 'node:net'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import Fastify from 'fastify'
import t from 'tap'
import { readIntoSharedBuffer, readWhilePaused } from '../lib/shared-read-buffer.ts'
import { wsConnect } from '../lib/testing/index.ts'
import { certificate } from './fixtures/certificate.ts'
import { startViews } from './fixtures/server.ts'
import { tcpPair, tick } from './fixtures/tcp-pair.ts'
import { until } from './fixtures/waiting.ts'
import wsViews from '../lib/index.ts'

/** Takes what comes, and how it came. */
function listenTo (tcp: Socket) {
  const read = { text: '', shared: 0, chunks: 0, buffers: new Set<Buffer>() }
  tcp.on('data', (chunk) => {
    read.text += String(chunk)
    read.chunks++
  })
  readIntoSharedBuffer(tcp, {
    readShared (buffer, bytes) {
      read.buffers.add(buffer)
      read.text += buffer.toString('latin1', 0, bytes)
      read.shared++
      return true
    }
  })
  return read
}

t.test('two sockets read into one buffer, and nothing else of Node is needed', async (t) => {
  const [one, other] = [await tcpPair(t), await tcpPair(t)]
  const reads = [listenTo(one.server), listenTo(other.server)]
  for (let i = 0; i < 20; i++) {
    one.client.write(`a${i} `)
    other.client.write(`b${i} `)
    await tick()
  }
  await until(() => reads[0]!.text.endsWith('a19 ') && reads[1]!.text.endsWith('b19 '))
  t.equal(reads[0]!.text, Array.from({ length: 20 }, (_, i) => `a${i} `).join(''))
  t.equal(reads[1]!.text, Array.from({ length: 20 }, (_, i) => `b${i} `).join(''))
  t.strictSame(reads.map(({ chunks }) => chunks), [0, 0], "no 'data'")
  t.equal(new Set([...reads[0]!.buffers, ...reads[1]!.buffers]).size, 1)
  t.equal(one.server.bytesRead, reads[0]!.text.length, 'Node counts')
})

t.test('the end of TCP is told, and an error', async (t) => {
  const { server, client } = await tcpPair(t)
  const read = listenTo(server)
  const ended = once(server, 'end')
  client.end('last words')
  await ended
  t.equal(read.text, 'last words')
  const other = await tcpPair(t)
  listenTo(other.server)
  const failed = once(other.server, 'error') as Promise<[Error & { code: string }]>
  other.client.resetAndDestroy()
  t.equal((await failed)[0].code, 'ECONNRESET')
})

t.test('paused, nothing is read; asked to read on, it is told that the client leaves, until much waits', async (t) => {
  const { server, client } = await tcpPair(t)
  const read = { text: '', pushed: 0 }
  server.on('data', (chunk) => { read.text += String(chunk) })
  readIntoSharedBuffer(server, {
    readShared (buffer, bytes) {
      if (!server.isPaused() && server.readableLength === 0) {
        read.text += buffer.toString('latin1', 0, bytes)
        return true
      }
      read.pushed++
      return server.push(Buffer.from(buffer.subarray(0, bytes)))
    }
  })
  client.write('first ')
  await until(() => read.text === 'first ')
  server.pause()
  client.write('second ')
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.equal(server.bytesRead, 6, 'paused')
  readWhilePaused(server)
  await until(() => server.bytesRead === 13)
  t.equal(read.text, 'first ', 'read, and kept')
  client.write('x'.repeat(1024 * 1024))
  await until(() => server.readableLength >= server.readableHighWaterMark)
  await new Promise((resolve) => setTimeout(resolve, 50))
  const { bytesRead } = server
  t.ok(bytesRead < 512 * 1024, `${bytesRead} bytes, and no more`)
  for (let i = 0; i < 10; i++) {
    server.pause()
    readWhilePaused(server)
    await tick()
  }
  t.equal(server.bytesRead, bytesRead, 'however often it is paused')
  server.resume()
  client.write(' third')
  await until(() => read.text.endsWith(' third'))
  t.equal(read.text, 'first second ' + 'x'.repeat(1024 * 1024) + ' third', 'in order')

  const reset = new Promise((resolve) => { server.once('close', resolve) })
  server.pause()
  readWhilePaused(server)
  client.resetAndDestroy()
  await reset
  readWhilePaused(server)
  t.equal(server.listenerCount('connect'), 0, 'nothing is left on a socket that is gone')
})

t.test('other streams, and a Node that keeps things elsewhere, go on as they do', async (t) => {
  const [stream] = duplexPair()
  const { server } = await tcpPair(t)
  class Mine extends (server.constructor as new () => Socket) {}
  const never = { readShared () { throw new Error('it was told') } }
  for (const tcp of [stream as Socket, new Mine()]) {
    const before = Object.getOwnPropertySymbols(tcp).map((symbol) => (tcp as unknown as Record<symbol, unknown>)[symbol])
    readIntoSharedBuffer(tcp, never)
    readWhilePaused(tcp)
    t.strictSame(Object.getOwnPropertySymbols(tcp).map((symbol) => (tcp as unknown as Record<symbol, unknown>)[symbol]), before)
    tcp.destroy()
  }

  const { server: other, client } = await tcpPair(t)
  ;(other as unknown as { _handle: object })._handle = new Proxy((other as unknown as { _handle: object })._handle, {
    get: (handle, name) => name === 'useUserBuffer' ? undefined : Reflect.get(handle, name, handle) as unknown
  })
  const read = listenTo(other)
  client.write('as ever')
  await until(() => read.text === 'as ever')
  t.equal(read.shared, 0)
})

t.test('TLS emits chunks as ever', async (t) => {
  const server = createTlsServer(certificate).listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const connected = once(server, 'secureConnection') as Promise<[Socket]>
  const client = connectTls({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', ca: certificate.cert, servername: 'localhost' })
  const [tcp] = await connected
  t.teardown(() => { client.destroy(); tcp.destroy() })
  const read = listenTo(tcp)
  client.write('as ever')
  await until(() => read.text === 'as ever')
  t.equal(read.shared, 0)
})

const echo = { name: 'echo', frames: 'text', onMessage: (_: unknown, text: string) => text } as const

t.test('a view reads its first message from a chunk, and the others from the shared buffer', async (t) => {
  const { app } = await startViews(t, async (ws) => { ws.wsView('/echo', echo) })
  const client = await wsConnect(app, '/ws/echo', { listen: true })
  const tcp = [...app.wsSockets][0]!.request.raw.socket
  let chunks = 0
  const emit = tcp.emit.bind(tcp) as (...args: unknown[]) => boolean
  tcp.emit = (...args: unknown[]) => {
    if (args[0] === 'data') chunks++
    return emit(...args)
  }
  for (let i = 0; i < 10; i++) {
    client.send(`${i}`)
    t.equal(await client.next(), `${i}`)
  }
  t.equal(chunks, 1)

  const heard: string[] = []
  const listener = (chunk: Buffer): void => { heard.push(chunk.toString('latin1')) }
  tcp.on('data', listener)
  client.send('for two')
  t.equal(await client.next(), 'for two')
  t.equal(heard.length, 1, 'whoever listens to the TCP socket is told')
  t.equal(heard[0]!.length, 2 + 4 + 7)
  tcp.off('data', listener)
  client.send('for one')
  t.equal(await client.next(), 'for one')
  t.equal(chunks, 2)
  await client.close()
})

t.test('over TLS a view does the same', async (t) => {
  const app = Fastify({ https: certificate })
  t.teardown(() => app.close())
  await app.register(wsViews, { views: async (ws) => { ws.wsView('/echo', echo) } })
  const client = await wsConnect(app, '/echo', { listen: true })
  for (let i = 0; i < 10; i++) {
    client.send(`${i}`)
    t.equal(await client.next(), `${i}`)
  }
  await client.close()
})
