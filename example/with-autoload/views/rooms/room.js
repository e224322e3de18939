/** @type {import('../../../../lib/index.ts').WsViews} */
export default async (ws) => {
  ws.wsView('/:id', { name: 'room', frames: 'text', onMessage: (socket, text) => `${socket.request.params.id}: ${text}` })
}
