import type { Connection, PeerId } from '@libp2p/interface'
import type { PeerKey } from '../../../protocol/peer-key.js'
import { originOf } from '../addresses.js'
import type { ConnectionCounts } from './gater.js'
import { RefusedPeers } from './refused-peers.js'

export type Direction = 'inbound' | 'outbound'

/** A connected peer: one, however many connections there are to it (H29). */
export interface KnownPeer {
  readonly id: PeerId
  readonly peer: PeerKey
  readonly connections: readonly Connection[]
  /** Of its first connection. */
  readonly direction: Direction
  /** When that was opened, on the monotonic clock. */
  readonly since: number
  readonly agent: string
  readonly protocols: ReadonlySet<string>
  /** Whether identify has told its protocols. */
  readonly identified: boolean
  /** Being drained before it is hung up: not asked any more. */
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
  /** When it was asked last, in requests of all peers: what makes the choice rotate. */
  asked: number
}

/** How a connection ended. */
export interface Departure {
  readonly peer: PeerKey
  /** It was the peer's last one. */
  readonly last: boolean
  /** It closed on us right after we had connected: a ban on its side (SPEC §10). */
  readonly refused: boolean
}

export interface PeerTableOptions {
  /** An outbound connection that its peer closes within this time counts as refused, in milliseconds. */
  readonly refusedWithinMs: number
  /** How long a refusal is remembered, in milliseconds. */
  readonly refusedMs: number
}

/** Who is connected, what they speak, and who is to be asked next. Pure: the caller says what happens and when. */
export class PeerTable implements ConnectionCounts {
  readonly #entries = new Map<PeerKey, Entry>()
  /** Peers that closed on us, and until when they are left alone. */
  readonly refusals: RefusedPeers
  readonly #options: PeerTableOptions
  /** Inbound connections by where they come from: each counts for its address and for its subnet. */
  readonly #origins = new Map<string, number>()
  /** Connections that we close ourselves, whatever libp2p says of it: no refusals. */
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

  /** Whether it is the peer's first one. */
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

  /** We are about to close it, or have. */
  closing(connection: object): void { this.#closedByUs.add(connection) }

  /** What became of the peer; `undefined` where the connection was closed before. */
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

  /** Marks a peer that is about to be hung up. */
  leave(peer: PeerKey): void {
    const entry = this.#entries.get(peer)
    if (entry !== undefined) entry.leaving = true
  }

  /** A connection over which a stream can be opened now; the oldest one. */
  connectionTo(peer: PeerKey): Connection | undefined {
    return this.#entries.get(peer)?.connections.find(connection => connection.status === 'open')
  }

  /** Who can be asked on a protocol, the one asked longest ago first. */
  candidates(protocol: string, exclude: ReadonlySet<PeerKey>): KnownPeer[] {
    const able: Entry[] = []
    for (const entry of this.#entries.values()) {
      if (!entry.leaving && entry.protocols.has(protocol) && !exclude.has(entry.peer)) able.push(entry)
    }
    return able.sort((a, b) => a.asked - b.asked)
  }

  /** The peer's turn is over. */
  asked(peer: PeerKey): void {
    const entry = this.#entries.get(peer)
    if (entry !== undefined) entry.asked = ++this.#asked
  }

  /** Until when a peer that closed on us is not to be dialled; `undefined` where it may be. */
  refusedUntil(peer: PeerKey, now: number): number | undefined { return this.refusals.until(peer, now) }

  /** Peers that closed on us and are not connected, with the address that led to them. */
  refused(now: number): Array<{ readonly peer: PeerKey; readonly address: string }> {
    return this.refusals.standing(now).filter(({ peer }) => !this.#entries.has(peer))
  }

  /** The operator wants it tried again. */
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
