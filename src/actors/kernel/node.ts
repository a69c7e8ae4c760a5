import type { Clock, Random } from './clock.js'
import type { ActorContext } from './context.js'
import type { DeadLetters } from './dead-letters.js'
import type { ActorSnapshot, Trace, TreeSnapshot } from './figures.js'
import type { Logger } from './log.js'
import type { Scheduler } from './scheduler.js'
import type { Supervisor } from './supervisor.js'

/** A tree that an actor holds. */
export interface Held {
  describe(): TreeSnapshot
  stop(): Promise<void>
  abandon(reason: HaltReason): void
}

/** What all nodes of a tree share. */
export interface Runtime {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly scheduler: Scheduler
  readonly deadLetters: DeadLetters
  readonly trace: ((trace: Trace) => void) | undefined
  /** Makes an actor's own tree (`Context.children`). */
  readonly nest: (holder: ActorContext) => Supervisor
}

/** Why an incarnation ends: for good, or to make room for the next one. */
export type HaltReason = 'stop' | 'restart'

/** Each path is one actor's or tree's alone, whatever the names hold. */
export const pathOf = (parent: string, name: string): string => `${parent}/${name.replace(/[%/]/g, encodeURIComponent)}`

/** An actor or a tree, as its supervisor sees it. */
export interface Node {
  readonly path: string
  /** Begins an incarnation; rejects when it cannot. */
  launch(): Promise<void>
  /**
   * Ends the incarnation in a regular way, however long that takes. Never rejects.
   * @param drainWithin ms in which an actor that ends for good still handles what is queued
   */
  halt(reason: HaltReason, drainWithin?: number): Promise<void>
  /** Ends the incarnation at once: whatever still runs in it is without effect. A launch that is under way rejects. */
  abandon(reason: HaltReason): void
  snapshot(): ActorSnapshot | TreeSnapshot
}

/** What a node tells its supervisor. */
export interface Overseer {
  failed(node: Node, error: unknown): void
  /** The node asks to be ended in a regular way. */
  finished(node: Node): void
}
