import type { DropReason, Figures, ThreadSnapshot, TreeSnapshot } from './figures.js'
import type { Entry } from './inbox.js'
import type { Message } from './message.js'
import type { HaltReason, Runtime } from './node.js'
import type { Ref } from './ref.js'

/** Under this key a spec brings its own kind of life; without it `Incarnation` runs the spec in this thread. */
export const life: unique symbol = Symbol('life')

/** The messages that wait, in order. */
export interface Queue {
  take(): Entry | undefined
  /** When the entry that `take` gave was put, in ms of the clock; −1 where it is not timed. */
  readonly sampled: number
}

/** What an incarnation gets from the actor that it is a life of. Void once it was abandoned or its `halt` is over. */
export interface Host {
  readonly path: string
  readonly self: Ref<Message>
  readonly runtime: Runtime
  readonly figures: Figures
  /** `Life.free`, `own`, `inHand` or `answering` has changed: there may be something to do. */
  wake(): void
  /** Counts a message as dropped. */
  count(reason: DropReason, message: Message): void
  /** Messages taken and never begun go back to the head of the queue, in this order. */
  giveBack(entries: readonly Entry[]): void
  /** It has failed after its start; `halt` follows. */
  failed(error: unknown): void
  /** It asks to be ended in the regular way. */
  finished(): void
  /** Takes in what has come from outside while a handler runs. Left out: it comes by itself. */
  poll?(): void
}

/**
 * One incarnation, as its actor drives it: `start`; then `run` whenever it is `free`; at the end `halt`, or `abandon`, or both.
 */
export interface Life {
  readonly phase: 'starting' | 'running' | 'failed' | 'stopping'
  /** Running, and ready for one more message. */
  readonly free: boolean
  /** What it has coming to itself, which goes ahead of the queue. */
  readonly own: number
  /** Asks that it will answer later. */
  readonly answering: number
  /** Messages taken from the queue and not done. */
  readonly inHand: number
  /** The trees that it holds. */
  readonly holds: Iterable<{ describe(): TreeSnapshot }>
  /** Of a life elsewhere. Asked for, it brings `Host.figures` up to date. */
  readonly thread?: ThreadSnapshot
  /** Fulfilled when it can take messages. Rejects when it cannot, and when it is ended or abandoned before. */
  start(): Promise<void>
  /** Begins messages while it is `free`, its own before the queue's, at most `limit`; gives how many. */
  run(queue: Queue, limit: number): number
  /** Its actor waits for it to have nothing in hand and no answer due: it is to wake it then. Left out: it does in any case. */
  drain?(): void
  /** Ends in the regular way: what runs is awaited, then the stop hook. Never rejects. Called again, the last reason counts. */
  halt(reason: HaltReason): Promise<void>
  /** From now on nothing that still runs in it has an effect outside; what waits for it is refused. What it holds it still lets go. */
  abandon(): void
}
