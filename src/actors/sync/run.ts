import type { ChainStanding } from '../chain/ingress.js'
import { Adoption } from './adoption.js'
import type { Doubts } from './doubts.js'
import { Fetch, openHeight } from './fetch.js'
import { targetOf } from './heads.js'
import type { Behind, SyncEvent, SyncFailure, SyncResult } from './ingress.js'
import type { SyncPeerState } from './peers.js'
import { Pivot } from './pivot.js'
import { Plan } from './plan.js'
import type { Stretch } from './plan.js'
import { Pace, etaMs } from './progress.js'
import { RootSearch } from './root.js'
import type { Root } from './root.js'
import type { World } from './world.js'

export type RunReason = Extract<SyncEvent, { type: 'syncStarted' }>['reason']

/** Heights that a run steps back when nobody's pages link: peers may be on a chain that supersedes ours (SPEC §7, at most 64). */
const STEPS_BACK = [8n, 72n]
/** Further behind than this many pages, txlists wait for commitments. */
const FAR_PAGES = 4n
const PACE_OVER_MS = 5_000
/** Heads are waited for so long before peers are asked which chain is the one; those that come later count for the target. */
const VOTE_AFTER_MS = 1_000

interface Outcome { readonly outcome: SyncResult['outcome']; readonly code: SyncFailure | undefined; readonly reason: string }

/**
 * One catch-up (SPEC §9):
 *  1. Where chain stands says where to begin; without a tip, what peers serve does where nobody was asked yet, and so it does again where the
 *     root leads to nobody's head (root.ts).
 *  2. Peers are asked for one block, and those who agree on it are asked for the rest (pivot.ts).
 *  3. Stretches up to the target are asked of several peers at once, a late one of another peer as well (fetch.ts).
 *  4. A page is checked by itself (page-check.ts), then goes to the validator, in the order of the chain, a few at a time; what chain took
 *     moves the frontier, what it did not is asked of another peer (adoption.ts).
 *  5. What peers said and did not do is held against them (doubts.ts).
 *  6. When nobody has more, the run waits until its blocks are durable, and ends.
 */
export class Run {
  readonly startedAt: number
  readonly #adoption: Adoption
  readonly #fetch: Fetch
  readonly #pace = new Pace(PACE_OVER_MS)
  #phase: 'starting' | 'paging' | 'settling' | 'ended' = 'starting'
  #root: RootSearch | undefined
  /** Where to begin if that finds nothing. */
  #next: bigint | undefined
  /** The highest block that waited above the head when the run began. */
  #waits: bigint | undefined
  /** Chain has no tip: where its root leads nowhere, it is left, once a run. */
  #mayLeaveRoot = false
  #plan: Plan | undefined
  /** `none`: it was found that there is nothing to vote on. */
  #pivot: Pivot | 'none' | undefined
  #from = 0n
  #visible: boolean
  #stepsBack = 0
  /** More is known than those could deliver who announce it. */
  #asksEverybody = false
  /** What gap fill wants beyond the heads that are known. */
  #wanted = -1n
  #outcome: Outcome | undefined
  #settledAt = 0

  /** @param headsLeft how long heads that are under way are waited for, ms; 0: none are */
  constructor(
    private readonly world: World, private readonly doubts: Doubts, readonly reason: RunReason,
    private readonly headsLeft: () => number, private readonly ended: (result: SyncResult, run: Run) => void,
  ) {
    this.startedAt = world.now()
    this.#visible = reason === 'asked'
    this.#adoption = new Adoption(world, {
      plan: () => this.#phase === 'paging' ? this.#plan : undefined,
      blameForks: () => this.#stepsBack === 0,
      failed: (code, why) => { this.#end('incomplete', code, why) },
    })
    this.#fetch = new Fetch(world, doubts, {
      filled: () => { this.#show() },
      // without a tip it is still open where the chain begins
      skipped: (page, from) => { if (this.#adoption.lowest > 0n) this.#adoption.keep(page, from) },
      asksEverybody: () => this.#asksEverybody,
      active: plan => this.#phase === 'paging' && plan === this.#plan,
      trusts: peer => this.#voted()?.trusts(peer) ?? true,
    })
    world.standing(standing => { this.#begin(standing) })
  }

  get from(): bigint { return this.#from }
  /** Everything below is taken. */
  get at(): bigint { return this.#plan?.frontier ?? this.#from }
  get to(): bigint {
    const to = this.#announced()
    return to < this.at - 1n ? this.at - 1n : to
  }

  /** Whether more than some pages are known to be missing. */
  get isFarBehind(): boolean { return this.#phase === 'paging' && this.to - this.at > FAR_PAGES * BigInt(this.world.config.pageSize) }

  /** Peers whose blocks were taken in this run. */
  get delivered(): ReadonlySet<string> { return this.#adoption.delivered }

  /** A live block names a parent at this height. */
  want(height: bigint): void { if (height > this.#wanted) this.#wanted = height }

  /** Whether this height is yet to be taken. */
  covers(height: bigint): boolean { return this.#phase === 'paging' && height >= this.at }

  gone(state: SyncPeerState): void {
    this.#voted()?.gone(state)
    if (this.#plan !== undefined) this.#fetch.gone(this.#plan, state)
  }

  cancel(): void { this.#end('cancelled', undefined, 'cancelled') }

  progress(): void {
    if (!this.#visible || this.#phase !== 'paging') return
    const perSecond = this.#pace.mark(this.at, this.world.now())
    const { from, at, to } = this
    this.world.emit({ type: 'syncProgress', from, to, at, perSecond, peers: this.delivered.size, etaMs: etaMs(at, to, perSecond) })
  }

  /** Does what can be done now. Called after everything that happens; cheap when there is nothing. */
  pump(): void {
    if (this.#phase === 'starting' && this.#root !== undefined) this.#lookForRoot()
    if (this.#phase === 'paging' && this.#plan !== undefined) this.#page(this.#plan)
    if (this.#phase === 'settling') this.#finish()
  }

  // ---- where to begin

  #begin(standing: ChainStanding | undefined): void {
    if (this.#phase !== 'starting') return
    if (standing === undefined) { this.#end('incomplete', 'room_failed', 'chain did not say where it stands'); return }
    this.#adoption.lowest = standing.confirmedTip === undefined ? 0n : standing.confirmedTip.blockNumber + 1n
    this.#waits = standing.highest
    const { next, rootedByChance = false } = standing
    this.#next = next
    this.#mayLeaveRoot = standing.confirmedTip === undefined && next !== undefined && !rootedByChance
    if (next !== undefined && !rootedByChance) this.#open(next)
    else this.#root = new RootSearch(this.world, this.headsLeft)
  }

  #lookForRoot(): void {
    const root = this.#root?.pump()
    if (root === undefined) return
    this.#root?.stop()
    this.#root = undefined
    const plan = this.#plan
    if (plan !== undefined && (root === 'none' || root.page.start <= plan.frontier)) {
      this.#phase = 'paging'
      this.#conclude(plan)
      return
    }
    if (root === 'none' && this.#next !== undefined) { this.#open(this.#next); return }
    if (root === 'none') { this.#end(this.#alone() ? 'no_peers' : 'caught_up', undefined, ''); return }
    this.world.rootAt(root.page.start)
    this.#begun(root)
  }

  #begun(root: Root): void {
    this.#plan?.clear()
    this.#pivot = undefined
    this.#open(root.page.start)
    const plan = this.#plan as Plan
    plan.reach(root.page.start)
    plan.fill(plan.stretches[0] as Stretch, root.page, root.peer.peer)
    // It was asked from below, so for less than a stretch.
    plan.stretches[1]?.tried.delete(root.peer.peer)
    this.#show()
  }

  #open(from: bigint): void {
    this.#from = from
    this.#plan = this.#planFrom(from)
    this.#phase = 'paging'
    this.#pace.mark(from, this.world.now())
    if (this.#visible) this.world.emit({ type: 'syncStarted', reason: this.reason, from })
  }

  /** There is something to do: the application hears of this run. */
  #show(): void {
    if (this.#visible) return
    this.#visible = true
    this.world.emit({ type: 'syncStarted', reason: this.reason, from: this.#from })
  }

  #planFrom(height: bigint): Plan { return new Plan(height, this.world.config.pageSize, this.world.config.pagesAhead) }

  // ---- paging

  #page(plan: Plan): void {
    const target = this.#target(plan)
    plan.reach(target)
    plan.shrink(target)
    if (!this.#mayTake(plan)) return
    this.#adoption.pump(plan)
    if (this.#phase !== 'paging') return
    const stuck = this.#fetch.pump(plan, target)
    this.doubts.settle(plan.frontier, false)
    if (!this.#adoption.idle(plan) || plan.count('asked') > 0) return
    if (plan.stretches.length === 0 || stuck) this.#conclude(plan)
  }

  #voted(): Pivot | undefined { return this.#pivot === 'none' ? undefined : this.#pivot }

  /** Whether pages may be asked and taken: once it is settled whose. */
  #mayTake(plan: Plan): boolean {
    if (this.#pivot === undefined) {
      const patience = Math.min(this.headsLeft(), this.startedAt + VOTE_AFTER_MS - this.world.now())
      if (patience > 0) { this.world.wake(patience); return false }
      this.#pivot = Pivot.call(this.world, this.doubts, plan.frontier) ?? 'none'
    }
    const pivot = this.#voted()
    if (pivot?.settled === false) return false
    if (pivot !== undefined && plan.frontier > pivot.height && this.#stepsBack === 0) {
      pivot.blameForks()
      this.#pivot = 'none'
    }
    return true
  }

  /** The highest height that somebody announces, or that a live block stands on. */
  #announced(): bigint {
    const { height, outlier } = targetOf(this.world.book, this.world.config.outlier, (state, head) => this.doubts.shown(state, head))
    if (outlier?.head !== undefined) this.doubts.raise(outlier, 'outlier', outlier.head.blockNumber)
    return height === undefined || height < this.#wanted ? this.#wanted : height
  }

  /** How far stretches are cut: to what is announced, and by one page beyond what is there for peers whose heads are unknown. */
  #target(plan: Plan): bigint {
    const target = this.#announced()
    const open = openHeight(plan)
    if (target >= open) return target
    const now = this.world.now()
    let blind = 0
    for (const state of this.world.book.askable()) {
      if (!state.blind) continue
      if (blind++ >= this.world.config.blindPeers) break
      if (state.mayHave(open, now)) return open
    }
    return target
  }

  // ---- ending

  /** Nothing is under way, and nobody can be asked for what comes next. */
  #conclude(plan: Plan): void {
    const patience = this.headsLeft()
    if (patience > 0) { this.world.wake(patience); return }
    if (this.#voted()?.release() === true) { this.world.wake(1); return }
    const first = plan.stretches[0]
    if (first !== undefined && first.refused.size > 0) { this.#refusedByAll(plan, first); return }
    this.#claims(plan)
    this.doubts.settle(plan.frontier, true)
    if (this.doubts.asking) return
    const left = this.#claims(plan)
    if (left !== undefined && this.#mayLeaveRoot) {
      this.#mayLeaveRoot = false
      this.#root = new RootSearch(this.world, this.headsLeft)
      this.#phase = 'starting'
      this.world.wake(1)
      return
    }
    const { behind } = this
    if (behind !== undefined && !this.#asksEverybody) {
      this.#asksEverybody = true
      this.want(behind.known)
      this.world.wake(1)
      return
    }
    if (this.#alone()) this.#end('no_peers', undefined, '')
    else if (left !== undefined) this.#end('incomplete', 'not_delivered', `${left.peer} announces ${left.head?.blockNumber ?? 0n}, nobody delivers ${plan.frontier}`)
    else if (behind !== undefined) this.#end('incomplete', 'not_delivered', `block ${behind.known} is ${behind.by}, nobody delivers ${plan.frontier}`)
    else this.#end('caught_up', undefined, '')
  }

  /** What is known above that this run has not got: an elected signer's block that waits for its parent, or what half of the peers announce, liars or not. */
  get behind(): Behind | undefined {
    const { at } = this
    const waits = later(this.#waits, this.#adoption.waits)
    if (waits !== undefined && waits >= at) return { known: waits, by: 'signed' }
    let [asked, more, known] = [0, 0, at]
    for (const { head, blind } of this.world.book.askable()) {
      if (head === undefined && !blind) continue
      asked++
      if (head === undefined || head.blockNumber < at || (head.blockNumber === at && this.#adoption.handoverAt === at)) continue
      more++
      if (head.blockNumber > known) known = head.blockNumber
    }
    return more > 0 && 2 * more >= asked ? { known, by: 'announced' } : undefined
  }

  #alone(): boolean { return this.world.book.askable().next().done === true }

  /** Raises a doubt about everybody who announces what they did not deliver; gives one who has shown its head all the same. */
  #claims(plan: Plan): SyncPeerState | undefined {
    let claim: SyncPeerState | undefined
    for (const state of this.world.book.askable()) {
      const head = state.head?.blockNumber
      if (state.discounted || head === undefined || head < plan.frontier) continue
      if (head === plan.frontier && this.#adoption.handoverAt === head) continue
      if (this.doubts.shown(state, head)) claim ??= state
      else this.doubts.raise(state, 'empty', plan.frontier)
    }
    return claim
  }

  /** Everybody's page was refused here: perhaps it is we who are on the wrong chain, a little below. */
  #refusedByAll(plan: Plan, { refused }: Stretch): void {
    const back = STEPS_BACK[this.#stepsBack]
    const { lowest } = this.#adoption
    const from = back === undefined || plan.frontier < lowest + back ? lowest : plan.frontier - back
    if (back === undefined || from >= plan.frontier ) {
      this.#end('incomplete', 'not_adopted', [...refused.values()][0] ?? '')
      return
    }
    this.#stepsBack++
    plan.clear()
    this.#plan = this.#planFrom(from)
    for (const state of this.world.book.all()) state.exhaustedAt = undefined
    this.world.wake(1)
  }

  #end(outcome: SyncResult['outcome'], code: SyncFailure | undefined, reason: string): void {
    if (this.#phase === 'settling' || this.#phase === 'ended') return
    this.#phase = 'settling'
    this.#outcome = { outcome, code, reason }
    this.#settledAt = this.world.now()
    this.#root?.stop()
  }

  /** Waits until what was taken is durable, then says what came of it all. */
  #finish(): void {
    const { outcome, code, reason } = this.#outcome as Outcome
    const left = this.#settledAt + this.world.config.durableWithin - this.world.now()
    if (this.#adoption.unstored > 0 && left > 0 && outcome !== 'cancelled') { this.world.wake(left); return }
    this.#phase = 'ended'
    const ms = this.world.now() - this.startedAt
    const from = this.#from
    const to = this.at - 1n
    this.#plan?.clear()
    if (outcome === 'incomplete') this.world.emit({ type: 'syncFailed', code: code ?? 'room_failed', at: to + 1n, reason, ms })
    else if (outcome === 'cancelled') { if (this.#visible) this.world.emit({ type: 'syncFailed', code: 'cancelled', at: to + 1n, reason, ms }) }
    else if (this.#visible) this.world.emit({ type: 'syncDone', from, to, blocks: blocksIn(from, to), ms })
    this.ended({ outcome, code, from, to, blocks: blocksIn(from, to), ms }, this)
  }
}

const later = (a: bigint | undefined, b: bigint | undefined): bigint | undefined => a === undefined || (b !== undefined && b > a) ? b : a
const blocksIn = (from: bigint, to: bigint): number => to < from ? 0 : Number(to - from + 1n)
