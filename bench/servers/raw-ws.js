// What one writes by hand: `ws`, JSON.parse, Ajv, JSON.stringify, and a Set of sockets.
import { createServer } from 'node:http'
import Ajv from 'ajv'
import { WebSocketServer } from 'ws'
import { invalid, parse, redis, said, Say, serve } from '../work.js'
import { fanOut } from './by-hand.js'

const isValid = new Ajv().compile(Say)
const http = createServer()
const server = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: 65536, clientTracking: false })
const { join, publish } = await fanOut(redis)

http.on('upgrade', (request, tcp, head) => {
  server.handleUpgrade(request, tcp, head, (socket) => {
    socket.on('error', () => {})
    const channel = request.url.slice(1)
    if (channel !== 'echo') join(channel, socket)
    socket.on('message', (data) => {
      const message = parse(data.toString())
      if (!isValid(message)) return socket.send(invalid)
      const text = JSON.stringify(said(message))
      if (channel === 'echo') socket.send(text)
      else publish(channel, text)
    })
  })
})
http.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => serve(http.address().port))
