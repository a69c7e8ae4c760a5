import type { Head } from '../chain/ingress.js'
import type { RequestKind, Response } from '../network/ingress.js'
import type { PeerKey } from '../../protocol/peer-key.js'
import type { SyncConfig } from './config.js'

/** When a peer can be asked: now, at a time (ms), or only after something of its own has ended. */
export type Readiness = 'now' | number | 'when_answered'

/** An answer so much slower than the peer's best, and above `SLOW_FLOOR_MS`, means that it delays us (SPEC §8): fewer at once. */
const SLOWED = 4
const SLOW_FLOOR_MS = 1_000
const LATENCY_WEIGHT = 0.2
const BACKOFF_FIRST_MS = 1_000
const BACKOFF_MOST_MS = 8_000

/**
 * What is under way to a peer on one protocol, and how much more the driver lets out, as it said with the last answer: the pace is its
 * business (SPEC §8, requests out). Until it has said something, and after a failure, asking tells.
 */
class Lane {
  inFlight = 0
  /** Requests that may still go; `undefined`: not known. */
  #places: number | undefined
  /** From then on there is one more. */
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

/** One peer: what it said, how it serves, and what of the present run concerns it. */
export class SyncPeerState {
  agent = ''
  connected = true
  /** The last announced head. `undefined`: not asked yet, or it announced zeros (see `blind`). */
  head: Head | undefined
  /** It announced zeros: unknown, so it is paged until it has no more (SPEC §9). */
  blind = false
  /** The highest block whose child it brought by gossip: it has that one, whatever its head says. */
  brought: bigint | undefined
  latencyMs: number | undefined
  delivered = 0
  /** Monotonic ms of the last request of any kind: what rotation goes by. */
  lastAsked = -Infinity
  lastSoftPenalty = -Infinity
  // ---- of the present run
  discounted = false
  failures = 0
  /** It has nothing from this height on, it says. */
  exhaustedAt: bigint | undefined
  backoffUntil = -Infinity

  #limit = 2
  #best = Infinity
  #floor: { readonly height: bigint; readonly until: number } | undefined
  readonly #lanes: Readonly<Record<RequestKind, Lane>> = { head: new Lane(), commitments: new Lane(), txList: new Lane() }

  constructor(readonly peer: PeerKey, private readonly config: SyncConfig) {}

  get kin(): boolean { return this.agent.startsWith(this.config.kinAgent) }

  get inFlight(): number { return this.#lanes.head.inFlight + this.#lanes.commitments.inFlight + this.#lanes.txList.inFlight }

  load(kind: RequestKind): number { return this.#lanes[kind].inFlight }

  readiness(kind: RequestKind, now: number): Readiness {
    const lane = this.#lanes[kind]
    if (lane.inFlight >= this.#atOnce()) return 'when_answered'
    const readiness = lane.readiness(now)
    return this.backoffUntil <= now || readiness === 'when_answered' ? readiness : Math.max(this.backoffUntil, readiness === 'now' ? 0 : readiness)
  }

  asked(kind: RequestKind, now: number): void {
    this.#lanes[kind].asked(now)
    this.lastAsked = now
  }

  /**
   * A peer of ours that answers at once has more under way at once; one that delays its answers, less.
   * @param waited ms before the exchange, for the driver's quota
   */
  answered(kind: RequestKind, { ms, places }: Pick<Response, 'ms' | 'places'>, waited: number, now: number): void {
    this.#lanes[kind].answered(places, now)
    this.latencyMs = this.latencyMs === undefined ? ms : this.latencyMs + LATENCY_WEIGHT * (ms - this.latencyMs)
    if (kind === 'head') return
    this.#best = Math.min(this.#best, ms)
    const delayed = waited + ms > Math.max(SLOW_FLOOR_MS, SLOWED * this.#best)
    this.#limit = delayed ? Math.max(1, this.#limit / 2) : Math.min(this.config.inFlightToKin, this.#limit + 1 / this.#limit)
  }

  /** @param blamed whether the peer failed, and not something on our side */
  failed(kind: RequestKind, blamed: boolean, now: number): void {
    this.#lanes[kind].failed()
    if (blamed) {
      this.failures++
      this.#limit = Math.max(1, this.#limit / 2)
    }
    this.backoffUntil = now + Math.min(BACKOFF_FIRST_MS * 2 ** Math.max(0, this.failures - 1), BACKOFF_MOST_MS)
  }

  /** What it serves begins here, it says; asked from below it gives what is above. Just started, it may have more in a moment (H86). */
  floorIs(height: bigint, now: number): void { this.#floor = { height, until: now + this.config.floorFor } }

  floor(now: number): bigint | undefined { return this.#floor !== undefined && this.#floor.until > now ? this.#floor.height : undefined }

  /** A new run: what it could not do in the last one it may be able to do now. */
  renew(): void {
    this.discounted = false
    this.failures = 0
    this.hasMore()
  }

  /** What it lacked it may have now. */
  hasMore(): void {
    this.exhaustedAt = undefined
    this.#floor = undefined
  }

  /** Whether it may have blocks from this height on. @param whateverItsHead heads steer, and may be old: it may have more than it announces */
  mayHave(height: bigint, now: number, whateverItsHead = false): boolean {
    if (this.discounted || !this.connected) return false
    if (this.exhaustedAt !== undefined && height >= this.exhaustedAt) return false
    const floor = this.floor(now)
    if (floor !== undefined && height < floor) return false
    return whateverItsHead || this.blind || (this.head !== undefined && height <= this.head.blockNumber) || (this.brought !== undefined && height <= this.brought)
  }

  #atOnce(): number { return this.kin ? Math.max(1, Math.floor(this.#limit)) : this.config.inFlight }
}

/** Some fit, and none can be asked now: from then on, or (`undefined`) after one of them has answered. */
export interface Later { readonly readyAt: number | undefined }

/** The peers that can be asked, and for a while those that left. Bounded: who left longest ago is forgotten first. */
export class PeerBook {
  readonly #peers = new Map<PeerKey, SyncPeerState>()

  constructor(private readonly config: SyncConfig, private readonly choosable: (peer: PeerKey) => boolean = () => true) {}

  get size(): number { return this.#peers.size }

  get(peer: PeerKey): SyncPeerState | undefined { return this.#peers.get(peer) }

  /** Gives true where it was not connected before. */
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

  /** Those connected. */
  * all(): IterableIterator<SyncPeerState> {
    for (const state of this.#peers.values()) if (state.connected) yield state
  }

  /** Those connected whom reputation lets us ask (SPEC §8: above −1). */
  * askable(): IterableIterator<SyncPeerState> {
    for (const state of this.all()) if (this.choosable(state.peer)) yield state
  }

  mayAsk(state: SyncPeerState): boolean { return state.connected && this.choosable(state.peer) }

  /**
   * The peer to ask among those that fit: the least loaded, then the one that waited longest, so that the choice rotates (H27).
   * `undefined` where none fits at all.
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

  /** The most of a list that a departed peer may take; those connected are bounded by the driver's limit of connections. */
  #sweep(): void {
    for (const [peer, state] of this.#peers) {
      if (this.#peers.size <= this.config.peers) return
      if (!state.connected && state.inFlight === 0) this.#peers.delete(peer)
    }
  }
}
