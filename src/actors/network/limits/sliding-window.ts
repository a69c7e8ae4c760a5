/** Beyond the limit, so many past ones are kept at least, and no more than twice as many: who has another rule as well may overrun it. */
const MOST_KEPT = 64

/**
 * At most `limit` in any window of `windowMs`, exactly. A token bucket of 7 would let 14 through in a window, and one too many is a
 * permanent ban at a reference node (SPEC §8, §10).
 *
 * Own code: of the well-kept limiters none counts an exact sliding window on an injected clock. `rate-limiter-flexible` counts fixed
 * windows, `limiter` and `bottleneck` are token buckets, `p-throttle` (strict) slides but reads `Date.now` and owns its timers, and none
 * can hold a place for as long as an exchange lasts, which is what makes the count right at the other end (see `RequestQuota`).
 *
 * Pure: the caller says what time it is, in milliseconds of one monotonic clock.
 */
export class SlidingWindow {
  /** Places in a window; may change at any time. */
  limit: number
  readonly #windowMs: number
  /** When each past one ends to count, ascending. */
  readonly #until: number[] = []
  /** Those that are under way: they count until `windowMs` after their end. */
  #held = 0

  constructor(limit: number, windowMs: number) {
    this.limit = limit
    this.#windowMs = windowMs
  }

  /** Those that are under way. */
  get held(): number { return this.#held }

  /** Places taken at this moment. */
  used(now: number): number {
    this.#forget(now)
    return this.#until.length + this.#held
  }

  hasRoom(now: number): boolean { return this.used(now) < this.limit }

  /** Takes a place for one that counts from now on, or says no. */
  take(now: number): boolean {
    if (!this.hasRoom(now)) return false
    this.#until.push(now + this.#windowMs)
    return true
  }

  /** Takes a place for one that lasts, to be given back by `release`, whether there is room or not. */
  hold(): void { this.#held++ }

  /** What was held has ended: it counts for another window. */
  release(now: number): void {
    this.#held--
    this.#until.push(now + this.#windowMs)
    if (this.#until.length >= 2 * MOST_KEPT + this.limit) this.#until.splice(0, MOST_KEPT)
  }

  /** When there may be room, as far as is known now: `now` where there is, `undefined` where only a release can tell. */
  roomAt(now: number): number | undefined {
    const over = this.used(now) - this.limit
    return over < 0 ? now : this.#until[over]
  }

  #forget(now: number): void {
    let past = 0
    while (past < this.#until.length && (this.#until[past] as number) <= now) past++
    if (past > 0) this.#until.splice(0, past)
  }
}
