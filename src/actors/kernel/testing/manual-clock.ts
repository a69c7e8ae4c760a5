import type { Clock, Random, TimerHandle } from '../clock.js'
import { noRest, NO_REST_AFTER } from './seeded-scheduler.js'

interface Timer { readonly at: number; readonly order: number; readonly fn: () => void }

/** Time that moves only when told to, timer by timer in order. */
export class ManualClock implements Clock {
  #now: number
  #origin: number
  #order = 0
  /** Timers fired since time has moved. */
  #fired = 0
  readonly #timers = new Set<Timer>()

  /**
   * @param startMs wall time at the beginning
   * @param beforeStep runs before time moves, at each step
   * @param random draws which of several timers due at one time is first; left out: the one that was set first
   */
  constructor(startMs = 1_800_000_000_000, private readonly beforeStep: () => void = () => undefined, private readonly random?: Random) {
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
    const [first] = this.#due()
    return first === undefined ? undefined : Math.max(0, first.at - this.#now)
  }

  /**
   * Moves time on; timers that fall due fire in their order, ready actors have run before each step.
   * @throws KernelError `no_rest`: timers fire again and again, and time does not move
   */
  advance(ms: number): void {
    const until = this.monotonic() + ms
    this.beforeStep()
    while ((this.next ?? Infinity) <= until - this.monotonic()) this.fire()
    this.#moveTo(this.#origin + until)
  }

  /** Moves time on to the next timer and fires it alone. */
  fire(): void {
    const due = this.#due()
    const timer = due[this.random === undefined ? 0 : Math.floor(this.random() * due.length)]
    if (timer === undefined) return
    this.#moveTo(Math.max(this.#now, timer.at))
    if (++this.#fired > NO_REST_AFTER) throw noRest('timers at one time')
    this.#timers.delete(timer)
    timer.fn()
    this.beforeStep()
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

  #moveTo(at: number): void {
    if (at > this.#now) this.#fired = 0
    this.#now = at
  }

  /** Those that are due first, in the order of their setting. */
  #due(): readonly Timer[] {
    let due: Timer[] = []
    for (const timer of this.#timers) {
      const before = due[0]?.at ?? Infinity
      if (timer.at < before) due = [timer]
      else if (timer.at === before) due.push(timer)
    }
    return due.sort((a, b) => a.order - b.order)
  }
}
