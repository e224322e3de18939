const MOST_ENTRIES = 500

/** A log whose end stays in sight, also when an error below makes it smaller, unless the reader has scrolled up. */
export class Log {
  #place
  #follows = true

  constructor (place) {
    this.#place = place
    place.addEventListener('scroll', () => {
      this.#follows = place.scrollHeight - place.scrollTop - place.clientHeight < 40
    })
    new window.ResizeObserver(() => this.#follow()).observe(place)
  }

  append (entry) {
    this.#place.querySelector('.empty')?.remove()
    this.#place.append(entry)
    while (this.#place.childElementCount > MOST_ENTRIES) this.#place.firstElementChild.remove()
    this.#follow()
  }

  #follow () {
    if (this.#follows) this.#place.scrollTop = this.#place.scrollHeight
  }
}

/** An element with text in it, and never anything but text. */
export function element (name, className, text = '') {
  const made = document.createElement(name)
  made.className = className
  made.textContent = text
  return made
}

/** `1.2 ms`, `340 ms` */
export function duration (ms) {
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`
}
