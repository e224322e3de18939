// The strict reader that other tests trust: does it refuse what it must?
import t from 'tap'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { constants, deflateRawSync } from 'node:zlib'
import { WebSocketServer } from 'ws'
import { ProtocolViolation, Rfc6455Reader, clientFrame, rawClient, type FrameOut } from './fixtures/rfc6455.ts'

/** a frame as a server sends it */
const frame = (out: FrameOut) => clientFrame({ mask: false, ...out })
const close = (code: number, reason: string | Buffer = '') => frame({
  opcode: 8, payload: Buffer.concat([Buffer.from([code >> 8, code & 0xff]), Buffer.from(reason)])
})
const deflate = (text: string, windowBits = 15) =>
  deflateRawSync(text, { windowBits, finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4)
const notUtf8 = Buffer.from([0x61, 0xff])

const refused: [label: string, bytes: Buffer, message: RegExp, windowBits?: number][] = [
  ['a masked frame', clientFrame({ opcode: 1, payload: 'a' }), /masked/],
  ['length 125 in 16 bits', frame({ opcode: 1, payload: 'a'.repeat(125), lengthForm: 16 }), /length 125 in 16 bits/],
  ['length 126 in 64 bits', frame({ opcode: 1, payload: 'a'.repeat(126), lengthForm: 64 }), /length 126 in 64 bits/],
  ['length 65535 in 64 bits', frame({ opcode: 2, payload: 'a'.repeat(65535), lengthForm: 64 }), /length 65535 in 64 bits/],
  ['the highest bit of a 64-bit length', Buffer.from([0x82, 127, 0x80, 0, 0, 0, 0, 1, 0, 0]), /highest bit/],
  ['RSV1 when nothing was negotiated', frame({ opcode: 1, rsv: 0x40, payload: deflate('a') }), /RSV1 without/],
  ['RSV2', frame({ opcode: 1, rsv: 0x20 }), /RSV2/],
  ['RSV3', frame({ opcode: 1, rsv: 0x10 }), /RSV2 or RSV3/],
  ['RSV1 on a control frame', frame({ opcode: 9, rsv: 0x40 }), /begins no message/, 15],
  ['RSV1 on a continuation', Buffer.concat([frame({ opcode: 1, fin: false }), frame({ opcode: 0, rsv: 0x40 })]), /begins no message/, 15],
  ...[3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf].map((opcode): [string, Buffer, RegExp] =>
    [`opcode ${opcode}`, frame({ opcode }), /unknown opcode/]),
  ['a fragmented ping', frame({ opcode: 9, fin: false }), /fragmented control/],
  ['a ping of 126 bytes', frame({ opcode: 9, payload: 'a'.repeat(126) }), /more than 125/],
  ['a close of 126 bytes', close(1000, 'a'.repeat(124)), /more than 125/],
  ['a close of one byte', frame({ opcode: 8, payload: 'a' }), /half a code/],
  ...[0, 999, 1004, 1005, 1006, 1010, 1015, 1016, 2999, 5000].map((code): [string, Buffer, RegExp] =>
    [`close code ${code}`, close(code), /close code/]),
  ['a close reason that is not UTF-8', close(1000, notUtf8), /close reason/],
  ['text that is not UTF-8', frame({ opcode: 1, payload: notUtf8 }), /text message that is not UTF-8/],
  ['half a character at the end', frame({ opcode: 1, payload: Buffer.from('é').subarray(0, 1) }), /text message that is not UTF-8/],
  ['compressed text that is not UTF-8', frame({ opcode: 1, rsv: 0x40, payload: deflateRawSync(notUtf8, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4) }), /not UTF-8/, 15],
  ['a continuation of nothing', frame({ opcode: 0 }), /continuation of nothing/],
  ['a message inside a message', Buffer.concat([frame({ opcode: 1, fin: false }), frame({ opcode: 1 })]), /inside a fragmented/],
  ['a frame after a close', Buffer.concat([close(1000), frame({ opcode: 1 })]), /after the close/],
  ['a compressed message that was cut', frame({ opcode: 1, rsv: 0x40, payload: deflate('hello hello hello').subarray(0, -3) }), /inflated/, 15],
  ['a compressed message with its tail left on', frame({ opcode: 1, rsv: 0x40, payload: Buffer.concat([deflateRawSync('hello'), Buffer.from('xx')]) }), /after the end/, 15],
  ['a window larger than negotiated', frame({ opcode: 1, rsv: 0x40, payload: deflate(farApart()) }), /inflated/, 9]
]

/** something that is repeated 4,000 bytes later */
function farApart (): string {
  const word = 'the same words again'
  return word + Array.from({ length: 1000 }, (_, i) => String(1000 + i)).join('') + word
}

t.test('the strict reader refuses', async t => {
  for (const [label, bytes, message, windowBits] of refused) {
    t.test(label, async t => {
      const deflate = windowBits === undefined ? undefined : { windowBits }
      const reader = new Rfc6455Reader({ deflate })
      t.throws(() => reader.feed(bytes), { name: 'ProtocolViolation', message })
      t.throws(() => reader.feed(Buffer.alloc(0)), { message }, 'and everything after it')
      const slow = new Rfc6455Reader({ deflate })
      t.throws(() => { for (const byte of bytes) slow.feed(Buffer.of(byte)) }, { message }, 'byte by byte too')
    })
  }
  t.test('a stream that ends inside a frame or a message', async t => {
    const inFrame = new Rfc6455Reader()
    inFrame.feed(frame({ opcode: 1, payload: 'abc' }).subarray(0, 3))
    t.throws(() => inFrame.end(), { message: /inside a frame/ })
    const inMessage = new Rfc6455Reader()
    inMessage.feed(frame({ opcode: 1, fin: false, payload: 'abc' }))
    t.throws(() => inMessage.end(), { message: /inside a message/ })
  })
})

t.test('the strict reader reads, whatever the split', async t => {
  const wide = farApart()
  const bytes = Buffer.concat([
    frame({ opcode: 1, payload: 'héllo' }),
    frame({ opcode: 1, fin: false, payload: Buffer.from('é').subarray(0, 1) }),
    frame({ opcode: 9, payload: 'between' }),
    frame({ opcode: 0, fin: false }),
    frame({ opcode: 0, payload: Buffer.from('é').subarray(1) }),
    frame({ opcode: 2, payload: Buffer.alloc(126, 1) }),
    frame({ opcode: 2, payload: Buffer.alloc(65535, 2) }),
    frame({ opcode: 2, payload: Buffer.alloc(65536, 3) }),
    frame({ opcode: 1, rsv: 0x40, payload: deflate(wide, 9) }),
    frame({ opcode: 10, payload: 'pong' }),
    close(4401, 'é')
  ])
  for (const size of [1, 2, 7, bytes.length]) {
    const reader = new Rfc6455Reader({ deflate: { windowBits: 9 } })
    for (let i = 0; i < bytes.length; i += size) reader.feed(bytes.subarray(i, i + size))
    reader.end()
    t.same(reader.messages.map(message => message.data), [
      'héllo', 'é', Buffer.alloc(126, 1), Buffer.alloc(65535, 2), Buffer.alloc(65536, 3), wide
    ])
    t.same(reader.messages.map(message => message.isBinary), [false, false, true, true, true, false])
    t.same(reader.messages.map(message => message.frames), [1, 3, 1, 1, 1, 1])
    t.same(reader.messages.map(message => message.isCompressed), [false, false, false, false, false, true])
    t.same(reader.pings.map(String), ['between'])
    t.same(reader.pongs.map(String), ['pong'])
    t.same(reader.close, { code: 4401, reason: 'é' })
  }
})

t.test('the raw client against the server of ws', async t => {
  const http = createServer((_request, response) => response.writeHead(426).end('upgrade, please'))
  const server = new WebSocketServer({ server: http, perMessageDeflate: { threshold: 0, serverNoContextTakeover: true } })
  server.on('connection', (ws, request) => {
    ws.on('message', (data, isBinary) => ws.send(data, { binary: isBinary }))
    ws.on('error', () => {})
    if (request.url === '/wrong') request.socket.write(Buffer.from([0x83, 0]))
  })
  await new Promise<void>(resolve => http.listen(0, '127.0.0.1', resolve))
  t.teardown(() => { server.close(); http.closeAllConnections(); http.close() })
  const port = (http.address() as AddressInfo).port

  t.test('messages, pings and the close', async t => {
    const client = await rawClient(port, '/', { t })
    t.equal(client.response.statusCode, 101)
    const early = client.next()
    const second = client.next()
    client.send('héllo')
    client.send(Buffer.from([1, 2, 3]))
    t.match(await early, { data: 'héllo', isBinary: false, isCompressed: false })
    t.match(await second, { data: Buffer.from([1, 2, 3]), isBinary: true })
    client.ping('are you there')
    t.equal(String(await client.nextPong()), 'are you there')
    client.sendFrame({ opcode: 1, fin: false, payload: 'two ' })
    client.sendFrame({ opcode: 0, payload: 'pieces' })
    t.match(await client.next(), { data: 'two pieces' })
    const never = client.next()
    client.sendClose(1000, 'bye')
    await t.rejects(never, { message: 'closed with 1000 bye' })
    t.same(await client.closed, { code: 1000, reason: 'bye' })
    await client.ended
    t.ok(client.chunks.length > 0)
  })

  t.test('compression', async t => {
    const client = await rawClient(port, '/', { t, deflate: 'server_max_window_bits=10' })
    t.match(client.response.headers['sec-websocket-extensions'], /server_max_window_bits=10/)
    client.send('hello')
    t.match(await client.next(), { data: 'hello', isCompressed: true })
    client.destroy()
    t.same(await client.closed, { code: 1006, reason: '' })
  })

  t.test('a wrong frame of ours gets its close code', async t => {
    const client = await rawClient(port, '/', { t, head: clientFrame({ opcode: 1, mask: false, payload: 'a' }) })
    t.equal((await client.closed).code, 1002)
    client.assertClean()
  })

  t.test('a wrong frame of theirs is told', async t => {
    const client = await rawClient(port, '/wrong', { t })
    await t.rejects(client.next(), { name: 'ProtocolViolation', message: /unknown opcode/ })
    await t.rejects(client.ended, ProtocolViolation)
    t.throws(() => client.assertClean(), ProtocolViolation)
  })

  t.test('a refused handshake', async t => {
    await t.rejects(rawClient(port, '/', { t, headers: { upgrade: undefined, connection: 'close' } }), {
      name: 'HandshakeRefused', message: /426: upgrade, please$/
    })
  })
})
