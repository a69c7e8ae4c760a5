import type { ExchangeOutcome } from './request-quota.js'
import { SlidingWindow } from '../limits/sliding-window.js'

/** An answer so much slower than the peer's best one, and slower than this at all (ms), was delayed. */
const DELAYED = 4
const DELAYED_FLOOR_MS = 250
const SECOND = 1_000

/**
 * How fast a peer of this software is asked beyond what it guarantees (SPEC §8): as fast as it answers without delay. Each such answer
 * allows one request a second more, a delayed one half as many, one that fails the least. What is under way when it backs off is not
 * counted again.
 */
export class AdaptiveRate {
  readonly #recent: SlidingWindow
  #best = Infinity
  #backedOffAt = -Infinity

  /** @param least of what is guaranteed, requests a second: at this pace there is nothing beyond @param most requests a second */
  constructor(private readonly least: number, private readonly most: number) { this.#recent = new SlidingWindow(least, SECOND) }

  /** Requests a second at present. */
  get perSecond(): number { return this.#recent.limit }

  /** Requests that may go now beyond what is guaranteed. */
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
