/** A pool without threads: the test decides when a batch comes back, and with what. */
import { ValidatorError } from '../../src/actors/validator/errors.js'
import type { CheckPool, OpenPool, PoolEvents } from '../../src/actors/validator/index.js'
import { openBatch } from '../../src/actors/validator/packing.js'
import type { BatchKind } from '../../src/actors/validator/packing.js'
import { Slots } from '../../src/actors/validator/slots.js'
import type { Room, Slot } from '../../src/actors/validator/slots.js'
import { Finding, RECORD_SIZE } from '../../src/protocol/index.js'

export interface FakeRun {
  readonly kind: BatchKind
  readonly alone: boolean
  readonly count: number
  /** First byte of each item: how the tests tell them apart. */
  readonly tags: readonly number[]
  /** Comes back with each item found so. */
  finish (finding?: Finding): void
  /** Its thread dies, and whatever else that has in hand with it. A successor is ready at once. */
  die (): void
  /** Comes back as an error of another kind. */
  fail (error: Error): void
}

export class FakePool implements CheckPool {
  deaths = 0
  hung = 0
  closed = false
  workers: CheckPool['workers'] = [{ threadId: 1, recover: 'secp256k1', keccak: 'hash-wasm', degraded: false, warnings: [] }]
  together: CheckPool['together'] = { batched: 0, refused: 0, undecided: 0, recovered: 0, sampled: 0, tables: 0, evicted: 0, off: false }
  /** The last list of expected signers. */
  expected: Parameters<CheckPool['expect']>[0] = []
  /** Runs not finished yet, oldest first. */
  readonly runs: (FakeRun & { readonly slot: Slot })[] = []
  readonly #slots: Slots
  #events: PoolEvents | undefined
  #next = 1

  constructor(threads = 2) {
    this.#slots = new Slots(threads, 2)
    while (this.#slots.size < threads) this.#slots.add(this.#next++)
  }

  readonly open: OpenPool = async (_needs, _config, events) => { this.#events = events; return this }

  get running(): number { return this.#slots.running }
  idle(kind: BatchKind): number { return this.#slots.idle(kind) }
  room(kind: BatchKind): Room { return this.#slots.room(kind) }
  breaks(error: ValidatorError): void { this.#events?.broken(error) }

  async run(kind: BatchKind, batch: ArrayBuffer, { alone = false }: { readonly alone?: boolean } = {}): Promise<ArrayBuffer> {
    const slot = this.#slots.choose(kind, alone)
    if (slot === undefined) throw new ValidatorError('pool_full', 'no room', kind)
    this.#slots.take(slot, kind, alone)
    const { items, records } = openBatch(batch)
    return new Promise((resolve, reject) => {
      const over = (): void => { this.runs.splice(this.runs.indexOf(run), 1); this.#slots.release(slot) }
      const run = {
        kind, alone, slot, count: items.length, tags: items.map(item => item[1] ?? 0),
        finish: (finding: Finding = Finding.valid) => {
          for (let index = 0; index < items.length; index++) records[index * RECORD_SIZE] = finding
          over()
          resolve(batch)
        },
        fail: (error: Error) => { over(); reject(error) },
        die: () => {
          this.deaths++
          this.#slots.remove(slot.id)
          this.#slots.add(this.#next++)
          for (const lost of this.runs.filter(each => each.slot === slot)) lost.fail(new ValidatorError('worker_died', 'died', slot.id))
          this.#events?.ready()
        },
      }
      this.runs.push(run)
    })
  }

  expect(signers: FakePool['expected']): void { this.expected = signers }
  async close(): Promise<void> { this.closed = true }
}
