// MessagePack instead of JSON: a codec for `frames`. What it reads is checked by the same form.
import { decode, encode } from '@msgpack/msgpack'
import { Type } from '@sinclair/typebox'
import Fastify, { type FastifyInstance } from 'fastify'
import wsViews, { type WsCodec, type WsViews } from '../../lib/index.ts'

export const msgpack: WsCodec<unknown, unknown> = {
  parse (data) {
    if (typeof data === 'string') throw new TypeError('MessagePack is sent as bytes')
    return decode(data)
  },
  serialize: (message) => encode(message),
  binary: true
}

const Point = Type.Object({ x: Type.Number(), y: Type.Number(), label: Type.Optional(Type.String({ maxLength: 20 })) })

const views: WsViews = async (ws) => {
  ws.wsView('/mirror', {
    name: 'mirror',
    frames: msgpack,
    messageSchema: Point,
    replySchema: Point,
    onMessage: (socket, { x, y, ...rest }) => ({ x: y, y: x, ...rest })
  })
}

export async function build (): Promise<FastifyInstance> {
  const app = Fastify()
  await app.register(wsViews, { prefix: '/ws', views })
  return app
}
