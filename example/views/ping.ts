import type { WsViews } from '../../lib/index.ts'

/** `ping` is answered with `pong` and `pong` with `ping`; anything else with silence. */
export const ping: WsViews = async (ws) => {
  ws.wsView('/ping', {
    name: 'ping',
    frames: 'text',
    onMessage (socket, message) {
      if (message === 'ping') socket.send('pong')
      else if (message === 'pong') socket.send('ping')
    }
  })
}
