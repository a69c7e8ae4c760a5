import type { PeerKey } from '../../protocol/peer-key.js'

/**
 * Detects that gossip does not reach us (H42): a peer is ahead of us in two rounds in a row, although the round between them caught up.
 * A peer that is ahead once only had the news earlier.
 */
export class GossipHealth {
  #before = new Set<PeerKey>()
  #now = new Set<PeerKey>()
  #behind = 0n
  #told: readonly PeerKey[] = []

  /** The peers to report now. */
  get peers(): readonly PeerKey[] { return this.#told }

  get behind(): bigint { return this.#behind }

  /** In this round the peer was `blocks` ahead of what we had when the round began. */
  ahead(peer: PeerKey, blocks: bigint): void {
    this.#now.add(peer)
    if (blocks > this.#behind) this.#behind = blocks
  }

  /** The peer was caught in a false claim: its head does not count. */
  dismiss(peer: PeerKey): void {
    this.#now.delete(peer)
    this.#before.delete(peer)
  }

  /** The round did not catch up, so that peers are ahead proves nothing. */
  reset(): void { this.#now.clear() }

  /** Ends the round; true if the peers to report have changed. */
  round(): boolean {
    const told = [...this.#now].filter(peer => this.#before.has(peer)).sort()
    const changed = told.length !== this.#told.length || told.some((peer, at) => peer !== this.#told[at])
    this.#told = told
    this.#before = this.#now
    this.#now = new Set()
    if (told.length === 0) this.#behind = 0n
    return changed
  }
}
