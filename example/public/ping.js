import { showErrors } from './errors.js'
import { Log, duration, element } from './log.js'
import { LiveSocket } from './socket.js'
import { onReconnect, showState } from './status.js'

const log = new Log(document.getElementById('log'))
const top = document.getElementById('send-errors')
const times = []

/** what was sent and is not answered yet, the oldest first */
let waiting = []

const socket = new LiveSocket(document.querySelector('main').dataset.socket, {
  ask: () => send('ping', () => {}),
  onState (state, text) {
    showState(state, text)
    if (state === 'open') return
    if (state === 'lost' && waiting.some(({ byHand }) => byHand)) showErrors(top, ['The connection was lost before the answer came.'])
    waiting = []
  },
  onMessage (data) {
    waiting.shift()?.onAnswer(data)
  }
})

function send (text, onAnswer, byHand = false) {
  if (socket.send(text)) waiting.push({ onAnswer, byHand })
}

for (const button of document.querySelectorAll('button.send')) {
  button.addEventListener('click', () => {
    showErrors(top)
    const sentAt = performance.now()
    send(button.value, (answer) => show(button.value, answer, performance.now() - sentAt), true)
  })
}

function show (sent, answer, ms) {
  const entry = element('div', 'trip')
  const words = element('p', 'words')
  words.append(element('span', 'tag', sent), element('span', 'dim', ' → '), element('span', 'tag', answer))
  entry.append(words, element('p', 'dim', duration(ms)))
  log.append(entry)

  times.push(ms)
  const sorted = times.toSorted((a, b) => a - b)
  document.getElementById('last').textContent = duration(ms)
  document.getElementById('median').textContent = duration(sorted[sorted.length >> 1])
  document.getElementById('count').textContent = times.length
}

onReconnect(() => socket.connect())
socket.connect()
