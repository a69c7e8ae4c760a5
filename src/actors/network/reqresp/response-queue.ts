import type { PeerKey } from '../../../protocol/peer-key.js'
import type { Clock, TimerHandle } from '../../kernel/index.js'
import type { RequestKind } from '../ingress.js'
import { FairShare } from '../limits/fair-share.js'
import type { Cost, ServingTotals } from '../limits/fair-share.js'
import { SlidingWindow } from '../limits/sliding-window.js'

export interface ResponseQueueOptions extends ServingTotals {
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
  /** Whether it is among what is guaranteed to its peer; known once `wait` has resolved. */
  readonly guaranteed: boolean
  /** What the answer came to, once it is on its way: bytes, and ms of this thread. To be called once. */
  settle(bytes: number, ms: number): void
}

/** What a turn was charged, and why it had its turn. */
interface Charge { readonly cost: Cost; readonly guaranteed: boolean }

interface Waiter { readonly latest: number; readonly go: (charge: Charge) => void }

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
export class ResponseQueue {
  readonly #lanes = new Map<string, Lane>()
  /** Lanes in which something waits, and the number of those of each peer. */
  readonly #queued = new Set<Lane>()
  readonly #askers = new Map<PeerKey, number>()
  readonly #share: FairShare
  readonly #spacing: number
  /** What an answer of a kind costs, as the last ones did. */
  readonly #costs: Record<RequestKind, Cost> = {
    head: { requests: 1, bytes: 64, ms: 0.2 }, commitments: { requests: 1, bytes: 65_536, ms: 0.5 }, txList: { requests: 1, bytes: 65_536, ms: 0.5 },
  }
  #timer: TimerHandle | undefined
  #wakesAt = Infinity
  #waiting = 0
  #flushed = false

  constructor(private readonly clock: Clock, private readonly options: ResponseQueueOptions) {
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
    if (this.#flushed) return { wait: undefined, guaranteed: true, settle: () => undefined }
    const now = this.clock.monotonic()
    const lane = this.#lane(peer, kind)
    if (lane.waiting.length === 0) {
      const charge = this.#charge(lane, now)
      if (charge !== undefined) return { wait: undefined, guaranteed: charge.guaranteed, settle: (bytes, ms) => { this.#settle(lane, charge.cost, bytes, ms) } }
    }
    const { maxDelayed, delayWithinMs } = this.options
    if (lane.waiting.length >= maxDelayed) return undefined
    const latest = Math.min(now + delayWithinMs, Math.max(now, lane.waiting.at(-1)?.latest ?? 0) + this.#spacing)
    let charged = UNCHARGED
    const wait = new Promise<void>(resolve => { lane.waiting.push({ latest, go: charge => { charged = charge; resolve() } }) })
    this.#waiting++
    // Behind another it changes nothing, and it lets nobody else go earlier: a flood of requests does not look at everybody each time.
    if (lane.waiting.length === 1) {
      this.#queued.add(lane)
      this.#askers.set(peer, (this.#askers.get(peer) ?? 0) + 1)
      this.#wakeAt(this.#firstAt(lane, now, this.#share.levelOfWaiting(now, this.#askers)), now)
    }
    return { wait, get guaranteed() { return charged.guaranteed }, settle: (bytes, ms) => { this.#settle(lane, charged.cost, bytes, ms) } }
  }

  /** Everybody's turn has come, now and from now on: we are stopping. */
  flush(): void {
    this.#flushed = true
    for (const { waiting } of this.#queued) for (const { go } of waiting.splice(0)) go(UNCHARGED)
    this.#queued.clear()
    this.#askers.clear()
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

  /**
   * Takes a place where there is one, and charges what it will cost; gives that. `late`: it has waited for as long as anybody may.
   * `level`: the peer's fair part, where it is known.
   */
  #charge({ peer, kind, window }: Lane, now: number, late = false, level?: number): Charge | undefined {
    const cost = this.#costs[kind]
    const guaranteed = window.take(now)
    if (!guaranteed && !late && this.#share.waitFor(peer, cost, now, this.#askers, level) > 0) return undefined
    this.#share.charge(peer, cost, now)
    return { cost, guaranteed }
  }

  #settle({ peer, kind }: Lane, charged: Cost, bytes: number, ms: number): void {
    this.#share.charge(peer, { requests: 0, bytes: bytes - charged.bytes, ms: ms - charged.ms }, this.clock.monotonic())
    const before = this.#costs[kind]
    this.#costs[kind] = { requests: 1, bytes: before.bytes + LEARNING * (bytes - before.bytes), ms: before.ms + LEARNING * (ms - before.ms) }
  }

  /** Lets those go whose turn it is: who has used least comes first. Those who wait now share until all have had a look. */
  #dispatch(): void {
    const now = this.clock.monotonic()
    const level = this.#queued.size === 0 ? 0 : this.#share.levelOfWaiting(now, this.#askers)
    const lanes = [...this.#queued].map(lane => ({ lane, used: this.#share.usedBy(lane.peer, now) })).sort((a, b) => a.used - b.used)
    for (let moved = true; moved;) {
      moved = false
      for (const { lane } of lanes) {
        const [first] = lane.waiting
        const charge = first === undefined ? undefined : this.#charge(lane, now, first.latest <= now, level)
        if (first === undefined || charge === undefined) continue
        lane.waiting.shift()
        this.#waiting--
        if (lane.waiting.length === 0) this.#leaves(lane)
        first.go(charge)
        moved = true
      }
    }
    this.#wake(now)
  }

  /** Nothing waits in this lane any more. */
  #leaves(lane: Lane): void {
    this.#queued.delete(lane)
    const left = (this.#askers.get(lane.peer) ?? 1) - 1
    if (left > 0) this.#askers.set(lane.peer, left)
    else this.#askers.delete(lane.peer)
  }

  /** When the first of a lane may go, as far as is known now. */
  #firstAt({ peer, kind, window, waiting }: Lane, now: number, level: number): number {
    const shared = now + this.#share.waitFor(peer, this.#costs[kind], now, this.#askers, level)
    return Math.min(waiting[0]?.latest ?? Infinity, window.roomAt(now) ?? Infinity, shared)
  }

  /** Wakes up when the first of those who wait may go. */
  #wake(now: number): void {
    if (this.#timer !== undefined) this.clock.clearTimeout(this.#timer)
    this.#timer = undefined
    this.#wakesAt = Infinity
    if (this.#queued.size === 0) return
    const level = this.#share.levelOfWaiting(now, this.#askers)
    let at = Infinity
    for (const lane of this.#queued) at = Math.min(at, this.#firstAt(lane, now, level))
    this.#wakeAt(at, now)
  }

  /** Wakes up then, unless it is to be earlier anyway. */
  #wakeAt(at: number, now: number): void {
    if (at >= this.#wakesAt) return
    if (this.#timer !== undefined) this.clock.clearTimeout(this.#timer)
    this.#wakesAt = at
    this.#timer = this.clock.setTimeout(() => { this.#timer = undefined; this.#dispatch() }, Math.max(LEAST_WAIT_MS, at - now))
  }
}

const UNCHARGED: Charge = { cost: { requests: 0, bytes: 0, ms: 0 }, guaranteed: true }
/** The loop is not woken more often than this for those who wait. */
const LEAST_WAIT_MS = 2
