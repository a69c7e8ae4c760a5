import type { Worker } from 'node:worker_threads'
import { until } from '../support/until.js'

/**
 * The database's thread of a node, from the outside: of the threads that a start makes the store's is the first, and whatever is started
 * after its end takes its place.
 */
export class StoreThread {
  readonly #started: Worker[] = []
  #worker: Worker | undefined
  readonly #onWorker = (worker: Worker): void => {
    this.#started.push(worker)
    if (this.#worker !== undefined) return
    this.#worker = worker
    worker.once('exit', () => { this.#worker = undefined })
  }

  private constructor() { process.on('worker', this.#onWorker) }

  /** Runs a start, and gives what it started beside the thread. */
  static async of<T>(start: () => Promise<T>): Promise<{ readonly node: T; readonly thread: StoreThread }> {
    const thread = new StoreThread()
    try {
      return { node: await start(), thread }
    } catch (error) {
      thread.release()
      throw error
    }
  }

  /** How many threads there have been. */
  get started(): number { return this.#started.length }

  /** Ends it as a native crash or a lack of memory would: at once, whatever it does. */
  async kill(): Promise<void> {
    const worker = await until(() => this.#worker, 'a thread of the store')
    await worker.terminate()
  }

  release(): void { process.off('worker', this.#onWorker) }
}

/** Threads that a piece of work starts and leaves behind. */
export async function threadsLeftBy(work: () => Promise<void>): Promise<number> {
  let running = 0
  const onWorker = (worker: Worker): void => {
    running++
    worker.once('exit', () => { running-- })
  }
  process.on('worker', onWorker)
  try {
    await work()
    await until(() => running === 0, 'the end of its threads', 2_000).catch(() => undefined)
    return running
  } finally {
    process.off('worker', onWorker)
  }
}
