import { systemClock } from './clock.js'
import { inNoContext } from './outside.js'
import { Ring } from './ring.js'

/** Something with messages to handle. `run` handles at most `limit` and gives how many; what is left announces itself again. */
export interface Runnable { run(limit: number): number }

/** Decides when and in which order ready actors run. */
export interface Scheduler {
  ready(runnable: Runnable): void
  /** Where chance decides the order (in tests): takes over when something arrives that others may be ahead of. Left out: at once. */
  readonly arrive?: ((arrival: () => void) => void) | undefined
}

/** Messages that one actor handles before the next one's turn. */
const BATCH = 16
/** Messages, and milliseconds, in one round of the event loop; then timers and I/O get their turn. */
const SLICE_MESSAGES = 1_024
const SLICE_MS = 4
/** A batch that took longer is followed by single messages, so that slow handlers keep near the slice. */
const SLOW_BATCH_MS = 0.5

/** Round robin, in microtasks, with a slice per round of the event loop: no flood and no chain of actors starves I/O. */
export class TurnScheduler implements Scheduler {
  readonly #ready = new Ring<Runnable>()
  #armed = false
  #sliceEnd: number | undefined
  #left = 0

  /** @param monotonic milliseconds */
  constructor(private readonly monotonic: () => number) {}

  ready(runnable: Runnable): void {
    this.#ready.push(runnable)
    if (this.#armed) return
    this.#armed = true
    queueMicrotask(this.#turn)
  }

  readonly #turn = (): void => { inNoContext(this.#run) }

  readonly #run = (): void => {
    let now = this.monotonic()
    if (this.#sliceEnd === undefined) {
      this.#sliceEnd = now + SLICE_MS
      this.#left = SLICE_MESSAGES
      setImmediate(this.#nextSlice)
    }
    try {
      for (let batch = BATCH; this.#ready.length > 0 && this.#left > 0 && now < this.#sliceEnd;) {
        const before = now
        this.#left -= this.#ready.shift()!.run(batch)
        now = this.monotonic()
        batch = now - before > SLOW_BATCH_MS ? 1 : BATCH
      }
    } finally { this.#armed = this.#ready.length > 0 } // what is left, also after a throw, runs in the next slice
  }

  readonly #nextSlice = (): void => {
    this.#sliceEnd = undefined
    if (this.#ready.length > 0) this.#turn()
  }
}

/** All trees of this thread share their turns, so that the slice holds for all of them together. */
export const sharedScheduler = new TurnScheduler(() => systemClock.monotonic())
