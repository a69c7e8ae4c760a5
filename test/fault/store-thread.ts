import { Session } from 'node:inspector'
import type { NodeWorker } from 'node:inspector'
import type { Worker } from 'node:worker_threads'
import type { P2pService } from '../../src/index.js'
import { ended } from '../support/threads.js'
import { until } from '../support/until.js'

/** The store's thread of a node, from the outside. */
export class StoreThread {
  readonly #running = new Set<Worker>()
  #session: Session | undefined
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

  /** Ends it between two turns of its event loop, in the middle of what it has under way. */
  async kill(service: Pick<P2pService, 'describe'>): Promise<void> {
    const worker = await until(() => {
      const store = service.describe().children.find(({ name }) => name === 'store')
      return store?.kind === 'actor' && store.phase === 'running' && [...this.#running].find(({ threadId }) => threadId === store.thread?.threadId)
    }, 'a thread of the store')
    await ended(worker)
  }

  /** Makes its event loop stand still, as a library does that never returns. */
  async hang(): Promise<void> {
    const session = this.#session = new Session()
    session.connect()
    const id = await new Promise<string>((resolve, reject) => {
      session.on('NodeWorker.attachedToWorker', ({ params: { sessionId, workerInfo } }: { readonly params: NodeWorker.AttachedToWorkerEventDataType }) => {
        if (workerInfo.title.endsWith('] store')) resolve(sessionId)
      })
      session.post('NodeWorker.enable', { waitForDebuggerOnStart: false }, error => { if (error !== null) reject(error) })
    })
    const message = JSON.stringify({ id: 1, method: 'Runtime.evaluate', params: { expression: 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)' } })
    session.post('NodeWorker.sendMessageToWorker', { sessionId: id, message })
  }

  release(): void {
    this.#session?.disconnect()
    this.#session = undefined
    process.off('worker', this.#onWorker)
  }
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
