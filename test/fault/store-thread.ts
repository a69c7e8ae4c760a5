import type { Worker } from 'node:worker_threads'
import type { P2pService } from '../../src/index.js'
import { until } from '../support/until.js'

/** The database's thread of a node, from the outside: of the threads that its start makes, the one that the validator does not count as its own. */
export class StoreThread {
  readonly #running = new Set<Worker>()
  readonly #onWorker = (worker: Worker): void => {
    this.#running.add(worker)
    worker.once('exit', () => { this.#running.delete(worker) })
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

  /** Ends it as a native crash or a lack of memory would: at once, whatever it does. */
  async kill(service: Pick<P2pService, 'figures'>): Promise<void> {
    const { validator } = await service.figures()
    const others = new Set(validator?.workers.map(({ threadId }) => threadId))
    const worker = await until(() => [...this.#running].find(({ threadId }) => !others.has(threadId)), 'a thread of the store')
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
