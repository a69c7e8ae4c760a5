import type { Connection, PeerId } from '@libp2p/interface'
import type { PeerKey } from '../../../protocol/peer-key.js'
import { originOf } from '../addresses.js'
import type { ConnectionCounts } from './gater.js'
import { RefusedPeers } from './refused-peers.js'

export type Direction = 'inbound' | 'outbound'

/** A connected peer: one entry, however many connections it has (H29). */
export interface KnownPeer {
  readonly id: PeerId
  readonly peer: PeerKey
  readonly connections: readonly Connection[]
  /** Direction of its first connection. */
  readonly direction: Direction
  /** When its first connection was opened, on the monotonic clock, in milliseconds. */
  readonly since: number
  readonly agent: string
  readonly protocols: ReadonlySet<string>
  /** Whether identify has completed, so that `protocols` is known. */
  readonly identified: boolean
  /** Whether it is being disconnected gracefully: it is sent no new requests. */
  readonly leaving: boolean
}

interface Entry {
  id: PeerId
  peer: PeerKey
  connections: Connection[]
  direction: Direction
  since: number
  agent: string
  protocols: Set<string>
  identified: boolean
  leaving: boolean
  /** Number of the last request to it, counted over all peers; 0 for none. It makes the choice of peers rotate. */
  asked: number
}

/** How a connection ended. */
export interface Departure {
  readonly peer: PeerKey
  /** Whether it was the peer's last connection. */
  readonly last: boolean
  /** Whether the peer closed right after we had connected: it may have banned us, or be shutting down (SPEC §10). */
  readonly refused: boolean
}

export interface PeerTableOptions {
  /** An outbound connection that its peer closes within this time counts as refused, in milliseconds. */
  readonly refusedWithinMs: number
  /** How long a refusal is remembered, in milliseconds. */
  readonly refusedMs: number
}

/** The connected peers, their protocols, and the order in which to ask them. Without I/O or a clock: the caller passes the time. */
export class PeerTable implements ConnectionCounts {
  readonly #entries = new Map<PeerKey, Entry>()
  /** Peers that refused us, and until when each is not dialled. */
  readonly refusals: RefusedPeers
  readonly #options: PeerTableOptions
  /** Numbers of inbound connections by origin: each counts once for its address and once for its subnet. */
  readonly #origins = new Map<string, number>()
  /** Connections that we close ourselves: they never count as refusals, whatever libp2p reports. */
  readonly #closedByUs = new WeakSet<object>()
  #inbound = 0
  #outbound = 0
  #asked = 0

  constructor(options: PeerTableOptions) {
    this.#options = options
    this.refusals = new RefusedPeers(options.refusedMs)
  }

  get size(): number { return this.#entries.size }
  get inbound(): number { return this.#inbound }
  get outbound(): number { return this.#outbound }
  from(origin: string): number { return this.#origins.get(origin) ?? 0 }
  of(peer: PeerKey): number { return this.#entries.get(peer)?.connections.length ?? 0 }

  get(peer: PeerKey): KnownPeer | undefined { return this.#entries.get(peer) }
  all(): IterableIterator<KnownPeer> { return this.#entries.values() }

  /** Adds a connection. Returns whether it is the peer's first. */
  opened(connection: Connection, now: number): boolean {
    this.#count(connection, 1)
    const peer = connection.remotePeer.toString()
    const entry = this.#entries.get(peer)
    if (entry !== undefined) {
      entry.connections.push(connection)
      return false
    }
    this.#entries.set(peer, {
      id: connection.remotePeer, peer, connections: [connection], direction: connection.direction, since: now,
      agent: '', protocols: new Set(), identified: false, leaving: false, asked: 0,
    })
    return true
  }

  /** Notes that we close a connection ourselves. */
  closing(connection: object): void { this.#closedByUs.add(connection) }

  /** Removes a connection. Returns what this means for the peer; `undefined` if it was removed before. */
  closed(connection: Connection, byUs: boolean, now: number): Departure | undefined {
    const peer = connection.remotePeer.toString()
    const entry = this.#entries.get(peer)
    const at = entry?.connections.indexOf(connection) ?? -1
    if (entry === undefined || at < 0) return undefined
    entry.connections.splice(at, 1)
    this.#count(connection, -1)
    if (entry.connections.length > 0) return { peer, last: false, refused: false }
    this.#entries.delete(peer)
    const refused = !byUs && !entry.leaving && !this.#closedByUs.has(connection) && entry.direction === 'outbound' && now - entry.since < this.#options.refusedWithinMs
    if (refused) this.refusals.add(peer, connection.remoteAddr.toString(), now)
    else if (now - entry.since >= this.#options.refusedWithinMs) this.refusals.forgive(peer)
    return { peer, last: true, refused }
  }

  identified(peer: PeerKey, agent: string, protocols: readonly string[]): void {
    const entry = this.#entries.get(peer)
    if (entry === undefined) return
    entry.agent = agent
    entry.protocols = new Set(protocols)
    entry.identified = true
  }

  /** Marks a peer as being disconnected. */
  leave(peer: PeerKey): void {
    const entry = this.#entries.get(peer)
    if (entry !== undefined) entry.leaving = true
  }

  /** The oldest open connection to a peer. */
  connectionTo(peer: PeerKey): Connection | undefined {
    return this.#entries.get(peer)?.connections.find(connection => connection.status === 'open')
  }

  /** Peers that speak a protocol and can be asked, the least recently asked first. */
  candidates(protocol: string, exclude: ReadonlySet<PeerKey>): KnownPeer[] {
    const able: Entry[] = []
    for (const entry of this.#entries.values()) {
      if (!entry.leaving && entry.protocols.has(protocol) && !exclude.has(entry.peer)) able.push(entry)
    }
    return able.sort((a, b) => a.asked - b.asked)
  }

  /** Notes that a peer was asked: it moves to the end of `candidates`. */
  asked(peer: PeerKey): void {
    const entry = this.#entries.get(peer)
    if (entry !== undefined) entry.asked = ++this.#asked
  }

  /** Until when a peer that refused us must not be dialled (monotonic, milliseconds); `undefined` if it may be. */
  refusedUntil(peer: PeerKey, now: number): number | undefined { return this.refusals.until(peer, now) }

  /** Peers that refused us and are not connected, each with the address that was dialled. */
  refused(now: number): Array<{ readonly peer: PeerKey; readonly address: string }> {
    return this.refusals.active(now).filter(({ peer }) => !this.#entries.has(peer))
  }

  /** Forgets that a peer refused us, so that it may be dialled again. */
  forgive(peer: PeerKey): void { this.refusals.forgive(peer) }

  #count({ direction, remoteAddr }: Connection, by: number): void {
    if (direction === 'outbound') { this.#outbound += by; return }
    this.#inbound += by
    const { address, subnet } = originOf(remoteAddr.toString()) ?? {}
    for (const origin of [address, subnet]) {
      if (origin === undefined) continue
      const count = this.from(origin) + by
      if (count > 0) this.#origins.set(origin, count)
      else this.#origins.delete(origin)
    }
  }
}
