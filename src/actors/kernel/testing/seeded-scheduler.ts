import type { Random } from '../clock.js'
import type { Runnable, Scheduler } from '../scheduler.js'

/** One message at a time, of the actor that was ready first, or of a ready actor that chance picks. */
export class SeededScheduler implements Scheduler {
  /** Messages handled so far. */
  steps = 0
  readonly #ready: Runnable[] = []
  #armed = false
  #draining = false

  /** @param random left out: in the order of readiness */
  constructor (private readonly random?: Random) {}

  ready (runnable: Runnable): void {
    this.#ready.push(runnable)
    if (this.#armed) return
    this.#armed = true
    queueMicrotask(() => {
      this.#armed = false
      this.#step()
      if (this.#ready.length > 0) this.#rearm()
    })
  }

  /** Runs ready actors until none is. Handlers that await stay where they are. */
  drain (): void {
    if (this.#draining) return
    this.#draining = true
    try { while (this.#step()) { /* one more */ } } finally { this.#draining = false }
  }

  #rearm (): void {
    if (this.#armed) return
    this.#armed = true
    queueMicrotask(() => {
      this.#armed = false
      this.#step()
      if (this.#ready.length > 0) this.#rearm()
    })
  }

  #step (): boolean {
    const at = this.random === undefined ? 0 : Math.floor(this.random() * this.#ready.length)
    const [next] = this.#ready.splice(at, 1)
    if (next === undefined) return false
    this.steps++
    next.run(1)
    return true
  }
}
