import { Ring } from './ring.js'

/** Something with messages to handle. `run` handles at most `limit` of them and gives how many; what is left announces itself again. */
export interface Runnable { run(limit: number): number }

/** Decides when and in which order ready actors run. */
export interface Scheduler { ready(runnable: Runnable): void }

/** Messages that one actor handles before the next one's turn. */
const BATCH = 16
/** Messages, and milliseconds, after which timers and I/O get their turn. */
const SLICE_MESSAGES = 1_024
const SLICE_MS = 4
/** A batch that took longer is followed by single messages, so that slow handlers keep near the slice. */
const SLOW_BATCH_MS = 1

/** Round robin in microtasks; after each slice the event loop goes round once, so no flood starves I/O. */
export class TurnScheduler implements Scheduler {
  readonly #ready = new Ring<Runnable>()
  #armed = false
  #left = SLICE_MESSAGES

  /** @param monotonic milliseconds; real time also where the tree's clock is not */
  constructor (private readonly monotonic: () => number) {}

  ready (runnable: Runnable): void {
    this.#ready.push(runnable)
    if (this.#armed) return
    this.#armed = true
    queueMicrotask(this.#turn)
  }

  readonly #turn = (): void => {
    const started = this.monotonic()
    let before = started
    let batch = BATCH
    for (let next = this.#ready.shift(); next !== undefined; next = this.#ready.shift()) {
      this.#left -= next.run(batch)
      const now = this.monotonic()
      if (this.#left <= 0 || now - started >= SLICE_MS) break
      batch = now - before > SLOW_BATCH_MS ? 1 : BATCH
      before = now
    }
    if (this.#left > 0 && this.#ready.length === 0) { this.#armed = false; return }
    setImmediate(this.#nextTurn)
  }

  readonly #nextTurn = (): void => {
    this.#left = SLICE_MESSAGES
    this.#turn()
  }
}
