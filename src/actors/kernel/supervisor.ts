import type { ActorSpec, Context } from './actor.js'
import type { RestartOptions } from './budget.js'
import type { Clock, Random } from './clock.js'
import type { Trace, TreeSnapshot } from './figures.js'
import type { Logger } from './log.js'
import type { Message } from './message.js'
import type { Ref, Watchable } from './ref.js'
import type { Scheduler } from './scheduler.js'
import { Tree } from './tree.js'

/** Who restarts with a failed child: itself; those started after it too; all. */
export type Strategy = 'one_for_one' | 'rest_for_one' | 'one_for_all'

/** When a child is started again: always; after a failure only; never. */
export type Kind = 'permanent' | 'transient' | 'temporary'

/** What an application decides on a failure; `default`: by the child's kind and budget. */
export type Decision = 'restart' | 'stop' | 'escalate' | 'default'

/** What follows a failure; `none` while the child or its tree is ended anyway. */
export type Action = 'restart' | 'stop' | 'escalate' | 'none'

export interface Failure { readonly child: string; readonly error: unknown; readonly restarts: number }

/** Options of any tree. The restart options are its children's defaults. */
export interface TreeOptions extends RestartOptions {
  /** one_for_one. */
  readonly strategy?: Strategy
  /** Children at most, dynamic ones included. 1,024. */
  readonly maxChildren?: number
  /** Milliseconds for the whole tree to stop, whatever its children's deadlines. 30 s. */
  readonly stopWithin?: number
  /** The embedding application's own decision on a failure; `restart` is then outside the budget. */
  readonly decide?: (failure: Failure) => Decision
  /** What happens in this tree and below it. */
  readonly onEvent?: (event: SupervisorEvent) => void
}

/** The context of an actor that holds a tree. */
export type Holder = Pick<Context<never>, 'path' | 'clock' | 'random' | 'log' | 'signal'>

/** Options of a root: what its whole tree shares. */
export interface SupervisorOptions extends TreeOptions {
  /** Every handled message. Off by default; then it costs nothing. */
  readonly trace?: ((trace: Trace) => void) | undefined
  readonly clock?: Clock
  readonly random?: Random
  readonly log?: Logger
  readonly scheduler?: Scheduler
  /** The actor that holds this tree: clock, chance, log and scheduler come from there; it shows in its snapshot and ends with its incarnation. */
  readonly under?: Holder
}

export interface ChildOptions extends RestartOptions {
  /** permanent. */
  readonly kind?: Kind
  /** Milliseconds for the running handler and the stop hook together. 5 s. */
  readonly stopWithin?: number
  /** Of those, milliseconds in which an actor that is ended for good still handles what is queued. 0: it is dropped. */
  readonly drainWithin?: number
  /** Milliseconds for `init`. 30 s. */
  readonly startWithin?: number
}

/** Several actors of one kind. */
export interface PoolOptions<M extends Message, S, I extends Message = never, K extends string = string> extends TreeOptions {
  /** How many. */
  readonly size: number
  readonly make: () => ActorSpec<M, S, I, K>
  /** Of each. */
  readonly child?: ChildOptions
}

export type SupervisorEvent =
  | { readonly type: 'started' | 'restarted' | 'stopped'; readonly path: string }
  | { readonly type: 'failed'; readonly path: string; readonly error: unknown; readonly action: Action }
  | { readonly type: 'escalated'; readonly path: string; readonly error: unknown }
  | { readonly type: 'restarting'; readonly path: string; readonly delayMs: number }
  /** Did not stop within its deadline and was abandoned. */
  | { readonly type: 'overdue'; readonly path: string; readonly ms: number }

export type Termination = { readonly reason: 'stopped' } | { readonly reason: 'escalated'; readonly error: unknown }

export interface Supervisor extends AsyncDisposable, Watchable {
  /**
   * Declares a child. Its reference takes messages at once, so wiring may be cyclic; after `start` the child starts now.
   * @throws KernelError `duplicate_name`, `too_many_children`, `bad_option`, `closed`
   */
  child<M extends Message, S, I extends Message = never, K extends string = string>(
    name: string, make: () => ActorSpec<M, S, I, K>, options?: ChildOptions,
  ): Ref<M>
  /** A tree as a child of this one, started and stopped with it. Its escalation is this one's failure. */
  tree(name: string, options?: TreeOptions, asChild?: ChildOptions): Supervisor
  /**
   * A tree of `size` actors, `name/0` and so on, behind one reference: each message goes to the one that has least to do.
   * @throws KernelError as `child`
   */
  pool<M extends Message, S, I extends Message = never, K extends string = string>(name: string, options: PoolOptions<M, S, I, K>): Ref<M>
  /** Stops a child for good and forgets it. */
  remove(name: string): Promise<void>
  /** Children in order, each after the former's `init`. Rejects with `StartError` when one fails; then all are stopped again. */
  start(): Promise<void>
  /** Children in reverse order, each under its deadline, all under `stopWithin`. Never rejects. */
  stop(): Promise<void>
  describe(): TreeSnapshot
  /** When everything has stopped. */
  readonly terminated: Promise<Termination>
}

export function supervisor(name: string, options: SupervisorOptions = {}): Supervisor {
  return Tree.root(name, options)
}

/** A whole tree as one actor, for an application's own supervisor: its escalation is this actor's failure. */
export function treeActor(
  name: string, build: (ctx: Context<never>) => Supervisor | Promise<Supervisor>,
): ActorSpec<never, Supervisor> {
  return {
    name,
    mailbox: { capacity: 1, whenFull: {} },
    async init(ctx) {
      const tree = await build(ctx)
      await tree.start()
      void tree.terminated.then(end => { if (end.reason === 'escalated') ctx.fail(end.error); else ctx.stop() })
      return tree
    },
    receive: {},
    stop: tree => tree.stop(),
  }
}
