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
export function openHeight(queue: BatchQueue): bigint {
  for (const each of queue.batches) if (each.state === 'awaitingDownload' || each.state === 'downloading') return each.start
  return queue.end
}

/** What the download asks its range sync. */
export interface DownloadHooks {
  /** A page was stored in its batch. */
  filled(): void
  /** A page begins above the requested height. */
  skipped(page: CheckedPage, from: PeerKey): void
  /** Whether answers for this queue still matter. */
  active(queue: BatchQueue): boolean
  /** Whether peers whose heads are below the batch are asked too. */
  asksEverybody(): boolean
  /** Whether pages may be requested from this peer (checkpoint-vote.ts). */
  trusts(peer: PeerKey): boolean
}

/** Downloads the batches of a queue from several peers at once, and checks each page on its own. */
export class Download {
  constructor(private readonly context: SyncContext, private readonly claims: PeerClaims, private readonly hooks: DownloadHooks) {}

  /** Sends the requests that can go now. True if no peer can ever be asked for the lowest missing batch. */
  pump(queue: BatchQueue, target: bigint): boolean {
    const open = openHeight(queue)
    let stuck = false
    for (const batch of [...queue.awaitingDownload()]) {
      if (this.#ask(queue, batch, open, target) === 'nobody') stuck ||= batch.start === open
    }
    this.#askTheLateAgain(queue, open, target)
    return stuck
  }

  /** A peer disconnected: its batches are requested from others at once. */
  gone(queue: BatchQueue, state: SyncPeerState): void {
    for (const batch of queue.batches) {
      if (batch.asking.delete(state.peer) && batch.asking.size === 0 && batch.state === 'downloading') queue.requeue(batch)
    }
  }

  #ask(queue: BatchQueue, batch: Batch, open: bigint, target: bigint): 'downloading' | 'later' | 'nobody' {
    if (batch.behindGap && batch.start > queue.frontier) return 'later'
    const now = this.context.now()
    const chosen = this.context.book.choose('commitments', now, state => {
      const { peer } = state
      if (!this.hooks.trusts(peer) || batch.tried.has(peer) || batch.refused.has(peer) || batch.asking.has(peer)) return false
      // a peer of unknown head is asked page by page, or for what others announce
      return state.mayHave(batch.start, now, this.hooks.asksEverybody()) && (!state.blind || batch.start === open || batch.start <= target)
    })
    if (chosen === undefined) return 'nobody'
    if ('readyAt' in chosen) {
      if (chosen.readyAt !== undefined) this.context.wake(chosen.readyAt - now)
      return 'later'
    }
    this.#request(queue, batch, chosen)
    return 'downloading'
  }

  #askTheLateAgain(queue: BatchQueue, open: bigint, target: bigint): void {
    const late = this.context.now() - this.context.config.lateAfter
    for (const batch of queue.batches) {
      if (batch.state !== 'downloading' || batch.asking.size > 1) continue
      if (batch.askedAt > late) this.context.wake(batch.askedAt - late)
      else this.#ask(queue, batch, open, target)
    }
  }

  #request(queue: BatchQueue, batch: Batch, state: SyncPeerState): void {
    const asked = askedFor(batch.start, batch.end, this.context.config.pageSize)
    if (batch.state === 'awaitingDownload') {
      batch.state = 'downloading'
      batch.askedAt = this.context.now()
    }
    batch.asking.add(state.peer)
    this.context.request(state, 'commitments', pageRequest(asked.start, asked.count), answer => {
      batch.asking.delete(state.peer)
      if (this.hooks.active(queue)) this.#answered(queue, batch, state, asked, answer)
    })
  }

  #answered(queue: BatchQueue, batch: Batch, state: SyncPeerState, asked: AskedPage, answer: Answer): void {
    if (answer.ok) this.#take(queue, batch, state, asked, answer.body)
    else if (state.failures >= this.context.config.failuresPerRun) state.discounted = true
    if (batch.state === 'downloading' && batch.asking.size === 0) queue.requeue(batch)
  }

  #take(queue: BatchQueue, batch: Batch, state: SyncPeerState, asked: AskedPage, body: Uint8Array): void {
    const check = checkPage(body, asked)
    if (!check.ok) {
      state.discounted = true
      this.context.fault(state.peer, check.fault.reason, check.fault.detail, 'proved')
      return
    }
    const { page } = check
    batch.tried.add(state.peer)
    const announced = state.head?.blockNumber
    if (page.resumes !== undefined) {
      if (page.count === 0) {
        state.floorIs(page.resumes, this.context.now())
        this.claims.raise(state, 'floor', page.resumes)
        this.hooks.skipped(page, state.peer)
      }
    } else if (!page.full && page.next <= batch.end) {
      if (state.exhaustedAt === undefined || page.next < state.exhaustedAt) state.exhaustedAt = page.next
      if (announced !== undefined && announced >= page.next) this.claims.raise(state, page.received === 0 ? 'empty' : 'short', page.next)
    }
    if (queue.fill(batch, page, state.peer)) this.hooks.filled()
  }
}
