import { CancelledError } from './errors.js'
import type { Message } from './message.js'
import type { Offered } from './ref.js'

interface Waiter { readonly message: Message; over(outcome: Offered): void }

/** Callers of `offer` that wait for room, first come first served. */
export class Offers {
  readonly #waiting = new Set<Waiter>()

  get size(): number { return this.#waiting.size }

  wait(message: Message, what: string, signal: AbortSignal | undefined): Promise<Offered> {
    return new Promise((resolve, reject) => {
      const over = (outcome: Offered): void => { signal?.removeEventListener('abort', cancelled); resolve(outcome) }
      const waiter: Waiter = { message, over }
      const cancelled = (): void => { this.#waiting.delete(waiter); reject(new CancelledError(what, signal?.reason)) }
      signal?.addEventListener('abort', cancelled, { once: true })
      this.#waiting.add(waiter)
    })
  }

  /** Takes them in while there is room. */
  admit(hasRoom: () => boolean, take: (message: Message) => void): void {
    for (const waiter of this.#waiting) {
      if (!hasRoom()) return
      this.#waiting.delete(waiter)
      take(waiter.message)
      waiter.over('ok')
    }
  }

  close(): void {
    for (const waiter of this.#waiting) waiter.over('closed')
    this.#waiting.clear()
  }
}
