import type { Origin } from '../chain/ingress.js'
import type { Page } from './pages.js'

/** In order of precedence: commitments of gossip and our own; pages of a range sync; txlists. */
export const LANES = ['live', 'pages', 'txLists'] as const
export type LaneName = typeof LANES[number]

/** One message that waits for its check. */
export interface Entry {
  readonly bytes: Uint8Array
  readonly origin: Origin
  /** The page that it is part of, and its index there. */
  readonly page?: Page
  readonly index?: number
}

export interface LaneBound {
  /** Maximum number of messages. */
  readonly messages: number
  /** Maximum number of bytes. */
  readonly bytes: number
  /** Minimum share of the work (0 to 1) while messages wait in this lane. */
  readonly share: number
}

/** Estimated worker time per message, in microseconds; shares are measured in it. */
const COST: Readonly<Record<LaneName, (messages: number, bytes: number) => number>> = {
  live: messages => messages * 65,
  pages: messages => messages * 65,
  txLists: (messages, bytes) => messages * 5 + bytes * 0.0035,
}
/** The period over which shares are measured, in microseconds of work. After each period the work before it counts half. */
const HORIZON = 100_000

/**
 * The bounded queues between mailbox and pool. Lanes are served in order of precedence, but a waiting lane below its share of the recent work is
 * served first, so that none starves.
 */
export class Lanes {
  readonly #lanes: Readonly<Record<LaneName, Lane>>

  constructor(bounds: Readonly<Record<LaneName, LaneBound>>) {
    this.#lanes = { live: new Lane(bounds.live), pages: new Lane(bounds.pages), txLists: new Lane(bounds.txLists) }
  }

  messages(lane: LaneName): number { return this.#lanes[lane].length }
  bytes(lane: LaneName): number { return this.#lanes[lane].bytes }
  /** When the lane's first entry arrived; `undefined` if the lane is empty. */
  since(lane: LaneName): number | undefined { return this.#lanes[lane].since() }

  /** Queues all of the entries, or none if they would exceed a bound. Returns whether they were queued. */
  add(lane: LaneName, entries: readonly Entry[], now: number): boolean {
    const into = this.#lanes[lane]
    const idle = into.length === 0
    if (!into.add(entries, now)) return false
    if (idle) into.spent = Math.max(into.spent, this.#fair(into))
    return true
  }

  /** Whether the lane has waiting messages and is below its share of the recent work. */
  owed(lane: LaneName): boolean {
    const { length, spent, bound } = this.#lanes[lane]
    return length > 0 && spent < bound.share * this.#spent()
  }

  /** The lane to serve next, of those that have entries and that `may` allows. */
  next(may: (lane: LaneName) => boolean): LaneName | undefined {
    const waiting = LANES.filter(lane => this.#lanes[lane].length > 0 && may(lane))
    return waiting.find(lane => this.owed(lane)) ?? waiting[0]
  }

  /** Takes the first entries of a lane: at least one, at most up to both bounds. */
  take(lane: LaneName, messages: number, bytes: number): Entry[] {
    const from = this.#lanes[lane]
    const before = from.bytes
    const taken = from.take(messages, bytes)
    from.spent += COST[lane](taken.length, before - from.bytes)
    if (this.#spent() > HORIZON) for (const each of LANES) this.#lanes[each].spent /= 2
    return taken
  }

  /** The recent work that equals the share of a lane. A lane that was empty is raised to it, so that it gets no credit for that time. */
  #fair({ spent, bound: { share } }: Lane): number {
    return share < 1 ? share / (1 - share) * (this.#spent() - spent) : spent
  }

  #spent(): number {
    const { live, pages, txLists } = this.#lanes
    return live.spent + pages.spent + txLists.spent
  }
}

/** Number of taken entries after which the array is shortened. */
const SLACK = 1_024

class Lane {
  bytes = 0
  /** µs of recent work. */
  spent = 0
  #entries: { readonly entry: Entry; readonly at: number }[] = []
  #head = 0

  constructor(readonly bound: LaneBound) {}

  get length(): number { return this.#entries.length - this.#head }

  since(): number | undefined { return this.#entries[this.#head]?.at }

  add(entries: readonly Entry[], at: number): boolean {
    let bytes = 0
    for (const entry of entries) bytes += entry.bytes.length
    if (this.length + entries.length > this.bound.messages || this.bytes + bytes > this.bound.bytes) return false
    for (const entry of entries) this.#entries.push({ entry, at })
    this.bytes += bytes
    return true
  }

  take(messages: number, bytes: number): Entry[] {
    const taken: Entry[] = []
    let size = 0
    for (let next = this.#entries[this.#head]; next !== undefined && taken.length < messages; next = this.#entries[this.#head]) {
      size += next.entry.bytes.length
      if (taken.length > 0 && size > bytes) break
      taken.push(next.entry)
      this.bytes -= next.entry.bytes.length
      this.#head++
    }
    if (this.#head === this.#entries.length || this.#head >= SLACK) {
      this.#entries = this.#entries.slice(this.#head)
      this.#head = 0
    }
    return taken
  }
}
