import type { ENR } from '@chainsafe/enr'
import type { PeerKey } from '../../protocol/peer-key.js'
import { backoffMs } from '../kernel/index.js'
import type { Random } from '../kernel/index.js'
import { holderOf, scopeOf } from './ip.js'
import type { Ip } from './ip.js'

/** A candidate for a dial. */
export interface Target {
  /** The node id if there is an ENR, else a text of its own. Several nodes may claim one peer; only one claim is right. */
  readonly key: string
  readonly peer: PeerKey
  /** Each ends in `/p2p/…`. */
  readonly addresses: readonly string[]
  /** The IP addresses in `addresses`; none for host names. */
  readonly ips: readonly Ip[]
  /** The ENR's sequence number; 0 without an ENR. */
  readonly seq: bigint
  /** The order of dialling: saved peers, then those that the operator named, then the rest. */
  readonly rank: 'known' | 'named' | 'found'
  /** The ENR, if there is one. `ownKey`: the peer id is that of the ENR's own key. */
  readonly record?: { readonly enr: ENR; readonly ownKey: boolean } | undefined
}

/** Exponential backoff, in milliseconds. */
export interface RetryRules {
  readonly firstMs: number
  readonly maxMs: number
  /** The maximum delay for targets that the operator named. */
  readonly namedMaxMs: number
  readonly factor: number
  /** The random part of a delay, from 0 to 1. */
  readonly jitter: number
}

/** The delay after this many failures before the present one. */
export function waitAfter(failures: number, named: boolean, { firstMs, maxMs, namedMaxMs, factor, jitter }: RetryRules, random: Random): number {
  return backoffMs(failures, { firstMs, maxMs: named ? namedMaxMs : maxMs, factor, jitter }, random)
}

export interface TargetRules {
  /** Maximum number of targets kept, not counting those that the operator named. */
  readonly max: number
  /** Maximum per public network (/24, /48). Without it one machine could fill the table, or make us dial a victim repeatedly. */
  readonly perNetwork: number
  readonly retry: RetryRules
}

interface Entry { target: Target; failures: number; notBefore: number; dialling: boolean; readonly order: number }

const RANKS = { known: 0, named: 1, found: 2 } as const

/** Chooses the next target to dial. Without I/O or a clock: the caller passes the time. */
export class Targets {
  readonly #entries = new Map<string, Entry>()
  #order = 0

  constructor(private readonly rules: TargetRules, private readonly random: Random) {}

  get size(): number { return this.#entries.size }
  get dialling(): number { return [...this.#entries.values()].filter(entry => entry.dialling).length }
  get(key: string): Target | undefined { return this.#entries.get(key)?.target }
  /** The targets that claim a peer id. */
  of(peer: PeerKey): Target[] { return [...this.#entries.values()].filter(({ target }) => target.peer === peer).map(({ target }) => target) }

  /** Adds a target, or updates it from a newer record. If the table is full, the one with the most failures is evicted. Returns whether it is new. */
  add(target: Target, now: number): boolean {
    const entry = this.#entries.get(target.key)
    if (entry !== undefined) {
      this.#update(entry, target, now)
      return false
    }
    if (target.rank !== 'named' && !this.#makeRoom(target)) return false
    this.#entries.set(target.key, { target, failures: 0, notBefore: now, dialling: false, order: this.#order++ })
    return true
  }

  /** The next target that is due. It counts as being dialled from now on. */
  next(now: number, excluded: (peer: PeerKey) => boolean): Target | undefined {
    const dialling = new Set([...this.#entries.values()].filter(entry => entry.dialling).map(({ target }) => target.peer))
    let best: Entry | undefined
    for (const entry of this.#entries.values()) {
      if (entry.notBefore > now || dialling.has(entry.target.peer) || excluded(entry.target.peer)) continue
      if (best === undefined || before(entry, best)) best = entry
    }
    if (best === undefined) return undefined
    best.dialling = true
    return best.target
  }

  /** The address to dial: each failure moves on to the next one. */
  addressOf(key: string): string | undefined {
    const entry = this.#entries.get(key)
    return entry?.target.addresses[entry.failures % entry.target.addresses.length]
  }

  /** Notes the end of a dial, and schedules the next. @param waitMs minimum delay that the error asks for */
  failed(key: string, now: number, waitMs = 0): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    const wait = waitAfter(entry.failures, entry.target.rank === 'named', this.rules.retry, this.random)
    entry.failures = Math.min(entry.failures + 1, 64)
    entry.dialling = false
    entry.notBefore = now + Math.max(waitMs, wait)
  }

  /** Notes that a peer is connected, whichever side dialled. */
  connected(key: string): void {
    const entry = this.#entries.get(key)
    if (entry !== undefined) entry.dialling = false
  }

  /** Resets the backoff of a peer that speaks our protocols: after a disconnect it is dialled again soon. */
  proved(key: string, now: number): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    entry.failures = 0
    entry.notBefore = now + waitAfter(0, false, this.rules.retry, this.random)
  }

  /** Forgets all dials under way. */
  reset(): void { for (const entry of this.#entries.values()) entry.dialling = false }

  #update(entry: Entry, target: Target, now: number): void {
    const { seq, rank } = entry.target
    const better = RANKS[target.rank] < RANKS[rank] ? target.rank : rank
    if (target.seq < seq || (target.seq === seq && better === rank)) return
    const moved = target.addresses.join() !== entry.target.addresses.join()
    entry.target = { ...target, rank: better }
    // a new address gets one attempt at once; the number of failures stays
    if (moved && target.seq > seq) entry.notBefore = Math.min(entry.notBefore, now + this.rules.retry.firstMs)
  }

  #makeRoom(target: Target): boolean {
    const same = [...this.#entries.values()].filter(entry => sharesNetwork(entry.target, target))
    if (same.length >= this.rules.perNetwork) return this.#dropWorst(same)
    const evictable = this.#entries.size >= this.rules.max ? [...this.#entries.values()].filter(entry => entry.target.rank !== 'named') : undefined
    return evictable === undefined || evictable.length < this.rules.max || this.#dropWorst(evictable)
  }

  /** Evicts only targets that have failed: a flood of new ones must not displace those that were not tried yet. */
  #dropWorst(entries: readonly Entry[]): boolean {
    let worst: Entry | undefined
    for (const entry of entries) {
      if (entry.dialling || entry.failures === 0 || entry.target.rank === 'named') continue
      if (worst === undefined || entry.failures > worst.failures) worst = entry
    }
    return worst !== undefined && this.#entries.delete(worst.target.key)
  }
}

/** The order of dialling: without failures first, then by rank, then fewer failures, then the oldest. */
function before(a: Entry, b: Entry): boolean {
  const difference = Math.sign(a.failures) - Math.sign(b.failures) || RANKS[a.target.rank] - RANKS[b.target.rank] || a.failures - b.failures || a.order - b.order
  return difference < 0
}

function sharesNetwork(a: Target, b: Target): boolean {
  return a.ips.some(one => scopeOf(one) === 'public' && b.ips.some(other => holderOf(one) === holderOf(other)))
}
