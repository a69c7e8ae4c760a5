import type { PeerKey } from '../../../protocol/peer-key.js'

/** What serving may cost in all, a second. Number, bytes, and part of this thread's time (0 to 1). */
export interface ServingTotals {
  readonly requestsPerSecond: number
  readonly bytesPerSecond: number
  readonly busyShare: number
}

/** What one answer costs; `ms` of this thread. */
export interface Cost { readonly requests: number; readonly bytes: number; readonly ms: number }

/** Parts of the whole budget, one for each resource. */
type Parts = [requests: number, bytes: number, ms: number]

/** Peers whose requests wait. */
export interface Waiting { readonly size: number; has(peer: PeerKey): boolean }

interface Usage { readonly parts: Parts; at: number }

/** Usage counts over about so many ms: a part that was used at t weighs e^−(now−t)/OVER. */
const OVER_MS = 1_000
/** Peers under half of their fair share may together exceed the budget by a quarter. */
const LIGHT_USER = { share: 0.5, overBudget: 0.25 }
/** Less than this part of the budget is nothing. */
const NOTHING = 1e-6

/**
 * Divides the serving budget fairly among those who ask (SPEC §8): max-min over what each of them uses most of (requests, bytes or
 * processor time). Whoever wants less than its part leaves the rest to those who want more; nobody is trusted by name.
 *
 * Pure: the caller says what time it is, in milliseconds of one monotonic clock, and who waits.
 */
export class FairShare {
  readonly #perWindow: Parts
  readonly #all: Usage = { parts: [0, 0, 0], at: 0 }
  readonly #peers = new Map<PeerKey, Usage>()

  constructor({ requestsPerSecond, bytesPerSecond, busyShare }: ServingTotals) {
    this.#perWindow = [requestsPerSecond * OVER_MS / 1_000, bytesPerSecond * OVER_MS / 1_000, busyShare * OVER_MS]
  }

  /** Peers whose usage still counts. */
  get size(): number { return this.#peers.size }

  /** Part of the budget that is in use now, of the resource that is used most; above 1 where guaranteed shares exceed it. */
  used(now: number): number { return most(faded(this.#all, now)) }

  /** The same of one peer. */
  usedBy(peer: PeerKey, now: number): number {
    const usage = this.#peers.get(peer)
    return usage === undefined ? 0 : most(faded(usage, now))
  }

  /** Notes a cost, or corrects one that was estimated (then it may be negative). */
  charge(peer: PeerKey, cost: Cost, now: number): void {
    let usage = this.#peers.get(peer)
    if (usage === undefined) this.#peers.set(peer, usage = { parts: [0, 0, 0], at: now })
    const parts = this.#partsOf(cost)
    add(usage, parts, now)
    add(this.#all, parts, now)
  }

  /**
   * Milliseconds until this cost may be served beyond what is guaranteed: 0 if the budget has surplus and the peer is within its fair
   * share, `Infinity` if it never fits. The answer holds for this moment only. Heavy users keep the budget full, so that a light user would
   * never win the race for what becomes free; peers under half of their fair share may therefore exceed the budget (`LIGHT_USER`).
   * @param waiting peers whose requests wait: they want more than they use
   * @param level the peer's fair part, where the caller has it (`levelOfWaiting`): to find it takes a look at everybody
   */
  waitFor(peer: PeerKey, cost: Cost, now: number, waiting: Waiting, level = this.#level(now, waiting, peer)): number {
    const parts = this.#partsOf(cost)
    const all = faded(this.#all, now)
    const own = this.#peers.get(peer)
    const mine = own === undefined ? [0, 0, 0] as Parts : faded(own, now)
    let wait = 0
    for (let each = 0; each < parts.length; each++) {
      const [part, used, byAll] = [parts[each], mine[each], all[each]] as [number, number, number]
      const asLightUser = Math.max(untilBelow(byAll, 1 + LIGHT_USER.overBudget - part), untilBelow(used, LIGHT_USER.share * level - part))
      wait = Math.max(wait, Math.min(untilBelow(byAll, 1 - part), asLightUser), untilBelow(used, level - part))
    }
    return wait
  }

  /** Forgets peers that use nothing any more: what keeps this bounded by those who asked within some seconds. */
  sweep(now: number): void {
    for (const [peer, usage] of this.#peers) if (most(faded(usage, now)) < NOTHING) this.#peers.delete(peer)
  }

  /** The fair part of each of those who wait: the same for all of them. There must be one. */
  levelOfWaiting(now: number, waiting: Waiting): number { return this.#level(now, waiting) }

  /** The peer's fair part: what is left when everybody else has what it wants, at most as much as the peer itself gets. */
  #level(now: number, waiting: Waiting, peer?: PeerKey): number {
    const wanted: number[] = []
    for (const [other, usage] of this.#peers) if (other !== peer && !waiting.has(other)) wanted.push(most(faded(usage, now)))
    wanted.sort((a, b) => a - b)
    let sharers = wanted.length + waiting.size + Number(peer !== undefined && !waiting.has(peer))
    let left = 1
    for (const each of wanted) {
      if (each >= left / sharers) break
      left -= each
      sharers--
    }
    return left / sharers
  }

  #partsOf({ requests, bytes, ms }: Cost): Parts {
    const [mostRequests, mostBytes, mostMs] = this.#perWindow
    return [part(requests, mostRequests), part(bytes, mostBytes), part(ms, mostMs)]
  }
}

/** Of a budget of nothing, anything is more than there is. */
const part = (cost: number, budget: number): number => cost === 0 ? 0 : budget > 0 ? cost / budget : Math.sign(cost) * 2

const most = (parts: Parts): number => Math.max(...parts)

function faded({ parts: [requests, bytes, ms], at }: Usage, now: number): Parts {
  const left = Math.exp(Math.min(0, at - now) / OVER_MS)
  return [requests * left, bytes * left, ms * left]
}

function add(usage: Usage, more: Parts, now: number): void {
  const before = faded(usage, now)
  usage.at = now
  for (let each = 0; each < more.length; each++) usage.parts[each] = Math.max(0, (before[each] as number) + (more[each] as number))
}

/** ms until a usage has faded to at most `limit`. */
function untilBelow(used: number, limit: number): number {
  if (used <= limit) return 0
  return limit <= 0 ? Infinity : OVER_MS * Math.log(used / limit)
}
