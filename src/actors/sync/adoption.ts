import { CommitmentView, SIGNED_COMMITMENT_SIZE } from '../../protocol/index.js'
import type { ChainStanding } from '../chain/ingress.js'
import type { Judgement } from '../chain/ports.js'
import type { SyncFailure } from './ingress.js'
import { firstNotTaken, isTaken, isUnjudged, reasonOfFirst, standsAside, waitsForStore } from './judgements.js'
import type { CheckedPage } from './page-check.js'
import type { PeerKey } from '../../protocol/peer-key.js'
import type { Plan, Stretch } from './plan.js'
import type { World } from './world.js'

/** How often chain is asked whether it goes on, while it waits for the store. */
const POLL_MS = 250

/** What a run has to know of its pages' way through validator and chain. */
export interface AdoptionHooks {
  plan(): Plan | undefined
  /** Whether to blame who brought pages that do not link: not after the run has stepped back, since then it was we who were wrong. */
  blameForks(): boolean
  failed(code: SyncFailure, reason: string): void
}

/**
 * The second half of a run: pages that are there go to the validator in the order of the chain, a few at a time, and what chain says of
 * them moves the frontier, or sends what it did not take to another peer.
 */
export class Adoption {
  /** The lowest height that may ever be filled: above the confirmed tip. */
  lowest = 0n
  /** Peers whose blocks were taken. */
  readonly delivered = new Set<string>()
  /** The height that only a hand-over was found for: the chain's tip may be one. */
  handoverAt: bigint | undefined
  /** The highest block of a page that elected signers signed and that waits for its parent, as far as it was judged. */
  waits: bigint | undefined
  /** Pages adopted and not yet durable, by ticket. */
  readonly #unstored = new Set<number>()
  #paused = false
  #pollAt = 0
  #asking = false
  /** Pages behind a gap that are being judged. */
  #keeping = 0

  constructor(private readonly world: World, private readonly hooks: AdoptionHooks) {}

  get unstored(): number { return this.#unstored.size }

  /** Hands on what may be. */
  pump(plan: Plan): void {
    const { pagesInValidator, pagesUnstored } = this.world.config
    if (!this.#expireHanded(plan) || this.#paused) return
    for (let next = plan.next; next !== undefined; next = plan.next) {
      if (plan.count('handed') >= pagesInValidator || this.#unstored.size >= pagesUnstored) return
      this.#hand(next)
    }
  }

  /** Whether nothing is left to hand on or to hear of. Asks chain now and then where it waits for the store. */
  idle(plan: Plan): boolean {
    if (this.#asking || this.#keeping > 0) return false
    if (this.#paused) { this.#poll(); return false }
    if (plan.count('handed') > 0) return false
    if (plan.next === undefined) return true
    this.#poll()
    return false
  }

  stood({ next, unstored, confirmedTip }: ChainStanding): void {
    const plan = this.hooks.plan()
    if (plan === undefined) return
    if (confirmedTip !== undefined) this.lowest = confirmedTip.blockNumber + 1n
    if (unstored >= this.world.config.pauseAtUnstored || (!this.#paused && waitsForStore(reasonOfFront(plan)))) {
      this.#paused = true
      this.world.count('paused')
      return
    }
    if (unstored === 0) this.#unstored.clear()
    const wasPaused = this.#paused
    this.#paused = false
    this.#catchUpWith(plan, next ?? plan.frontier, wasPaused)
  }

  /** A page that begins behind a gap: chain keeps what is signed by elected ones, and is asked for what leads up to it. */
  keep(page: CheckedPage, from: PeerKey): void {
    if (page.resumes === undefined || page.beyond.length === 0 || (this.waits !== undefined && this.waits >= page.resumes)) return
    this.#keeping++
    this.world.handPage(page.beyond, from, {
      judged: results => {
        this.#keeping--
        this.#blame(from, results)
        this.#noteWaiting(page, results)
      },
      lost: () => { this.#keeping-- },
    })
  }

  /** Gives false where the run has failed. Pages that were judged by nobody in time are handed over again. */
  #expireHanded(plan: Plan): boolean {
    const { judgeWithin, handOvers } = this.world.config
    const expired = this.world.now() - judgeWithin
    for (const each of plan.stretches) {
      if (each.state !== 'handed') continue
      if (each.handedAt > expired) { this.world.wake(each.handedAt - expired); continue }
      if (each.handOvers >= handOvers) {
        this.hooks.failed('not_judged', `blocks from ${each.start} on were not judged`)
        return false
      }
      if (each.ticket !== undefined) this.world.forget(each.ticket)
      each.state = 'ready'
    }
    return true
  }

  #hand(stretch: Stretch): void {
    const { page, from } = stretch
    if (page === undefined || from === undefined) return
    stretch.state = 'handed'
    stretch.handedAt = this.world.now()
    stretch.handOvers++
    let ticket = 0
    // what lies behind a gap waits in chain for what fills it: stores of reference nodes have holes (H88)
    stretch.ticket = ticket = this.world.handPage(page.beyond.length === 0 ? page.bytes : Buffer.concat([page.bytes, page.beyond]), from, {
      judged: results => { this.#judged(stretch, ticket, results) },
      durable: () => { this.#unstored.delete(ticket) },
      lost: () => { this.#lost(stretch, ticket) },
    })
  }

  /** The validator did not take it, or went and took it along. */
  #lost(stretch: Stretch, ticket: number): void {
    if (stretch.state !== 'handed' || stretch.ticket !== ticket) return
    if (stretch.handOvers >= this.world.config.handOvers) this.hooks.failed('room_failed', 'the validator does not take pages')
    else stretch.state = 'ready'
  }

  #judged(stretch: Stretch, ticket: number, results: readonly Judgement[]): void {
    const plan = this.hooks.plan()
    const { from } = stretch
    if (from === undefined) return
    const culprit = this.#blame(from, results)
    if (results.some(isTaken)) this.#unstored.add(ticket)
    this.#noteWaiting(stretch.page, results)
    if (plan === undefined || stretch.state !== 'handed' || stretch.ticket !== ticket) return
    stretch.state = 'judged'
    stretch.results = results.slice(0, stretch.page?.count)
    // judged before what it stands on was: chain could not know its parent
    stretch.early = culprit === undefined && stretch.start !== plan.frontier
    this.#settleFront(plan)
  }

  /** What is wrong whatever we know is its sender's fault. */
  #blame(from: PeerKey, results: readonly Judgement[]): Judgement | undefined {
    const culprit = results.find(({ penalty }) => penalty)
    if (culprit === undefined) return undefined
    const state = this.world.book.get(from)
    if (state !== undefined) state.discounted = true
    this.world.fault(from, 'invalid', culprit.reason, 'proved')
    return culprit
  }

  #noteWaiting(page: CheckedPage | undefined, results: readonly Judgement[]): void {
    if (page === undefined || results.length !== page.count + page.beyond.length / SIGNED_COMMITMENT_SIZE) return
    const last = results.findLastIndex(({ verdict, reason }) => verdict === 'accept' && standsAside(reason))
    if (last < 0) return
    const { blockNumber } = last < page.count ? new CommitmentView(page.bytes, last * SIGNED_COMMITMENT_SIZE) : new CommitmentView(page.beyond, (last - page.count) * SIGNED_COMMITMENT_SIZE)
    if (this.waits === undefined || blockNumber > this.waits) this.waits = blockNumber
  }

  /** Moves the frontier over what chain took. Where that is not plain from its words, chain is asked where it stands. */
  #settleFront(plan: Plan): void {
    for (let first = plan.stretches[0]; first?.state === 'judged'; first = plan.stretches[0]) {
      if (first.results.length !== first.page?.count || !first.results.every(isTaken) || first.page.beyond.length > 0) { this.#lookUp(); return }
      this.#taken(plan, first)
    }
  }

  #lookUp(): void {
    if (this.#asking) return
    this.#asking = true
    this.world.standing(standing => {
      this.#asking = false
      if (this.hooks.plan() === undefined) return
      if (standing === undefined) this.hooks.failed('room_failed', 'chain did not say where it stands')
      else this.stood(standing)
    })
  }

  #poll(): void {
    const now = this.world.now()
    if (now < this.#pollAt) { this.world.wake(this.#pollAt - now); return }
    this.#pollAt = now + POLL_MS
    this.#lookUp()
  }

  /** Chain has everything below `reached`, by its own word. */
  #catchUpWith(plan: Plan, reached: bigint, wasPaused: boolean): void {
    for (let first = plan.stretches[0]; first?.state === 'judged'; first = plan.stretches[0]) {
      if (first.end < reached || first.end < first.start) { this.#taken(plan, first); continue }
      if (wasPaused || first.early) {
        first.state = 'ready'
        first.early = false
      } else {
        this.#notTaken(plan, first, reached)
      }
      break
    }
    plan.advance(reached)
    this.#settleFront(plan)
  }

  #taken(plan: Plan, stretch: Stretch): void {
    const { from, page } = stretch
    if (from !== undefined) {
      this.delivered.add(from)
      const state = this.world.book.get(from)
      if (state !== undefined) state.delivered += page?.count ?? 0
      this.world.credit(from)
    }
    for (const [peer, reason] of stretch.refused) {
      if (peer === from || !standsAside(reason) || !this.hooks.blameForks()) continue
      this.world.fault(peer, 'other_fork', `its page from ${stretch.start} on does not link to what others deliver: ${reason}`, 'found_out')
    }
    if (page?.handsOver === true) this.handoverAt = page.next
    if (stretch.end < stretch.start) plan.dropEmpty(stretch)
    else plan.advance(stretch.end + 1n)
  }

  /** Chain has `reached`, which is not all of this page: what is left is asked of another peer. */
  #notTaken(plan: Plan, stretch: Stretch, reached: bigint): void {
    const { from } = stretch
    const reason = reasonOfFirst(stretch.results)
    if (reached > stretch.start) plan.advance(reached)
    else plan.want(stretch)
    if (isUnjudged(reason)) { this.hooks.failed('not_adopted', reason); return }
    const left = plan.stretches[0]
    if (left === undefined || from === undefined) return
    left.tried.add(from)
    // neither a lie nor a fork: a store of a reference node keeps whatever came last (H88)
    if (stretch.results.some(({ penalty }) => penalty) || firstNotTaken(stretch.results)?.ofAuthor === true) return
    for (const [peer, why] of stretch.refused) left.refused.set(peer, why)
    left.refused.set(from, reason)
  }
}

function reasonOfFront(plan: Plan): string {
  const first = plan.stretches[0]
  return first?.state === 'judged' ? reasonOfFirst(first.results) : ''
}
