import { showErrors, showFieldErrors } from './errors.js'
import { Log, duration, element } from './log.js'
import { LiveSocket } from './socket.js'
import { onReconnect, showState } from './status.js'

const HINTS = {
  text: 'Any text; it comes back in a text frame.',
  bytes: 'Pairs of hex digits, such as 48 65 6c 6c 6f; they come back in a binary frame.',
  file: 'A file of up to 64 KiB; it comes back in a binary frame.'
}

const form = document.getElementById('send')
const input = document.getElementById('message')
const file = document.getElementById('file')
const label = form.querySelector('label[for]')
const log = new Log(document.getElementById('log'))
const place = document.getElementById('message-error')
const top = document.getElementById('send-errors')

/** what was sent and has not come back: an echo keeps the order, so the oldest is answered first */
let waiting = []

const socket = new LiveSocket(document.querySelector('main').dataset.socket, {
  // One byte of our own: its echo shows that the server is alive.
  ask: () => send(new Uint8Array(1), () => {}),
  onState (state, text) {
    showState(state, text)
    if (state === 'open') return
    if (state === 'lost' && waiting.some(({ field }) => field !== undefined)) showErrors(top, ['The connection was lost before the echo came back.'])
    waiting = []
  },
  onMessage (data) {
    waiting.shift()?.onAnswer(data)
  }
})

function send (data, onAnswer, field) {
  if (!socket.send(data)) return
  waiting.push({ field, onAnswer })
}

function kind () {
  return new FormData(form).get('kind')
}

form.addEventListener('change', () => {
  const isFile = kind() === 'file'
  input.hidden = isFile
  file.hidden = !isFile
  label.htmlFor = isFile ? file.id : input.id
  label.textContent = isFile ? 'File' : 'Message'
  document.getElementById('message-hint').textContent = HINTS[kind()]
  showError('')
})

form.addEventListener('submit', async (event) => {
  event.preventDefault()
  showError('')
  showErrors(top)
  const field = kind() === 'file' ? file : input
  const value = field.value
  const data = await read()
  if (data === undefined) return
  const sentAt = performance.now()
  send(data, (answer) => {
    show(data, answer, performance.now() - sentAt)
    if (field.value === value) field.value = ''
  }, field)
})

/** What is to be sent: a string, bytes, or undefined when there is an error to show. */
async function read () {
  if (kind() === 'text') return input.value
  if (kind() === 'file') {
    if (file.files.length === 0) return showError('Choose a file.')
    return new Uint8Array(await file.files[0].arrayBuffer())
  }
  const hex = input.value.replace(/0x|[\s,:]/gi, '')
  if (hex.length === 0 || hex.length % 2 !== 0 || /[^\da-f]/i.test(hex)) return showError('Enter pairs of hex digits, such as 48 65 6c.')
  return Uint8Array.from(hex.match(/../g), (pair) => parseInt(pair, 16))
}

function showError (message) {
  for (const field of [input, file]) showFieldErrors(field, [], place)
  if (message !== '') showFieldErrors(kind() === 'file' ? file : input, [{ message, code: 'invalid' }], place)
}

function show (sent, answer, ms) {
  const isText = typeof answer === 'string'
  const bytes = isText ? undefined : new Uint8Array(answer)
  const same = isText ? answer === sent : typeof sent !== 'string' && bytes.length === sent.length && bytes.every((byte, i) => byte === sent[i])

  const entry = element('div', 'trip')
  const words = element(isText ? 'p' : 'code', 'words', isText ? answer : hexOf(bytes))
  words.dir = isText ? 'auto' : 'ltr'
  const notes = [isText ? plural(answer.length, 'character') : plural(bytes.length, 'byte'), duration(ms), same ? 'unchanged' : 'CHANGED']
  entry.append(element('span', 'tag', isText ? 'Text' : 'Bytes'), words, element('p', 'dim', notes.join(' · ')))
  log.append(entry)
}

function hexOf (bytes) {
  const shown = Array.from(bytes.subarray(0, 64), (byte) => byte.toString(16).padStart(2, '0')).join(' ')
  return bytes.length > 64 ? `${shown} …` : shown
}

function plural (count, word) {
  return `${count.toLocaleString('en')} ${word}${count === 1 ? '' : 's'}`
}

onReconnect(() => socket.connect())
socket.connect()
