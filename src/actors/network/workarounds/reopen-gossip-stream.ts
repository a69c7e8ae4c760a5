import type { Connection, PeerId } from '@libp2p/interface'
import type { GossipsubInternals } from '../gossip/gossipsub-internals.js'

/**
 * Fault: gossipsub 17.1.1 opens its outbound stream to a peer once. When both sides have dialled, two connections exist; if the one that
 * carries the stream closes, or the stream alone is lost (overrun buffer, reset), no other is opened, and we are mute while everything
 * looks healthy (H39, H35). A stream that is reset before the library listens for its end stays in its map for good, dead.
 * Remedy: when a connection closes, and at every heartbeat, each connected peer that speaks gossipsub and has no outbound stream is put
 * into gossipsub's own queue again; a peer that gossipsub has forgotten is introduced again.
 * Goes when gossipsub does this itself: the test closes the connection that carries the stream with and without it.
 */
export { GOSSIPSUB_VERSION } from './forward-to-author.js'

/** Attempts in a row, one a heartbeat, until a peer counts as lost. */
export const REOPEN_ATTEMPTS = 6

export interface ReopenNeeds {
  readonly gossipsub: GossipsubInternals
  /** An open connection to the peer, where there is one. */
  connectionTo(peer: PeerId): Connection | undefined
  /** Connected peers that speak gossipsub, by identify. */
  speakers(): Iterable<PeerId>
  /** A stream was asked for again. */
  reopened(peer: PeerId): void
  /** It did not come within the attempts: drain, close, redial. */
  lost(peer: PeerId): void
}

export class GossipStreamKeeper {
  readonly #needs: ReopenNeeds
  /** Attempts by peer; holds connected peers only. */
  readonly #attempts = new Map<string, number>()

  constructor(needs: ReopenNeeds) { this.#needs = needs }

  /** A connection closed: its peer may have another one. The stream's own close event has been handled when this runs. */
  connectionClosed(peer: PeerId): void {
    this.#reopen(peer)
  }

  /** Every heartbeat. A peer has one heartbeat to open its stream by itself. */
  heartbeat(): void {
    const speakers = new Set<string>()
    for (const peer of this.#needs.speakers()) {
      const id = peer.toString()
      speakers.add(id)
      if (this.#hasStream(id)) { this.#attempts.delete(id); continue }
      const attempts = (this.#attempts.get(id) ?? 0) + 1
      this.#attempts.set(id, attempts)
      if (attempts === 1) continue
      if (attempts <= REOPEN_ATTEMPTS) this.#reopen(peer)
      else { this.#attempts.delete(id); this.#needs.lost(peer) }
    }
    for (const id of this.#attempts.keys()) if (!speakers.has(id)) this.#attempts.delete(id)
  }

  #hasStream(id: string): boolean { return this.#needs.gossipsub.streamsOutbound.get(id)?.rawStream.status === 'open' }

  #reopen(peer: PeerId): void {
    const { gossipsub } = this.#needs
    const id = peer.toString()
    const connection = this.#needs.connectionTo(peer)
    if (connection === undefined || this.#hasStream(id)) return
    gossipsub.streamsOutbound.delete(id)
    if (gossipsub.peers.has(id)) gossipsub.outboundInflightQueue.push({ peerId: peer, connection })
    else gossipsub.onPeerConnected(peer, connection)
    this.#needs.reopened(peer)
  }
}
