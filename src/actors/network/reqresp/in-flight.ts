import type { PeerKey } from '../../../protocol/peer-key.js'

/**
 * Which peers have an exchange under way with us, in either direction. A connection that closes in the middle of one gets us banned
 * until the other side restarts (SPEC §10), so stop and hang-up wait for their end first (H40, ../leaving.ts).
 */
export class InFlightExchanges {
  readonly #open = new Map<PeerKey, Set<object>>()
  readonly #watchers = new Set<{ readonly peer: PeerKey; readonly changed: () => void }>()

  /** InFlightExchanges under way, with one peer or with all. */
  count(peer?: PeerKey): number {
    if (peer !== undefined) return this.#open.get(peer)?.size ?? 0
    let sum = 0
    for (const { size } of this.#open.values()) sum += size
    return sum
  }

  /** Those under way with a peer at this moment, each an object of its own; one that is over is in no later answer. */
  underWay(peer: PeerKey): ReadonlySet<object> { return new Set(this.#open.get(peer)) }

  /** An exchange begins; call what is returned when it is over, once. */
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

  /** Calls `changed` whenever an exchange with this peer has begun or ended, until what is returned is called. */
  watch(peer: PeerKey, changed: () => void): () => void {
    const watcher = { peer, changed }
    this.#watchers.add(watcher)
    return () => { this.#watchers.delete(watcher) }
  }

  #changed(peer: PeerKey): void {
    for (const watcher of this.#watchers) if (watcher.peer === peer) watcher.changed()
  }
}
