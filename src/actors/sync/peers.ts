import { backoffMs } from '../kernel/index.js'
import type { Head } from '../chain/ingress.js'
import type { RequestKind, Response } from '../network/ingress.js'
import type { PeerKey } from '../../protocol/peer-key.js'
import type { SyncConfig } from './config.js'

/** When a peer can be asked: now, at a time (monotonic ms), or after one of its requests in flight has ended. */
export type Readiness = 'now' | number | 'when_answered'

/** An answer this many times slower than the peer's best one, and slower than `DELAYED_FLOOR_MS`, was delayed (SPEC §8): fewer in flight. */
const DELAYED = 4
const DELAYED_FLOOR_MS = 1_000
const LATENCY_WEIGHT = 0.2
const BACKOFF = { firstMs: 1_000, maxMs: 8_000, factor: 2, jitter: 0 }

/**
 * The requests in flight to a peer on one protocol, and how many more the driver would send, as it said with the last answer. The driver
 * sets the pace (SPEC §8, requests out). Before its first answer and after a failure the limit is unknown, and a request may go.
 */
class Lane {
  inFlight = 0
  /** Requests that may still go; `undefined` if unknown. */
  #places: number | undefined
  /** When one more may go, monotonic ms. */
  #moreAt: number | undefined

  readiness(now: number): Readiness {
    if (this.#places === undefined || this.#places > 0 || (this.#moreAt !== undefined && this.#moreAt <= now)) return 'now'
    return this.#moreAt ?? (this.inFlight > 0 ? 'when_answered' : 'now')
  }

  asked(now: number): void {
    this.inFlight++
    if (this.#places === undefined) return
    if (this.#places > 0) this.#places--
    else if (this.#moreAt !== undefined && this.#moreAt <= now) this.#moreAt = undefined
  }

  answered({ now: places, inMs }: Response['places'], now: number): void {
    this.inFlight--
    this.#places = places
    this.#moreAt = inMs === undefined ? undefined : now + inMs
  }

  failed(): void {
    this.inFlight--
    this.#places = this.#moreAt = undefined
  }
}

/** One peer: what it announced, how it serves, and its state in the present range sync. */
export class SyncPeerState {
  agent = ''
  connected = true
  /** The last announced head; `undefined` before it was asked, or if it announced zeros (see `blind`). */
  head: Head | undefined
  /** It announced zeros, so its head is unknown: it is asked page by page until it has no more (SPEC §9). */
  blind = false
  /** The highest block whose child it brought by gossip: it has that block, whatever head it announced. */
  brought: bigint | undefined
  latencyMs: number | undefined
  delivered = 0
  /** Monotonic ms of the last request of any kind; requests rotate by it. */
  lastAsked = -Infinity
  lastSoftPenalty = -Infinity
  // ---- state of the present range sync
  discounted = false
  failures = 0
  /** Its answers say that it has nothing from this height up. */
  exhaustedAt: bigint | undefined
  backoffUntil = -Infinity

  #limit = 2
  #best = Infinity
  #floor: { readonly height: bigint; readonly until: number } | undefined
  readonly #lanes: Readonly<Record<RequestKind, Lane>> = { head: new Lane(), commitments: new Lane(), txList: new Lane() }

  constructor(readonly peer: PeerKey, private readonly config: SyncConfig) {}

  /** By its own word: it runs this software. */
  get sameClient(): boolean { return this.agent.startsWith(this.config.sameClientAgent) }

  get inFlight(): number { return this.#lanes.head.inFlight + this.#lanes.commitments.inFlight + this.#lanes.txList.inFlight }

  load(kind: RequestKind): number { return this.#lanes[kind].inFlight }

  readiness(kind: RequestKind, now: number): Readiness {
    const lane = this.#lanes[kind]
    if (lane.inFlight >= this.#maxInFlight()) return 'when_answered'
    const readiness = lane.readiness(now)
    return this.backoffUntil <= now || readiness === 'when_answered' ? readiness : Math.max(this.backoffUntil, readiness === 'now' ? 0 : readiness)
  }

  asked(kind: RequestKind, now: number): void {
    this.#lanes[kind].asked(now)
    this.lastAsked = now
  }

  /**
   * A peer of this software gets more requests in flight while it answers without delay, and fewer when it does not.
   * @param waited ms before the exchange, for the driver's quota
   */
  answered(kind: RequestKind, { ms, places }: Pick<Response, 'ms' | 'places'>, waited: number, now: number): void {
    this.#lanes[kind].answered(places, now)
    this.latencyMs = this.latencyMs === undefined ? ms : this.latencyMs + LATENCY_WEIGHT * (ms - this.latencyMs)
    if (kind === 'head') return
    this.#best = Math.min(this.#best, ms)
    const delayed = waited + ms > Math.max(DELAYED_FLOOR_MS, DELAYED * this.#best)
    this.#limit = delayed ? Math.max(1, this.#limit / 2) : Math.min(this.config.inFlightToSameClient, this.#limit + 1 / this.#limit)
  }

  /** @param blamed whether the peer failed, and not something on our side */
  failed(kind: RequestKind, blamed: boolean, now: number): void {
    this.#lanes[kind].failed()
    if (blamed) {
      this.failures++
      this.#limit = Math.max(1, this.#limit / 2)
    }
    this.backoffUntil = now + backoffMs(Math.max(0, this.failures - 1), BACKOFF, () => 0)
  }

  /** Its answers say that its store begins here. A node that has just started may soon have more (H86). */
  floorIs(height: bigint, now: number): void { this.#floor = { height, until: now + this.config.floorFor } }

  floor(now: number): bigint | undefined { return this.#floor !== undefined && this.#floor.until > now ? this.#floor.height : undefined }

  /** A new range sync begins: failures of the last one no longer count. */
  renew(): void {
    this.discounted = false
    this.failures = 0
    this.hasMore()
  }

  /** It may have now what it lacked before. */
  hasMore(): void {
    this.exhaustedAt = undefined
    this.#floor = undefined
  }

  /** Whether it may have blocks from this height up. @param whateverItsHead ignore its announced head, which may be out of date */
  mayHave(height: bigint, now: number, whateverItsHead = false): boolean {
    if (this.discounted || !this.connected) return false
    if (this.exhaustedAt !== undefined && height >= this.exhaustedAt) return false
    const floor = this.floor(now)
    if (floor !== undefined && height < floor) return false
    return whateverItsHead || this.blind || (this.head !== undefined && height <= this.head.blockNumber) || (this.brought !== undefined && height <= this.brought)
  }

  #maxInFlight(): number { return this.sameClient ? Math.max(1, Math.floor(this.#limit)) : this.config.inFlight }
}

/** Some peers fit and none can be asked now: try again at `readyAt`, or (`undefined`) after one of them has answered. */
export interface Later { readonly readyAt: number | undefined }

/** The connected peers, and for a while those that left. Bounded: the peer that left longest ago is forgotten first. */
export class SyncPeers {
  readonly #peers = new Map<PeerKey, SyncPeerState>()

  constructor(private readonly config: SyncConfig, private readonly choosable: (peer: PeerKey) => boolean = () => true) {}

  get size(): number { return this.#peers.size }

  get(peer: PeerKey): SyncPeerState | undefined { return this.#peers.get(peer) }

  /** True if it was not connected before. */
  ready(peer: PeerKey, agent: string): boolean {
    const known = this.#peers.get(peer)
    const state = known ?? new SyncPeerState(peer, this.config)
    const isNew = known?.connected !== true
    if (isNew) {
      state.connected = true
      state.head = undefined
      state.blind = false
      state.brought = undefined
      state.delivered = 0
      state.renew()
      this.#peers.delete(peer)
      this.#peers.set(peer, state)
      this.#sweep()
    }
    state.agent = agent
    return isNew
  }

  gone(peer: PeerKey): void {
    const state = this.#peers.get(peer)
    if (state === undefined) return
    state.connected = false
    this.#peers.delete(peer)
    this.#peers.set(peer, state)
    this.#sweep()
  }

  /** The connected peers. */
  * all(): IterableIterator<SyncPeerState> {
    for (const state of this.#peers.values()) if (state.connected) yield state
  }

  /** The connected peers that reputation lets us ask (SPEC §8: above −1). */
  * askable(): IterableIterator<SyncPeerState> {
    for (const state of this.all()) if (this.choosable(state.peer)) yield state
  }

  mayAsk(state: SyncPeerState): boolean { return state.connected && this.choosable(state.peer) }

  /**
   * The peer to ask among those that fit: the least loaded, then the one that was asked longest ago, so that the choice rotates (H27).
   * `undefined` if none fits.
   */
  choose(kind: RequestKind, now: number, fits: (state: SyncPeerState) => boolean): SyncPeerState | Later | undefined {
    let best: SyncPeerState | undefined
    let readyAt: number | undefined
    let any = false
    for (const state of this.askable()) {
      if (!fits(state)) continue
      any = true
      const readiness = state.readiness(kind, now)
      if (readiness === 'now') {
        const more = best === undefined ? -1 : state.load(kind) - best.load(kind)
        if (best === undefined || more < 0 || (more === 0 && state.lastAsked < best.lastAsked)) best = state
      } else if (readiness !== 'when_answered') {
        readyAt = Math.min(readyAt ?? Infinity, readiness)
      }
    }
    return best ?? (any ? { readyAt } : undefined)
  }

  /** Bounds the peers that left; the connected ones are bounded by the driver's connection limit. */
  #sweep(): void {
    for (const [peer, state] of this.#peers) {
      if (this.#peers.size <= this.config.peers) return
      if (!state.connected && state.inFlight === 0) this.#peers.delete(peer)
    }
  }
}
