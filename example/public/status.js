const status = document.getElementById('status')
const reconnect = document.getElementById('reconnect')
const sendOff = document.getElementById('send-off')
const sendButtons = document.querySelectorAll('button.send')

/** Show the state of the connection: in words, and by what can be pressed. */
export function showState (state, text) {
  // Said once: a screen reader should not hear of every attempt.
  if (status.textContent !== text) status.textContent = text
  status.dataset.state = state
  reconnect.hidden = state !== 'ended'
  sendOff.hidden = state === 'open'
  for (const button of sendButtons) button.disabled = state !== 'open'
}

export function onReconnect (listener) {
  reconnect.addEventListener('click', () => {
    listener()
    document.querySelector('main input:not([type=radio])')?.focus()
  })
}
