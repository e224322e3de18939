// The clients, on bare TCP: frames are prepared in advance, answers are counted and not read.
import { connect } from 'node:net'
import { message } from './work.js'

/** A masked text frame (RFC 6455 §5.2), masked with zeros. */
function frame (text) {
  const length = Buffer.byteLength(text)
  const header = length < 126 ? Buffer.from([0x81, 0x80 | length]) : Buffer.from([0x81, 0xfe, length >> 8, length & 255])
  return Buffer.concat([header, Buffer.alloc(4), Buffer.from(text)])
}
/** k messages as one segment */
const segmentsOf = (text) => Array.from({ length: 257 }, (_, k) => Buffer.concat(Array(k).fill(frame(text))))

/** How a message is sent, and what is said before it. */
const protocols = {
  json: { urlOf: (path) => path, segments: segmentsOf(message), hello: undefined, greetings: 0 },
  // https://socket.io/docs/v4/engine-io-protocol/: the server opens, the client connects to a namespace, the server agrees
  'socket.io': {
    urlOf: (path) => `/socket.io/?EIO=4&transport=websocket&path=${encodeURIComponent(path)}`,
    segments: segmentsOf(`42["say",${message}]`),
    hello: frame('40'),
    greetings: 2
  }
}
let protocol = protocols.json

/** From now on clients speak it. */
export function speak (name) {
  protocol = protocols[name]
}

/** Counts whole frames in a stream of unmasked ones. */
class FrameCounter {
  #header = []
  #rest = 0

  /** @returns how many frames end in this chunk */
  count (chunk) {
    let ended = 0
    let at = 0
    const end = chunk.length
    while (at < end) {
      if (this.#rest > 0) {
        const step = Math.min(this.#rest, end - at)
        this.#rest -= step
        at += step
        if (this.#rest === 0) ended++
        continue
      }
      const header = this.#header
      header.push(chunk[at++])
      if (header.length < 2) continue
      if ((header[0] & 0x0f) === 8) throw new Error('the server closed a socket')
      if (header[1] < 126) {
        this.#rest = header[1]
      } else if (header[1] === 126) {
        if (header.length < 4) continue
        this.#rest = header[2] << 8 | header[3]
      } else {
        throw new Error('a frame longer than this bench expects')
      }
      this.#header = []
      if (this.#rest === 0) ended++
    }
    return ended
  }
}

/**
 * One connection; `onFrames(count)` for what it receives.
 *
 * @param headers - more lines for the handshake, each with its CRLF
 */
export function open (port, path, onFrames = () => {}, headers = '') {
  return new Promise((resolve, reject) => {
    const { urlOf, segments, hello } = protocol
    let { greetings } = protocol
    const tcp = connect({ port, host: '127.0.0.1', noDelay: true })
    const client = {
      tcp,
      send: (count) => {
        for (let left = count; left > 0; left -= 256) tcp.write(segments[Math.min(256, left)])
      }
    }
    const read = (chunk) => {
      let count = counter.count(chunk)
      if (greetings > 0) {
        const taken = Math.min(greetings, count)
        greetings -= taken
        count -= taken
        if (greetings === 0) resolve(client)
      }
      if (count > 0) onFrames(count)
    }
    let head = Buffer.alloc(0)
    let counter
    tcp.once('error', reject)
    tcp.on('data', (chunk) => {
      if (counter !== undefined) {
        read(chunk)
        return
      }
      head = Buffer.concat([head, chunk])
      const end = head.indexOf('\r\n\r\n')
      if (end === -1) return
      if (!head.subarray(0, 12).equals(Buffer.from('HTTP/1.1 101'))) {
        reject(new Error(head.toString('latin1', 0, end)))
        return
      }
      counter = new FrameCounter()
      if (hello !== undefined) tcp.write(hello)
      if (greetings === 0) resolve(client)
      const rest = head.subarray(end + 4)
      if (rest.length > 0) read(rest)
    })
    tcp.write(`GET ${urlOf(path)} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${headers}\r\n`)
  })
}

/** Several connections, a few at a time. */
export async function openAll (ports, paths, onFrames, headers) {
  const clients = []
  for (let i = 0; i < paths.length; i += 100) {
    clients.push(...await Promise.all(paths.slice(i, i + 100).map((path, j) => open(ports[(i + j) % ports.length], path, (count) => onFrames(i + j, count), headers))))
  }
  return clients
}

/** @returns the header line of somebody who has logged in */
export async function logIn (port) {
  const response = await fetch(`http://127.0.0.1:${port}/login`)
  return `Cookie: ${response.headers.get('set-cookie').split(';')[0]}\r\n`
}
