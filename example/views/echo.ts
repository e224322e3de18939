import type { WsViews } from '../../lib/index.ts'

/** Text comes back as text, bytes come back as bytes. */
export const echo: WsViews = async (ws) => {
  ws.wsView('/echo', {
    name: 'echo',
    frames: 'raw',
    onMessage (socket, message) {
      socket.send(message)
    }
  })
}
