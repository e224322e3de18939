// What is measured. Each kind of work opens its sockets and keeps messages in flight; `done()` says how many units
// (replies, deliveries, handshakes) there were so far.
import { open, openAll } from './load.js'

function echo (inFlight) {
  return async (ports) => {
    let done = 0
    const clients = await openAll(ports, Array(64).fill('/echo'), (i, count) => {
      done += count
      clients[i].send(count)
    })
    for (const client of clients) client.send(inFlight)
    return { done: () => done, stop: () => { for (const { tcp } of clients) tcp.destroy() } }
  }
}

/** One publisher that keeps `inFlight` messages outstanding: the next is sent when all subscribers have the last. */
function fan (sockets, inFlight) {
  return async (ports) => {
    let done = 0
    let complete = 0
    const clients = await openAll(ports, Array(sockets).fill('/fan'), (i, count) => {
      done += count
      const now = Math.floor(done / sockets)
      if (now > complete) {
        clients[0].send(now - complete)
        complete = now
      }
    })
    clients[0].send(inFlight)
    return { done: () => done, stop: () => { for (const { tcp } of clients) tcp.destroy() } }
  }
}

/** Small rooms: the first socket of each publishes. */
function rooms (count, size, inFlight) {
  return async (ports) => {
    let done = 0
    const got = new Int32Array(count)
    const complete = new Int32Array(count)
    const first = []
    const paths = Array.from({ length: count * size }, (_, i) => `/room/${Math.floor(i / size)}`)
    const clients = await openAll(ports, paths, (i, frames) => {
      done += frames
      const room = Math.floor(i / size)
      got[room] += frames
      const now = Math.floor(got[room] / size)
      if (now > complete[room]) {
        first[room].send(now - complete[room])
        complete[room] = now
      }
    })
    for (let room = 0; room < count; room++) first[room] = clients[room * size]
    for (let i = 0; i < inFlight; i++) first[i % count].send(1)
    return { done: () => done, stop: () => { for (const { tcp } of clients) tcp.destroy() } }
  }
}

/** Handshakes, 16 at a time, each closed at once. */
async function handshakes (ports) {
  let done = 0
  let isStopped = false
  const one = async () => {
    while (!isStopped) {
      const { tcp } = await open(ports[0], '/echo')
      tcp.destroy()
      done++
    }
  }
  for (let i = 0; i < 16; i++) one().catch(() => { isStopped = true })
  return { done: () => done, stop: () => { isStopped = true } }
}

export const kinds = {
  echo16: { title: 'checked echo, 16 messages in flight per socket', start: echo(16) },
  echo1: { title: 'checked echo, 1 in flight', start: echo(1) },
  'fan1k-1': { title: 'fan-out to 1,000 sockets, 1 message outstanding', start: fan(1000, 1) },
  'fan1k-16': { title: 'fan-out to 1,000 sockets, 16 outstanding', start: fan(1000, 16) },
  'fan5k-16': { title: 'fan-out to 5,000 sockets, 16 outstanding', start: fan(5000, 16) },
  'redis-fan1k-1': { title: 'through Redis, two processes, 1,000 sockets, 1 outstanding', start: fan(1000, 1), redis: true, processes: 2 },
  'redis-fan1k-16': { title: 'through Redis, two processes, 1,000 sockets, 16 outstanding', start: fan(1000, 16), redis: true, processes: 2 },
  'redis-rooms': { title: 'through Redis, 100 rooms of 10 sockets, 256 messages in flight', start: rooms(100, 10, 256), redis: true, processes: 1 },
  handshake: { title: 'handshake with cookie, session and one auth hook', start: handshakes, session: true },
  idle: { title: 'bytes per idle socket, with cookie, session and one hook', idle: 5000, session: true }
}
