import type { Finding } from '../../protocol/index.js'
import type { Chain, Checked } from '../chain/ingress.js'
import type { PeerKey } from '../../protocol/peer-key.js'
import type { Feedback } from '../kernel/index.js'
import type { Counters } from './figures.js'
import type { Entry, LaneName } from './lanes.js'
import type { Records } from './packing.js'

/** The methods of chain that the validator calls. */
export type CheckedPort = Pick<Chain, 'commitments' | 'txLists' | 'page'>

const NO_SIGNER = new Uint8Array(20)
const NO_HASH = new Uint8Array(32)

/** Number of refused messages that are sent to chain in one message. */
const REFUSALS = 128

/** Sends checked entries to chain: commitments and txlists at once, those of a page when the page is complete. */
export class Settlement {
  readonly #refused: Record<'live' | 'txLists', Checked[]> = { live: [], txLists: [] }

  constructor(private readonly chain: CheckedPort, private readonly counters: Counters) {}

  /** Passes entries on with a worker's records, which are in the same order. */
  checked(lane: LaneName, entries: readonly Entry[], records: Records): void {
    this.#deliver(lane, entries, entries.map(({ bytes, origin }, index) => (
      { bytes, finding: records.finding(index), signer: records.signer(index), hash: records.hash(index), origin }
    )))
  }

  /** Passes entries on unchecked, all with the same finding. */
  unchecked(lane: LaneName, entries: readonly Entry[], finding: Finding): void {
    this.#deliver(lane, entries, entries.map(entry => without(entry, finding)))
  }

  /** Refuses one message unchecked. Refused messages are sent to chain in groups, at `flush` or when a group is full, so a flood cannot fill its mailbox. */
  refuse(lane: 'live' | 'txLists', entry: Entry, finding: Finding): void {
    const refused = this.#refused[lane]
    refused.push(without(entry, finding))
    if (refused.length >= REFUSALS) this.#flush(lane)
  }

  flush(): void {
    this.#flush('live')
    this.#flush('txLists')
  }

  /** Passes on a page without commitments: there is nothing to check, but sync waits for it. */
  emptyPage(peer: PeerKey, ticket: number): void {
    this.#count(this.chain.page(peer, ticket, []), 0)
  }

  #flush(lane: 'live' | 'txLists'): void {
    if (this.#refused[lane].length > 0) this.#deliver(lane, [], this.#refused[lane].splice(0))
  }

  #deliver(lane: LaneName, entries: readonly Entry[], items: readonly Checked[]): void {
    for (const { finding } of items) this.counters.found(lane, finding)
    switch (lane) {
      case 'live': this.#count(this.chain.commitments(items), items.length); break
      case 'txLists': this.#count(this.chain.txLists(items), items.length); break
      case 'pages': this.#deliverPages(entries, items)
    }
  }

  #deliverPages(entries: readonly Entry[], items: readonly Checked[]): void {
    for (const [at, { page, index }] of entries.entries()) {
      const item = items[at]
      if (page === undefined || index === undefined || item === undefined) continue
      const complete = page.settle(index, item)
      if (complete !== undefined) this.#count(this.chain.page(page.peer, page.ticket, complete), complete.length)
    }
  }

  #count(feedback: Feedback, messages: number): void {
    if (feedback === 'rejected' || feedback === 'closed') this.counters.undelivered += messages
  }
}

function without({ bytes, origin }: Entry, finding: Finding): Checked {
  return { bytes, finding, signer: NO_SIGNER, hash: NO_HASH, origin }
}
