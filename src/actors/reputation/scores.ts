import { LRUCache } from 'lru-cache'
import type { PeerKey } from '../../protocol/peer-key.js'
import type { ReputationRules } from './config.js'
import type { Outcome } from './ingress.js'

/** The score of the peers with one key. */
interface Score {
  /** The peer with this key that was reported last. */
  peer: PeerKey
  /** The reputation by our rules, from −`most` to `most`. */
  reputation: number
  readonly failures: CappedSum
  readonly acceptances: CappedSum
  /** Time of the last report, monotonic, in milliseconds. */
  reportedAt: number
  /** Number of consecutive samples at or below `banAt`. */
  below: number
  /** gossipsub's last score, and the number of ticks since. */
  gossip: number
  absent: number
  greylisted: boolean
}

export interface SavedScore {
  readonly key: string
  readonly peer: PeerKey
  readonly reputation: number
}

export interface ScoresNeeds {
  readonly rules: ReputationRules & { readonly maxRecords: number }
  /** The reputation to use instead of ours; a backend can change it. */
  readonly judge: (key: string, ours: number) => number
}

/** Scores nearer to 0 than this are removed: it is less than the smallest change by an outcome. */
const NEUTRAL = 0.04
/** Eviction removes the score nearest to 0 of this many least recently used ones. */
const CANDIDATES = 16
/** gossipsub keeps the score of a disconnected peer for 1 h (SPEC §5). For as long, `below` keeps its value. Milliseconds. */
const ABSENT_FOR_MS = 3_600_000

/** The reputation of each key (SPEC §8). Failures and acceptances change it; it decays towards 0. Bounded. */
export class Scores {
  readonly #needs: ScoresNeeds
  readonly #scores: LRUCache<string, Score>

  constructor(needs: ScoresNeeds) {
    this.#needs = needs
    this.#scores = new LRUCache({ max: needs.rules.maxRecords })
  }

  get size(): number { return this.#scores.size }
  has(key: string): boolean { return this.#scores.has(key) }

  /** The reputation to use, after the backend's changes. */
  reputation(key: string): number { return this.#judged(key, this.#scores.peek(key)?.reputation ?? 0) }

  /** The reputation by our rules, before the backend's changes. */
  earned(key: string): number { return this.#scores.peek(key)?.reputation ?? 0 }

  /** Counts an outcome. Returns whether the peer becomes greylisted by it. `now`: monotonic, milliseconds. */
  report(key: string, peer: PeerKey, outcome: Outcome, now: number): boolean {
    const { rules } = this.#needs
    const score = this.#record(key, peer)
    score.peer = peer
    score.reportedAt = now
    const change = outcome === 'failure'
      ? -score.failures.take(rules.failure, rules.failuresPerWindow, rules.windowMs, now)
      : score.acceptances.take(rules.acceptance, rules.acceptancesPerWindow, rules.windowMs, now)
    score.reputation = this.#clamped(score.reputation + change)
    return this.#marked(key, score)
  }

  /**
   * Decays all scores, then samples them. `gossip`: for each key, the lowest score that gossipsub gave its peers since the last tick. Returns as
   * `over` the keys that were at or below `banAt` for longer than `banAfterMs`, and the keys that become greylisted.
   */
  tick(gossip: ReadonlyMap<string, { readonly peer: PeerKey; readonly score: number }>, exempt: (key: string) => boolean, now: number): {
    readonly over: readonly string[]; readonly greylisted: readonly string[]
  } {
    const { rules } = this.#needs
    for (const [key, { peer, score }] of gossip) {
      if (!this.#scores.has(key) && Math.min(score, this.#judged(key, 0)) <= rules.banAt) this.#record(key, peer)
    }
    const over: string[] = []
    const greylisted: string[] = []
    const neutral: string[] = []
    for (const [key, score] of this.#scores.entries()) {
      score.reputation *= rules.decay
      const told = gossip.get(key)?.score
      if (told !== undefined) score.gossip = told
      score.absent = told === undefined ? score.absent + 1 : 0
      if (Math.min(this.#judged(key, score.reputation), told ?? rules.most) <= rules.banAt) score.below++
      // gossipsub gives no score for a disconnected peer: `below` then keeps its value for ABSENT_FOR_MS
      else if (told !== undefined || score.gossip > rules.banAt || score.absent * rules.tickMs >= ABSENT_FOR_MS) score.below = 0
      if (this.#marked(key, score)) greylisted.push(key)
      if (exempt(key)) score.below = 0
      // the time since the first sample, counted in whole ticks because timers are never exact
      if (score.below > 0 && (score.below - 1) * rules.tickMs > rules.banAfterMs) over.push(key)
      else if (this.#isNeutral(score, now)) neutral.push(key)
    }
    for (const key of neutral) this.#scores.delete(key)
    return { over, greylisted }
  }

  forget(key: string): void { this.#scores.delete(key) }

  /** Merges the score of one key into another key of the same peer. The lower reputation is kept. */
  merge(from: string, to: string): void {
    const score = this.#scores.peek(from)
    if (score === undefined) return
    this.#scores.delete(from)
    const known = this.#scores.peek(to)
    if (known === undefined || known.reputation > score.reputation) this.#put(to, score)
  }

  /** The key and the last peer of every score. */
  *entries(): Iterable<{ readonly key: string; readonly peer: PeerKey }> {
    for (const [key, { peer }] of this.#scores.entries()) yield { key, peer }
  }

  /** The `count` scores furthest from 0. */
  saved(count: number): SavedScore[] {
    return [...this.#scores.entries()]
      .map(([key, { peer, reputation }]) => ({ key, peer, reputation }))
      .sort((a, b) => Math.abs(b.reputation) - Math.abs(a.reputation))
      .slice(0, count)
  }

  /** Restores saved scores, decayed by the `elapsedMs` since they were saved. */
  restore(saved: Iterable<SavedScore>, elapsedMs: number): void {
    const { rules } = this.#needs
    const decayed = rules.decay ** (Math.max(0, elapsedMs) / rules.tickMs)
    for (const { key, peer, reputation } of saved) {
      const now = this.#clamped(reputation * decayed)
      if (Math.abs(now) >= NEUTRAL) this.#record(key, peer).reputation = now
    }
  }

  #record(key: string, peer: PeerKey): Score {
    const known = this.#scores.get(key)
    if (known !== undefined) return known
    const score: Score = {
      peer, reputation: 0, failures: new CappedSum(), acceptances: new CappedSum(), reportedAt: -Infinity, below: 0, gossip: 0, absent: 0, greylisted: false,
    }
    this.#put(key, score)
    return score
  }

  #put(key: string, score: Score): void {
    if (this.#scores.size >= this.#needs.rules.maxRecords && !this.#scores.has(key)) this.#forgetOne()
    this.#scores.set(key, score)
  }

  #forgetOne(): void {
    let least: { readonly key: string; readonly weight: number } | undefined
    let left = CANDIDATES
    for (const key of this.#scores.rkeys()) {
      const { reputation, below } = this.#scores.peek(key)!
      const weight = below > 0 ? Infinity : Math.abs(reputation)
      if (least === undefined || weight < least.weight) least = { key, weight }
      if (--left === 0) break
    }
    if (least !== undefined) this.#scores.delete(least.key)
  }

  #isNeutral(score: Score, now: number): boolean {
    return Math.abs(score.reputation) < NEUTRAL && score.below === 0 && now - score.reportedAt >= this.#needs.rules.windowMs
  }

  /** Updates `greylisted`. Returns whether the score becomes greylisted by this. */
  #marked(key: string, score: Score): boolean {
    const before = score.greylisted
    score.greylisted = this.#judged(key, score.reputation) <= this.#needs.rules.greylistAt
    return score.greylisted && !before
  }

  #judged(key: string, ours: number): number { return this.#clamped(this.#needs.judge(key, ours)) }

  #clamped(reputation: number): number {
    const { most } = this.#needs.rules
    return Math.max(-most, Math.min(most, reputation))
  }
}

/** Limits a sum of amounts to a cap within any window of a given length. */
export class CappedSum {
  readonly #counted: { readonly at: number; readonly amount: number }[] = []

  /** Adds an amount. Returns the part of it that fits under the cap. `now`: monotonic, milliseconds. */
  take(amount: number, cap: number, spanMs: number, now: number): number {
    while (this.#counted.length > 0 && now - this.#counted[0]!.at >= spanMs) this.#counted.shift()
    const counts = Math.min(amount, cap - this.#counted.reduce((sum, each) => sum + each.amount, 0))
    // a full cap can leave a rounding error, which must not count
    if (counts <= amount * 1e-6) return 0
    this.#counted.push({ at: now, amount: counts })
    return counts
  }
}
