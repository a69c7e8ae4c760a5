import { setMaxListeners } from 'node:events'

/**
 * A signal of the application's, which may be given to any number of calls: many listeners on it are no leak, and Node does not warn of them.
 * Each call takes its own away when it ends.
 */
export function ofCaller<S extends AbortSignal | undefined>(signal: S): S {
  if (signal !== undefined) setMaxListeners(0, signal)
  return signal
}
