/** After this much silence we ask whether the server is still there: a page cannot see the protocol's pings. */
const QUIET_MS = 15_000
/** So long may the answer take, whatever it is. */
const ANSWER_MS = 5_000
/** So long may a handshake take. */
const OPEN_MS = 10_000
/** A connection that held so long was a good one: the next wait is short again. */
const STEADY_MS = 10_000
const FIRST_WAIT_MS = 500
const LONGEST_WAIT_MS = 30_000

/** The close codes after which connecting again makes sense. */
const PASSING = new Set([1001, 1006, 1011, 1012, 1013])
const CREDENTIALS_OVER = 4401

const REASONS = {
  1000: 'The server has ended the connection.',
  1003: 'The server does not take this kind of message.',
  1007: 'The message was not valid UTF-8.',
  1008: 'The server refused: too many messages, or too many invalid ones.',
  1009: 'The message was too big for the server.'
}

/**
 * A WebSocket that looks after itself: it connects again with growing, random waits, notices a server that is dead but
 * connected, and gives up where trying again would not help.
 *
 * States, told to `onState(state, text)`: `connecting`, `open`, `lost` (it tries again by itself), `ended` (it does not;
 * `text` says why), `expired` (sign in again).
 */
export class LiveSocket {
  #url
  #on
  #socket
  #timer
  #failures = 0
  #openedAt = 0
  #wanted = false

  /**
   * @param {string} url
   * @param {object} on
   * @param {(data: string | ArrayBuffer) => void} on.onMessage
   * @param {(state: string, text: string) => void} on.onState
   * @param {() => void} on.ask sends something that the view answers
   * @param {() => Promise<boolean>} [on.isAllowed] asked when a handshake was refused, as a browser does not say why
   */
  constructor (url, on) {
    this.#url = url
    this.#on = on
    window.addEventListener('online', () => this.#retryNow())
    window.addEventListener('pagehide', () => this.close())
    window.addEventListener('pageshow', (event) => { if (event.persisted) this.connect() })
    document.addEventListener('visibilitychange', () => { if (!document.hidden) this.#retryNow() })
  }

  /** Begin, or begin again after `ended`. */
  connect () {
    this.#wanted = true
    this.#failures = 0
    this.#on.onState('connecting', 'Connecting…')
    this.#open()
  }

  /** Stop, and stay stopped. */
  close () {
    this.#wanted = false
    this.#drop()
  }

  /** @returns {boolean} whether it could be sent */
  send (data) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false
    this.#socket.send(data)
    return true
  }

  #open () {
    this.#drop()
    this.#openedAt = 0
    const socket = this.#socket = new WebSocket(this.#url)
    socket.binaryType = 'arraybuffer'
    socket.onopen = () => {
      this.#openedAt = performance.now()
      this.#heard()
      this.#on.onState('open', 'Connected')
    }
    socket.onmessage = ({ data }) => {
      this.#heard()
      this.#on.onMessage(data)
    }
    socket.onclose = ({ code, reason }) => this.#closed(code, reason)
    this.#timer = setTimeout(() => this.#closed(1006, ''), OPEN_MS)
  }

  /** Let go of the socket without waiting for the other side, which may be dead. */
  #drop () {
    clearTimeout(this.#timer)
    const socket = this.#socket
    if (socket === undefined) return
    socket.onopen = socket.onmessage = socket.onclose = null
    socket.close()
    this.#socket = undefined
  }

  #heard () {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.#timer = setTimeout(() => this.#closed(1006, ''), ANSWER_MS)
      this.#on.ask()
    }, QUIET_MS)
  }

  async #closed (code, reason) {
    const refused = this.#openedAt === 0
    if (!refused && performance.now() - this.#openedAt > STEADY_MS) this.#failures = 0
    this.#drop()

    if (code === CREDENTIALS_OVER) return this.#end('expired', 'You have been signed out.')
    if (!PASSING.has(code)) return this.#end('ended', `${REASONS[code] ?? 'The server has closed the connection.'} (${code}${reason === '' ? '' : ` ${reason}`})`)

    this.#on.onState('lost', 'Disconnected. Trying to connect again…')
    if (refused && this.#on.isAllowed !== undefined && !await this.#on.isAllowed()) {
      return this.#end('expired', 'You have been signed out.')
    }
    if (!this.#wanted || this.#socket !== undefined) return
    // Half of the wait is random, so that the clients of a server that restarts do not all come back at once.
    const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#failures++)
    this.#timer = setTimeout(() => this.#open(), wait / 2 + Math.random() * wait / 2)
  }

  #end (state, text) {
    this.#wanted = false
    this.#on.onState(state, text)
  }

  #retryNow () {
    if (this.#wanted && this.#socket === undefined) this.#open()
  }
}
