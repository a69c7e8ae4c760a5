import type { PeerKey } from '../../../protocol/peer-key.js'
import type { Clock, TimerHandle } from '../../kernel/index.js'
import type { RequestKind } from '../ingress.js'
import { FairShare } from './fair-share.js'
import type { Cost, ServingTotals } from './fair-share.js'
import { SlidingWindow } from './sliding-window.js'

export interface ServingQueueOptions extends ServingTotals {
  /** Answered at once whatever others ask, per peer and protocol, in any window. */
  readonly perWindow: number
  readonly windowMs: number
  /** Delayed answers at most, per peer and protocol. */
  readonly maxDelayed: number
  /** The last of them leaves within this time, in milliseconds. */
  readonly delayWithinMs: number
}

/** A request that may be answered: now, or when `wait` has resolved. */
export interface Turn {
  readonly wait: Promise<void> | undefined
  /** What the answer came to, once it is on its way: bytes, and ms of this thread. To be called once. */
  settle(bytes: number, ms: number): void
}

interface Waiter { readonly latest: number; readonly go: (charged: Cost) => void }

interface Lane {
  readonly peer: PeerKey
  readonly kind: RequestKind
  readonly window: SlidingWindow
  readonly waiting: Waiter[]
}

/** How much of an estimate a new answer changes. */
const LEARNING = 0.1

/**
 * The inbound limit of SPEC §8. A request is answered at once while its peer is within what is guaranteed to everybody, or while the
 * total serving budget has a surplus and the peer its fair part of it (fair-share.ts). Anything over that is answered all the same, but
 * later: in its turn as budget comes free, at the latest so that a full queue leaves within 5 s. An unanswered request would make the
 * asker ban us (SPEC §10); only overrunning the queue is a violation.
 */
export class ServingQueue {
  readonly #lanes = new Map<string, Lane>()
  readonly #share: FairShare
  readonly #spacing: number
  /** What an answer of a kind costs, as the last ones did. */
  readonly #costs: Record<RequestKind, Cost> = {
    head: { requests: 1, bytes: 64, ms: 0.2 }, commitments: { requests: 1, bytes: 65_536, ms: 0.5 }, txList: { requests: 1, bytes: 65_536, ms: 0.5 },
  }
  #timer: TimerHandle | undefined
  #waiting = 0
  #flushed = false

  constructor(private readonly clock: Clock, private readonly options: ServingQueueOptions) {
    this.#share = new FairShare(options)
    this.#spacing = options.delayWithinMs / Math.max(1, options.maxDelayed)
  }

  /** Lanes kept at this moment. */
  get size(): number { return this.#lanes.size }
  /** Requests that wait for their turn. */
  get waiting(): number { return this.#waiting }
  /** Part of the total budget in use. */
  get used(): number { return this.#share.used(this.clock.monotonic()) }

  /** A turn for a request that came now; `undefined` where the queue is full. */
  turn(peer: PeerKey, kind: RequestKind): Turn | undefined {
    if (this.#flushed) return { wait: undefined, settle: () => undefined }
    const now = this.clock.monotonic()
    const lane = this.#lane(peer, kind)
    if (lane.waiting.length === 0) {
      const charged = this.#charge(lane, now)
      if (charged !== undefined) return { wait: undefined, settle: (bytes, ms) => { this.#settle(lane, charged, bytes, ms) } }
    }
    const { maxDelayed, delayWithinMs } = this.options
    if (lane.waiting.length >= maxDelayed) return undefined
    const latest = Math.min(now + delayWithinMs, Math.max(now, lane.waiting.at(-1)?.latest ?? 0) + this.#spacing)
    let charged = NOTHING
    const wait = new Promise<void>(resolve => { lane.waiting.push({ latest, go: cost => { charged = cost; resolve() } }) })
    this.#waiting++
    this.#wake(now)
    return { wait, settle: (bytes, ms) => { this.#settle(lane, charged, bytes, ms) } }
  }

  /** Everybody's turn has come, now and from now on: we are stopping. */
  flush(): void {
    this.#flushed = true
    for (const { waiting } of this.#lanes.values()) for (const { go } of waiting.splice(0)) go(NOTHING)
    this.#waiting = 0
    this.#wake(this.clock.monotonic())
  }

  /** Forgets lanes in which nothing counts any more: what keeps this bounded by the peers that asked within one window. */
  sweep(): void {
    const now = this.clock.monotonic()
    for (const [id, { waiting, window }] of this.#lanes) if (waiting.length === 0 && window.used(now) === 0) this.#lanes.delete(id)
    this.#share.sweep(now)
  }

  #lane(peer: PeerKey, kind: RequestKind): Lane {
    const id = `${kind} ${peer}`
    let lane = this.#lanes.get(id)
    if (lane === undefined) {
      const { perWindow, windowMs } = this.options
      this.#lanes.set(id, lane = { peer, kind, window: new SlidingWindow(perWindow, windowMs), waiting: [] })
    }
    return lane
  }

  /** Takes a place where there is one, and charges what it will cost; gives that. `late`: it has waited for as long as anybody may. */
  #charge({ peer, kind, window }: Lane, now: number, late = false): Cost | undefined {
    const cost = this.#costs[kind]
    if (!window.take(now) && !late && this.#share.waitFor(peer, cost, now, this.#askers()) > 0) return undefined
    this.#share.charge(peer, cost, now)
    return cost
  }

  #settle({ peer, kind }: Lane, charged: Cost, bytes: number, ms: number): void {
    this.#share.charge(peer, { requests: 0, bytes: bytes - charged.bytes, ms: ms - charged.ms }, this.clock.monotonic())
    const before = this.#costs[kind]
    this.#costs[kind] = { requests: 1, bytes: before.bytes + LEARNING * (bytes - before.bytes), ms: before.ms + LEARNING * (ms - before.ms) }
  }

  /** Peers with something that waits. */
  #askers(): ReadonlySet<PeerKey> {
    if (this.#waiting === 0) return NOBODY
    const askers = new Set<PeerKey>()
    for (const { peer, waiting } of this.#lanes.values()) if (waiting.length > 0) askers.add(peer)
    return askers
  }

  /** Lets those go whose turn it is: who has used least comes first. */
  #dispatch(): void {
    const now = this.clock.monotonic()
    const lanes = [...this.#lanes.values()].filter(({ waiting }) => waiting.length > 0)
    lanes.sort((a, b) => this.#share.usedBy(a.peer, now) - this.#share.usedBy(b.peer, now))
    for (let moved = true; moved;) {
      moved = false
      for (const lane of lanes) {
        const [first] = lane.waiting
        const charged = first === undefined ? undefined : this.#charge(lane, now, first.latest <= now)
        if (first === undefined || charged === undefined) continue
        lane.waiting.shift()
        this.#waiting--
        first.go(charged)
        moved = true
      }
    }
    this.#wake(now)
  }

  /** Wakes up when the first of those who wait may go. */
  #wake(now: number): void {
    if (this.#timer !== undefined) this.clock.clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#waiting === 0) return
    const askers = this.#askers()
    let wait = Infinity
    for (const { peer, kind, window, waiting } of this.#lanes.values()) {
      const [first] = waiting
      if (first === undefined) continue
      const room = window.roomAt(now)
      wait = Math.min(wait, first.latest - now, room === undefined ? Infinity : room - now, this.#share.waitFor(peer, this.#costs[kind], now, askers))
    }
    this.#timer = this.clock.setTimeout(() => { this.#timer = undefined; this.#dispatch() }, Math.max(LEAST_WAIT_MS, wait))
  }
}

const NOTHING: Cost = { requests: 0, bytes: 0, ms: 0 }
const NOBODY: ReadonlySet<PeerKey> = new Set()
/** The loop is not woken more often than this for those who wait. */
const LEAST_WAIT_MS = 2
