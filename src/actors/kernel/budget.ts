import { backoffMs } from './clock.js'
import type { Backoff, Clock, Random } from './clock.js'

/** How often and how fast a child is restarted. */
export interface RestartOptions {
  /** Restarts allowed within `within` milliseconds; one more escalates. 5 in 60 s. */
  readonly maxRestarts?: number
  readonly within?: number
  /** Wait before a restart: `firstMs · factor^n`, at most `maxMs`, less a random share up to `jitter`; never under 1 ms. 100 ms, 30 s, 2, 0.2. */
  readonly backoff?: Backoff
  /** After so many milliseconds without a failure the wait begins at `firstMs` again. 30 s. */
  readonly stableAfter?: number
}

export const restartDefaults: Required<RestartOptions> = {
  maxRestarts: 5, within: 60_000, backoff: { firstMs: 100, maxMs: 30_000, factor: 2, jitter: 0.2 }, stableAfter: 30_000,
}

/** Timers and I/O have their turn between two starts. */
const LEAST_DELAY_MS = 1

/** The restarts of one child: a sliding window, and the backoff. */
export class Budget {
  #restarts: number[] = []
  #failuresInARow = 0
  #startedAt: number | undefined

  constructor(private readonly options: Required<RestartOptions>, private readonly clock: Clock, private readonly random: Random) {}

  started(): void { this.#startedAt = this.clock.monotonic() }

  /** Takes one restart out of the budget; false when the window has none left. */
  spend(): boolean {
    const now = this.clock.monotonic()
    const { maxRestarts, within } = this.options
    if (maxRestarts === Infinity) return true
    this.#restarts = this.#restarts.filter(at => now - at < within)
    if (this.#restarts.length >= maxRestarts) return false
    this.#restarts.push(now)
    return true
  }

  /** Milliseconds to wait before the next start. Once per failure. */
  delay(): number {
    const { backoff, stableAfter } = this.options
    if (this.#startedAt !== undefined && this.clock.monotonic() - this.#startedAt >= stableAfter) this.#failuresInARow = 0
    this.#startedAt = undefined
    return Math.max(LEAST_DELAY_MS, backoffMs(this.#failuresInARow++, backoff, this.random))
  }
}
