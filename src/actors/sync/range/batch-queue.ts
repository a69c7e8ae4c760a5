import type { Judgement } from '../../chain/ports.js'
import type { PeerKey } from '../../../protocol/peer-key.js'
import type { CheckedPage } from './page-check.js'

/** A range of heights that one page can hold, and its state. */
export interface Batch {
  readonly start: bigint
  /** Inclusive. */
  readonly end: bigint
  state: 'awaitingDownload' | 'downloading' | 'awaitingProcessing' | 'processing' | 'processed' | 'gone'
  /** Peers with a request for it in flight; two when the first is late. */
  readonly asking: Set<PeerKey>
  askedAt: number
  /** Peers that were asked without success since it was last filled. */
  readonly tried: Set<PeerKey>
  /** Peers whose valid page for it chain did not adopt, with chain's reason. */
  readonly refused: Map<PeerKey, string>
  page: CheckedPage | undefined
  from: PeerKey | undefined
  ticket: number | undefined
  handedAt: number
  handOvers: number
  /** Chain's judgement of each commitment of the page. */
  results: readonly Judgement[]
  /** It was judged before the batch below it. */
  early: boolean
  /** A page in flight to chain holds blocks above a gap in this range: the rest is requested once chain has said what it has. */
  readonly behindGap: boolean
}

/**
 * The work of a range sync: the heights from the frontier up, cut into contiguous batches. Everything below the frontier is adopted.
 * Knows neither peers nor time: it says what to download and in which order to process it.
 */
export class BatchQueue {
  #batches: Batch[] = []
  #frontier: bigint

  /** @param ahead the most batches in the queue */
  constructor(frontier: bigint, private readonly pageSize: number, private readonly ahead: number) { this.#frontier = frontier }

  /** The lowest height that is not adopted yet. */
  get frontier(): bigint { return this.#frontier }

  get batches(): readonly Batch[] { return this.#batches }

  /** The height after the last batch. */
  get end(): bigint { return this.#batches.at(-1)?.end === undefined ? this.#frontier : (this.#batches.at(-1) as Batch).end + 1n }

  /** Adds batches up to `to` (inclusive) while there is room. The last one may reach further, since heads move. */
  reach(to: bigint): void {
    while (this.#batches.length < this.ahead && this.end <= to) {
      const start = this.end
      this.#batches.push(newBatch(start, start + BigInt(this.pageSize) - 1n))
    }
  }

  /** Removes batches above `to` that nobody was asked for yet. */
  shrink(to: bigint): void {
    for (let last = this.#batches.at(-1); last !== undefined && last.start > to && last.state === 'awaitingDownload'; last = this.#batches.at(-1)) {
      last.state = 'gone'
      this.#batches.pop()
    }
  }

  * awaitingDownload(): IterableIterator<Batch> {
    for (const each of this.#batches) if (each.state === 'awaitingDownload') yield each
  }

  /** The next batch to process: it is downloaded, and all before it are being processed. */
  get next(): Batch | undefined {
    for (const each of this.#batches) {
      if (each.state === 'awaitingProcessing') return each
      if (each.state !== 'processing' && each.state !== 'processed') return undefined
    }
    return undefined
  }

  count(state: Batch['state']): number {
    let count = 0
    for (const each of this.#batches) if (each.state === state) count++
    return count
  }

  byTicket(ticket: number): Batch | undefined { return this.#batches.find(each => each.ticket === ticket) }

  /**
   * Stores a peer's page for a batch. If the page ends before the batch does, the rest becomes a batch of its own that awaits download.
   * False if there is nothing to use or the batch is filled already.
   */
  fill(target: Batch, page: CheckedPage, from: PeerKey): boolean {
    if (page.count === 0 || (target.state !== 'downloading' && target.state !== 'awaitingDownload')) return false
    const at = this.#batches.indexOf(target)
    if (at < 0) return false
    const filled: Batch = { ...newBatch(target.start, page.next - 1n), state: 'awaitingProcessing', page, from, tried: target.tried, refused: target.refused }
    const rest = page.next <= target.end ? [newBatch(page.next, target.end, page.beyond.length > 0)] : []
    if (!page.full) for (const each of rest) each.tried.add(from)
    this.#batches.splice(at, 1, filled, ...rest)
    target.state = 'gone'
    return true
  }

  /** Puts a batch back to await download, without a page or requests. */
  requeue(target: Batch): void {
    if (target.state === 'gone') return
    target.state = 'awaitingDownload'
    target.page = undefined
    target.from = undefined
    target.ticket = undefined
    target.asking.clear()
  }

  /** Chain has everything below `height`: lower batches are done, and one that contains it begins there. Never moves back. */
  advance(height: bigint): void {
    if (height <= this.#frontier) return
    while (this.#batches[0] !== undefined && this.#batches[0].end < height) (this.#batches.shift() as Batch).state = 'gone'
    const first = this.#batches[0]
    if (first !== undefined && first.start < height) {
      first.state = 'gone'
      // a peer that lacked a lower height may have this one: stores of reference nodes have holes (H88)
      this.#batches[0] = newBatch(height, first.end)
    }
    this.#frontier = height
  }

  /** Removes a processed batch that covers no height: hand-overs at the tip. */
  dropEmpty(target: Batch): void {
    const at = this.#batches.indexOf(target)
    if (at < 0 || target.end >= target.start) return
    target.state = 'gone'
    this.#batches.splice(at, 1)
  }

  /** Drops every batch. */
  clear(): void {
    for (const each of this.#batches) each.state = 'gone'
    this.#batches = []
  }
}

function newBatch(start: bigint, end: bigint, behindGap = false): Batch {
  return {
    start, end, state: 'awaitingDownload', asking: new Set(), askedAt: 0, tried: new Set(), refused: new Map(),
    page: undefined, from: undefined, ticket: undefined, handedAt: 0, handOvers: 0,
    results: [], early: false, behindGap,
  }
}
