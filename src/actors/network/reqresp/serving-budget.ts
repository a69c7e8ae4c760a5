import type { PeerKey } from '../../../protocol/peer-key.js'

export interface ServingBudgetOptions {
  /** Bytes of answers under way to one peer. One answer is always possible. */
  readonly maxBytesPerPeer: number
  /** To all peers. */
  readonly maxBytes: number
}

interface Waiter {
  readonly peer: PeerKey
  readonly bytes: number
  grant(): void
}

/** Memory for answers: reserved before an answer is looked for, given back when its asker has taken it. Slow readers wait for themselves. */
export class ServingBudget {
  readonly #options: ServingBudgetOptions
  readonly #byPeer = new Map<PeerKey, number>()
  readonly #waiting = new Set<Waiter>()
  #used = 0

  constructor(options: ServingBudgetOptions) { this.#options = options }

  /** Bytes reserved. */
  get used(): number { return this.#used }

  /** Resolves with the function that gives the bytes back, once; with `undefined` when the signal comes first. */
  reserve(peer: PeerKey, bytes: number, signal: AbortSignal): Promise<(() => void) | undefined> {
    if (this.#fits(peer, bytes)) return Promise.resolve(this.#take(peer, bytes))
    if (signal.aborted) return Promise.resolve(undefined)
    return new Promise(resolve => {
      const waiter: Waiter = {
        peer, bytes,
        grant: () => {
          this.#waiting.delete(waiter)
          signal.removeEventListener('abort', onAbort)
          resolve(this.#take(peer, bytes))
        },
      }
      const onAbort = (): void => { this.#waiting.delete(waiter); resolve(undefined) }
      signal.addEventListener('abort', onAbort, { once: true })
      this.#waiting.add(waiter)
    })
  }

  #fits(peer: PeerKey, bytes: number): boolean {
    const ofPeer = this.#byPeer.get(peer) ?? 0
    if (ofPeer > 0 && ofPeer + bytes > this.#options.maxBytesPerPeer) return false
    return this.#used === 0 || this.#used + bytes <= this.#options.maxBytes
  }

  #take(peer: PeerKey, bytes: number): () => void {
    this.#used += bytes
    this.#byPeer.set(peer, (this.#byPeer.get(peer) ?? 0) + bytes)
    let given = false
    return () => {
      if (given) return
      given = true
      this.#used -= bytes
      const left = (this.#byPeer.get(peer) ?? 0) - bytes
      if (left > 0) this.#byPeer.set(peer, left)
      else this.#byPeer.delete(peer)
      for (const waiter of this.#waiting) if (this.#fits(waiter.peer, waiter.bytes)) waiter.grant()
    }
  }
}
