import Fastify from 'fastify'
import wsViews, { defineChannel } from 'fastify-ws-views'
import { redis, said, Said, Say, serve } from '../work.js'

const fan = defineChannel('fan', Said)
const rooms = Array.from({ length: 100 }, (_, i) => defineChannel(`room:${i}`, Said))
const app = Fastify()

if (process.env.WITH_SESSION !== undefined) {
  const { withSession } = await import('./with-session.js')
  await withSession(app)
}
await app.register(wsViews, {
  redis,
  views: async (ws) => {
    ws.wsView('/echo', { name: 'echo', messageSchema: Say, replySchema: Said, onMessage: (socket, message) => said(message) })
    ws.wsView('/fan', {
      name: 'fan',
      // as by hand, where nobody waits for a publish before reading on
      concurrency: 16,
      messageSchema: Say,
      onOpen: (socket) => socket.subscribe(fan),
      onMessage (socket, message) { return this.wsFanout.publish(fan, said(message)) }
    })
    ws.wsView('/room/:i', {
      name: 'room',
      messageSchema: Say,
      concurrency: 16,
      onOpen: (socket) => socket.subscribe(rooms[socket.request.params.i]),
      onMessage (socket, message) { return this.wsFanout.publish(rooms[socket.request.params.i], said(message)) }
    })
  }
})
await app.listen({ port: 0, host: '127.0.0.1', backlog: 4096 })
serve(app.server.address().port)
