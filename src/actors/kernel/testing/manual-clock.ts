import type { Clock, TimerHandle } from '../clock.js'

interface Timer { readonly at: number; readonly order: number; readonly fn: () => void }

/** Time that moves only when told to, timer by timer in order. */
export class ManualClock implements Clock {
  #now: number
  #origin: number
  #order = 0
  readonly #timers = new Set<Timer>()

  /** @param startMs wall time at the beginning @param beforeStep runs before time moves, at each step */
  constructor(startMs = 1_800_000_000_000, private readonly beforeStep: () => void = () => undefined) {
    this.#now = this.#origin = startMs
  }

  /** Timers that have not fired. */
  get pending(): number { return this.#timers.size }

  now(): number { return this.#now }

  monotonic(): number { return this.#now - this.#origin }

  setTimeout(fn: () => void, ms: number): TimerHandle {
    const timer: Timer = { at: this.#now + Math.max(0, ms), order: this.#order++, fn }
    this.#timers.add(timer)
    return timer
  }

  clearTimeout(handle: TimerHandle): void { this.#timers.delete(handle as Timer) }

  /** Milliseconds until the next timer, if there is one. */
  get next(): number | undefined {
    const first = this.#first()
    return first === undefined ? undefined : first.at - this.#now
  }

  /** Moves time on; timers that fall due fire in their order, ready actors have run before each step. */
  advance(ms: number): void {
    const until = this.#now + ms
    this.beforeStep()
    for (let timer = this.#first(); timer !== undefined && timer.at <= until; timer = this.#first()) {
      this.#timers.delete(timer)
      this.#now = Math.max(this.#now, timer.at)
      timer.fn()
      this.beforeStep()
    }
    this.#now = until
  }

  /** Sets the wall clock, as an operator or NTP would; `monotonic` and timers do not notice. */
  jump(ms: number): void {
    for (const timer of [...this.#timers]) {
      this.#timers.delete(timer)
      this.#timers.add(Object.assign(timer, { at: timer.at + ms }))
    }
    this.#now += ms
    this.#origin += ms
  }

  #first(): Timer | undefined {
    let first: Timer | undefined
    for (const timer of this.#timers) {
      if (first === undefined || timer.at < first.at || (timer.at === first.at && timer.order < first.order)) first = timer
    }
    return first
  }
}
