// Fan-out as one writes it by hand: a Set of sockets per channel, and one subscribing connection when there is Redis.
export async function fanOut (redis) {
  const channels = new Map()
  const deliver = (channel, text) => { for (const socket of channels.get(channel) ?? []) socket.send(text) }
  let client
  let subscriber
  if (redis !== undefined) {
    const { Redis } = await import('ioredis')
    client = new Redis(redis)
    subscriber = client.duplicate()
    subscriber.on('message', deliver)
  }
  return {
    join (channel, socket) {
      let sockets = channels.get(channel)
      if (sockets === undefined) {
        channels.set(channel, sockets = new Set())
        subscriber?.subscribe(channel)
      }
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket))
    },
    publish: client === undefined ? deliver : (channel, text) => { client.publish(channel, text) }
  }
}
