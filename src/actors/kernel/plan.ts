import type { Clock, TimerHandle } from './clock.js'

interface Member { plan: Plan | undefined }

/** One restart of some children. Each child belongs to one plan at most: a newer one takes it over, a stop takes it away. */
export class Plan<C extends Member = Member> {
  stage: 'halting' | 'waiting' | 'launching' = 'halting'
  #until = 0
  #timer: TimerHandle | undefined
  #wake: (() => void) | undefined

  constructor (readonly children: readonly C[], private readonly clock: Clock) {}

  /** Takes its children over; waits at least as long as the plans did that it takes them from. */
  take (delayMs: number): void {
    this.#until = this.clock.monotonic() + delayMs
    for (const child of this.children) {
      if (child.plan !== undefined) this.#until = Math.max(this.#until, child.plan.#until)
      child.plan = this as Plan
    }
  }

  async wait (): Promise<void> {
    this.stage = 'waiting'
    const ms = this.#until - this.clock.monotonic()
    if (ms > 0 && this.children.some(child => child.plan === this as Plan)) {
      await new Promise<void>(resolve => {
        this.#wake = resolve
        this.#timer = this.clock.setTimeout(resolve, ms)
      })
    }
    this.stage = 'launching'
  }

  cancel (): void {
    if (this.#timer !== undefined) this.clock.clearTimeout(this.#timer)
    this.#wake?.()
  }

  leave (child: C): void {
    if (this.children.every(other => other === child || other.plan !== this as Plan)) this.cancel()
  }
}

/** True when the promise settles first, false when the time is up. A rejection passes through; the timer is cleared on every path. */
export async function withinMs (clock: Clock, ms: number, promise: Promise<void>): Promise<boolean> {
  let timer: TimerHandle | undefined
  const late = new Promise<false>(resolve => { timer = clock.setTimeout(() => { resolve(false) }, ms) })
  try { return await Promise.race([promise.then(() => true), late]) } finally {
    if (timer !== undefined) clock.clearTimeout(timer)
  }
}
