import type { ExchangeOutcome } from './request-quota.js'
import { SlidingWindow } from '../limits/sliding-window.js'

/** An answer this many times slower than the peer's best one, and slower than the floor (ms), was delayed. */
const DELAYED = 4
const DELAYED_FLOOR_MS = 250
const SECOND = 1_000

/**
 * The request rate to a peer of this software beyond what it guarantees (SPEC §8): as fast as it answers without delay. A prompt answer
 * raises the rate by one request a second, a delayed one halves it, a failure resets it to the guaranteed rate. Requests that were in
 * flight when the rate was lowered do not lower it again.
 */
export class AdaptiveRate {
  readonly #recent: SlidingWindow
  #best = Infinity
  #backedOffAt = -Infinity

  /** @param least the guaranteed rate, requests a second @param most the highest rate, requests a second */
  constructor(private readonly least: number, private readonly most: number) { this.#recent = new SlidingWindow(least, SECOND) }

  /** The present rate, requests a second. */
  get perSecond(): number { return this.#recent.limit }

  /** Requests that may be sent now beyond the guaranteed ones. */
  places(now: number): number {
    const { limit } = this.#recent
    return limit > this.least ? Math.max(0, limit - this.#recent.used(now)) : 0
  }

  roomAt(now: number): number | undefined { return this.#recent.limit > this.least ? this.#recent.roomAt(now) : undefined }

  hold(): void { this.#recent.hold() }

  release(now: number, outcome: ExchangeOutcome): void {
    const recent = this.#recent
    if (outcome.result === 'failed') {
      recent.limit = this.least
    } else if (outcome.result === 'answered') {
      const { ms } = outcome
      this.#best = Math.min(this.#best, ms)
      const delayed = ms > Math.max(DELAYED_FLOOR_MS, DELAYED * this.#best)
      if (delayed && now - ms >= this.#backedOffAt) {
        recent.limit = Math.max(this.least, Math.floor(recent.limit / 2))
        this.#backedOffAt = now
      } else if (!delayed && recent.used(now) >= recent.limit / 2) {
        recent.limit = Math.min(this.most, recent.limit + 1)
      }
    }
    recent.release(now)
  }
}
