import type { PeerKey } from '../../../protocol/peer-key.js'
import type { PeerClaims } from '../peer-claims.js'
import { checkPage } from './page-check.js'
import type { AskedPage, CheckedPage } from './page-check.js'
import type { SyncPeerState } from '../peers.js'
import type { BatchQueue, Batch } from './batch-queue.js'
import { pageRequest } from '../../../protocol/index.js'
import type { Answer, SyncContext } from '../context.js'

/** Commitments requested beyond the heights of a batch, for the hand-overs in it. */
const HANDOVER_ROOM = 32n

/** The request for a batch: at most a page, and nothing that belongs to the next batch. */
export function askedFor(start: bigint, end: bigint, pageSize: number): AskedPage {
  const heights = end - start + 1n + HANDOVER_ROOM
  return { start, count: heights < BigInt(pageSize) ? Number(heights) : pageSize, through: end }
}

/** The lowest height that is not downloaded yet. */
export function openHeight(plan: BatchQueue): bigint {
  for (const each of plan.batches) if (each.state === 'awaitingDownload' || each.state === 'downloading') return each.start
  return plan.end
}

/** What the download asks its range sync. */
export interface DownloadHooks {
  /** A page was stored in its batch. */
  filled(): void
  /** A page begins above the requested height. */
  skipped(page: CheckedPage, from: PeerKey): void
  /** Whether answers for this queue still matter. */
  active(plan: BatchQueue): boolean
  /** Whether peers whose heads are below the batch are asked too. */
  asksEverybody(): boolean
  /** Whether pages may be requested from this peer (checkpoint-vote.ts). */
  trusts(peer: PeerKey): boolean
}

/** Downloads the batches of a queue from several peers at once, and checks each page on its own. */
export class Download {
  constructor(private readonly context: SyncContext, private readonly claims: PeerClaims, private readonly hooks: DownloadHooks) {}

  /** Sends the requests that can go now. True if no peer can ever be asked for the lowest missing batch. */
  pump(plan: BatchQueue, target: bigint): boolean {
    const open = openHeight(plan)
    let stuck = false
    for (const stretch of [...plan.awaitingDownload()]) {
      if (this.#ask(plan, stretch, open, target) === 'nobody') stuck ||= stretch.start === open
    }
    this.#askTheLateAgain(plan, open, target)
    return stuck
  }

  /** A peer disconnected: its batches are requested from others at once. */
  gone(plan: BatchQueue, state: SyncPeerState): void {
    for (const stretch of plan.batches) {
      if (stretch.asking.delete(state.peer) && stretch.asking.size === 0 && stretch.state === 'downloading') plan.requeue(stretch)
    }
  }

  #ask(plan: BatchQueue, stretch: Batch, open: bigint, target: bigint): 'downloading' | 'later' | 'nobody' {
    if (stretch.behindGap && stretch.start > plan.frontier) return 'later'
    const now = this.context.now()
    const chosen = this.context.book.choose('commitments', now, state => {
      const { peer } = state
      if (!this.hooks.trusts(peer) || stretch.tried.has(peer) || stretch.refused.has(peer) || stretch.asking.has(peer)) return false
      // a peer of unknown head is asked page by page, or for what others announce
      return state.mayHave(stretch.start, now, this.hooks.asksEverybody()) && (!state.blind || stretch.start === open || stretch.start <= target)
    })
    if (chosen === undefined) return 'nobody'
    if ('readyAt' in chosen) {
      if (chosen.readyAt !== undefined) this.context.wake(chosen.readyAt - now)
      return 'later'
    }
    this.#request(plan, stretch, chosen)
    return 'downloading'
  }

  #askTheLateAgain(plan: BatchQueue, open: bigint, target: bigint): void {
    const late = this.context.now() - this.context.config.lateAfter
    for (const stretch of plan.batches) {
      if (stretch.state !== 'downloading' || stretch.asking.size > 1) continue
      if (stretch.askedAt > late) this.context.wake(stretch.askedAt - late)
      else this.#ask(plan, stretch, open, target)
    }
  }

  #request(plan: BatchQueue, stretch: Batch, state: SyncPeerState): void {
    const asked = askedFor(stretch.start, stretch.end, this.context.config.pageSize)
    if (stretch.state === 'awaitingDownload') {
      stretch.state = 'downloading'
      stretch.askedAt = this.context.now()
    }
    stretch.asking.add(state.peer)
    this.context.request(state, 'commitments', pageRequest(asked.start, asked.count), answer => {
      stretch.asking.delete(state.peer)
      if (this.hooks.active(plan)) this.#answered(plan, stretch, state, asked, answer)
    })
  }

  #answered(plan: BatchQueue, stretch: Batch, state: SyncPeerState, asked: AskedPage, answer: Answer): void {
    if (answer.ok) this.#take(plan, stretch, state, asked, answer.body)
    else if (state.failures >= this.context.config.failuresPerRun) state.discounted = true
    if (stretch.state === 'downloading' && stretch.asking.size === 0) plan.requeue(stretch)
  }

  #take(plan: BatchQueue, stretch: Batch, state: SyncPeerState, asked: AskedPage, body: Uint8Array): void {
    const check = checkPage(body, asked)
    if (!check.ok) {
      state.discounted = true
      this.context.fault(state.peer, check.fault.reason, check.fault.detail, 'proved')
      return
    }
    const { page } = check
    stretch.tried.add(state.peer)
    const announced = state.head?.blockNumber
    if (page.resumes !== undefined) {
      if (page.count === 0) {
        state.floorIs(page.resumes, this.context.now())
        this.claims.raise(state, 'floor', page.resumes)
        this.hooks.skipped(page, state.peer)
      }
    } else if (!page.full && page.next <= stretch.end) {
      if (state.exhaustedAt === undefined || page.next < state.exhaustedAt) state.exhaustedAt = page.next
      if (announced !== undefined && announced >= page.next) this.claims.raise(state, page.received === 0 ? 'empty' : 'short', page.next)
    }
    if (plan.fill(stretch, page, state.peer)) this.hooks.filled()
  }
}
