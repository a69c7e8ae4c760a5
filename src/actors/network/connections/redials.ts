import { LRUCache } from 'lru-cache'
import type { PeerKey } from '../../../protocol/peer-key.js'
import { SlidingWindow } from '../limits/sliding-window.js'

/** Peers whose dials are counted at most; who was dialled longest ago gives way. */
const MAX_PEERS = 4_096

/** How often each peer was dialled within the window (SPEC §8). Pure: the caller says what time it is. */
export class Redials {
  readonly #limit: number
  readonly #windowMs: number
  readonly #windows = new LRUCache<PeerKey, SlidingWindow>({ max: MAX_PEERS })

  constructor(limit: number, windowMs: number) {
    this.#limit = limit
    this.#windowMs = windowMs
  }

  /** Peers counted at this moment. */
  get size(): number { return this.#windows.size }

  /** Counts a dial, or says that it would be one too many. */
  take(peer: PeerKey, now: number): boolean {
    const window = this.#windows.get(peer) ?? new SlidingWindow(this.#limit, this.#windowMs)
    this.#windows.set(peer, window)
    return window.take(now)
  }

  sweep(now: number): void {
    for (const [peer, window] of [...this.#windows]) if (window.used(now) === 0) this.#windows.delete(peer)
  }
}
