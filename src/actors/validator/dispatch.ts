import { Finding } from '../../protocol/index.js'
import type { BatchConfig } from './config.js'
import { ValidatorError } from './errors.js'
import type { Counters } from './figures.js'
import { LANES } from './lanes.js'
import type { Entry, LaneName, Lanes } from './lanes.js'
import { packBatch, packedCommitments, readRecords } from './packing.js'
import type { BatchKind, Records } from './packing.js'
import type { CheckPool } from './pool.js'
import type { Settlement } from './settle.js'

/** The result of a batch: its records and the buffer to reuse, or the error. */
export type Outcome = { readonly records: Records; readonly buffer: ArrayBuffer } | { readonly error: unknown }

/** A batch that a worker holds. `outcome` never rejects. */
export interface Flight { readonly batch: Batch; readonly outcome: Promise<Outcome> }

/** Maximum number of buffers kept for reuse, of each kind. */
const SHELF = 4

const kindOf = (lane: LaneName): BatchKind => lane === 'txLists' ? 'txLists' : 'commitments'

/** Decides which batch leaves when, passes results on, and retries batches whose thread died. */
export class Dispatch {
  /** Batches whose thread died. They are run again alone, before all lanes. */
  readonly #suspects: Batch[] = []
  readonly #flights = new Set<Flight>()
  readonly #inFlight: Record<BatchKind, number> = { commitments: 0, txLists: 0 }
  readonly #shelves: Readonly<Record<BatchKind, BufferPool>>

  constructor(
    private readonly pool: CheckPool,
    private readonly lanes: Lanes,
    private readonly config: BatchConfig,
    private readonly settlement: Settlement,
    private readonly counters: Counters,
  ) {
    this.#shelves = { commitments: new BufferPool(SHELF, packedCommitments(config.most)), txLists: new BufferPool(SHELF, config.bytes) }
  }

  get flights(): readonly Flight[] { return [...this.#flights] }
  get commitmentsUnderWay(): number { return this.#inFlight.commitments + this.#suspects.length }
  /** Whether nothing is queued or in flight. */
  get idle(): boolean {
    return this.#flights.size === 0 && this.#suspects.length === 0 && LANES.every(lane => this.lanes.messages(lane) === 0)
  }

  /** Sends the next batch that may leave now; `undefined` if none may. `hurry`: send without waiting for more messages. */
  next(now: number, hurry = false): Flight | undefined {
    const at = this.#suspects.findIndex(({ lane }) => this.pool.room(kindOf(lane)) === 'idle')
    const [suspect] = at < 0 ? [] : this.#suspects.splice(at, 1)
    if (suspect !== undefined) return this.#send(suspect)
    const lane = this.lanes.next(lane => this.#leaves(lane, now, hurry))
    if (lane === undefined) return undefined
    return this.#send({ lane, entries: this.lanes.take(lane, this.#size(lane), this.config.bytes), deaths: 0 })
  }

  /** Milliseconds until the next lane has waited `lingerMs`; `undefined` if no lane waits for more messages. */
  wait(now: number): number | undefined {
    let least: number | undefined
    for (const lane of LANES) {
      const since = this.lanes.since(lane)
      if (since === undefined || this.#room(lane) !== 'idle') continue
      const left = Math.max(0, since + this.config.lingerMs - now)
      if (least === undefined || left < least) least = left
    }
    return least
  }

  /** Takes the result of a batch: passes its findings on, or retries it. */
  land(flight: Flight, outcome: Outcome): void {
    if (!this.#flights.delete(flight)) return
    const { batch } = flight
    const { lane, entries } = batch
    this.#inFlight[kindOf(lane)]--
    if ('error' in outcome) { this.#failed(batch, outcome.error); return }
    this.#shelves[kindOf(lane)].put(outcome.buffer)
    this.settlement.checked(lane, entries, outcome.records)
  }

  /** Passes everything that is still queued or in flight on as `unjudged`. */
  abandon(): void {
    const batches = [...this.#suspects.splice(0), ...this.flights.map(({ batch }) => batch)]
    this.#flights.clear()
    for (const lane of LANES) batches.push({ lane, entries: this.lanes.take(lane, Infinity, Infinity), deaths: 0 })
    for (const { lane, entries } of batches) if (entries.length > 0) this.settlement.unchecked(lane, entries, Finding.unjudged)
  }

  #leaves(lane: LaneName, now: number, hurry: boolean): boolean {
    const room = this.#room(lane)
    if (room === 'full') return false
    const whole = this.lanes.messages(lane) >= this.config.full || this.lanes.bytes(lane) >= this.config.bytes
    // Do not queue behind a busy worker while another lane is below its share.
    if (room === 'behind') return this.lanes.owed(lane) || (whole && !LANES.some(other => this.lanes.owed(other)))
    return whole || hurry || this.#inFlight[kindOf(lane)] === 0 || now - (this.lanes.since(lane) ?? now) >= this.config.lingerMs
  }

  /** Number of messages in the next batch: the queue divided among the idle workers, but at least `full` and at most `most`. */
  #size(lane: LaneName): number {
    const { full, most } = this.config
    const each = Math.ceil(this.lanes.messages(lane) / Math.max(1, this.pool.idle(kindOf(lane))))
    return Math.min(most, Math.max(full, each))
  }

  /** The room for a batch of a lane. While a suspect batch waits for an idle worker, nothing is queued behind a busy one. */
  #room(lane: LaneName): 'idle' | 'behind' | 'full' {
    const room = this.pool.room(kindOf(lane))
    return room === 'behind' && this.#suspects.length > 0 ? 'full' : room
  }

  #send(batch: Batch): Flight {
    const { lane, entries, deaths } = batch
    const kind = kindOf(lane)
    const packed = packBatch(kind, entries.map(({ bytes }) => bytes), this.#shelves[kind].take)
    const outcome = this.pool.run(kind, packed, { alone: deaths > 0 })
      .then(buffer => ({ records: readRecords(buffer, entries.length), buffer }))
      .catch((error: unknown) => ({ error }))
    const flight: Flight = { batch, outcome }
    this.#flights.add(flight)
    this.#inFlight[kind]++
    this.counters.batch(entries.length)
    return flight
  }

  #failed(batch: Batch, error: unknown): void {
    const { lane, entries } = batch
    if (!(error instanceof ValidatorError && error.code === 'worker_died')) {
      this.settlement.unchecked(lane, entries, Finding.unjudged)
      return
    }
    const again = afterDeath(batch)
    if (again === undefined) {
      this.counters.killers++
      this.settlement.unchecked(lane, entries, Finding.worker_died)
      return
    }
    this.counters.retried += again.length
    this.#suspects.push(...again)
  }
}

/**
 * Keeps buffers that came back from the workers for the next batches. Zeroing and page faults of a new buffer of 2 MiB take the main thread longer
 * than copying the batch.
 */
export class BufferPool {
  readonly #buffers: ArrayBuffer[] = []

  /** @param most maximum number of buffers @param unit bytes; sizes are rounded up to a multiple of it, so that a buffer fits most batches */
  constructor(private readonly most: number, private readonly unit: number) {}

  /** A buffer of at least this many bytes, with arbitrary content. */
  readonly take = (size: number): ArrayBuffer => {
    const at = this.#buffers.findIndex(buffer => buffer.byteLength >= size)
    const [found] = at < 0 ? [] : this.#buffers.splice(at, 1)
    return found ?? new ArrayBuffer(Math.ceil(size / this.unit) * this.unit)
  }

  /** Takes a buffer back. Above `most` the smallest buffer is dropped. */
  put(buffer: ArrayBuffer): void {
    this.#buffers.push(buffer)
    this.#buffers.sort((a, b) => a.byteLength - b.byteLength)
    if (this.#buffers.length > this.most) this.#buffers.shift()
  }
}

/** The messages that a worker gets in one buffer. */
export interface Batch {
  readonly lane: LaneName
  readonly entries: readonly Entry[]
  /** Number of threads that died while they held these entries. Above 0 the batch is suspect and runs alone. */
  readonly deaths: number
}

/** Number of parts that a suspect batch is split into. Many parts mean few dead threads, which cost 100 to 200 ms each. */
const PARTS = 8

/**
 * Handles a batch whose thread died: it is retried once, then split until the killer, the message that ends threads, is alone (H31).
 * Returns the batches to run again; `undefined` if the batch is the killer alone.
 */
export function afterDeath({ lane, entries, deaths }: Batch): readonly Batch[] | undefined {
  if (deaths === 0) return [{ lane, entries, deaths: 1 }]
  if (entries.length === 1) return undefined
  const size = Math.ceil(entries.length / PARTS)
  const parts: Batch[] = []
  for (let at = 0; at < entries.length; at += size) parts.push({ lane, entries: entries.slice(at, at + size), deaths: deaths + 1 })
  return parts
}
