import type { ChainStanding } from '../chain/ingress.js'
import type { Judgement } from '../chain/ports.js'
import type { Doubts } from './doubts.js'
import { targetOf } from './heads.js'
import type { SyncEvent, SyncFailure, SyncResult } from './ingress.js'
import { isTaken, isUnjudged, reasonOfFirst, standsAside, waitsForStore } from './judgements.js'
import { checkPage } from './page-check.js'
import type { AskedPage } from './page-check.js'
import type { SyncPeerState } from './peers.js'
import { Plan } from './plan.js'
import type { Stretch } from './plan.js'
import { Pace, etaMs } from './progress.js'
import { RootSearch } from './root.js'
import { pageRequest } from './wire.js'
import type { Answer, World } from './world.js'

export type RunReason = Extract<SyncEvent, { type: 'syncStarted' }>['reason']

/** A page is asked a little longer than its stretch, for the hand-overs in it. */
const HANDOVER_ROOM = 32n
/** Heights that a run steps back when nobody's pages link: peers may be on a chain that supersedes ours (SPEC §7, at most 64). */
const STEPS_BACK = [8n, 72n]
const PAUSE_POLL_MS = 250
const PACE_OVER_MS = 5_000

/**
 * One catch-up (SPEC §9):
 *  1. Where chain stands says where to begin; without an anchor, what peers serve does (root.ts).
 *  2. Stretches up to the target are asked of several peers at once; a late one of another peer as well.
 *  3. A page is checked by itself, then goes to the validator, in the order of the chain, a few at a time.
 *  4. What chain took moves the frontier; what it did not is asked of another peer, and who is at fault is found out.
 *  5. When nobody has more, and doubts are settled, the run waits until its blocks are durable, and ends.
 */
export class Run {
  readonly startedAt: number
  #plan: Plan | undefined
  #from = 0n
  #lower = 0n
  #phase: 'starting' | 'paging' | 'settling' | 'ended' = 'starting'
  #visible: boolean
  #root: RootSearch | undefined
  #paused = false
  #pollAt = 0
  #stepsBack = 0
  #standingAsked = false
  /** What gap fill wants beyond the heads that are known. */
  #wanted = -1n
  #settledAt = 0
  #nextWake = Infinity
  readonly #unstored = new Set<number>()
  readonly #delivered = new Set<string>()
  readonly #pace = new Pace(PACE_OVER_MS)
  #outcome: { readonly outcome: SyncResult['outcome']; readonly code: SyncFailure | undefined; readonly reason: string } | undefined

  /** @param headsPending whether heads that this run waits for are still under way */
  constructor (
    private readonly world: World, private readonly doubts: Doubts, readonly reason: RunReason,
    private readonly headsPending: () => boolean, private readonly ended: (result: SyncResult, run: Run) => void,
  ) {
    this.startedAt = world.now()
    this.#visible = reason === 'asked'
    this.world.standing(standing => { this.#begin(standing) })
  }

  get from (): bigint { return this.#from }
  /** Everything below is taken. */
  get at (): bigint { return this.#plan?.frontier ?? this.#from }
  get to (): bigint {
    const { height } = targetOf(this.world.book, this.world.config.outlier, (peer, head) => this.doubts.shown(peer, head))
    const to = height === undefined || height < this.#wanted ? this.#wanted : height
    return to < this.at - 1n ? this.at - 1n : to
  }

  get visible (): boolean { return this.#visible }
  /** Peers whose blocks were taken in this run. */
  get delivered (): ReadonlySet<string> { return this.#delivered }

  /** A live block names a parent at this height. */
  want (height: bigint): void {
    if (height > this.#wanted) this.#wanted = height
  }

  /** Who left is asked for nothing any more; what it was asked for goes to others at once. */
  gone (state: SyncPeerState): void {
    for (const stretch of this.#plan?.stretches ?? []) {
      if (stretch.asking.delete(state.peer) && stretch.asking.size === 0 && stretch.state === 'asked') this.#plan?.want(stretch)
    }
  }

  cancel (): void { this.#end('cancelled', undefined, 'cancelled') }

  progress (): void {
    if (!this.#visible || this.#phase !== 'paging') return
    const perSecond = this.#pace.mark(this.at, this.world.now())
    const { from, at, to } = this
    this.world.emit({ type: 'syncProgress', from, to, at, perSecond, peers: this.#delivered.size, etaMs: etaMs(at, to, perSecond) })
  }

  /** Does what can be done now. Called after everything that happens; cheap when there is nothing. */
  pump (): void {
    if (this.#phase === 'settling') this.#finish()
    if (this.#phase === 'starting' && this.#root !== undefined) this.#lookForRoot()
    if (this.#phase !== 'paging' || this.#plan === undefined) return
    this.#nextWake = Infinity
    const target = this.#target()
    this.#plan.reach(target)
    this.#plan.shrink(target)
    this.#handOver(this.#plan)
    const stuck = this.#ask(this.#plan, target)
    this.#askTheLateAgain(this.#plan, target)
    this.doubts.settle(this.#plan.frontier, false)
    this.#finishIfIdle(this.#plan, stuck)
    if (this.#phase === 'paging' && this.#nextWake !== Infinity) this.world.wake(Math.max(1, this.#nextWake - this.world.now()))
  }

  // ---- where to begin

  #begin (standing: ChainStanding | undefined): void {
    if (this.#phase !== 'starting') return
    if (standing === undefined) { this.#end('incomplete', 'room_failed', 'chain did not say where it stands'); return }
    this.#lower = standing.confirmedTip === undefined ? 0n : standing.confirmedTip.blockNumber + 1n
    if (standing.next !== undefined) { this.#page(standing.next); return }
    this.#root = new RootSearch(this.world, this.headsPending)
  }

  #lookForRoot (): void {
    const root = this.#root?.pump()
    if (root === undefined) return
    this.#root?.stop()
    this.#root = undefined
    if (root === 'none') { this.#end([...this.world.book.askable()].length === 0 ? 'no_peers' : 'caught_up', undefined, 'nobody has a block'); return }
    this.#page(root.page.start)
    const plan = this.#plan as Plan
    plan.reach(root.page.start)
    plan.fill(plan.stretches[0] as Stretch, root.page, root.peer.peer)
    this.#show()
  }

  #page (from: bigint): void {
    this.#from = from
    this.#plan = new Plan(from, this.world.config.pageSize, this.world.config.pagesAhead)
    this.#phase = 'paging'
    this.#pace.mark(from, this.world.now())
    if (this.#visible) this.world.emit({ type: 'syncStarted', reason: this.reason, from })
  }

  #show (): void {
    if (this.#visible) return
    this.#visible = true
    this.world.emit({ type: 'syncStarted', reason: this.reason, from: this.#from })
  }

  // ---- asking

  /** How far stretches are cut: to the target, and by one page beyond what is there for peers whose heads are unknown. */
  #target (): bigint {
    const plan = this.#plan as Plan
    const { config, book } = this.world
    const { height, outlier } = targetOf(book, config.outlier, (peer, head) => this.doubts.shown(peer, head))
    if (outlier !== undefined) this.doubts.raise(outlier, 'outlier', outlier.head?.blockNumber ?? 0n)
    const target = height === undefined || height < this.#wanted ? this.#wanted : height
    const open = this.#open(plan)
    if (target >= open) return target
    const now = this.world.now()
    for (const state of book.askable()) if (state.blind && state.mayHave(open, now)) return open
    return target
  }

  /** The lowest height for which nothing is there yet. */
  #open (plan: Plan): bigint {
    for (const each of plan.stretches) if (each.state === 'wanted' || each.state === 'asked') return each.start
    return plan.end
  }

  /** Gives true where nobody can be asked for the first stretch, now or later. */
  #ask (plan: Plan, target: bigint): boolean {
    const now = this.world.now()
    const open = this.#open(plan)
    let stuck = false
    for (const stretch of [...plan.wanted()]) {
      const chosen = this.world.book.choose('commitments', now, state => this.#fits(state, stretch, open, target, now))
      if (chosen === undefined) { stuck ||= stretch.start === open; continue }
      if ('readyAt' in chosen) { this.#wakeAt(chosen.readyAt); continue }
      this.#askFor(stretch, chosen)
    }
    return stuck
  }

  #fits (state: SyncPeerState, stretch: Stretch, open: bigint, target: bigint, now: number): boolean {
    if (stretch.tried.has(state.peer) || stretch.refused.has(state.peer) || stretch.asking.has(state.peer)) return false
    return state.mayHave(stretch.start, now) && (!state.blind || stretch.start === open || stretch.start <= target)
  }

  #askFor (stretch: Stretch, state: SyncPeerState): void {
    const heights = stretch.end - stretch.start + 1n + HANDOVER_ROOM
    const size = BigInt(this.world.config.pageSize)
    const asked: AskedPage = { start: stretch.start, count: Number(heights < size ? heights : size), through: stretch.end }
    if (stretch.state === 'wanted') { stretch.state = 'asked'; stretch.askedAt = this.world.now() }
    stretch.asking.add(state.peer)
    this.world.request(state, 'commitments', pageRequest(asked.start, asked.count), answer => {
      this.#answered(stretch, state, asked, answer)
    })
  }

  #askTheLateAgain (plan: Plan, target: bigint): void {
    const now = this.world.now()
    const { lateAfter } = this.world.config
    const open = this.#open(plan)
    for (const stretch of plan.stretches) {
      if (stretch.state !== 'asked' || stretch.asking.size > 1) continue
      if (now - stretch.askedAt < lateAfter) { this.#wakeAt(stretch.askedAt + lateAfter); continue }
      const chosen = this.world.book.choose('commitments', now, state => this.#fits(state, stretch, open, target, now))
      if (chosen === undefined) continue
      if ('readyAt' in chosen) { this.#wakeAt(chosen.readyAt); continue }
      this.#askFor(stretch, chosen)
    }
  }

  #answered (stretch: Stretch, state: SyncPeerState, asked: AskedPage, answer: Answer): void {
    stretch.asking.delete(state.peer)
    const plan = this.#plan
    if (plan === undefined || this.#phase !== 'paging') return
    if (answer.ok) this.#take(plan, stretch, state, asked, answer.body)
    else if (state.failures >= this.world.config.failuresPerRun) state.discounted = true
    if (stretch.state === 'asked' && stretch.asking.size === 0) plan.want(stretch)
  }

  #take (plan: Plan, stretch: Stretch, state: SyncPeerState, asked: AskedPage, body: Uint8Array): void {
    const check = checkPage(body, asked)
    if (!check.ok) {
      state.discounted = true
      this.world.fault(state.peer, check.fault.reason, check.fault.detail, 'proved')
      return
    }
    const { page } = check
    stretch.tried.add(state.peer)
    const announced = state.head?.blockNumber
    if (page.resumes !== undefined) {
      if (page.count === 0) {
        state.floorIs(page.resumes, this.world.now())
        this.doubts.raise(state, 'floor', page.resumes)
      }
    } else if (!page.full && page.next <= (asked.through ?? page.next)) {
      if (state.exhaustedAt === undefined || page.next < state.exhaustedAt) state.exhaustedAt = page.next
      if (announced !== undefined && announced >= page.next) this.doubts.raise(state, page.received === 0 ? 'empty' : 'short', page.next)
    }
    if (plan.fill(stretch, page, state.peer)) this.#show()
  }

  // ---- handing on

  #handOver (plan: Plan): void {
    const { pagesInValidator, pagesUnstored, judgeWithin, handOvers } = this.world.config
    const now = this.world.now()
    for (const each of plan.stretches) {
      if (each.state !== 'handed') continue
      if (now - each.handedAt < judgeWithin) { this.#wakeAt(each.handedAt + judgeWithin); continue }
      if (each.handOvers >= handOvers) { this.#end('incomplete', 'not_judged', `blocks from ${each.start} on were not judged`); return }
      if (each.ticket !== undefined) this.world.forget(each.ticket)
      each.state = 'ready'
    }
    if (this.#paused) return
    for (let next = plan.next; next !== undefined; next = plan.next) {
      if (plan.count('handed') >= pagesInValidator || this.#unstored.size >= pagesUnstored) return
      this.#hand(next)
    }
  }

  #hand (stretch: Stretch): void {
    const { page, from } = stretch
    if (page === undefined || from === undefined) return
    stretch.state = 'handed'
    stretch.handedAt = this.world.now()
    stretch.handOvers++
    let ticket = 0
    stretch.ticket = ticket = this.world.handPage(page.bytes, from, {
      judged: results => { this.#judged(stretch, ticket, results) },
      durable: () => { this.#unstored.delete(ticket) },
      lost: () => { this.#lost(stretch, ticket) },
    })
  }

  /** The validator did not take it, or went and took it along. */
  #lost (stretch: Stretch, ticket: number): void {
    if (stretch.state !== 'handed' || stretch.ticket !== ticket) return
    if (stretch.handOvers >= this.world.config.handOvers) this.#end('incomplete', 'room_failed', 'the validator does not take pages')
    else stretch.state = 'ready'
  }

  #judged (stretch: Stretch, ticket: number, results: readonly Judgement[]): void {
    const { page, from } = stretch
    if (page === undefined || from === undefined || this.#phase !== 'paging') return
    const culprit = results.find(({ penalty }) => penalty)
    if (culprit !== undefined) {
      const state = this.world.book.get(from)
      if (state !== undefined) state.discounted = true
      this.world.fault(from, 'invalid', culprit.reason, 'proved')
    }
    if (results.some(({ verdict, reason }) => verdict === 'accept' && reason === 'accepted')) this.#unstored.add(ticket)
    if (stretch.state !== 'handed' || stretch.ticket !== ticket) return
    stretch.state = 'judged'
    stretch.results = results
    // judged before what it stands on was: chain could not know its parent
    stretch.early = stretch.start !== this.#plan?.frontier
    this.#settleFront()
  }

  /** Moves the frontier over what chain took. Where that is not plain from its words, chain is asked where it stands. */
  #settleFront (): void {
    const plan = this.#plan as Plan
    for (let first = plan.stretches[0]; first?.state === 'judged'; first = plan.stretches[0]) {
      const clean = first.results.length === first.page?.count && first.results.every(isTaken)
      if (!clean) { this.#lookUp(); return }
      this.#taken(plan, first)
    }
  }

  #lookUp (): void {
    if (this.#standingAsked) return
    this.#standingAsked = true
    this.world.standing(standing => {
      this.#standingAsked = false
      if (this.#phase !== 'paging') return
      if (standing === undefined) this.#end('incomplete', 'room_failed', 'chain did not say where it stands')
      else this.#stood(this.#plan as Plan, standing)
    })
  }

  /** Asks chain now and then while it waits for the store. */
  #poll (): void {
    const now = this.world.now()
    if (now >= this.#pollAt) { this.#pollAt = now + PAUSE_POLL_MS; this.#lookUp() } else this.#wakeAt(this.#pollAt)
  }

  #stood (plan: Plan, { next, unstored, confirmedTip }: ChainStanding): void {
    if (confirmedTip !== undefined) this.#lower = confirmedTip.blockNumber + 1n
    const unclean = plan.stretches[0]?.state === 'judged' ? reasonOfFirst(plan.stretches[0].results) : ''
    if (unstored >= this.world.config.pauseAtUnstored || (waitsForStore(unclean) && !this.#paused)) {
      this.#paused = true
      this.world.count('paused')
      return
    }
    if (unstored === 0) this.#unstored.clear()
    const wasPaused = this.#paused
    this.#paused = false
    const reached = next ?? plan.frontier
    while (plan.stretches[0]?.state === 'judged' && (plan.stretches[0].end < reached || plan.stretches[0].end < plan.stretches[0].start)) this.#taken(plan, plan.stretches[0])
    const first = plan.stretches[0]
    if (first?.state === 'judged') {
      if (wasPaused || first.early) this.#again(first)
      else this.#notTaken(plan, first, reached)
    }
    plan.advance(reached)
    if (plan.stretches[0]?.state === 'judged') this.#settleFront()
  }

  #again (stretch: Stretch): void {
    stretch.state = 'ready'
    stretch.early = false
  }

  #taken (plan: Plan, stretch: Stretch): void {
    if (stretch.from !== undefined) {
      this.#delivered.add(stretch.from)
      const state = this.world.book.get(stretch.from)
      if (state !== undefined) state.delivered += stretch.page?.count ?? 0
      this.world.credit(stretch.from)
    }
    if (this.#stepsBack === 0) {
      for (const [peer, reason] of stretch.refused) {
        if (peer !== stretch.from && standsAside(reason)) this.world.fault(peer, 'other_fork', `its page from ${stretch.start} on does not link: ${reason}`, 'found_out')
      }
    }
    if (stretch.end < stretch.start) plan.dropEmpty(stretch)
    else plan.advance(stretch.end + 1n)
  }

  /** Chain has `reached`, which is not all of this page: what is left is asked of another peer. */
  #notTaken (plan: Plan, stretch: Stretch, reached: bigint): void {
    const { from } = stretch
    const reason = reasonOfFirst(stretch.results)
    if (reached > stretch.start) plan.advance(reached)
    else plan.want(stretch)
    if (isUnjudged(reason)) { this.#end('incomplete', 'not_adopted', reason); return }
    const left = plan.stretches[0]
    if (left === undefined || from === undefined) return
    for (const [peer, why] of stretch.refused) left.refused.set(peer, why)
    left.refused.set(from, reason)
  }

  // ---- ending

  #finishIfIdle (plan: Plan, stuck: boolean): void {
    if (this.#phase !== 'paging' || this.#standingAsked) return
    if (this.#paused) { this.#poll(); return }
    if (plan.count('handed') > 0 || plan.count('judged') > 0 || plan.count('asked') > 0) return
    if (plan.next !== undefined) { this.#poll(); return }
    const first = plan.stretches[0]
    if (first !== undefined && !stuck) return
    if (this.headsPending()) { this.#wakeAt(this.startedAt + this.world.config.headsWithin); return }
    if (first !== undefined && first.refused.size > 0) { this.#refusedByAll(plan, first); return }
    this.#claims(plan)
    this.doubts.settle(plan.frontier, true)
    if (this.doubts.asking) return
    const left = this.#claims(plan)
    if (left !== undefined) this.#end('incomplete', 'not_delivered', `${left.peer} announces block ${left.head?.blockNumber ?? 0n}, and nobody delivers ${plan.frontier}`)
    else this.#end([...this.world.book.askable()].length === 0 ? 'no_peers' : 'caught_up', undefined, '')
  }

  /** Raises a doubt about everybody who announces what they did not deliver; gives one of whom none is left to raise. */
  #claims (plan: Plan): SyncPeerState | undefined {
    let claim: SyncPeerState | undefined
    for (const state of this.world.book.askable()) {
      if (state.discounted || state.head === undefined || state.head.blockNumber < plan.frontier) continue
      if (this.doubts.shown(state, state.head.blockNumber)) claim ??= state
      else this.doubts.raise(state, 'empty', plan.frontier)
    }
    return claim
  }

  /** Everybody's page was refused here: perhaps it is we who are on the wrong chain, a little below. */
  #refusedByAll (plan: Plan, first: Stretch): void {
    const back = STEPS_BACK[this.#stepsBack]
    const from = back === undefined || plan.frontier - back < this.#lower ? this.#lower : plan.frontier - back
    if (back === undefined || from >= plan.frontier || first.refused.size === 0) {
      this.#end('incomplete', 'not_adopted', [...first.refused.values()][0] ?? '')
      return
    }
    this.#stepsBack++
    plan.clear()
    this.#plan = new Plan(from, this.world.config.pageSize, this.world.config.pagesAhead)
    for (const state of this.world.book.all()) state.exhaustedAt = undefined
    this.#wakeAt(this.world.now() + 1)
  }

  #end (outcome: SyncResult['outcome'], code: SyncFailure | undefined, reason: string): void {
    if (this.#phase === 'settling' || this.#phase === 'ended') return
    this.#phase = 'settling'
    this.#outcome = { outcome, code, reason }
    this.#settledAt = this.world.now()
    this.#finish()
  }

  #finish (): void {
    if (this.#phase !== 'settling' || this.#outcome === undefined) return
    const left = this.#settledAt + this.world.config.durableWithin - this.world.now()
    if (this.#unstored.size > 0 && left > 0 && this.#outcome.outcome !== 'cancelled') { this.world.wake(left); return }
    this.#phase = 'ended'
    const { outcome, code, reason } = this.#outcome
    const ms = this.world.now() - this.startedAt
    const to = this.at - 1n
    const blocks = to < this.#from ? 0 : Number(to - this.#from + 1n)
    this.#plan?.clear()
    if (this.#visible && outcome !== 'incomplete' && outcome !== 'cancelled') this.world.emit({ type: 'syncDone', from: this.#from, to, blocks, ms })
    if (outcome === 'incomplete' || (outcome === 'cancelled' && this.#visible)) {
      this.world.emit({ type: 'syncFailed', code: code ?? 'cancelled', at: this.at, reason, ms })
    }
    this.ended({ outcome, code, from: this.#from, to, blocks, ms }, this)
  }

  #wakeAt (at: number | undefined): void {
    if (at !== undefined && at < this.#nextWake) this.#nextWake = at
  }
}
