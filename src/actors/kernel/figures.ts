/** Why a message was not handled, or a reply or result not used. */
export type DropReason =
  | 'rejected'        // refused by its policy
  | 'dropped_oldest'  // gave way to a newer one of its type
  | 'coalesced'       // replaced by a newer one with its key
  | 'closed'          // sent after the end
  | 'stopped'         // still queued at the end
  | 'crashed'         // the message that its handler threw at
  | 'ask_expired'     // its asker had given up before its turn
  | 'late_reply'      // answered after its asker had given up, or refused where nobody had asked
  | 'unknown'         // no message, or of a type that the actor has no handler for
  | 'overloaded'      // more offers wait, or more answers are due, than the mailbox allows
  | 'not_cloneable'   // could not cross to or from a thread
  | 'stale'           // the result of a pipe, a timer or a watch of an incarnation that is gone

export type Drops = Readonly<Partial<Record<DropReason, number>>>

/** Each power of two in four parts, so a quantile is at most a quarter too high; from 1 µs to 35 min. */
const BUCKETS = 120

/** Durations in fixed memory and constant time. */
export class Histogram {
  readonly #counts = new Uint32Array(BUCKETS)
  #sum = 0
  #max = 0

  record(ms: number): void {
    this.#sum += ms
    if (ms > this.#max) this.#max = ms
    const us = ms < 2e6 ? (ms * 1_000) | 0 : 2e9
    const octave = us < 4 ? 0 : 30 - Math.clz32(us)
    const index = octave === 0 ? us : octave * 4 + ((us >> (octave - 1)) & 3)
    this.#counts[index]!++
  }

  snapshot(): HistogramSnapshot {
    const buckets: { upToMs: number; count: number }[] = []
    let count = 0
    this.#counts.forEach((n, index) => { if (n > 0) buckets.push({ upToMs: upperBoundMs(index), count: count += n }) })
    const quantile = (q: number): number => Math.min(this.#max, buckets.find(each => each.count >= q * count)?.upToMs ?? 0)
    return { samples: count, sumMs: this.#sum, maxMs: this.#max, p50Ms: quantile(0.5), p99Ms: quantile(0.99), buckets }
  }
}

function upperBoundMs(index: number): number {
  return (index < 4 ? index + 1 : ((index & 3) + 5) * 2 ** ((index >> 2) - 1)) / 1_000
}

export interface HistogramSnapshot {
  readonly samples: number
  readonly sumMs: number
  readonly maxMs: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Cumulative, only where something was counted. */
  readonly buckets: readonly { readonly upToMs: number; readonly count: number }[]
}

/** What is counted for one actor over all its incarnations. */
export class Figures {
  handled = 0
  restarts = 0
  readonly drops: Partial<Record<DropReason, number>> = {}
  /** From acceptance to handler. */
  readonly wait = new Histogram()
  /** In the handler, its awaits included. */
  readonly handling = new Histogram()
}

export type Phase = 'declared' | 'starting' | 'running' | 'failed' | 'stopping' | 'down' | 'stopped'

export interface ActorSnapshot {
  readonly kind: 'actor'
  readonly name: string
  readonly path: string
  readonly phase: Phase
  /** Messages queued now, and at most so far; the bound; callers of `offer` that wait; asks to be answered later. */
  readonly depth: number
  readonly highWater: number
  readonly capacity: number
  readonly offering: number
  readonly answering: number
  readonly handled: number
  readonly restarts: number
  readonly drops: Drops
  readonly wait: HistogramSnapshot
  readonly handling: HistogramSnapshot
  /** Where it lives in a thread of its own. */
  readonly thread?: ThreadSnapshot
  /** Trees that this actor holds (`SupervisorOptions.under`). */
  readonly holds: readonly TreeSnapshot[]
}

export interface ThreadSnapshot {
  /** −1 before it has started. */
  readonly threadId: number
  /** Messages that have crossed and are not done. They count in the window, no more in `depth`. */
  readonly inThread: number
  /** There and back: from posting to the report, without the wait and the handling in the thread. */
  readonly crossing: HistogramSnapshot
}

export interface TreeSnapshot {
  readonly kind: 'tree'
  readonly name: string
  readonly path: string
  readonly phase: Phase
  readonly strategy: string
  readonly restarts: number
  /** Drops of the whole tree, also of children that are gone. */
  readonly deadLetters: Drops
  readonly children: readonly (ActorSnapshot | TreeSnapshot)[]
}

/** One handled message, as `SupervisorOptions.trace` gets it. */
export interface Trace {
  readonly path: string
  readonly type: string
  readonly waitMs: number
  readonly handlingMs: number
}
