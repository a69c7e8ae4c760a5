import type { Random } from '../clock.js'
import { KernelError } from '../errors.js'
import { inNoContext } from '../outside.js'
import type { Runnable, Scheduler } from '../scheduler.js'

/** Steps without rest, after which something is taken to go on for ever. */
export const NO_REST_AFTER = 100_000
/** Steps in one round of the event loop while nobody drains: the runner's own timers must have their turn. */
const STEPS_PER_ROUND = 1_024

export const noRest = (what: string): KernelError =>
  new KernelError('no_rest', `${NO_REST_AFTER} ${what} and no rest: does an actor send to itself without end, or run every(key, 0)?`, NO_REST_AFTER)

/**
 * One message at a time, of the actor that was ready first. Or, where chance decides: of any ready actor; before or after everything
 * that promises bring meanwhile; and what a pipe brings is one more that chance picks from.
 */
export class SeededScheduler implements Scheduler {
  /** Messages handled so far, over all actors. */
  steps = 0
  readonly arrive: ((arrival: () => void) => void) | undefined
  readonly #ready: Runnable[] = []
  #armed = false
  #running = false
  #inARow = 0

  /** @param random left out: in the order of readiness */
  constructor(private readonly random?: Random) {
    if (random !== undefined) this.arrive = arrival => { this.ready({ run() { arrival(); return 1 } }) }
  }

  /** Nobody is ready. */
  get idle(): boolean { return this.#ready.length === 0 }

  ready(runnable: Runnable): void {
    this.#ready.push(runnable)
    this.#arm()
  }

  /**
   * Runs ready actors until none is. Handlers that await stay where they are.
   * @throws KernelError `no_rest`
   */
  drain(): void { for (let left = NO_REST_AFTER; this.#step(); left--) if (left === 0) throw noRest('messages') }

  #arm(): void {
    if (this.#armed || this.idle) return
    this.#armed = true
    const now = this.random === undefined ? this.#inARow++ < STEPS_PER_ROUND : this.random() < 0.5
    if (now) queueMicrotask(this.#armedStep)
    else setImmediate(() => { this.#inARow = 0; this.#armedStep() })
  }

  readonly #armedStep = (): void => {
    this.#armed = false
    this.#step()
    this.#arm()
  }

  #step(): boolean {
    if (this.#running || this.idle) return false
    const at = this.random === undefined ? 0 : Math.floor(this.random() * this.#ready.length)
    const [next] = this.#ready.splice(at, 1)
    this.#running = true
    this.steps++
    try { inNoContext(() => { next?.run(1) }) } finally { this.#running = false }
    return true
  }
}
