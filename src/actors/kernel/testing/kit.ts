import type { ActorSpec } from '../actor.js'
import { seededRandom } from '../clock.js'
import type { Logger } from '../log.js'
import { silentLogger } from '../log.js'
import type { Message } from '../message.js'
import type { Ref } from '../ref.js'
import { supervisor } from '../supervisor.js'
import type { ChildOptions, Supervisor, SupervisorEvent, SupervisorOptions } from '../supervisor.js'
import { ManualClock } from './manual-clock.js'
import { TestProbe } from './probe.js'
import { SeededScheduler } from './seeded-scheduler.js'

export interface TestKitOptions extends SupervisorOptions {
  /** Permutes the order in which ready actors run. Left out: the order of readiness. */
  readonly seed?: number
  readonly log?: Logger
}

export interface TestKit {
  readonly clock: ManualClock
  /** The tree in which `spawn` puts its actors. */
  readonly tree: Supervisor
  readonly scheduler: SeededScheduler
  /** What the tree reported, in order. */
  readonly events: readonly SupervisorEvent[]
  /** Starts an actor; resolves after its `init`, rejects with what that threw. */
  spawn<M extends Message, S>(spec: ActorSpec<M, S> | (() => ActorSpec<M, S>), options?: ChildOptions & { name?: string }): Promise<Ref<M>>
  probe<M extends Message>(name?: string): TestProbe<M>
  /** A supervisor of its own with the kit's clock, chance and scheduler. */
  supervisor(name: string, options?: SupervisorOptions): Supervisor
  /** Until no actor has anything left to do that does not wait for time, a thread or a socket. */
  settle(): Promise<void>
  /** Moves time on timer by timer, and settles at each: for what needs several rounds of timers and promises. */
  advance(ms: number): Promise<void>
  /** Stops everything that the kit has started. */
  stop(): Promise<void>
}

/** Everything that a test of an actor needs, without real time, threads or sockets. Works destructured. */
export function testKit (options: TestKitOptions = {}): TestKit {
  const { seed, onEvent, ...rest } = options
  const scheduler = new SeededScheduler(seed === undefined ? undefined : seededRandom(seed))
  const clock = new ManualClock(undefined, () => { scheduler.drain() })
  const events: SupervisorEvent[] = []
  const common: SupervisorOptions = { clock, random: seededRandom(seed ?? 1), log: silentLogger, scheduler }
  const tree = supervisor('test', { ...common, ...rest, onEvent (event) { events.push(event); onEvent?.(event) } })
  const trees: Supervisor[] = [tree]
  const started = tree.start()
  let count = 0

  const settle = async (): Promise<void> => {
    for (let before = -1; before !== scheduler.steps;) {
      before = scheduler.steps
      scheduler.drain()
      await new Promise(resolve => { setImmediate(resolve) })
    }
  }

  return {
    clock, tree, scheduler, events, settle,
    async spawn (spec, { name, ...childOptions } = {}) {
      await started
      const make = typeof spec === 'function' ? spec : () => spec
      return new Promise((resolve, reject) => {
        const unique = name ?? `${typeof spec === 'function' ? 'actor' : spec.name}-${++count}`
        let running = false
        const failed = (error: unknown): void => {
          if (!running) void tree.remove(unique)
          reject(error as Error)
        }
        const ref = tree.child(unique, () => {
          const made = attempt(make, failed)
          return {
            ...made,
            async init (ctx) {
              try {
                const state = await made.init(ctx)
                running = true
                resolve(ref)
                return state
              } catch (error) { failed(error); throw error }
            },
          }
        }, childOptions)
      })
    },
    probe: (name = `probe-${++count}`) => new TestProbe(name, clock, settle),
    supervisor (name, own) {
      const other = supervisor(name, { ...common, ...own })
      trees.push(other)
      return other
    },
    async advance (ms) {
      await settle()
      for (let left = ms, step = clock.next; ; step = clock.next) {
        if (step === undefined || step > left) { clock.advance(left); break }
        clock.advance(step)
        left -= step
        await settle()
      }
      await settle()
    },
    async stop () { for (const each of trees.toReversed()) await each.stop() },
  }
}

function attempt<T> (make: () => T, failed: (error: unknown) => void): T {
  try { return make() } catch (error) { failed(error); throw error }
}
