// @fastify/websocket with the same code by hand in its handlers.
import websocket from '@fastify/websocket'
import Ajv from 'ajv'
import Fastify from 'fastify'
import { invalid, parse, redis, said, Say, serve } from '../work.js'
import { fanOut } from './by-hand.js'

const isValid = new Ajv().compile(Say)
const { join, publish } = await fanOut(redis)
const app = Fastify()
if (process.env.WITH_SESSION !== undefined) {
  const { withSession } = await import('./with-session.js')
  await withSession(app)
}
await app.register(websocket, { options: { maxPayload: 65536 } })

function handler (socket, request) {
  const channel = request.url.slice(1)
  if (channel !== 'echo') join(channel, socket)
  socket.on('message', (data) => {
    const message = parse(data.toString())
    if (!isValid(message)) return socket.send(invalid)
    const text = JSON.stringify(said(message))
    if (channel === 'echo') socket.send(text)
    else publish(channel, text)
  })
}
app.get('/echo', { websocket: true }, handler)
app.get('/fan', { websocket: true }, handler)
app.get('/room/:i', { websocket: true }, handler)
await app.listen({ port: 0, host: '127.0.0.1', backlog: 4096 })
serve(app.server.address().port)
