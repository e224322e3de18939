// socket.io with WebSockets only, a room for each channel, and its Redis adapter when there is Redis.
import { createServer } from 'node:http'
import Ajv from 'ajv'
import { Server } from 'socket.io'
import { redis, said, Say, serve } from '../work.js'

const isValid = new Ajv().compile(Say)
const http = createServer()
const io = new Server(http, { transports: ['websocket'], serveClient: false, perMessageDeflate: false })
if (redis !== undefined) {
  const [{ Redis }, { createAdapter }] = await Promise.all([import('ioredis'), import('@socket.io/redis-adapter')])
  const client = new Redis(redis)
  io.adapter(createAdapter(client, client.duplicate()))
}

io.on('connection', (socket) => {
  const channel = socket.handshake.query.path.slice(1)
  if (channel !== 'echo') socket.join(channel)
  socket.on('say', (message) => {
    if (!isValid(message)) return socket.emit('invalid')
    if (channel === 'echo') socket.emit('said', said(message))
    else io.to(channel).emit('said', said(message))
  })
})
http.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => serve(http.address().port, 'socket.io'))
