import { createRequire } from 'node:module'
import type * as PiscinaLibrary from 'piscina'
import { HangWatch, ownFlags, withinMs } from '../kernel/index.js'
import type { Clock, Logger } from '../kernel/index.js'
import type { PoolConfig } from './config.js'
import { ValidatorError } from './errors.js'
import type { BatchKind } from './packing.js'
import type { BatchEvidence, BatchFigures } from '../../protocol/secp256k1/index.js'
import { isBatchAlarm } from './serve.js'
import type { WorkerData, WorkerReport } from './serve.js'
import { SharedSigners } from './shared-signers.js'
import type { ExpectedSigner } from './shared-signers.js'
import { Slots } from './slots.js'
import type { Room, Slot } from './slots.js'
import { messageOf } from '../../protocol/thrown.js'

/** The pool of threads as the actor uses it; tests replace it. */
export interface CheckPool {
  room(kind: BatchKind): Room
  /** Number of idle workers that may take such a batch. */
  idle(kind: BatchKind): number
  /**
   * Runs a packed batch. Resolves to its buffer with the records written. The given buffer is transferred at once. `alone`: the batch runs on an
   * idle worker, which gets no other batch meanwhile.
   * Rejects with a `ValidatorError`: `worker_died`, `pool_full`, `pool_closed`, `bad_batch`.
   */
  run(kind: BatchKind, batch: ArrayBuffer, options?: { readonly alone?: boolean }): Promise<ArrayBuffer>
  /** Number of batches that workers hold. */
  readonly running: number
  /** The workers that are ready, with the libraries that they use. */
  readonly workers: readonly WorkerReport[]
  /** Number of workers that died. */
  readonly deaths: number
  /** Number of them that hung and were terminated. */
  readonly hung: number
  /** Counters of batch verification over all threads, and the reason if it is switched off. */
  readonly together: BatchFigures & { readonly off: boolean }
  /** Replaces the list of expected signers. */
  expect(signers: readonly ExpectedSigner[]): void
  /** Waits for running batches up to `closeWithin`, then ends the threads. */
  close(): Promise<void>
}

export interface PoolEvents {
  /** Called when a replacement thread is ready. */
  ready(): void
  /** Called when a thread cannot be replaced; the pool cannot be used any more. */
  broken(error: ValidatorError): void
  /** Called when a thread's batch module accepted a signature that recovery does not. The module is off in all threads. */
  alarm?(evidence: BatchEvidence): void
}

export interface PoolNeeds { readonly clock: Clock; readonly log: Logger }

export type OpenPool = (needs: PoolNeeds, config: PoolConfig, events: PoolEvents) => Promise<CheckPool>

/**
 * Starts the threads. Resolves when each has loaded and reported its libraries; a worker takes 135–355 ms to do so.
 * @throws ValidatorError `pool_broken`
 */
export const openPool: OpenPool = async (needs, config, events) => {
  const pool = new PiscinaPool(needs, config, events)
  try {
    await pool.started
  } catch (error) {
    await pool.close()
    throw error
  }
  return pool
}

// by `require`: `import` would first search it for what it exports
const { Piscina } = createRequire(import.meta.url)('piscina') as typeof PiscinaLibrary

/** What Piscina loads; the thread's own module follows. */
const THREAD = new URL('./thread.cjs', import.meta.url).href

/** Maximum number of batches that a worker holds: one that runs, and one queued in its port, so that it does not idle between them. */
const DEPTH = 2

class PiscinaPool implements CheckPool {
  readonly started: Promise<void>
  deaths = 0
  hung = 0
  readonly #slots: Slots
  readonly #board = new SharedSigners()
  readonly #reports = new Map<number, WorkerReport>()
  readonly #watches = new Map<number, HangWatch>()
  readonly #piscina: PiscinaLibrary.Piscina<ArrayBuffer | undefined, unknown>
  #starting = true
  #closing: Promise<void> | undefined
  /** Resumes a `close` that waits for running batches. */
  #idle: (() => void) | undefined
  /** The thread that the next task goes to: asked for by the balancer within `Piscina.run`. */
  #target = -1

  constructor(private readonly needs: PoolNeeds, private readonly config: PoolConfig, private readonly events: PoolEvents) {
    const { threads } = config
    this.#slots = new Slots(threads, DEPTH)
    const data: WorkerData = {
      entry: config.worker.href,
      rules: { domain: config.domain, slasher: config.slasher },
      crypto: config.crypto,
      batch: config.together,
      board: this.#board.memory,
    }
    this.#piscina = new Piscina({
      filename: THREAD,
      name: 'check',
      minThreads: threads,
      maxThreads: threads,
      concurrentTasksPerWorker: DEPTH,
      // The queue stays empty, because a batch is only run on a free slot; the bound is a safeguard.
      maxQueue: threads,
      recordTiming: false,
      // elsewhere it would count for the whole process
      niceIncrement: process.platform === 'linux' ? config.nice : 0,
      resourceLimits: { maxOldGenerationSizeMb: config.heapMb },
      workerData: data,
      ...ownFlags(),
      loadBalancer: (_task, workers) => workers.find(({ id }) => id === this.#target) ?? null,
    })
    const greetings: Promise<void>[] = []
    this.started = new Promise((resolve, reject) => {
      this.#piscina.on('workerCreate', ({ id }: { readonly id: number }) => {
        const greeted = this.#greet(id)
        if (!this.#starting) { greeted.then(() => { this.events.ready() }, (error: unknown) => { this.#fail(error) }); return }
        greetings.push(greeted)
        greeted.catch(reject)
        if (greetings.length === threads) Promise.all(greetings).then(() => { this.#starting = false; resolve() }, reject)
      })
      this.#piscina.on('error', (error: unknown) => {
        // An idle worker's end has a replacement under way; one that ends before it is ready has none.
        if (this.#starting) reject(broken(error))
        else this.needs.log.warn({ err: error }, 'an idle validator thread failed')
      })
    })
    this.#piscina.on('message', (message: unknown) => {
      if (!isBatchAlarm(message)) return
      this.needs.log.error({ evidence: message.evidence }, 'batch verification gave a wrong answer and is switched off')
      this.events.alarm?.(message.evidence)
    })
    this.#piscina.on('workerDestroy', () => { queueMicrotask(() => { this.#reconcile() }) })
  }

  get workers(): readonly WorkerReport[] { return [...this.#reports.values()] }
  get running(): number { return this.#slots.running }
  get together(): CheckPool['together'] { return { ...this.#board.figures(), off: this.#board.off } }

  expect(signers: readonly ExpectedSigner[]): void { this.#board.write(signers) }

  room(kind: BatchKind): Room {
    return this.#closing === undefined ? this.#slots.room(kind) : 'full'
  }

  idle(kind: BatchKind): number {
    return this.#closing === undefined ? this.#slots.idle(kind) : 0
  }

  async run(kind: BatchKind, batch: ArrayBuffer, { alone = false }: { readonly alone?: boolean } = {}): Promise<ArrayBuffer> {
    if (this.#closing !== undefined) throw new ValidatorError('pool_closed', 'the pool is closed', kind)
    const slot = this.#slots.choose(kind, alone)
    if (slot === undefined) throw new ValidatorError('pool_full', `no worker takes ${kind} now`, kind)
    // Piscina would queue a batch for a dead thread for ever.
    if (!this.#alive(slot.id)) throw this.#explain(new Error('the thread has ended'), slot)
    this.#slots.take(slot, kind, alone)
    this.#watches.get(slot.id)?.begin()
    try {
      const answer = await this.#onThread(slot.id, 'check', batch)
      if (!(answer instanceof ArrayBuffer)) {
        throw new ValidatorError('bad_batch', 'the worker did not answer with a buffer', typeof answer)
      }
      return answer
    } catch (error) {
      throw this.#explain(error, slot)
    } finally {
      this.#slots.release(slot)
      if (this.running === 0) this.#idle?.()
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#finish()
    return this.#closing
  }

  async #finish(): Promise<void> {
    if (this.running > 0) {
      const idle = new Promise<void>(resolve => { this.#idle = resolve })
      await within(this.needs.clock, this.config.closeWithin, idle).catch((error: unknown) => {
        this.needs.log.warn({ err: error, running: this.running }, 'running batches are lost: the pool is closing')
      })
    }
    for (const watch of this.#watches.values()) watch.end()
    // Piscina's `close` would never resolve if a thread died meanwhile.
    await this.#piscina.destroy()
  }

  #onThread(id: number, name: 'check' | 'greet', batch?: ArrayBuffer): Promise<unknown> {
    this.#target = id
    try {
      return this.#piscina.run(batch, batch === undefined ? { name } : { name, transferList: [batch] })
    } finally {
      this.#target = -1
    }
  }

  async #greet(id: number): Promise<void> {
    // Piscina says `workerCreate` just before it gives that worker any task.
    await Promise.resolve()
    try {
      const report = await within(this.needs.clock, this.config.startWithin, this.#onThread(id, 'greet')) as WorkerReport
      this.#reports.set(id, report)
      this.#watch(this.#slots.add(id))
      this.#log(report)
    } catch (error) {
      throw broken(error)
    }
  }

  /** Terminates threads that hang, with the batches that they hold: a batch takes milliseconds, so one that returns none within `hangWithin` hangs. */
  #watch(slot: Slot): void {
    const { hangWithin } = this.config
    this.#watches.set(slot.id, new HangWatch(hangWithin, () => slot.returned, () => slot.running > 0, () => {
      this.hung++
      this.needs.log.error({ threadId: slot.id, hangWithin }, 'a validator thread hangs and is terminated')
      void this.#piscina.threads.find(({ threadId }) => threadId === slot.id)?.terminate()
    }))
  }

  #log(report: WorkerReport): void {
    if (report.degraded) this.needs.log.warn(report, 'validator thread ready, with a slower library than the first choice')
    else this.needs.log.info(report, 'validator thread ready')
  }

  #alive(id: number): boolean { return this.#piscina.threads.some(thread => thread.threadId === id) }

  /** Removes dead threads from the slots. */
  #reconcile(): void {
    if (this.#closing !== undefined) return
    const alive = new Set(this.#piscina.threads.map(thread => thread.threadId))
    for (const id of this.#slots.ids()) if (!alive.has(id)) this.#bury(id)
    // Piscina does not replace a thread that ended before it was ready.
    if (!this.#starting && alive.size < this.config.threads) {
      this.#fail(new Error(`${alive.size} of ${this.config.threads} threads are left`))
    }
  }

  #bury(id: number): void {
    if (!this.#slots.remove(id)) return
    this.#reports.delete(id)
    this.#watches.get(id)?.end()
    this.#watches.delete(id)
    this.deaths++
    this.needs.log.warn({ threadId: id, deaths: this.deaths }, 'a validator thread died and is replaced')
  }

  #fail(error: unknown): void {
    if (this.#closing === undefined) this.events.broken(broken(error))
  }

  /** The error of a batch: `worker_died` if the thread is dead, whatever Piscina rejected with; else the worker refused the batch. */
  #explain(error: unknown, slot: Slot): ValidatorError {
    if (error instanceof ValidatorError) return error
    if (this.#alive(slot.id)) {
      return new ValidatorError('bad_batch', `the worker refused a batch: ${messageOf(error)}`, slot.id, { cause: error })
    }
    this.#bury(slot.id)
    return new ValidatorError('worker_died', `a validator thread died: ${messageOf(error)}`, slot.id, { cause: error })
  }
}

/** The promise's outcome, or an error after `ms` milliseconds. */
async function within<T>(clock: Clock, ms: number, promise: Promise<T>): Promise<T> {
  if (!await withinMs(clock, ms, promise)) throw new Error(`no answer within ${ms} ms`)
  return promise
}

function broken(cause: unknown): ValidatorError {
  if (cause instanceof ValidatorError) return cause
  return new ValidatorError('pool_broken', `a validator thread did not start: ${messageOf(cause)}`, undefined, { cause })
}
