import { setMaxListeners } from 'node:events'
import type { Clock } from '../kernel/index.js'

/**
 * Switches off Node's warning about many listeners on a signal of the application. One signal may be given to any number of calls, and each call
 * removes its listener when it ends.
 */
export function ofCaller<S extends AbortSignal | undefined>(signal: S): S {
  if (signal !== undefined) setMaxListeners(0, signal)
  return signal
}

interface Patience {
  readonly clock: Clock
  readonly ms: number
  /** The error when the time is over. */
  readonly late: () => Error
  /** Signals that end the wait, each with the error that it gives. */
  readonly ends: readonly (readonly [signal: AbortSignal | undefined, error: (reason: unknown) => Error])[]
}

/** Runs work with a deadline that signals can cut short. `over` is aborted when the wait ends, for whatever reason. */
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
