import type { Clock } from '../kernel/index.js'

/** A deadline on the injected clock, as a signal for libraries. `clear` on every path. */
export interface RunningDeadline {
  readonly signal: AbortSignal
  /** Whether it has passed. */
  readonly passed: boolean
  clear(): void
}

/** Why a deadline's signal was aborted: libp2p tells it apart by its name. */
class DeadlinePassed extends Error {
  override readonly name = 'TimeoutError'
  constructor(ms: number) { super(`nothing within ${ms} ms`) }
}

export function startDeadline(clock: Clock, ms: number): RunningDeadline {
  const controller = new AbortController()
  const timer = clock.setTimeout(() => { controller.abort(new DeadlinePassed(ms)) }, ms)
  return {
    signal: controller.signal,
    get passed() { return controller.signal.aborted },
    clear: () => { clock.clearTimeout(timer) },
  }
}
