import type { PeerKey } from '../../protocol/peer-key.js'
import type { Doubts } from './doubts.js'
import { checkPage } from './page-check.js'
import type { AskedPage, CheckedPage } from './page-check.js'
import type { SyncPeerState } from './peers.js'
import type { Plan, Stretch } from './plan.js'
import { pageRequest } from './wire.js'
import type { Answer, World } from './world.js'

/** A page is asked a little longer than its stretch, for the hand-overs in it. */
const HANDOVER_ROOM = 32n

/** What is asked for a stretch: at most a page, and nothing that the next stretch is for. */
export function askedFor(start: bigint, end: bigint, pageSize: number): AskedPage {
  const heights = end - start + 1n + HANDOVER_ROOM
  return { start, count: heights < BigInt(pageSize) ? Number(heights) : pageSize, through: end }
}

/** The lowest height for which nothing is there yet. */
export function openHeight(plan: Plan): bigint {
  for (const each of plan.stretches) if (each.state === 'wanted' || each.state === 'asked') return each.start
  return plan.end
}

/** What fetching has to know of its run. */
export interface FetchHooks {
  /** A page was taken up. */
  filled(): void
  /** A page begins behind what was asked. */
  skipped(page: CheckedPage, from: PeerKey): void
  /** Whether answers to this plan still matter. */
  active(plan: Plan): boolean
  /** Whether also those are asked whose heads are below what is wanted. */
  asksEverybody(): boolean
  /** Whether pages may be asked of this peer (pivot.ts). */
  trusts(peer: PeerKey): boolean
}

/** Asks peers for the stretches of a plan, several at once, and checks what they answer by itself. */
export class Fetch {
  constructor(private readonly world: World, private readonly doubts: Doubts, private readonly hooks: FetchHooks) {}

  /** Asks whoever can be asked now. Gives true where nobody can be, now or later, for the lowest stretch that is wanted. */
  pump(plan: Plan, target: bigint): boolean {
    const open = openHeight(plan)
    let stuck = false
    for (const stretch of [...plan.wanted()]) {
      if (this.#ask(plan, stretch, open, target) === 'nobody') stuck ||= stretch.start === open
    }
    this.#askTheLateAgain(plan, open, target)
    return stuck
  }

  /** Who left is waited for no more; what it was asked for goes to others at once. */
  gone(plan: Plan, state: SyncPeerState): void {
    for (const stretch of plan.stretches) {
      if (stretch.asking.delete(state.peer) && stretch.asking.size === 0 && stretch.state === 'asked') plan.want(stretch)
    }
  }

  #ask(plan: Plan, stretch: Stretch, open: bigint, target: bigint): 'asked' | 'later' | 'nobody' {
    if (stretch.behindGap && stretch.start > plan.frontier) return 'later'
    const now = this.world.now()
    const chosen = this.world.book.choose('commitments', now, state => {
      const { peer } = state
      if (!this.hooks.trusts(peer) || stretch.tried.has(peer) || stretch.refused.has(peer) || stretch.asking.has(peer)) return false
      // whose head is unknown is asked page by page, or for what others announce
      return state.mayHave(stretch.start, now, this.hooks.asksEverybody()) && (!state.blind || stretch.start === open || stretch.start <= target)
    })
    if (chosen === undefined) return 'nobody'
    if ('readyAt' in chosen) {
      if (chosen.readyAt !== undefined) this.world.wake(chosen.readyAt - now)
      return 'later'
    }
    this.#request(plan, stretch, chosen)
    return 'asked'
  }

  #askTheLateAgain(plan: Plan, open: bigint, target: bigint): void {
    const late = this.world.now() - this.world.config.lateAfter
    for (const stretch of plan.stretches) {
      if (stretch.state !== 'asked' || stretch.asking.size > 1) continue
      if (stretch.askedAt > late) this.world.wake(stretch.askedAt - late)
      else this.#ask(plan, stretch, open, target)
    }
  }

  #request(plan: Plan, stretch: Stretch, state: SyncPeerState): void {
    const asked = askedFor(stretch.start, stretch.end, this.world.config.pageSize)
    if (stretch.state === 'wanted') {
      stretch.state = 'asked'
      stretch.askedAt = this.world.now()
    }
    stretch.asking.add(state.peer)
    this.world.request(state, 'commitments', pageRequest(asked.start, asked.count), answer => {
      stretch.asking.delete(state.peer)
      if (this.hooks.active(plan)) this.#answered(plan, stretch, state, asked, answer)
    })
  }

  #answered(plan: Plan, stretch: Stretch, state: SyncPeerState, asked: AskedPage, answer: Answer): void {
    if (answer.ok) this.#take(plan, stretch, state, asked, answer.body)
    else if (state.failures >= this.world.config.failuresPerRun) state.discounted = true
    if (stretch.state === 'asked' && stretch.asking.size === 0) plan.want(stretch)
  }

  #take(plan: Plan, stretch: Stretch, state: SyncPeerState, asked: AskedPage, body: Uint8Array): void {
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
        this.hooks.skipped(page, state.peer)
      }
    } else if (!page.full && page.next <= stretch.end) {
      if (state.exhaustedAt === undefined || page.next < state.exhaustedAt) state.exhaustedAt = page.next
      if (announced !== undefined && announced >= page.next) this.doubts.raise(state, page.received === 0 ? 'empty' : 'short', page.next)
    }
    if (plan.fill(stretch, page, state.peer)) this.hooks.filled()
  }
}
