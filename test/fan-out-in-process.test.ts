import { Type } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import { defineChannel } from '../lib/fan-out/channel.ts'
import { createFanOut, type FanOut, type FanOutOptions } from '../lib/fan-out/fan-out.ts'
import { captureLog, compileCheck, fanOutContract, Recorder } from './fixtures/fan-out-contract.ts'

async function make (t: Test, options: Partial<FanOutOptions> = {}): Promise<[FanOut, FanOut]> {
  const fanOut = createFanOut({ log: captureLog(), compileCheck, ...options })
  t.teardown(() => fanOut.close())
  await fanOut.opened
  return [fanOut, fanOut]
}

fanOutContract(t, make)

t.test('says what it is', async (t) => {
  const [fanOut] = await make(t)
  t.equal(fanOut.kind, 'in-process')
  t.equal(fanOut.status, 'ready')
})

t.test('all publishes of one turn share a promise, and a subscriber that answers every message lets the loop turn', async (t) => {
  const [fanOut] = await make(t)
  const recorder = new Recorder()
  recorder.onDeliver = () => { fanOut.publish('lobby', 'again').catch(t.threw) }
  await fanOut.join('lobby', recorder)
  const published = fanOut.publish('lobby', 1)
  t.equal(fanOut.publish('lobby', 2), published)
  await published
  // would not go on if the answers were delivered in the same turn
  while (recorder.texts.length < 4) await new Promise<void>((resolve) => { setImmediate(resolve) })
  t.strictSame(recorder.texts.slice(0, 4), ['1', '2', '"again"', '"again"'])
  fanOut.leaveAll(recorder)
})

t.test('checks nothing without a compiler of checks', async (t) => {
  const fanOut = createFanOut({ log: captureLog() })
  t.teardown(() => fanOut.close())
  await t.resolves(fanOut.publish(defineChannel('lobby', Type.String()), 1 as never))
})
