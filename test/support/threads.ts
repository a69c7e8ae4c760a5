import { once } from 'node:events'
import type { Worker } from 'node:worker_threads'

/**
 * Ends an actor's thread as the kernel does, without the kernel: between two turns of its event loop, in the middle of what it has under way. To
 * `terminate` one is no test of ours: LevelDB aborts the process where that meets it while it makes an iterator.
 */
export async function ended(worker: Worker): Promise<void> {
  const exited = once(worker, 'exit')
  worker.postMessage([['exit']])
  await exited
}
