import { setMaxListeners } from 'node:events'
import type { Clock } from '../kernel/index.js'

/**
 * A signal of the application's, which may be given to any number of calls: many listeners on it are no leak, and Node does not warn of them.
 * Each call takes its own away when it ends.
 */
export function ofCaller<S extends AbortSignal | undefined>(signal: S): S {
  if (signal !== undefined) setMaxListeners(0, signal)
  return signal
}

interface Patience {
  readonly clock: Clock
  readonly ms: number
  /** What it is rejected with when that is over. */
  readonly late: () => Error
  /** Signals that end it, each with what it is then rejected with. */
  readonly ends: readonly (readonly [signal: AbortSignal | undefined, error: (reason: unknown) => Error])[]
}

/** Waits for a piece of work, for so long, unless a signal ends that. `over` is aborted when the waiting is over, however. */
export async function patiently<T>(work: (over: AbortSignal) => Promise<T>, { clock, ms, late, ends }: Patience): Promise<T> {
  const over = new AbortController()
  return new Promise<T>((resolve, reject) => {
    for (const [signal, error] of ends) {
      const end = (): void => { reject(error(signal?.reason)) }
      if (signal?.aborted === true) end()
      else ofCaller(signal)?.addEventListener('abort', end, { once: true, signal: over.signal })
    }
    const timer = clock.setTimeout(() => { reject(late()) }, ms)
    over.signal.addEventListener('abort', () => { clock.clearTimeout(timer) }, { once: true })
    work(over.signal).then(resolve, reject)
  }).finally(() => { over.abort() })
}
