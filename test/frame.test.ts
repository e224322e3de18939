import t from 'tap'
import { parseDeflate } from '../lib/deflate.ts'
import { encodeFrame, opcodes } from '../lib/frame.ts'
import { Payload } from '../lib/payload.ts'
import { Rfc6455Reader } from './fixtures/rfc6455.ts'

function read (frame: Buffer, windowBits?: number) {
  const reader = new Rfc6455Reader({ deflate: windowBits === undefined ? undefined : { windowBits } })
  reader.feed(frame)
  reader.end()
  const [message] = reader.messages
  if (message === undefined || reader.messages.length > 1) throw new Error(`${reader.messages.length} messages`)
  return message
}

t.test('a message is one frame with the shortest length form', async t => {
  const cases: [bytes: number, head: number[]][] = [
    [0, [0x81, 0]], [1, [0x81, 1]], [125, [0x81, 125]],
    [126, [0x81, 126, 0, 126]], [256, [0x81, 126, 1, 0]], [65535, [0x81, 126, 0xff, 0xff]],
    [65536, [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]], [1 << 24, [0x81, 127, 0, 0, 0, 0, 1, 0, 0, 0]]
  ]
  for (const [bytes, head] of cases) {
    const text = 'x'.repeat(bytes)
    const frame = encodeFrame(text, opcodes.text)
    t.same([...frame.subarray(0, head.length)], head, `${bytes} bytes of text`)
    t.equal(frame.length, head.length + bytes)
    t.ok(read(frame).data === text)

    const binary = encodeFrame(Buffer.from(text), opcodes.binary)
    t.same([...binary.subarray(0, head.length)], [0x82, ...head.slice(1)], `${bytes} bytes`)
    t.ok(Buffer.from(text).equals(read(binary).data as Buffer))
  }
})

t.test('text is UTF-8, and its length is counted in bytes', async t => {
  const texts = ['ascii', 'naïve', 'ÿ', '\u0080', '中文', '👋🏽', '\0', 'a'.repeat(124) + 'é', 'é'.repeat(62), 'é'.repeat(63), '中'.repeat(21845), 'é'.repeat(32768)]
  for (const text of texts) t.equal(read(encodeFrame(text, opcodes.text)).data, text)
  t.equal(read(encodeFrame('a\ud800b', opcodes.text)).data, 'a\ufffdb', 'a lone surrogate cannot break the stream')
})

t.test('a payload is framed once and keeps no hold on the bytes it was given', async t => {
  const text = new Payload('hello')
  t.equal(text.isBinary, false)
  t.equal(text.frame, text.frame)
  t.match(read(text.frame), { data: 'hello', isBinary: false })

  const bytes = Buffer.from('hello')
  const binary = new Payload(bytes, 'socket-1')
  t.equal(binary.isBinary, true)
  t.equal(binary.except, 'socket-1')
  const frame = binary.frame
  bytes.fill(0)
  t.match(read(frame), { data: Buffer.from('hello'), isBinary: true })
})

t.test('a payload is compressed once per window, and only when that makes it smaller', async t => {
  const words = Array.from({ length: 3000 }, (_, i) => `word ${i} of the text`).join(' ')
  const payload = new Payload(words)
  for (const windowBits of [9, 10, 12, 15]) {
    const frame = payload.deflatedFrame(windowBits)
    t.equal(frame[0], 0xc1, 'FIN, RSV1, text')
    t.ok(frame.length < payload.frame.length / 2)
    t.equal(payload.deflatedFrame(windowBits), frame, 'the same Buffer again')
    const message = read(frame, windowBits)
    t.ok(message.data === words)
    t.equal(message.isCompressed, true)
  }
  t.not(payload.deflatedFrame(9), payload.deflatedFrame(15))
  t.equal(payload.frame[0], 0x81, 'the plain frame stays as it is')

  const binary = new Payload(Buffer.alloc(5000, 'ab'))
  t.equal(binary.deflatedFrame(15)[0], 0xc2)
  t.ok(Buffer.alloc(5000, 'ab').equals(read(binary.deflatedFrame(15), 15).data as Buffer))

  const noise = new Payload(Buffer.from(Array.from({ length: 2000 }, (_, i) => (i * i * 31 + (i >> 3) * 17) & 0xff)))
  t.equal(new Payload('').deflatedFrame(15).length, 2, 'an empty message')
  t.equal(new Payload('ab').deflatedFrame(15)[0], 0x81, 'a short one would grow')
  t.ok(noise.deflatedFrame(15).length <= noise.frame.length)
})

t.test('below the threshold, counted in bytes of the message, nothing is compressed', async t => {
  for (const [bytes, threshold, first] of [
    [1023, 1024, 0x81], [1024, 1024, 0xc1], [125, 125, 0xc1], [124, 125, 0x81], [126, 126, 0xc1], [125, 126, 0x81],
    [65535, 65536, 0x81], [65536, 65536, 0xc1], [65535, 65535, 0xc1]
  ] as const) {
    const payload = new Payload('x'.repeat(bytes))
    t.equal(payload.deflatedFrame(15, threshold)[0], first, `${bytes} bytes, threshold ${threshold}`)
    if (first === 0x81) t.equal(payload.deflatedFrame(15, threshold), payload.frame, 'and the plain frame is shared')
  }
  t.equal(new Payload('é'.repeat(512)).deflatedFrame(15, 1024)[0], 0xc1)
})

t.test('parseDeflate reads what was negotiated', async t => {
  const cases: [header: string, windowBits: number | undefined][] = [
    ['Sec-WebSocket-Extensions: permessage-deflate', 15],
    ['Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover', 15],
    ['sec-websocket-extensions:permessage-deflate;server_max_window_bits=9', 9],
    ['permessage-deflate; server_no_context_takeover; server_max_window_bits=12; client_max_window_bits=10', 12],
    ['permessage-deflate; client_max_window_bits=10', 15],
    ['permessage-deflate; server_max_window_bits="10"', 10],
    // zlib cannot make a raw stream for such a window
    ['permessage-deflate; server_max_window_bits=8', undefined],
    ['x-webkit-deflate-frame', undefined],
    ['x-other; server_max_window_bits=9, permessage-deflate; server_max_window_bits=11', 11],
    ['', undefined]
  ]
  for (const [header, windowBits] of cases) {
    t.same(parseDeflate(header, 2048), windowBits === undefined ? undefined : { windowBits, threshold: 2048 }, header)
  }
  t.same(parseDeflate('permessage-deflate'), { windowBits: 15, threshold: 1024 }, 'the default threshold is 1,024 bytes')
})
