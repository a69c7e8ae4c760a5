import type { ContractReader } from './contracts.js'
import { inTurn } from './contracts.js'
import { ScheduleError } from './errors.js'
import { ZERO_HASH } from './facts.js'
import type { Fact, Header, Hex, TimedFact } from './facts.js'
import { rootsIn } from './following.js'
import type { L1, Log } from './l1.js'
import type { FactReader } from './reading.js'
import { L1Record } from './record.js'
import type { RandomRoot } from './record.js'
import { EPOCH, SLOT } from './time.js'
import type { SlotClock } from './time.js'

/** A block that is known by its place alone. */
export interface Place { readonly number: number; readonly time: number }

/** What was read of the past: everything that L1 said from `since` on, up to what was known. */
export interface Past {
  readonly since: number
  readonly facts: readonly TimedFact[]
  readonly activeNow: ReadonlyMap<Hex, boolean>
  /** The first block that it covers. */
  readonly lowest: Place
}

export interface Begun { readonly record: L1Record; readonly lowest: Place }

interface Limits { readonly logRange: number; readonly concurrency: number; readonly maxReorg: number }

/** Epochs before the present one that are read at the start: those that tell who signs now, and in a reorg. */
const EPOCHS_AT_START = 3
/** Headers read at the start at most, on a chain with more than one block a slot. */
const MAX_HEADERS = 2_048
/** Ranges of one read of the past. */
const RANGES = 4
/** Neighbouring epochs whose randomness is read along. */
const NEIGHBOURS = 8

/** Reads what is not new. Changes nothing; throws ScheduleError. */
export class Loader {
  /** Blocks whose times are known: where the next search begins. */
  readonly #places: Place[] = []

  constructor(private readonly l1: L1, private readonly facts: FactReader, private readonly reader: ContractReader, private readonly clock: SlotClock, private readonly limits: Limits) {}

  /** From a block that is the newest one back to where the signers of the present are known, at least back to the time `from`. */
  async begin(head: Header, from: number): Promise<Begun> {
    const { contracts } = this.facts
    const wanted = this.clock.epochOf(head.time) - EPOCHS_AT_START * EPOCH
    const [headers, roster] = await Promise.all([this.#headersBack(head, wanted), this.reader.roster(contracts.whitelist, head.hash)])
    const [first] = headers
    const since = first!.number === 0 ? Math.min(wanted, this.clock.genesis) : first!.time < wanted ? wanted : first!.time
    const inside = headers.filter(({ time }) => time >= since)
    const [lowest] = inside
    const logs = await this.#logs(lowest!.number, head.number)
    const byNumber = new Map(inside.map(header => [header.number, header]))
    if (logs.some(log => byNumber.get(log.blockNumber)?.hash !== log.blockHash)) throw new ScheduleError('deep_reorg', 'L1 has changed while it was read', head.number)
    const found = await this.facts.facts(logs)
    const timed = found.map(({ log, fact }) => ({ time: byNumber.get(log.blockNumber)!.time, fact, number: log.blockNumber }))
    const blocks = inside.slice(-this.limits.maxReorg).map(({ logsBloom: _, ...header }) =>
      ({ ...header, facts: timed.filter(({ number }) => number === header.number).map(({ fact }) => fact) }))
    const record = new L1Record(contracts.variant, this.clock, blocks, roster, this.limits.maxReorg)
    record.followed(since, inside)
    record.prepend(since, timed, await this.#activeNow(timed, record, head))
    let place: Place = lowest!
    while (record.since > from) {
      const past = await this.past(record, place, from)
      record.prepend(past.since, past.facts, past.activeNow)
      place = past.lowest
    }
    return { record, lowest: place }
  }

  /** What L1 said before what is known, back to the time `until`, or a part of it. */
  async past(record: L1Record, lowest: Place, until: number): Promise<Past> {
    const { logRange, concurrency } = this.limits
    const first = await this.firstFrom(until, lowest)
    const start = Math.max(first.number, lowest.number - RANGES * logRange)
    const whole = start === first.number
    const ranges = Array.from({ length: Math.ceil((lowest.number - start) / logRange) }, (_, index) => ({ from: start + index * logRange, to: Math.min(lowest.number, start + (index + 1) * logRange) - 1 }))
    const logs = (await inTurn(ranges, concurrency, async ({ from, to }) => this.#logs(from, to))).flat()
    const found = await this.facts.facts(logs)
    const numbers = [...new Set(found.map(({ log }) => log.blockNumber))]
    const headers = await inTurn(numbers, concurrency, async number => this.l1.headerAt(number))
    const times = new Map(headers.map(({ number, time }) => [number, time]))
    const facts = found.map(({ log, fact }) => ({ time: times.get(log.blockNumber)!, fact }))
    const begins = whole ? first : await this.l1.headerAt(start)
    this.#places.push({ number: begins.number, time: begins.time })
    const since = begins.number === 0 ? Math.min(until, this.clock.genesis) : whole ? until : begins.time
    return { since, facts, activeNow: await this.#activeNow(facts, record, record.head), lowest: { number: begins.number, time: begins.time } }
  }

  /** The randomness of the blocks after the beginning of an epoch, and of neighbouring ones that `wants` it. */
  async roots(epoch: number, above: Place, wants: (epoch: number) => boolean): Promise<readonly { readonly epoch: number; readonly root: RandomRoot }[]> {
    const epochs = Array.from({ length: NEIGHBOURS }, (_, index) => epoch + index * EPOCH).filter(each => each < above.time && (each === epoch || wants(each)))
    return inTurn(epochs, this.limits.concurrency, async each => ({ epoch: each, root: await this.#rootAfter(each, above) }))
  }

  /** The first block at or after a time, which is before one that is known. */
  async firstFrom(time: number, above: Place): Promise<Place> {
    let high = above
    let low: Place = { number: -1, time: -Infinity }
    for (const place of this.#places) {
      if (place.time >= time && place.number < high.number) high = place
      if (place.time < time && place.number > low.number) low = place
    }
    for (let tries = 0; high.number - low.number > 1; tries++) {
      // one block a slot, but for a few: where that leads astray, halves
      const guess = tries > 8 ? Math.floor((high.number + low.number) / 2) : high.number - Math.max(1, Math.round((high.time - time) / SLOT))
      const { number, time: its } = await this.l1.headerAt(Math.min(high.number - 1, Math.max(low.number + 1, 0, guess)))
      if (its >= time) high = { number, time: its }
      else low = { number, time: its }
    }
    this.#places.push(high)
    if (this.#places.length > MAX_PLACES) this.#places.splice(0, MAX_PLACES / 2)
    return high
  }

  async #rootAfter(epoch: number, above: Place): Promise<RandomRoot> {
    let place: Place = await this.firstFrom(epoch + SLOT, above)
    while (place.time <= epoch + EPOCH) {
      const header = await this.l1.headerAt(place.number)
      if (this.clock.isSlot(header.time)) return { root: header.beaconRoot, time: header.time }
      place = await this.l1.headerAt(place.number + 1)
    }
    return { root: ZERO_HASH, time: epoch + EPOCH }
  }

  /** Linked headers, the oldest first, from the first one that is not after `time`, or as many as are read. */
  async #headersBack(head: Header, time: number): Promise<readonly Header[]> {
    const headers = [head]
    while (headers[0]!.time > time && headers[0]!.number > 0 && headers.length < MAX_HEADERS) {
      const { number, time: its } = headers[0]!
      const count = Math.min(number, Math.max(1, Math.ceil((its - time) / SLOT)), 64)
      const older = await inTurn(Array.from({ length: count }, (_, index) => number - count + index), this.limits.concurrency, async each => this.l1.headerAt(each))
      headers.unshift(...older)
    }
    if (headers.some((header, index) => index > 0 && header.parentHash !== headers[index - 1]!.hash)) throw new ScheduleError('deep_reorg', 'L1 has changed while it was read', head.number)
    return headers
  }

  /** Logs of a range; halved where an endpoint finds it too large. */
  async #logs(from: number, to: number): Promise<readonly Log[]> {
    try {
      return await this.l1.logs({ from, to }, this.facts.addresses)
    } catch (error) {
      if (from >= to || !isTooMuch(error)) throw error
      const middle = Math.floor((from + to) / 2)
      return [...await this.#logs(from, middle), ...await this.#logs(middle + 1, to)]
    }
  }

  /** Whether operators may act now, of whom nothing is known yet. */
  async #activeNow(facts: readonly { readonly fact: Fact }[], record: L1Record, { hash, time }: { readonly hash: Hex; readonly time: number }): Promise<ReadonlyMap<Hex, boolean>> {
    const changed = new Set(facts.flatMap(({ fact }) => fact.kind === 'activity' ? [fact.root] : []))
    const roots = [...rootsIn(facts.map(({ fact }) => fact))].filter(root => !changed.has(root) && !record.knowsActivity(root))
    const { contracts } = this.facts
    if (contracts.variant !== 'lookahead') return new Map()
    const active = await inTurn(roots, this.limits.concurrency, async root => this.reader.active(contracts, root, hash, time))
    return new Map(roots.flatMap((root, index) => active[index] === undefined ? [] : [[root, active[index]] as const]))
  }
}

/** Places of blocks that are remembered. */
const MAX_PLACES = 16_384

/** Whether an endpoint, or the quorum of them, has found a range too large: what it answers then is its own affair. */
const isTooMuch = (error: unknown): boolean => error instanceof ScheduleError && (error.code === 'rpc_refused' || (error.code === 'no_quorum' && isTooMuch(error.cause)))
