/** How many sockets and pending handshakes each address has. */
export class Addresses {
  readonly #limit: number
  readonly #counts = new Map<string, number>()

  constructor (limit: number) {
    this.#limit = limit
  }

  /** @returns false when the address has its limit already; then it is not counted */
  take (address: string): boolean {
    const count = this.#counts.get(address) ?? 0
    if (count >= this.#limit) return false
    this.#counts.set(address, count + 1)
    return true
  }

  release (address: string): void {
    const count = this.#counts.get(address)! - 1
    if (count === 0) this.#counts.delete(address)
    else this.#counts.set(address, count)
  }
}
