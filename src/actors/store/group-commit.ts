import { StoreError, storeErrorOf } from './errors.js'
import type { Storage } from './storage.js'
import { Transaction } from './transaction.js'

/** Values that one transaction carries at most, so that those at the front of the queue do not wait for all behind them. */
const MOST_BYTES = 8 * 1024 * 1024
const MOST_WRITES = 16_384

/** Puts its writes into the transaction; what it gives is its caller's answer once they are durable. */
type Plan<S, T> = (txn: Transaction, state: S) => Promise<T>

/** Where a write stands among others: after the one that it names, if that is not known to be durable. */
export interface Place { readonly sequence?: number | undefined; readonly after?: number | undefined }

interface Waiting<S> {
  plan (txn: Transaction, state: S): Promise<void>
  done (): void
  failed (error: StoreError): void
}

interface Needs<S> {
  readonly storage: Storage
  load (): Promise<S>
  /** After the plans of a transaction, before it is written: bounds, counters. */
  finish (txn: Transaction, state: S): Promise<void>
  /** The transaction is durable. */
  committed (state: S): void
}

/**
 * One writer. What waits while a write is under way goes to disk together, in one transaction with one sync, in the order
 * of the calls.
 *
 * After a failure nothing is written before the storage has recovered, and the state is loaded anew: the transaction may
 * have changed it, and the disk decides what is true.
 */
export class GroupCommit<S> {
  readonly #needs: Needs<S>
  readonly #queue: Waiting<S>[] = []
  #state: S | undefined
  #failed = false
  #running: Promise<void> | undefined
  #closed = false
  /** The last write with a sequence that was taken, unless it or one before it has failed. */
  #last: number | undefined

  constructor(needs: Needs<S>) { this.#needs = needs }

  /** Nothing waits, and nothing is being written. */
  get idle(): boolean { return this.#running === undefined }

  /** Before anything is enqueued. */
  async start(): Promise<S> { return this.#state = await this.#needs.load() }

  /** Resolves when the plan's writes are durable. @throws StoreError when they are not known to be; `out_of_order`: the one before it is not here */
  async enqueue<T>(plan: Plan<S, T>, { sequence, after }: Place = {}): Promise<T> {
    if (this.#closed) throw new StoreError('closed', 'the database is closed')
    if (after !== undefined && after !== this.#last) throw new StoreError('out_of_order', `the write before it, ${after}, is not here`, { value: after })
    if (sequence !== undefined) this.#last = sequence
    return new Promise<T>((resolve, reject) => {
      let result: { readonly value: T } | undefined
      this.#queue.push({
        plan: async (txn, state) => { result = { value: await plan(txn, state) } },
        done: () => { if (result !== undefined) resolve(result.value) },
        failed: reject,
      })
      this.#running ??= this.#run()
    })
  }

  /** Takes nothing more, and resolves when what was taken is done. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#running
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) {
      const group: Waiting<S>[] = []
      try {
        if (this.#failed) await this.#recover()
        const state = this.#state ?? await this.start()
        const txn = new Transaction(this.#needs.storage)
        while (this.#queue.length > 0 && txn.bytes < MOST_BYTES && txn.size < MOST_WRITES) {
          const next = this.#queue.shift()
          if (next === undefined) break
          group.push(next)
          await next.plan(txn, state)
        }
        await this.#needs.finish(txn, state)
        await this.#needs.storage.write(txn.writes)
        this.#needs.committed(state)
        for (const waiting of group) waiting.done()
      } catch (error) {
        this.#failed = true
        this.#state = this.#last = undefined
        // What waits behind it came after it, and must not be stored without it. The callers decide when to try again.
        const failure = storeErrorOf(error, 'commit')
        for (const waiting of [...group, ...this.#queue.splice(0)]) waiting.failed(failure)
      }
    }
    // In the same turn in which the queue was found empty: what comes next starts another run.
    this.#running = undefined
  }

  async #recover(): Promise<void> {
    await this.#needs.storage.recover()
    this.#failed = false
  }
}
