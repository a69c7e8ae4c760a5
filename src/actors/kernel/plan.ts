import type { Clock, TimerHandle } from './clock.js'

/** Whose next start is planned. */
export interface Planned { plan: Plan | undefined }

/** One start or restart of some children. A child is in one plan at most: a newer one takes it over, a stop takes it away. */
export class Plan<C extends Planned = Planned> {
  stage: 'halting' | 'waiting' | 'launching' = 'halting'
  readonly until: number
  readonly #children: C[] = []
  #timer: TimerHandle | undefined
  #wake: (() => void) | undefined

  /** Waits at least as long as the plans would have from which it takes children over. */
  constructor(children: readonly C[], private readonly clock: Clock, delayMs = 0) {
    this.until = Math.max(clock.monotonic() + delayMs, ...children.map(child => child.plan?.until ?? 0))
    for (const child of children) this.join(child)
  }

  /** In order. */
  get children(): readonly C[] { return this.#children }

  /** Comes after those that are in it. */
  join(child: C): void {
    child.plan?.leave(child)
    child.plan = this
    this.#children.push(child)
  }

  has(child: C): boolean { return child.plan === this as Plan }

  async wait(): Promise<void> {
    this.stage = 'waiting'
    const ms = this.until - this.clock.monotonic()
    if (ms > 0 && this.children.some(child => this.has(child))) {
      await new Promise<void>(resolve => {
        this.#wake = resolve
        this.#timer = this.clock.setTimeout(resolve, ms)
      })
    }
    this.stage = 'launching'
  }

  /** Gives a child up. With none left there is nothing to wait for. */
  leave(child: C): void {
    child.plan = undefined
    if (this.children.some(other => this.has(other))) return
    if (this.#timer !== undefined) this.clock.clearTimeout(this.#timer)
    this.#wake?.()
  }
}
