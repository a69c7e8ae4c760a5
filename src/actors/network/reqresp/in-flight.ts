import type { PeerKey } from '../../../protocol/peer-key.js'

/**
 * The exchanges in flight by peer, in either direction. A connection that closes in the middle of one gets us banned until the other side
 * restarts (SPEC §10), so stopping and hanging up wait for them (H40, ../connections/graceful-close.ts).
 */
export class InFlightExchanges {
  readonly #open = new Map<PeerKey, Set<object>>()
  readonly #watchers = new Set<{ readonly peer: PeerKey; readonly changed: () => void }>()

  /** Number of exchanges in flight, with one peer or with all. */
  count(peer?: PeerKey): number {
    if (peer !== undefined) return this.#open.get(peer)?.size ?? 0
    let sum = 0
    for (const { size } of this.#open.values()) sum += size
    return sum
  }

  /** The exchanges in flight with a peer, each as an object of its own identity. */
  underWay(peer: PeerKey): ReadonlySet<object> { return new Set(this.#open.get(peer)) }

  /** Registers an exchange; the returned function is to be called once, when it is over. */
  begin(peer: PeerKey): () => void {
    const exchange = {}
    const open = this.#open.get(peer) ?? new Set()
    this.#open.set(peer, open.add(exchange))
    this.#changed(peer)
    return () => {
      if (!open.delete(exchange)) return
      if (open.size === 0) this.#open.delete(peer)
      this.#changed(peer)
    }
  }

  /** Calls `changed` whenever an exchange with this peer begins or ends; the returned function ends that. */
  watch(peer: PeerKey, changed: () => void): () => void {
    const watcher = { peer, changed }
    this.#watchers.add(watcher)
    return () => { this.#watchers.delete(watcher) }
  }

  #changed(peer: PeerKey): void {
    for (const watcher of this.#watchers) if (watcher.peer === peer) watcher.changed()
  }
}
