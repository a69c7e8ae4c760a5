import { LRUCache } from 'lru-cache'
import type { PeerKey } from '../../../protocol/peer-key.js'
import { SlidingWindow } from '../limits/sliding-window.js'

/** Maximum number of peers whose dials are counted; the least recently dialled is evicted. */
const MAX_PEERS = 4_096

/** Rate limit on dials of each peer (SPEC §8). The caller passes the time: monotonic, milliseconds. */
export class Redials {
  readonly #limit: number
  readonly #windowMs: number
  readonly #windows = new LRUCache<PeerKey, SlidingWindow>({ max: MAX_PEERS })

  constructor(limit: number, windowMs: number) {
    this.#limit = limit
    this.#windowMs = windowMs
  }

  /** Number of peers whose dials are counted. */
  get size(): number { return this.#windows.size }

  /** Counts a dial and returns true; returns false, and counts nothing, if it would exceed the limit. */
  take(peer: PeerKey, now: number): boolean {
    const window = this.#windows.get(peer) ?? new SlidingWindow(this.#limit, this.#windowMs)
    this.#windows.set(peer, window)
    return window.take(now)
  }

  sweep(now: number): void {
    for (const [peer, window] of [...this.#windows]) if (window.used(now) === 0) this.#windows.delete(peer)
  }
}
