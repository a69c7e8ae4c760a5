import type { ENR } from '@chainsafe/enr'
import type { PeerKey } from '../../protocol/peer-key.js'
import { backoffMs } from '../kernel/index.js'
import type { Random } from '../kernel/index.js'
import { holderOf, scopeOf } from './ip.js'
import type { Ip } from './ip.js'

/** Somebody to be connected to. */
export interface Target {
  /** A node id where there is an ENR; several may claim one peer, and only one of them is right. */
  readonly key: string
  readonly peer: PeerKey
  /** Each ends in `/p2p/…`. */
  readonly addresses: readonly string[]
  /** Where the addresses are; none for host names. */
  readonly ips: readonly Ip[]
  /** The ENR's sequence number; 0 where there is none. */
  readonly seq: bigint
  /** In the order of trying: whom we knew before, then whom the operator named, then the rest. */
  readonly rank: 'known' | 'named' | 'found'
  /** Where it says so itself; `ownKey`: its peer id is made of the record's own key. */
  readonly record?: { readonly enr: ENR; readonly ownKey: boolean } | undefined
}

/** Exponential, in milliseconds. */
export interface RetryRules {
  readonly firstMs: number
  readonly maxMs: number
  /** The longest wait for whom the operator named. */
  readonly namedMaxMs: number
  readonly factor: number
  /** The part of a wait that is left to chance, 0 to 1. */
  readonly jitter: number
}

/** The wait after so many failures before the present one. */
export function waitAfter(failures: number, named: boolean, { firstMs, maxMs, namedMaxMs, factor, jitter }: RetryRules, random: Random): number {
  return backoffMs(failures, { firstMs, maxMs: named ? namedMaxMs : maxMs, factor, jitter }, random)
}

export interface TargetRules {
  /** Kept at most; those that the operator named beside them. */
  readonly max: number
  /** Of one public network (/24, /48): else one machine could fill the book, or have us dial a victim again and again. */
  readonly perNetwork: number
  readonly retry: RetryRules
}

interface Entry { target: Target; failures: number; notBefore: number; dialling: boolean; readonly order: number }

const RANKS = { known: 0, named: 1, found: 2 } as const

/** Whom to dial next. Pure: the caller says what happens and when. */
export class Targets {
  readonly #entries = new Map<string, Entry>()
  #order = 0

  constructor(private readonly rules: TargetRules, private readonly random: Random) {}

  get size(): number { return this.#entries.size }
  get dialling(): number { return [...this.#entries.values()].filter(entry => entry.dialling).length }
  get(key: string): Target | undefined { return this.#entries.get(key)?.target }
  /** Those who claim to be a peer. */
  of(peer: PeerKey): Target[] { return [...this.#entries.values()].filter(({ target }) => target.peer === peer).map(({ target }) => target) }

  /** Takes a target, or the newer record of one; where there is no room, the one that failed most gives way. Whether it is new. */
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

  /** The next one whose time has come; from now on it counts as being dialled. */
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

  /** Which of its addresses is to be tried: another one at each failure. */
  addressOf(key: string): string | undefined {
    const entry = this.#entries.get(key)
    return entry?.target.addresses[entry.failures % entry.target.addresses.length]
  }

  /** A dial is over, well or not: it is not dialled again before its time. @param waitMs what the failure itself asks for */
  failed(key: string, now: number, waitMs = 0): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    const wait = waitAfter(entry.failures, entry.target.rank === 'named', this.rules.retry, this.random)
    entry.failures = Math.min(entry.failures + 1, 64)
    entry.dialling = false
    entry.notBefore = now + Math.max(waitMs, wait)
  }

  /** It is connected, whoever dialled. */
  connected(key: string): void {
    const entry = this.#entries.get(key)
    if (entry !== undefined) entry.dialling = false
  }

  /** It has proved to be one of ours: if it goes, it is tried again soon. */
  proved(key: string, now: number): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    entry.failures = 0
    entry.notBefore = now + waitAfter(0, false, this.rules.retry, this.random)
  }

  /** No dial is under way any more. */
  reset(): void { for (const entry of this.#entries.values()) entry.dialling = false }

  #update(entry: Entry, target: Target, now: number): void {
    const { seq, rank } = entry.target
    const better = RANKS[target.rank] < RANKS[rank] ? target.rank : rank
    if (target.seq < seq || (target.seq === seq && better === rank)) return
    const moved = target.addresses.join() !== entry.target.addresses.join()
    entry.target = { ...target, rank: better }
    // a node that tells a new address has earned one attempt there, not more
    if (moved && target.seq > seq) entry.notBefore = Math.min(entry.notBefore, now + this.rules.retry.firstMs)
  }

  #makeRoom(target: Target): boolean {
    const same = [...this.#entries.values()].filter(entry => sharesNetwork(entry.target, target))
    if (same.length >= this.rules.perNetwork) return this.#dropWorst(same)
    const evictable = this.#entries.size >= this.rules.max ? [...this.#entries.values()].filter(entry => entry.target.rank !== 'named') : undefined
    return evictable === undefined || evictable.length < this.rules.max || this.#dropWorst(evictable)
  }

  /** Only what has failed gives way: a flood of new names must not displace those that are not tried yet. */
  #dropWorst(entries: readonly Entry[]): boolean {
    let worst: Entry | undefined
    for (const entry of entries) {
      if (entry.dialling || entry.failures === 0 || entry.target.rank === 'named') continue
      if (worst === undefined || entry.failures > worst.failures) worst = entry
    }
    return worst !== undefined && this.#entries.delete(worst.target.key)
  }
}

/** Those that have not failed first, then by rank, then those that failed less, then by age. */
function before(a: Entry, b: Entry): boolean {
  const difference = Math.sign(a.failures) - Math.sign(b.failures) || RANKS[a.target.rank] - RANKS[b.target.rank] || a.failures - b.failures || a.order - b.order
  return difference < 0
}

function sharesNetwork(a: Target, b: Target): boolean {
  return a.ips.some(one => scopeOf(one) === 'public' && b.ips.some(other => holderOf(one) === holderOf(other)))
}
