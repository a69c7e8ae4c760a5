import type { ConnectionGater, MultiaddrConnection, PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { PeerKey } from '../../protocol/peer-key.js'
import type { ConnectionLimits } from './config.js'
import { countLabel } from './figures.js'
import type { Direction } from './peers.js'

/** What is known of a connection that may come to be. */
export interface GateQuestion {
  readonly direction: Direction
  /** Unknown on an inbound connection before noise has proved it. */
  readonly peer?: PeerKey | undefined
  /** Resolved: never a host name (H17). Unknown while only a peer is about to be dialled. */
  readonly address?: string | undefined
}

/**
 * Says why a connection must not be, or `undefined`. Asked synchronously and several times on the way of each connection, as more
 * of it becomes known; so it answers from memory.
 */
export type Gate = (question: GateQuestion) => string | undefined

/** Connections at this moment. */
export interface ConnectionCounts {
  readonly inbound: number
  readonly outbound: number
  of(peer: PeerKey): number
}

export interface GaterNeeds {
  readonly limits: ConnectionLimits
  readonly counts: ConnectionCounts
  readonly gate: Gate | undefined
  /** Counts of denials by reason. */
  readonly denied: Record<string, number>
}

/** The one predicate behind all of libp2p's hooks: block list, limits, then the gate that the application brought. */
export class Gater {
  readonly #needs: GaterNeeds
  readonly #blocked = new Set<PeerKey>()

  constructor(needs: GaterNeeds) { this.#needs = needs }

  block(peer: PeerKey): void { this.#blocked.add(peer) }
  unblock(peer: PeerKey): void { this.#blocked.delete(peer) }
  isBlocked(peer: PeerKey): boolean { return this.#blocked.has(peer) }

  /** The reason against a connection, where there is one. */
  ask(question: GateQuestion): string | undefined {
    if (question.peer !== undefined && this.#blocked.has(question.peer)) return 'blocked'
    return this.#overLimit(question) ?? this.#needs.gate?.(question)
  }

  /** For `createLibp2p`: every hook that it has asks the same predicate. */
  hooks(): ConnectionGater {
    return {
      denyDialPeer: peer => this.#deny('outbound', peer),
      denyDialMultiaddr: address => this.#deny('outbound', undefined, address),
      denyOutboundConnection: (peer, connection) => this.#deny('outbound', peer, connection),
      denyOutboundEncryptedConnection: (peer, connection) => this.#deny('outbound', peer, connection),
      denyOutboundUpgradedConnection: (peer, connection) => this.#deny('outbound', peer, connection),
      denyInboundConnection: connection => this.#deny('inbound', undefined, connection),
      denyInboundEncryptedConnection: (peer, connection) => this.#deny('inbound', peer, connection),
      denyInboundUpgradedConnection: (peer, connection) => this.#deny('inbound', peer, connection),
      // addresses that a peer tells of itself are judged when they are dialled
      filterMultiaddrForPeer: () => true,
    }
  }

  #deny(direction: Direction, peer: PeerId | undefined, at?: Multiaddr | MultiaddrConnection): boolean {
    const address = at === undefined ? undefined : 'remoteAddr' in at ? at.remoteAddr.toString() : at.toString()
    const reason = this.ask({ direction, peer: peer?.toString(), address })
    if (reason !== undefined) countLabel(this.#needs.denied, reason)
    return reason !== undefined
  }

  #overLimit({ direction, peer }: GateQuestion): string | undefined {
    const { limits, counts } = this.#needs
    if (counts.inbound + counts.outbound >= limits.total) return 'too_many_connections'
    if (counts[direction] >= limits[direction]) return `too_many_${direction}`
    if (peer !== undefined && counts.of(peer) >= limits.perPeer) return 'too_many_of_peer'
    return undefined
  }
}
