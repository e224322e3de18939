// What is measured. Each kind of work opens its sockets and keeps messages in flight; `done()` says how many units
// (replies, deliveries, handshakes) there were so far.
import { logIn, open, openAll } from './load.js'

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

/** Counts, for a channel, the messages that all its sockets have. */
class Complete {
  #size
  #got
  /** sockets that have message n, from the oldest that some lack */
  #reached = []
  #first = 0

  constructor (size) {
    this.#size = size
    this.#got = new Int32Array(size)
  }

  /** @returns how many messages have become complete */
  add (socket, count) {
    for (let n = 0; n < count; n++) {
      const i = this.#got[socket]++ - this.#first
      this.#reached[i] = (this.#reached[i] ?? 0) + 1
    }
    let complete = 0
    while (this.#reached[complete] === this.#size) complete++
    if (complete > 0) {
      this.#reached.splice(0, complete)
      this.#first += complete
    }
    return complete
  }
}

/** Channels of `size` sockets. The first socket of each publishes; the next message is sent when all have an earlier one. */
function fan (pathOf, channels, size, inFlight) {
  return async (ports) => {
    let done = 0
    const complete = Array.from({ length: channels }, () => new Complete(size))
    const paths = Array.from({ length: channels * size }, (_, i) => pathOf(Math.floor(i / size)))
    const clients = await openAll(ports, paths, (i, count) => {
      done += count
      const channel = Math.floor(i / size)
      const next = complete[channel].add(i % size, count)
      if (next > 0) clients[channel * size].send(next)
    })
    for (let channel = 0; channel < channels; channel++) {
      clients[channel * size].send(Math.floor(inFlight / channels) + (channel < inFlight % channels ? 1 : 0))
    }
    return { done: () => done, stop: () => { for (const { tcp } of clients) tcp.destroy() } }
  }
}

const all = (sockets, inFlight) => fan(() => '/fan', 1, sockets, inFlight)

/**
 * Handshakes, of somebody who has logged in or of anybody, at a fixed rate, each socket closed at once. Not as fast as can be: the slower server would find its client
 * asleep more often, and pay for waking it up.
 */
const handshakes = (isLoggedIn) => async (ports) => {
  let done = 0
  const headers = isLoggedIn ? await logIn(ports[0]) : ''
  const timer = setInterval(() => {
    for (let i = 0; i < 10; i++) {
      open(ports[0], '/echo', undefined, headers).then(({ tcp }) => {
        tcp.destroy()
        done++
      }, () => { /* the server has been stopped meanwhile */ })
    }
  }, 10)
  return { done: () => done, stop: () => { clearInterval(timer) } }
}

export const kinds = {
  echo16: { title: 'checked echo, 16 messages in flight per socket', start: echo(16) },
  echo1: { title: 'checked echo, 1 in flight', start: echo(1) },
  'fan1k-1': { title: 'fan-out to 1,000 sockets, 1 message outstanding', start: all(1000, 1) },
  'fan1k-16': { title: 'fan-out to 1,000 sockets, 16 outstanding', start: all(1000, 16) },
  'fan5k-16': { title: 'fan-out to 5,000 sockets, 16 outstanding', start: all(5000, 16) },
  'redis-fan1k-1': { title: 'through Redis, two processes, 1,000 sockets, 1 outstanding', start: all(1000, 1), redis: true, processes: 2 },
  'redis-fan1k-16': { title: 'through Redis, two processes, 1,000 sockets, 16 outstanding', start: all(1000, 16), redis: true, processes: 2 },
  'redis-rooms': { title: 'through Redis, 100 rooms of 10 sockets, 256 messages in flight', start: fan((room) => `/room/${room}`, 100, 10, 256), redis: true, processes: 1 },
  'handshake-bare': { title: 'handshake without plugins', start: handshakes(false), warmSeconds: 6 },
  handshake: { title: 'handshake with cookie, session and one auth hook', start: handshakes(true), session: true, warmSeconds: 6 },
  idle: { title: 'bytes per idle socket, with cookie, session and one hook', idle: 10_000, session: true }
}
