import type { ChainStatus } from '../../chain/ingress.js'
import { Import } from './import.js'
import type { PeerClaims } from '../peer-claims.js'
import { Download, openHeight } from './download.js'
import { targetOf } from './target.js'
import type { Behind, SyncEvent, SyncFailure, SyncResult } from '../ingress.js'
import type { SyncPeerState } from '../peers.js'
import { CheckpointVote } from './checkpoint-vote.js'
import { BatchQueue } from './batch-queue.js'
import type { Batch } from './batch-queue.js'
import { StartHeightSearch } from './start-height.js'
import type { Root } from './start-height.js'
import type { SyncContext } from '../context.js'

export type SyncReason = Extract<SyncEvent, { type: 'syncStarted' }>['reason']

/** Heights to step back when no peer's pages link to our chain: peers may follow one that supersedes ours (SPEC §7, at most 64). */
const STEPS_BACK = [8n, 72n]
/** If more pages than this are missing, commitments are fetched before txlists. */
const FAR_PAGES = 4n
const PACE_OVER_MS = 5_000
/** How long to wait for heads before the checkpoint vote. Later heads still count for the target. */
const VOTE_AFTER_MS = 1_000

interface Outcome { readonly outcome: SyncResult['outcome']; readonly code: SyncFailure | undefined; readonly reason: string }

/**
 * One range sync (SPEC §9):
 *  1. Chain says where to begin. Without a confirmed tip the start height is the lowest that most peers serve, searched anew if the chain
 *     from there reaches no peer's head (start-height.ts).
 *  2. Peers vote on one block near their heads, and pages are asked of those that agree (checkpoint-vote.ts).
 *  3. Batches up to the target are downloaded from several peers at once, a late one from a second peer too (download.ts).
 *  4. A page is checked on its own (page-check.ts) and handed to the validator in chain order, a few at a time. Adopted pages move the
 *     frontier; the others are requested from another peer (import.ts).
 *  5. A peer must prove what it claims to have (peer-claims.ts).
 *  6. When no peer has more, the range sync waits until its blocks are durable, and ends.
 */
export class RangeSync {
  readonly startedAt: number
  readonly #import: Import
  readonly #download: Download
  readonly #pace = new Pace(PACE_OVER_MS)
  #phase: 'starting' | 'paging' | 'settling' | 'ended' = 'starting'
  #startHeight: StartHeightSearch | undefined
  /** Where to begin if that search finds nothing. */
  #next: bigint | undefined
  /** The highest pending block above the head when the range sync began. */
  #waits: bigint | undefined
  /** Chain has no confirmed tip: its root may be replaced once per range sync, if no peer's head is reached from it. */
  #mayLeaveRoot = false
  #queue: BatchQueue | undefined
  /** `none`: no vote is needed, or it is over. */
  #vote: CheckpointVote | 'none' | undefined
  #from = 0n
  #visible: boolean
  #stepsBack = 0
  /** The peers that announce more could not deliver it. */
  #asksEverybody = false
  /** The highest missing parent above the known heads; −1 if none. */
  #wanted = -1n
  #outcome: Outcome | undefined
  #settledAt = 0

  /** @param headsLeft how much longer to wait for head requests in flight, ms; 0 if there are none */
  constructor(
    private readonly context: SyncContext, private readonly claims: PeerClaims, readonly reason: SyncReason,
    private readonly headsLeft: () => number, private readonly ended: (result: SyncResult, run: RangeSync) => void,
  ) {
    this.startedAt = context.now()
    this.#visible = reason === 'asked'
    this.#import = new Import(context, {
      queue: () => this.#phase === 'paging' ? this.#queue : undefined,
      blameForks: () => this.#stepsBack === 0,
      failed: (code, why) => { this.#end('incomplete', code, why) },
    })
    this.#download = new Download(context, claims, {
      filled: () => { this.#show() },
      // without a confirmed tip the start height may still change
      skipped: (page, from) => { if (this.#import.lowest > 0n) this.#import.keep(page, from) },
      asksEverybody: () => this.#asksEverybody,
      active: queue => this.#phase === 'paging' && queue === this.#queue,
      trusts: peer => this.#voted()?.trusts(peer) ?? true,
    })
    context.standing(standing => { this.#begin(standing) })
  }

  get from(): bigint { return this.#from }
  /** Everything below is adopted. */
  get at(): bigint { return this.#queue?.frontier ?? this.#from }
  get to(): bigint {
    const to = this.#announced()
    return to < this.at - 1n ? this.at - 1n : to
  }

  /** Whether more than some pages are known to be missing. */
  get isFarBehind(): boolean { return this.#phase === 'paging' && this.to - this.at > FAR_PAGES * BigInt(this.context.config.pageSize) }

  /** Peers whose blocks were adopted in this range sync. */
  get delivered(): ReadonlySet<string> { return this.#import.delivered }

  /** A live block names a parent at this height. */
  want(height: bigint): void { if (height > this.#wanted) this.#wanted = height }

  /** Whether this height is still to be imported. */
  covers(height: bigint): boolean { return this.#phase === 'paging' && height >= this.at }

  gone(state: SyncPeerState): void {
    this.#voted()?.gone(state)
    if (this.#queue !== undefined) this.#download.gone(this.#queue, state)
  }

  cancel(): void { this.#end('cancelled', undefined, 'cancelled') }

  progress(): void {
    if (!this.#visible || this.#phase !== 'paging') return
    const perSecond = this.#pace.mark(this.at, this.context.now())
    const { from, at, to } = this
    this.context.emit({ type: 'syncProgress', from, to, at, perSecond, peers: this.delivered.size, etaMs: etaMs(at, to, perSecond) })
  }

  /** Does what can be done now. Called after every event; cheap if there is nothing to do. */
  pump(): void {
    if (this.#phase === 'starting' && this.#startHeight !== undefined) this.#lookForRoot()
    if (this.#phase === 'paging' && this.#queue !== undefined) this.#page(this.#queue)
    if (this.#phase === 'settling') this.#finish()
  }

  // ---- where to begin

  #begin(standing: ChainStatus | undefined): void {
    if (this.#phase !== 'starting') return
    if (standing === undefined) { this.#end('incomplete', 'room_failed', 'chain did not say where it stands'); return }
    this.#import.lowest = standing.confirmedTip === undefined ? 0n : standing.confirmedTip.blockNumber + 1n
    this.#waits = standing.highest
    const { next, rootedByChance = false } = standing
    this.#next = next
    this.#mayLeaveRoot = standing.confirmedTip === undefined && next !== undefined && !rootedByChance
    if (next !== undefined && !rootedByChance) this.#open(next)
    else this.#startHeight = new StartHeightSearch(this.context, this.headsLeft)
  }

  #lookForRoot(): void {
    const root = this.#startHeight?.pump()
    if (root === undefined) return
    this.#startHeight?.stop()
    this.#startHeight = undefined
    const queue = this.#queue
    if (queue !== undefined && (root === 'none' || root.page.start <= queue.frontier)) {
      this.#phase = 'paging'
      this.#conclude(queue)
      return
    }
    if (root === 'none' && this.#next !== undefined) { this.#open(this.#next); return }
    if (root === 'none') { this.#end(this.#alone() ? 'no_peers' : 'caught_up', undefined, ''); return }
    this.context.rootAt(root.page.start)
    this.#begun(root)
  }

  #begun(root: Root): void {
    this.#queue?.clear()
    this.#vote = undefined
    this.#open(root.page.start)
    const queue = this.#queue as BatchQueue
    queue.reach(root.page.start)
    queue.fill(queue.batches[0] as Batch, root.page, root.peer.peer)
    // its page was requested from a lower height, so it covers less than a batch
    queue.batches[1]?.tried.delete(root.peer.peer)
    this.#show()
  }

  #open(from: bigint): void {
    this.#from = from
    this.#queue = this.#queueFrom(from)
    this.#phase = 'paging'
    this.#pace.mark(from, this.context.now())
    if (this.#visible) this.context.emit({ type: 'syncStarted', reason: this.reason, from })
  }

  /** There is something to do: reports this range sync to the application. */
  #show(): void {
    if (this.#visible) return
    this.#visible = true
    this.context.emit({ type: 'syncStarted', reason: this.reason, from: this.#from })
  }

  #queueFrom(height: bigint): BatchQueue { return new BatchQueue(height, this.context.config.pageSize, this.context.config.pagesAhead) }

  // ---- paging

  #page(queue: BatchQueue): void {
    const target = this.#target(queue)
    queue.reach(target)
    queue.shrink(target)
    if (!this.#mayTake(queue)) return
    this.#import.pump(queue)
    if (this.#phase !== 'paging') return
    const stuck = this.#download.pump(queue, target)
    this.claims.settle(queue.frontier, false)
    if (!this.#import.idle(queue) || queue.count('downloading') > 0) return
    if (queue.batches.length === 0 || stuck) this.#conclude(queue)
  }

  #voted(): CheckpointVote | undefined { return this.#vote === 'none' ? undefined : this.#vote }

  /** Whether pages may be requested and imported: once the vote has settled which peers to ask. */
  #mayTake(queue: BatchQueue): boolean {
    if (this.#vote === undefined) {
      const patience = Math.min(this.headsLeft(), this.startedAt + VOTE_AFTER_MS - this.context.now())
      if (patience > 0) { this.context.wake(patience); return false }
      this.#vote = CheckpointVote.call(this.context, this.claims, queue.frontier) ?? 'none'
    }
    const pivot = this.#voted()
    if (pivot?.settled === false) return false
    if (pivot !== undefined && queue.frontier > pivot.height && this.#stepsBack === 0) {
      pivot.blameForks()
      this.#vote = 'none'
    }
    return true
  }

  /** The highest height that a peer announces or that a live block names as its parent. */
  #announced(): bigint {
    const { height, outlier } = targetOf(this.context.book, this.context.config.outlier, (state, head) => this.claims.shown(state, head))
    if (outlier?.head !== undefined) this.claims.raise(outlier, 'outlier', outlier.head.blockNumber)
    return height === undefined || height < this.#wanted ? this.#wanted : height
  }

  /** The height up to which batches are made: the announced one, and one page further for peers whose head is unknown. */
  #target(queue: BatchQueue): bigint {
    const target = this.#announced()
    const open = openHeight(queue)
    if (target >= open) return target
    const now = this.context.now()
    let blind = 0
    for (const state of this.context.book.askable()) {
      if (!state.blind) continue
      if (blind++ >= this.context.config.blindPeers) break
      if (state.mayHave(open, now)) return open
    }
    return target
  }

  // ---- ending

  /** Nothing is in flight, and no peer can be asked for what comes next. */
  #conclude(queue: BatchQueue): void {
    const patience = this.headsLeft()
    if (patience > 0) { this.context.wake(patience); return }
    if (this.#voted()?.release() === true) { this.context.wake(1); return }
    const first = queue.batches[0]
    if (first !== undefined && first.refused.size > 0) { this.#refusedByAll(queue, first); return }
    this.#claims(queue)
    this.claims.settle(queue.frontier, true)
    if (this.claims.asking) return
    const left = this.#claims(queue)
    if (left !== undefined && this.#mayLeaveRoot) {
      this.#mayLeaveRoot = false
      this.#startHeight = new StartHeightSearch(this.context, this.headsLeft)
      this.#phase = 'starting'
      this.context.wake(1)
      return
    }
    const { behind } = this
    if (behind !== undefined && !this.#asksEverybody) {
      this.#asksEverybody = true
      this.want(behind.known)
      this.context.wake(1)
      return
    }
    if (this.#alone()) this.#end('no_peers', undefined, '')
    else if (left !== undefined) this.#end('incomplete', 'not_delivered', `${left.peer} announces ${left.head?.blockNumber ?? 0n}, nobody delivers ${queue.frontier}`)
    else if (behind !== undefined) this.#end('incomplete', 'not_delivered', `block ${behind.known} is ${behind.by}, nobody delivers ${queue.frontier}`)
    else this.#end('caught_up', undefined, '')
  }

  /** What is known above that this run has not got: an elected signer's block that waits for its parent, or what half of the peers announce, liars or not. */
  get behind(): Behind | undefined {
    const { at } = this
    const waits = later(this.#waits, this.#import.waits)
    if (waits !== undefined && waits >= at) return { known: waits, by: 'signed' }
    let [asked, more, known] = [0, 0, at]
    for (const { head, blind } of this.context.book.askable()) {
      if (head === undefined && !blind) continue
      asked++
      if (head === undefined || head.blockNumber < at || (head.blockNumber === at && this.#import.handoverAt === at)) continue
      more++
      if (head.blockNumber > known) known = head.blockNumber
    }
    return more > 0 && 2 * more >= asked ? { known, by: 'announced' } : undefined
  }

  #alone(): boolean { return this.context.book.askable().next().done === true }

  /** Challenges every peer that announces more than it delivered; returns one that has proved its head. */
  #claims(queue: BatchQueue): SyncPeerState | undefined {
    let claim: SyncPeerState | undefined
    for (const state of this.context.book.askable()) {
      const head = state.head?.blockNumber
      if (state.discounted || head === undefined || head < queue.frontier) continue
      if (head === queue.frontier && this.#import.handoverAt === head) continue
      if (this.claims.shown(state, head)) claim ??= state
      else this.claims.raise(state, 'empty', queue.frontier)
    }
    return claim
  }

  /** Every peer's page was refused here: our own chain may be the wrong one from a little below. */
  #refusedByAll(queue: BatchQueue, { refused }: Batch): void {
    const back = STEPS_BACK[this.#stepsBack]
    const { lowest } = this.#import
    const from = back === undefined || queue.frontier < lowest + back ? lowest : queue.frontier - back
    if (back === undefined || from >= queue.frontier ) {
      this.#end('incomplete', 'not_adopted', [...refused.values()][0] ?? '')
      return
    }
    this.#stepsBack++
    queue.clear()
    this.#queue = this.#queueFrom(from)
    for (const state of this.context.book.all()) state.exhaustedAt = undefined
    this.context.wake(1)
  }

  #end(outcome: SyncResult['outcome'], code: SyncFailure | undefined, reason: string): void {
    if (this.#phase === 'settling' || this.#phase === 'ended') return
    this.#phase = 'settling'
    this.#outcome = { outcome, code, reason }
    this.#settledAt = this.context.now()
    this.#startHeight?.stop()
  }

  /** Waits until everything adopted is durable, then reports the result. */
  #finish(): void {
    const { outcome, code, reason } = this.#outcome as Outcome
    const left = this.#settledAt + this.context.config.durableWithin - this.context.now()
    if (this.#import.unstored > 0 && left > 0 && outcome !== 'cancelled') { this.context.wake(left); return }
    this.#phase = 'ended'
    const ms = this.context.now() - this.startedAt
    const from = this.#from
    const to = this.at - 1n
    this.#queue?.clear()
    if (outcome === 'incomplete') this.context.emit({ type: 'syncFailed', code: code ?? 'room_failed', at: to + 1n, reason, ms })
    else if (outcome === 'cancelled') { if (this.#visible) this.context.emit({ type: 'syncFailed', code: 'cancelled', at: to + 1n, reason, ms }) }
    else if (this.#visible) this.context.emit({ type: 'syncDone', from, to, blocks: blocksIn(from, to), ms })
    this.ended({ outcome, code, from, to, blocks: blocksIn(from, to), ms }, this)
  }
}

const later = (a: bigint | undefined, b: bigint | undefined): bigint | undefined => a === undefined || (b !== undefined && b > a) ? b : a
const blocksIn = (from: bigint, to: bigint): number => to < from ? 0 : Number(to - from + 1n)

/** How fast a run goes: over the last few seconds, so that a pause shows and the start does not linger. */
export class Pace {
  readonly #marks: { readonly ms: number; readonly at: bigint }[] = []

  constructor(private readonly overMs: number) {}

  /** Blocks a second between the oldest mark within the span and this one. Marks: at most one a call, those out of the span are dropped. */
  mark(at: bigint, ms: number): number {
    const marks = this.#marks
    marks.push({ ms, at })
    while (marks.length > 2 && ms - (marks[1] as { ms: number }).ms >= this.overMs) marks.shift()
    const first = marks[0] as { ms: number; at: bigint }
    const elapsed = ms - first.ms
    return elapsed <= 0 || at <= first.at ? 0 : Number(at - first.at) * 1_000 / elapsed
  }
}

/** What is left at this pace, in ms; `undefined` where nothing moves. */
export function etaMs(at: bigint, to: bigint, perSecond: number): number | undefined {
  if (at > to) return 0
  return perSecond > 0 ? Math.ceil(Number(to - at + 1n) * 1_000 / perSecond) : undefined
}
