import type { PeerKey } from '../../../protocol/peer-key.js'

/**
 * Which peers have an exchange under way with us, in either direction. A connection that closes in the middle of one gets us banned
 * until the other side restarts (SPEC §10), so stop and hang-up wait here first (H40).
 */
export class Exchanges {
  readonly #open = new Map<PeerKey, number>()
  readonly #waiting = new Set<{ readonly peer: PeerKey | undefined; readonly resolve: () => void }>()

  /** Exchanges under way, with one peer or with all. */
  count(peer?: PeerKey): number {
    if (peer !== undefined) return this.#open.get(peer) ?? 0
    let sum = 0
    for (const count of this.#open.values()) sum += count
    return sum
  }

  /** An exchange begins; call what is returned when it is over, once. */
  begin(peer: PeerKey): () => void {
    this.#open.set(peer, this.count(peer) + 1)
    let over = false
    return () => {
      if (over) return
      over = true
      const left = this.count(peer) - 1
      if (left > 0) this.#open.set(peer, left)
      else this.#open.delete(peer)
      for (const waiter of this.#waiting) {
        if (this.count(waiter.peer) > 0) continue
        this.#waiting.delete(waiter)
        waiter.resolve()
      }
    }
  }

  /** Resolves when nothing is under way with this peer, or with anybody. */
  idle(peer?: PeerKey): Promise<void> {
    if (this.count(peer) === 0) return Promise.resolve()
    return new Promise(resolve => { this.#waiting.add({ peer, resolve }) })
  }
}
