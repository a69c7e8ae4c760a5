import type { Random } from '../clock.js'
import type { Runnable, Scheduler } from '../scheduler.js'

/** One message at a time, of the actor that was ready first, or of a ready actor that chance picks. */
export class SeededScheduler implements Scheduler {
  /** Messages handled so far, over all actors. */
  steps = 0
  readonly #ready: Runnable[] = []
  #armed = false
  #running = false

  /** @param random left out: in the order of readiness */
  constructor(private readonly random?: Random) {}

  ready(runnable: Runnable): void {
    this.#ready.push(runnable)
    this.#arm()
  }

  /** Runs ready actors until none is. Handlers that await stay where they are. */
  drain(): void { while (this.#step()) { /* until none is ready */ } }

  #arm(): void {
    if (this.#armed || this.#ready.length === 0) return
    this.#armed = true
    queueMicrotask(() => {
      this.#armed = false
      this.#step()
      this.#arm()
    })
  }

  #step(): boolean {
    if (this.#running || this.#ready.length === 0) return false
    const at = this.random === undefined ? 0 : Math.floor(this.random() * this.#ready.length)
    const [next] = this.#ready.splice(at, 1)
    this.#running = true
    this.steps++
    try { next?.run(1) } finally { this.#running = false }
    return true
  }
}
