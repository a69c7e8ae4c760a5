import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { rate } from '../harness.js'
import type { BareData } from './bare-thread.js'

/** Two threads (or more) with the same validation and nothing around it. */
export class BareThreads {
  private constructor(private readonly threads: readonly Worker[], private readonly count: number) {}

  /** The messages are shared out among the threads beforehand. */
  static async start(kind: BareData['kind'], items: readonly Uint8Array[], threads = 2): Promise<BareThreads> {
    const started = await Promise.all(Array.from({ length: threads }, async (_, own) => {
      const workerData: BareData = { kind, items: items.filter((_item, index) => index % threads === own) }
      const thread = new Worker(new URL('./bare-thread.js', import.meta.url), { workerData })
      await once(thread, 'message')
      return thread
    }))
    return new BareThreads(started, items.length)
  }

  /** Goes through all messages so many times; messages a second. */
  round(times: number): Promise<number> {
    return rate(this.count * times, async () => {
      const valid = await Promise.all(this.threads.map(async thread => {
        thread.postMessage(times)
        const [count] = await once(thread, 'message') as [number]
        return count
      }))
      const sum = valid.reduce((total, each) => total + each, 0)
      if (sum !== this.count * times) throw new Error(`the baseline found ${sum} of ${this.count * times} valid`)
    })
  }

  async stop(): Promise<void> {
    await Promise.all(this.threads.map(thread => thread.terminate()))
  }
}
