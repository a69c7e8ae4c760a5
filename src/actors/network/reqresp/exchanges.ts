import type { PeerKey } from '../../../protocol/peer-key.js'

/**
 * Which peers have an exchange under way with us, in either direction. A connection that closes in the middle of one gets us banned
 * until the other side restarts (SPEC §10), so stop and hang-up wait for their end first (H40, ../leaving.ts).
 */
export class Exchanges {
  readonly #open = new Map<PeerKey, number>()
  readonly #watchers = new Set<{ readonly peer: PeerKey; readonly changed: () => void }>()

  /** Exchanges under way, with one peer or with all. */
  count(peer?: PeerKey): number {
    if (peer !== undefined) return this.#open.get(peer) ?? 0
    let sum = 0
    for (const count of this.#open.values()) sum += count
    return sum
  }

  /** An exchange begins; call what is returned when it is over, once. */
  begin(peer: PeerKey): () => void {
    this.#set(peer, this.count(peer) + 1)
    let over = false
    return () => {
      if (over) return
      over = true
      this.#set(peer, this.count(peer) - 1)
    }
  }

  /** Calls `changed` whenever an exchange with this peer has begun or ended, until what is returned is called. */
  watch(peer: PeerKey, changed: () => void): () => void {
    const watcher = { peer, changed }
    this.#watchers.add(watcher)
    return () => { this.#watchers.delete(watcher) }
  }

  #set(peer: PeerKey, count: number): void {
    if (count > 0) this.#open.set(peer, count)
    else this.#open.delete(peer)
    for (const watcher of this.#watchers) if (watcher.peer === peer) watcher.changed()
  }
}
