import { CommitmentView, SIGNED_COMMITMENT_SIZE } from '../../../protocol/index.js'
import type { ChainStatus } from '../../chain/ingress.js'
import type { Judgement } from '../../chain/ports.js'
import type { SyncFailure } from '../ingress.js'
import type { CheckedPage } from './page-check.js'
import type { PeerKey } from '../../../protocol/peer-key.js'
import type { Batch, BatchQueue } from './batch-queue.js'
import type { SyncContext } from '../context.js'

/** How often chain's status is polled while it waits for the store, ms. */
const POLL_MS = 250

/** What the import asks and tells its range sync. */
export interface ImportHooks {
  queue(): BatchQueue | undefined
  /** Whether peers whose pages do not link are at fault: not after the range sync stepped back, since our own chain was wrong then. */
  blameForks(): boolean
  failed(code: SyncFailure, reason: string): void
}

/**
 * The second half of a range sync: hands downloaded pages to the validator in chain order, a few at a time. Adopted pages move the
 * frontier; the others are requested from another peer.
 */
export class Import {
  /** The lowest height that may be filled: the one above the confirmed tip. */
  lowest = 0n
  /** Peers whose blocks were adopted. */
  readonly delivered = new Set<string>()
  /** A height for which only a hand-over was found: the chain may end with one. */
  handoverAt: bigint | undefined
  /** The highest judged block of an elected signer that waits for its parent. */
  waits: bigint | undefined
  /** Tickets of pages that are adopted and not yet durable. */
  readonly #unstored = new Set<number>()
  #paused = false
  #pollAt = 0
  #asking = false
  /** Pages above a gap that are being judged. */
  #keeping = 0

  constructor(private readonly context: SyncContext, private readonly hooks: ImportHooks) {}

  get unstored(): number { return this.#unstored.size }

  /** Hands over the pages that may go now. */
  pump(queue: BatchQueue): void {
    const { pagesInValidator, pagesUnstored } = this.context.config
    if (!this.#expireHanded(queue) || this.#paused) return
    for (let next = queue.next; next !== undefined; next = queue.next) {
      if (queue.count('processing') >= pagesInValidator || this.#unstored.size >= pagesUnstored) return
      this.#hand(next)
    }
  }

  /** Whether nothing is left to hand over or to wait for. Polls chain while it waits for the store. */
  idle(queue: BatchQueue): boolean {
    if (this.#asking || this.#keeping > 0) return false
    if (this.#paused) { this.#poll(); return false }
    if (queue.count('processing') > 0) return false
    if (queue.next === undefined) return true
    this.#poll()
    return false
  }

  stood({ next, unstored, confirmedTip }: ChainStatus): void {
    const queue = this.hooks.queue()
    if (queue === undefined) return
    if (confirmedTip !== undefined) this.lowest = confirmedTip.blockNumber + 1n
    if (unstored >= this.context.config.pauseAtUnstored || (!this.#paused && waitsForStore(reasonOfFront(queue)))) {
      this.#paused = true
      this.context.count('paused')
      return
    }
    if (unstored === 0) this.#unstored.clear()
    const wasPaused = this.#paused
    this.#paused = false
    this.#catchUpWith(queue, next ?? queue.frontier, wasPaused)
  }

  /** A page that begins above a gap: chain keeps the commitments of elected signers until the gap is filled. */
  keep(page: CheckedPage, from: PeerKey): void {
    if (page.resumes === undefined || page.beyond.length === 0 || (this.waits !== undefined && this.waits >= page.resumes)) return
    this.#keeping++
    this.context.handPage(page.beyond, from, {
      judged: results => {
        this.#keeping--
        this.#blame(from, results)
        this.#noteWaiting(page, results)
      },
      lost: () => { this.#keeping-- },
    })
  }

  /** Hands over again what was not judged in time; false if the range sync has failed. */
  #expireHanded(queue: BatchQueue): boolean {
    const { judgeWithin, handOvers } = this.context.config
    const expired = this.context.now() - judgeWithin
    for (const each of queue.batches) {
      if (each.state !== 'processing') continue
      if (each.handedAt > expired) { this.context.wake(each.handedAt - expired); continue }
      if (each.handOvers >= handOvers) {
        this.hooks.failed('not_judged', `blocks from ${each.start} on were not judged`)
        return false
      }
      if (each.ticket !== undefined) this.context.forget(each.ticket)
      each.state = 'awaitingProcessing'
    }
    return true
  }

  #hand(batch: Batch): void {
    const { page, from } = batch
    if (page === undefined || from === undefined) return
    batch.state = 'processing'
    batch.handedAt = this.context.now()
    batch.handOvers++
    let ticket = 0
    // blocks above a gap wait in chain until it is filled: stores of reference nodes have holes (H88)
    batch.ticket = ticket = this.context.handPage(page.beyond.length === 0 ? page.bytes : Buffer.concat([page.bytes, page.beyond]), from, {
      judged: results => { this.#judged(batch, ticket, results) },
      durable: () => { this.#unstored.delete(ticket) },
      lost: () => { this.#lost(batch, ticket) },
    })
  }

  /** The validator refused the page, or restarted and lost it. */
  #lost(batch: Batch, ticket: number): void {
    if (batch.state !== 'processing' || batch.ticket !== ticket) return
    if (batch.handOvers >= this.context.config.handOvers) this.hooks.failed('room_failed', 'the validator does not take pages')
    else batch.state = 'awaitingProcessing'
  }

  #judged(batch: Batch, ticket: number, results: readonly Judgement[]): void {
    const queue = this.hooks.queue()
    const { from } = batch
    if (from === undefined) return
    const culprit = this.#blame(from, results)
    if (results.some(isTaken)) this.#unstored.add(ticket)
    this.#noteWaiting(batch.page, results)
    if (queue === undefined || batch.state !== 'processing' || batch.ticket !== ticket) return
    batch.state = 'processed'
    batch.results = results.slice(0, batch.page?.count)
    // judged before the batch below it, so that chain could not know its parent
    batch.early = culprit === undefined && batch.start !== queue.frontier
    this.#settleFront(queue)
  }

  /** Blames the sender for a commitment that is invalid whatever our own state is. */
  #blame(from: PeerKey, results: readonly Judgement[]): Judgement | undefined {
    const culprit = results.find(({ penalty }) => penalty)
    if (culprit === undefined) return undefined
    const state = this.context.book.get(from)
    if (state !== undefined) state.discounted = true
    this.context.fault(from, 'invalid', culprit.reason, 'proved')
    return culprit
  }

  #noteWaiting(page: CheckedPage | undefined, results: readonly Judgement[]): void {
    if (page === undefined || results.length !== page.count + page.beyond.length / SIGNED_COMMITMENT_SIZE) return
    const last = results.findLastIndex(({ verdict, reason }) => verdict === 'accept' && standsAside(reason))
    if (last < 0) return
    const { blockNumber } = last < page.count ? new CommitmentView(page.bytes, last * SIGNED_COMMITMENT_SIZE) : new CommitmentView(page.beyond, (last - page.count) * SIGNED_COMMITMENT_SIZE)
    if (this.waits === undefined || blockNumber > this.waits) this.waits = blockNumber
  }

  /** Moves the frontier over adopted batches. Where the judgements leave that open, chain is asked for its status. */
  #settleFront(queue: BatchQueue): void {
    for (let first = queue.batches[0]; first?.state === 'processed'; first = queue.batches[0]) {
      if (first.results.length !== first.page?.count || !first.results.every(isTaken) || first.page.beyond.length > 0) { this.#lookUp(); return }
      this.#taken(queue, first)
    }
  }

  #lookUp(): void {
    if (this.#asking) return
    this.#asking = true
    this.context.standing(standing => {
      this.#asking = false
      if (this.hooks.queue() === undefined) return
      if (standing === undefined) this.hooks.failed('room_failed', 'chain did not say where it stands')
      else this.stood(standing)
    })
  }

  #poll(): void {
    const now = this.context.now()
    if (now < this.#pollAt) { this.context.wake(this.#pollAt - now); return }
    this.#pollAt = now + POLL_MS
    this.#lookUp()
  }

  /** Chain has everything below `reached`, by its status. */
  #catchUpWith(queue: BatchQueue, reached: bigint, wasPaused: boolean): void {
    for (let first = queue.batches[0]; first?.state === 'processed'; first = queue.batches[0]) {
      if (first.end < reached || first.end < first.start) { this.#taken(queue, first); continue }
      if (wasPaused || first.early) {
        first.state = 'awaitingProcessing'
        first.early = false
      } else {
        this.#notTaken(queue, first, reached)
      }
      break
    }
    queue.advance(reached)
    this.#settleFront(queue)
  }

  #taken(queue: BatchQueue, batch: Batch): void {
    const { from, page } = batch
    if (from !== undefined) {
      this.delivered.add(from)
      const state = this.context.book.get(from)
      if (state !== undefined) state.delivered += page?.count ?? 0
      this.context.credit(from)
    }
    for (const [peer, reason] of batch.refused) {
      if (peer === from || !standsAside(reason) || !this.hooks.blameForks()) continue
      this.context.fault(peer, 'other_fork', `its page from ${batch.start} on does not link to what others deliver: ${reason}`, 'found_out')
    }
    if (page?.handsOver === true) this.handoverAt = page.next
    if (batch.end < batch.start) queue.dropEmpty(batch)
    else queue.advance(batch.end + 1n)
  }

  /** Chain has only the part of this batch below `reached`: the rest is requested from another peer. */
  #notTaken(queue: BatchQueue, batch: Batch, reached: bigint): void {
    const { from } = batch
    const reason = reasonOfFirst(batch.results)
    if (reached > batch.start) queue.advance(reached)
    else queue.requeue(batch)
    if (isUnjudged(reason)) { this.hooks.failed('not_adopted', reason); return }
    const left = queue.batches[0]
    if (left === undefined || from === undefined) return
    left.tried.add(from)
    // neither false nor a fork: a reference node's store keeps whatever arrived last (H88)
    if (batch.results.some(({ penalty }) => penalty) || firstNotTaken(batch.results)?.ofAuthor === true) return
    for (const [peer, why] of batch.refused) left.refused.set(peer, why)
    left.refused.set(from, reason)
  }
}

function reasonOfFront(queue: BatchQueue): string {
  const first = queue.batches[0]
  return first?.state === 'processed' ? reasonOfFirst(first.results) : ''
}

/** What a judgement of chain means for the run that fetched the commitment. The words are those of SPEC §6, as chain gives them. */

/** Adopted, for certain. A `duplicate` may be one that waits for its parent; whether chain has gone on, it says itself when asked. */
export const isTaken = ({ verdict, reason }: Judgement): boolean => verdict === 'accept' && reason === 'accepted'

/** Reasons that leave the chain where it was without saying anything against the page. */
const NO_NEWS: ReadonlySet<string> = new Set(['accepted', 'duplicate', 'below_confirmed_tip', 'too_old'])

/** Why the first one was not taken that should have been. */
export const firstNotTaken = (results: readonly Judgement[]): Judgement | undefined => results.find(({ reason }) => !NO_NEWS.has(reason))
export const reasonOfFirst = (results: readonly Judgement[]): string => firstNotTaken(results)?.reason ?? 'not_adopted'

/** It stands beside our chain: its parent is not what we have below it. */
const ASIDE: ReadonlySet<string> = new Set(['pending_parent', 'aside', 'misnumbered'])
export const standsAside = (reason: string): boolean => ASIDE.has(reason)

/** The store is behind: the same page, later. */
const LATER: ReadonlySet<string> = new Set(['store_behind', 'store_unavailable'])
export const waitsForStore = (reason: string): boolean => LATER.has(reason)

/** It could not be judged here and now, whoever brought it: the next round tries again. */
const UNJUDGED: ReadonlySet<string> = new Set([
  'schedule_unknown', 'beyond_horizon', 'not_held', 'rules_failed', 'rules_overloaded', 'unjudged',
])
export const isUnjudged = (reason: string): boolean => UNJUDGED.has(reason)
