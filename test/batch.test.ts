import t from 'tap'
import fc from 'fast-check'
import { Batch } from '../lib/batch.ts'
import { encodeFrame, opcodes } from '../lib/frame.ts'

const frameOf = (part: Buffer | string): Buffer => typeof part === 'string' ? encodeFrame(part, opcodes.text) : part
const chain = (parts: (Buffer | string)[], empty = new Batch()): Batch => parts.reduce((batch, part) => batch.with(part), empty)

// around the lengths where a header grows, and where a frame is large
const length = fc.oneof(fc.integer({ min: 0, max: 200 }), fc.constantFrom(125, 126, 127, 16381, 16384, 65535, 65536))
const text = fc.tuple(length, fc.constantFrom('a', 'é', '中', '😀', '\ud800')).map(([length, character]) => character.repeat(Math.ceil(length / character.length)))
const frame = length.map((length) => encodeFrame(Buffer.alloc(length, length), opcodes.binary))

t.test('texts and frames, in any order, come out as the frames of all of them', async () => {
  fc.assert(fc.property(fc.array(fc.oneof(text, frame), { maxLength: 8 }), (parts) => {
    const batch = chain(parts)
    const all = Buffer.concat(parts.map(frameOf))
    return Buffer.concat(batch.chunks).equals(all) && batch.bytes === all.length &&
      batch.lastBytes === (parts.length === 0 ? 0 : frameOf(parts.at(-1)!).length)
  }))
})

t.test('no large frame is copied, and small neighbours share a Buffer', async () => {
  fc.assert(fc.property(fc.array(fc.oneof(text, frame), { maxLength: 8 }), (parts) => {
    const { chunks } = chain(parts)
    const large = parts.filter((part) => frameOf(part).length >= 16384)
    const runs = parts.filter((part, i) => !large.includes(part) && (i === 0 || large.includes(parts[i - 1]!)))
    return chunks.length === large.length + runs.length && large.every((part) => typeof part === 'string' || chunks.includes(part))
  }))
})

t.test('who is sent the same has the same Buffer, framed once', async (t) => {
  const empty = new Batch()
  const parts = ['one', encodeFrame('two', opcodes.text), 'three']
  t.equal(chain(parts, empty).chunks[0], chain([...parts], empty).chunks[0])
  t.not(chain(['one', 'two', 'three'], empty).chunks[0], chain(['one', 'two', 'four'], empty).chunks[0])
  empty.forget()
  t.not(chain(parts, empty), chain(parts, new Batch()))
})
