/** @typedef {{ message: string, code: string }} FieldError */

/**
 * Put the errors of one field beside its input; none: take them away.
 *
 * @param {HTMLInputElement} input
 * @param {FieldError[]} [errors]
 */
export function showFieldErrors (input, errors = [], place = document.getElementById(`${input.id}-error`)) {
  place.textContent = errors.map(({ message }) => message).join(' ')
  if (errors.length === 0) return input.removeAttribute('aria-invalid')
  input.setAttribute('aria-invalid', 'true')
  input.focus()
}

/** Put messages that belong to no single input on top of the form; none: take them away. */
export function showErrors (place, messages = []) {
  place.replaceChildren(...messages.map((message) => {
    const line = document.createElement('p')
    line.textContent = message
    return line
  }))
}
