// npm run fuzz -- [--frames 1000000] [--streams 5000] [--seed N]
//
// The long form of test/fuzz.test.ts: hostile clients on a real server until so many frames have been sent, then
// random streams of frames to our reader, to ws with deferred events and to ws alone, which must do the same.
// A failure says the seed of its client or stream; --seed makes the same clients again.
import assert from 'node:assert/strict'
import { parseArgs } from 'node:util'
import fc from 'fast-check'
import { Dice } from '../test/fixtures/dice.ts'
import { startTarget, whatIsLeft } from '../test/fixtures/fuzz-server.ts'
import { play, streams, viewsReader, wsReader } from '../test/fixtures/three-readers.ts'

const { values: options } = parseArgs({
  options: {
    frames: { type: 'string', default: '1000000' },
    streams: { type: 'string', default: '5000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) }
  }
})
const seed = Number(options.seed)
const parallel = 16
console.log(`seed ${seed}`)

const settings = [
  { label: 'default', share: 0.6, websocket: {} },
  { label: 'perMessageDeflate', share: 0.2, websocket: { perMessageDeflate: true } },
  { label: 'deferred events', share: 0.2, websocket: { allowSynchronousEvents: false } }
]

let problems = []
for (const { label, share, websocket } of settings) {
  const target = await startTarget(websocket)
  const { counts } = target
  const frames = Number(options.frames) * share
  let next = seed * 100_000
  let told = 0
  await Promise.all(Array.from({ length: parallel }, async () => {
    while (counts.frames < frames && target.problems.length === 0) {
      await target.attack(new Dice(next++))
      if (counts.frames > told + 100_000) console.log(`${label}: ${told = counts.frames} frames`)
    }
  }))
  await target.stop()
  console.log(`${label}: ${counts.frames} frames, ${counts.handshakes} noisy handshakes, ${counts.opened} sockets, ${counts.answered} answers to healthy sockets`)
  problems = [...problems, ...target.problems.map((problem) => `${label}: ${problem}`)]
}
problems.push(...await whatIsLeft())

const readers = await Promise.all([viewsReader(false), viewsReader(true), wsReader()])
try {
  let frames = 0
  await fc.assert(fc.asyncProperty(streams(true), async (stream) => {
    frames += stream.frames.length
    const [ours, switchedOff, alone] = [await play(readers[0], stream), await play(readers[1], stream), await play(readers[2], stream)]
    assert.deepEqual(ours, switchedOff)
    assert.deepEqual({ ...ours, told: ours.told.slice(0, -1) }, alone)
  }), { seed, numRuns: Number(options.streams) })
  console.log(`readers: ${frames} frames in ${options.streams} streams, the same to all three`)
} catch (error) {
  problems.push(`${error.message}\n${error.cause?.message ?? ''}`)
}
await Promise.all(readers.map((reader) => reader.stop()))

for (const problem of problems) console.error(problem)
console.log(`${problems.length} problems`)
process.exitCode = problems.length === 0 ? 0 : 1
