// The work that every server here does, so that only the transport differs: a JSON message with four string fields is
// parsed, checked and answered, or checked and delivered to every subscriber.
import { Type } from '@sinclair/typebox'

export const Say = Type.Object({
  type: Type.Literal('say'),
  name: Type.String({ minLength: 1, maxLength: 32 }),
  colour: Type.String({ pattern: '^#[0-9a-f]{6}$' }),
  text: Type.String({ minLength: 1, maxLength: 500 })
}, { additionalProperties: false })

export const Said = Type.Object({
  type: Type.String(), name: Type.String(), colour: Type.String(), text: Type.String(), n: Type.Integer()
})

let n = 0
export const said = ({ name, colour, text }) => ({ type: 'said', name, colour, text, n: ++n })

/** What clients send. */
export const message = JSON.stringify({ type: 'say', name: 'Ada Lovelace', colour: '#3366cc', text: 'The quick brown fox jumps over the lazy dog.' })

export const invalid = '{"type":"error","detail":"invalid"}'

export function parse (text) {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** ioredis options, when the run is about Redis. */
export const redis = process.env.REDIS_PORT === undefined ? undefined : { host: '127.0.0.1', port: Number(process.env.REDIS_PORT) }

/** Tell the runner where this server listens and what it speaks, and answer its questions about this process. */
export function serve (port, protocol = 'json') {
  process.on('message', (question) => {
    if (question === 'gc') {
      globalThis.gc?.()
      globalThis.gc?.()
    }
    const { user, system } = process.cpuUsage()
    process.send({ question, cpuUs: user + system, kernelUs: system, rss: process.memoryUsage.rss() })
  })
  process.once('disconnect', () => process.exit(0))
  process.send({ port, protocol })
}
