import t from 'tap'
import { Type } from '@sinclair/typebox'
import type { WsSocket, WsViews, WsViewsOptions } from '../lib/index.ts'
import { clientFrame, rawClient, type RawClient } from './fixtures/rfc6455.ts'
import { startViews } from './fixtures/server.ts'
import { closedBy, Journal, leave } from './fixtures/waiting.ts'

const Anything = Type.Unknown()
const json = (data: string | Buffer) => JSON.parse(String(data)) as unknown
const notUtf8 = Buffer.from([0x68, 0xc3, 0x28])
const invalidOnAll = { type: 'error', errors: { __all__: [{ code: 'invalid' }] } }

/** numbers as text, separated by commas */
const commas = {
  parse (data: string | Buffer): number[] {
    const numbers = String(data).split(',').map(Number)
    if (numbers.some(Number.isNaN)) throw new Error('secret of the codec')
    return numbers
  },
  serialize: (message: unknown): string => Array.isArray(message) ? message.join(',') : JSON.stringify(message)
}

/** an array of bytes */
class Bytes {
  readonly binary = true
  readonly #shift = 1
  parse (data: string | Buffer): unknown { return { bytes: [...Buffer.from(data)], isText: typeof data === 'string' } }
  // not a Buffer, and `this` is needed
  serialize (message: unknown): Uint8Array {
    const { bytes } = message as { bytes?: number[] }
    return bytes === undefined ? new TextEncoder().encode(JSON.stringify(message)) : new Uint8Array(bytes.map(byte => byte + this.#shift))
  }
}

const views: WsViews = async ws => {
  ws.wsView('/json', { name: 'json', messageSchema: Anything, replySchema: Anything, onMessage: (socket, message) => message })
  ws.wsView('/text', { name: 'text', frames: 'text', onMessage: (socket, message) => `${typeof message}: ${message}` })
  ws.wsView('/binary', { name: 'binary', frames: 'binary', onMessage: (socket, message) => Buffer.concat([message, Buffer.from('!')]) })
  ws.wsView('/raw', { name: 'raw', frames: 'raw', onMessage: (socket, message) => message })
  ws.wsView('/commas', { name: 'commas', frames: commas, replySchema: Anything, onMessage: (socket, numbers) => numbers.map(n => n * 2) })
  ws.wsView('/bytes', { name: 'bytes', frames: new Bytes(), replySchema: Anything, onMessage: (socket, message) => message })
  ws.wsView('/own', { name: 'own', frames: 'raw' }, async socket => {
    for await (const message of socket) socket.send(message)
  })
}

const start = async (t: Parameters<typeof startViews>[0], options: WsViewsOptions = {}) => {
  // a closing handshake that does not end would be waited for
  const { port } = await startViews(t, views, { closeTimeoutMs: 600_000, ...options })
  return (path: string, deflate?: string) => rawClient(port, path, { t, ...(deflate === undefined ? {} : { deflate }) })
}

/** @returns the replies, as text or bytes */
async function talk (client: RawClient, ...messages: (string | Buffer)[]): Promise<(string | Buffer)[]> {
  const got: (string | Buffer)[] = []
  for (const message of messages) {
    client.send(message)
    got.push((await client.next()).data)
  }
  return got
}

t.test('json: text frames with JSON', async t => {
  const connect = await start(t)
  const client = await connect('/ws/json')
  t.same(await talk(client, '{"a":[1,"é"]}', '0', 'null', '"text"', ' [1, 2] '), ['{"a":[1,"é"]}', '0', 'null', '"text"', '[1,2]'])
  await leave(client)
})

t.test('text: a string as it is', async t => {
  const connect = await start(t)
  const client = await connect('/ws/text')
  t.same(await talk(client, 'héllo', '', '{"a":1}', '\u0000'), ['string: héllo', 'string: ', 'string: {"a":1}', 'string: \u0000'])
  await leave(client)
})

t.test('binary: bytes as they are', async t => {
  const connect = await start(t)
  const client = await connect('/ws/binary')
  t.same(await talk(client, Buffer.from([0, 255]), Buffer.alloc(0)), [Buffer.from([0, 255, 0x21]), Buffer.from('!')])
  await leave(client)
})

t.test('raw: a string for a text frame, a Buffer for a binary one, both ways', async t => {
  const connect = await start(t)
  for (const path of ['/ws/raw', '/ws/own']) {
    const client = await connect(path)
    t.same(await talk(client, 'text', Buffer.from([1]), '', Buffer.alloc(0)), ['text', Buffer.from([1]), '', Buffer.alloc(0)])
    await leave(client)
  }
})

t.test('a codec', async t => {
  const connect = await start(t)
  const text = await connect('/ws/commas')
  t.same(await talk(text, '1,2', Buffer.from('3')), ['2,4', '6'], 'reads text frames and binary ones')
  t.match(json((await talk(text, 'x'))[0]!), invalidOnAll, 'a parse that throws is `invalid` on __all__')
  t.notMatch((await talk(text, 'y'))[0], /secret/)
  t.same(await talk(text, '4'), ['8'], 'the socket goes on')
  await leave(text)
  const bytes = await connect('/ws/bytes')
  t.same(await talk(bytes, Buffer.from([1, 2]), 'a'), [Buffer.from([2, 3]), Buffer.from([98])], 'a Uint8Array is sent in a binary frame')
  await leave(bytes)
})

t.test('the kind of frame that a codec sends', async t => {
  const cases = [
    { binary: undefined, data: 'text', sent: 'text' },
    { binary: undefined, data: Buffer.from('bytes'), sent: Buffer.from('bytes') },
    { binary: false, data: Buffer.from('bytes'), sent: 'bytes' },
    { binary: true, data: 'text', sent: Buffer.from('text') },
    { binary: true, data: new Uint8Array([1, 2]).subarray(1), sent: Buffer.from([2]) }
  ]
  const { port } = await startViews(t, async ws => {
    for (const [i, { binary, data }] of cases.entries()) {
      ws.wsView(`/${i}`, {
        name: String(i),
        frames: { parse: String, serialize: (): string | Buffer => data as Buffer, ...(binary === undefined ? {} : { binary }) },
        onOpen (socket) { socket.send('anything' as never) }
      })
    }
  })
  for (const [i, { sent }] of cases.entries()) {
    const client = await rawClient(port, `/ws/${i}`, { t })
    t.same((await client.next()).data, sent)
    await leave(client)
  }
})

t.test('the wrong kind of frame: 1003, and nothing after it is handled', async t => {
  const connect = await start(t)
  const wrong: [string, string | Buffer, string | Buffer][] = [
    ['/ws/json', Buffer.from('{}'), '{}'], ['/ws/text', Buffer.from('a'), 'a'], ['/ws/binary', 'a', Buffer.from('a')]
  ]
  for (const [path, bad, good] of wrong) {
    const client = await connect(path)
    client.send(good)
    client.send(bad)
    client.send(good)
    t.same(await closedBy(client), { code: 1003, reason: 'wrong_kind_of_frame' }, path)
    t.equal(client.reader.messages.length, 1, 'only what came before')
  }
})

t.test('text that is not UTF-8: 1007, also where a character is cut in two by the end', async t => {
  const connect = await start(t)
  for (const path of ['/ws/json', '/ws/text', '/ws/raw', '/ws/commas', '/ws/own']) {
    for (const payload of [notUtf8, Buffer.from('é').subarray(0, 1)]) {
      const client = await connect(path)
      client.sendFrame({ opcode: 1, payload })
      t.match(await closedBy(client), { code: 1007 }, path)
      t.equal(client.reader.messages.length, 0)
    }
  }
  const client = await connect('/ws/binary')
  t.same(await talk(client, notUtf8), [Buffer.concat([notUtf8, Buffer.from('!')])], 'bytes may be anything')
  await leave(client)
})

t.test('fragmented messages are one message, whatever stands between', async t => {
  const connect = await start(t)
  const client = await connect('/ws/text')
  const bytes = Buffer.from('héllo')
  client.sendFrame({ opcode: 1, fin: false, payload: bytes.subarray(0, 2) })
  client.ping('between')
  t.equal(String(await client.nextPong()), 'between')
  client.sendFrame({ opcode: 0, fin: false })
  client.sendFrame({ opcode: 0, fin: false, payload: bytes.subarray(2, 4) })
  client.sendFrame({ opcode: 0, payload: bytes.subarray(4) })
  t.equal((await client.next()).data, 'string: héllo')
  await leave(client)
})

t.test('maxPayload is the view\'s own: exactly so much passes, one byte more is 1009', async t => {
  const { port } = await startViews(t, async ws => {
    for (const maxPayload of [10, 1000]) {
      ws.wsView(`/${maxPayload}`, { name: String(maxPayload), frames: 'text', maxPayload, onMessage: (socket, message) => String(message.length) })
    }
    ws.wsView('/default', { name: 'default', frames: 'text', onMessage: (socket, message) => String(message.length) })
  })
  for (const [path, size] of [['10', 10], ['1000', 1000], ['default', 65536]] as const) {
    const one = await rawClient(port, `/ws/${path}`, { t })
    t.same(await talk(one, 'a'.repeat(size)), [String(size)])
    one.send('a'.repeat(size + 1))
    t.match(await closedBy(one), { code: 1009 }, path)

    const fragmented = await rawClient(port, `/ws/${path}`, { t })
    fragmented.sendFrame({ opcode: 1, fin: false, payload: 'a'.repeat(size - 1) })
    fragmented.sendFrame({ opcode: 0, payload: 'a' })
    t.equal((await fragmented.next()).data, String(size))
    fragmented.sendFrame({ opcode: 1, fin: false, payload: 'a'.repeat(size) })
    fragmented.sendFrame({ opcode: 0, payload: 'a' })
    t.match(await closedBy(fragmented), { code: 1009 }, `${path}, fragmented`)

    const announced = await rawClient(port, `/ws/${path}`, { t })
    // the length is enough, nobody waits for the bytes
    announced.sendRaw(clientFrame({ opcode: 1, length: 1 << 30, lengthForm: 64 }))
    t.match(await closedBy(announced), { code: 1009 }, `${path}, announced`)
  }
})

t.test('with compression the limit is that of the message, not of the bytes sent', async t => {
  const { deflateRawSync, constants } = await import('node:zlib')
  const deflate = (text: string) => deflateRawSync(text, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4)
  const connect = await start(t, { websocket: { perMessageDeflate: true }, maxPayload: 20_000 })
  const client = await connect('/ws/text', '')
  t.match(client.response.headers['sec-websocket-extensions'], /permessage-deflate/)
  client.sendFrame({ opcode: 1, rsv: 0x40, payload: deflate('a'.repeat(20_000)) })
  t.match(await client.next(), { data: `string: ${'a'.repeat(20_000)}`, isCompressed: true })
  client.sendFrame({ opcode: 1, rsv: 0x40, payload: deflate('a'.repeat(20_001)) })
  t.match(await closedBy(client), { code: 1009 })

  const broken = await connect('/ws/text', '')
  broken.send('good')
  broken.sendFrame({ opcode: 1, rsv: 0x40, payload: Buffer.from([0xff, 0xff, 0xff]) })
  t.equal((await broken.next()).data, 'string: good')
  t.match(await closedBy(broken), { code: 1007 })
})

t.test('pings are answered with their payload, in every view, also while a handler runs', async t => {
  let release!: () => void
  const { port } = await startViews(t, async ws => {
    ws.wsView('/slow', { name: 'slow', frames: 'text', onMessage: () => new Promise<void>(resolve => { release = resolve }) })
  })
  const client = await rawClient(port, '/ws/slow', { t })
  client.send('wait')
  client.ping('a'.repeat(125))
  t.equal(String(await client.nextPong()), 'a'.repeat(125))
  client.ping()
  t.equal(String(await client.nextPong()), '')
  client.sendFrame({ opcode: 10, payload: 'nobody asked' })
  client.ping('still there')
  t.equal(String(await client.nextPong()), 'still there')
  release()
  await leave(client)
})

t.test('a messageSchema of a text or binary view is asked about the text or the bytes', async t => {
  const { port } = await startViews(t, async ws => {
    ws.wsView('/text', { name: 'text', frames: 'text', messageSchema: Type.String({ maxLength: 3 }), onMessage: (socket, message) => message })
  })
  const client = await rawClient(port, '/ws/text', { t })
  t.same(await talk(client, 'abc'), ['abc'])
  t.match(json((await talk(client, 'abcd'))[0]!), { type: 'error', errors: { __all__: [{ code: 'max_length', params: { limit_value: 3 } }] } })
  t.same(await talk(client, '  a'), ['  a'], 'nothing is stripped')
  await leave(client)
})

t.test('a messageSchema of a text view is a strict one: texts, transforms, and no pattern that takes exponential time', async t => {
  const { port } = await startViews(t, async ws => {
    ws.wsView('/number', {
      name: 'number',
      frames: 'text',
      messageSchema: Type.Transform(Type.String({ minLength: 2, errorMessages: { min_length: 'Longer!' } })).Decode(Number).Encode(String),
      messages: (code, params, { locale }) => `${code} ${locale}`,
      locale: () => 'de',
      onMessage: (socket, message) => `${typeof message} ${message}`
    })
    ws.wsView('/raw', { name: 'raw', frames: 'raw', messageSchema: Type.String(), messages: code => code, onMessage: (socket, message) => message })
  })
  const number = await rawClient(port, '/ws/number', { t })
  t.same(await talk(number, '42'), ['number 42'])
  t.match(json((await talk(number, '4'))[0]!), { errors: { __all__: [{ message: 'Longer!', code: 'min_length' }] } })
  await leave(number)
  const raw = await rawClient(port, '/ws/raw', { t })
  t.match(json((await talk(raw, Buffer.alloc(60_000)))[0]!), { errors: { __all__: [{ message: 'invalid' }] } })
  t.same(await talk(raw, 'text'), ['text'])
  await leave(raw)
  await t.rejects(startViews(t, async ws => {
    ws.wsView('/slow', { name: 'slow', frames: 'text', messageSchema: Type.String({ pattern: '^(a+)+$' }) }, async () => {})
  }), { code: 'WSV_ERR_PATTERN_UNSAFE', message: /'slow'/ })
})

t.test('what only a codec can give, bytes or a Date, reaches the handler as it is', async t => {
  const seen = new Journal<unknown>()
  const { port } = await startViews(t, async ws => {
    for (const form of ['form', 'strict'] as const) {
      ws.wsView(`/${form}`, {
        name: form,
        form,
        frames: { parse: (data) => ({ bytes: data, at: new Date(0) }), serialize: String },
        messageSchema: Type.Object({ bytes: Type.Unknown(), at: Type.Unknown() }),
        onMessage (socket, message) { seen.add(message) }
      })
    }
  })
  for (const [i, form] of ['form', 'strict'].entries()) {
    const client = await rawClient(port, `/ws/${form}`, { t })
    client.send(Buffer.from('abc'))
    t.strictSame((await seen.until(i + 1))[i], { bytes: Buffer.from('abc'), at: new Date(0) }, form)
    await leave(client)
  }
})

t.test('error replies of text, binary and raw views are text frames with JSON', async t => {
  const { port } = await startViews(t, async ws => {
    for (const frames of ['text', 'binary', 'raw'] as const) ws.wsView(`/${frames}`, { name: frames, frames })
  })
  for (const frames of ['text', 'binary', 'raw']) {
    const client = await rawClient(port, `/ws/${frames}`, { t })
    const [reply] = await talk(client, frames === 'binary' ? Buffer.from('a') : 'a')
    t.type(reply, 'string')
    t.match(json(reply!), { type: 'error', errors: { __all__: [{ code: 'unexpected' }] } })
    await leave(client)
  }
})

t.test('what cannot be sent throws WSV_ERR_NOT_SERIALIZABLE where it is sent, and the socket goes on', async t => {
  const thrown = new Journal<[string, unknown]>()
  const cycle: Record<string, unknown> = {}
  cycle.cycle = cycle
  const aPromise = Symbol('that rejects, which nobody may notice')
  const bad: Record<string, unknown[]> = {
    json: [undefined, () => {}, Symbol('s'), 1n, { deep: [1n] }, cycle, { toJSON () { throw new Error('no') } }, aPromise],
    text: [undefined, null, 1, {}, Buffer.from('a'), new Uint8Array(1), [], 'str'.length],
    binary: [undefined, null, 'a', 1, {}, [1], new ArrayBuffer(1), new DataView(new ArrayBuffer(1))],
    raw: [undefined, null, 1, {}, []],
    codec: [1n, cycle, aPromise]
  }
  const { port } = await startViews(t, async ws => {
    for (const [kind, values] of Object.entries(bad)) {
      ws.wsView(`/${kind}`, {
        name: kind,
        frames: kind === 'codec' ? { parse: JSON.parse, serialize: (message: unknown) => JSON.stringify(message) } : kind as 'json',
        onOpen (socket) {
          for (const value of values) {
            try {
              socket.send(value === aPromise ? Promise.reject(new Error('of the promise')) : value)
              thrown.add([kind, value])
            } catch (error) {
              thrown.add([kind, (error as { code: unknown }).code])
            }
          }
          socket.send(kind === 'binary' ? Buffer.from('end') : 'end')
        }
      })
    }
  })
  for (const [kind, values] of Object.entries(bad)) {
    const client = await rawClient(port, `/ws/${kind}`, { t })
    t.equal(String((await client.next()).data).replaceAll('"', ''), 'end', kind)
    t.equal(client.reader.messages.length, 1, 'nothing was sent before')
    const codes = thrown.entries.filter(([where]) => where === kind).map(([, code]) => code)
    t.same(codes, values.map(() => 'WSV_ERR_NOT_SERIALIZABLE'))
    await leave(client)
  }
})

t.test('bytes are sent as they are when they are sent: views over a shared buffer', async t => {
  const memory = Buffer.from('0123456789')
  const { port } = await startViews(t, async ws => {
    ws.wsView('/bytes', {
      name: 'bytes',
      frames: 'raw',
      onOpen (socket: WsSocket<unknown, Uint8Array | string>) {
        const view = new Uint8Array(memory.buffer, memory.byteOffset + 2, 3)
        socket.send(view)
        socket.send(memory)
        // the sender uses its memory again
        memory.fill(0x78)
        socket.send(view)
        const shared = new Uint8Array(new SharedArrayBuffer(4))
        shared.set([1, 2, 3, 4])
        socket.send(shared.subarray(1, 3))
        shared.fill(9)
        socket.send(new Uint8Array(0))
        const words = new Uint8Array(new Uint16Array([0x0101, 0x0202]).buffer, 1, 2)
        socket.send(words)
      }
    })
  }, { websocket: { perMessageDeflate: { threshold: 0 } } })
  for (const deflate of [undefined, '']) {
    memory.write('0123456789')
    const client = await rawClient(port, '/ws/bytes', { t, ...(deflate === undefined ? {} : { deflate }) })
    const got: string[] = []
    for (let i = 0; i < 6; i++) got.push((await client.next()).data.toString('hex' as never))
    t.same(got, [
      Buffer.from('234').toString('hex'), Buffer.from('0123456789').toString('hex'), Buffer.from('xxx').toString('hex'), '0203', '', '0102'
    ])
    await leave(client)
  }
})

t.test('a message of every length form arrives whole', async t => {
  const connect = await start(t, { maxPayload: 1 << 20, maxBuffered: 4 << 20 })
  const client = await connect('/ws/raw')
  for (const size of [0, 1, 125, 126, 127, 65535, 65536, 65537, 1 << 20]) {
    const bytes = Buffer.alloc(size, 'abc')
    const text = bytes.toString()
    t.ok(bytes.equals((await talk(client, bytes))[0] as Buffer), `${size} bytes`)
    t.ok((await talk(client, text))[0] === text, `text of ${size} bytes`)
  }
  await leave(client)
})
