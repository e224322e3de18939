import { showErrors, showFieldErrors } from './errors.js'
import { Log, element } from './log.js'
import { LiveSocket } from './socket.js'
import { onReconnect, showState } from './status.js'

const form = document.getElementById('say')
// Without a name there is only the form that asks for one.
if (form !== null) chat()

function chat () {
  const log = new Log(document.getElementById('log'))
  const input = document.getElementById('text')
  const top = document.getElementById('say-errors')
  /** the message that waits for its answer */
  let sent
  let lastRef = 0
  let lastSaid

  const socket = new LiveSocket(document.querySelector('main').dataset.socket, {
    ask: hello,
    isAllowed: async () => {
      const answer = await fetch('/chat/name').catch(() => undefined)
      return answer?.status !== 401
    },
    onState (state, text) {
      showState(state, text)
      if (state === 'open') {
        hello()
      } else {
        if (state === 'lost' && sent !== undefined) showErrors(top, ['The connection was lost before the server answered: the message may or may not have arrived.'])
        sent = undefined
      }
      if (state === 'expired') window.location.reload()
    },
    onMessage (data) {
      const message = JSON.parse(data)
      if (message.type === 'said') said(message)
      else if (message.type === 'welcome') welcome(message)
      else answered(message)
    }
  })

  function send (message) {
    const ref = String(++lastRef)
    return socket.send(JSON.stringify({ ...message, ref })) ? ref : undefined
  }

  function hello () {
    send({ type: 'hello' })
  }

  form.addEventListener('submit', (event) => {
    event.preventDefault()
    if (sent !== undefined) return
    const text = input.value
    const ref = send({ type: 'say', text })
    if (ref === undefined) return
    sent = { ref, text }
    showErrors(top)
    showFieldErrors(input)
  })

  function answered ({ type, ref, errors = {} }) {
    if (sent === undefined || ref !== sent.ref) {
      if (type === 'error') showErrors(top, Object.values(errors).flat().map(({ message }) => message))
      return
    }
    if (type === 'accepted' && input.value === sent.text) input.value = ''
    sent = undefined
    const { text, ...others } = errors
    showErrors(top, Object.values(others).flat().map(({ message }) => message))
    showFieldErrors(input, text)
  }

  function said ({ from, colour, text, at }) {
    const entry = element('div', 'said')
    const again = lastSaid?.from === from && lastSaid.colour === colour && at - lastSaid.at < 120_000
    lastSaid = { from, colour, at }
    entry.dataset.colour = colour

    const avatar = element('span', 'avatar', [...from][0].toUpperCase())
    avatar.dataset.colour = colour
    avatar.ariaHidden = 'true'
    const time = element('time', 'dim', new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' }))
    time.dateTime = new Date(at).toISOString()
    const who = element('bdi', 'from coloured', from)
    who.dataset.colour = colour
    const head = element('p', 'said-head')
    head.append(who, ' ', time)
    entry.classList.toggle('again', again)
    const words = element('p', 'words', text)
    words.dir = 'auto'
    entry.append(avatar, head, words)
    log.append(entry)
  }

  /** Who we are to the server: another window may have changed the name. */
  function welcome ({ name, colour }) {
    const avatar = document.getElementById('me-avatar')
    const me = document.getElementById('me-name')
    me.textContent = name
    avatar.textContent = [...name][0].toUpperCase()
    avatar.dataset.colour = me.dataset.colour = colour
  }

  // What is being written outlives a reload.
  input.value = sessionStorage.getItem('draft') ?? ''
  sessionStorage.removeItem('draft')
  window.addEventListener('pagehide', () => { if (input.value !== '') sessionStorage.setItem('draft', input.value) })

  // The plain forms lead to a new page; a socket closed on the way must not reload this one first.
  for (const plain of document.querySelectorAll('form[method=post]')) plain.addEventListener('submit', () => socket.close())

  onReconnect(() => socket.connect())
  socket.connect()
  if (document.querySelector('[autofocus]') === null) input.focus()
}
