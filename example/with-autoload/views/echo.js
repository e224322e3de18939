/** @type {import('../../../lib/index.ts').WsViews} */
export default async (ws) => {
  ws.wsView('/echo', { name: 'echo', frames: 'text', onMessage: (socket, text) => text })
}
