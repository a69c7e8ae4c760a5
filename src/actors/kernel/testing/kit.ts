import type { ActorSpec, Context } from '../actor.js'
import { seededRandom } from '../clock.js'
import { silentLogger } from '../log.js'
import type { Message } from '../message.js'
import type { Ref, Watchable } from '../ref.js'
import { supervisor } from '../supervisor.js'
import type { ChildOptions, Supervisor, SupervisorEvent, SupervisorOptions } from '../supervisor.js'
import { ManualClock } from './manual-clock.js'
import { TestProbe } from './probe.js'
import { SeededScheduler } from './seeded-scheduler.js'

export interface TestKitOptions extends SupervisorOptions {
  /** Permutes the order in which ready actors run. Left out: the order of readiness. */
  readonly seed?: number
}

export interface TestKit {
  readonly clock: ManualClock
  readonly scheduler: SeededScheduler
  /** The tree in which `spawn` puts its actors. */
  readonly tree: Supervisor
  /** What that tree has reported, in order. */
  readonly events: readonly SupervisorEvent[]
  /** Starts an actor; resolves after its `init`, rejects with what that threw. */
  readonly spawn: <M extends Message, S>(
    spec: ActorSpec<M, S> | (() => ActorSpec<M, S>), options?: ChildOptions & { readonly name?: string },
  ) => Promise<Ref<M>>
  /** A mailbox in the test's hand. */
  readonly probe: <M extends Message>(name?: string) => TestProbe<M>
  /** A supervisor of its own with the kit's clock, chance and scheduler. */
  readonly supervisor: (name: string, options?: SupervisorOptions) => Supervisor
  /** Makes a spawned actor fail as if a handler had thrown. */
  readonly crash: (ref: Watchable, error?: Error) => void
  /** Until no actor has anything left to do that does not wait for time, a thread or a socket. */
  readonly settle: () => Promise<void>
  /** Moves time on timer by timer and settles at each: for what needs several rounds of timers and promises. */
  readonly advance: (ms: number) => Promise<void>
  /** Stops everything that the kit has started; where something hangs, time moves on to its deadline. */
  readonly stop: () => Promise<void>
}

/** Everything that the test of an actor needs, without real time, threads or sockets. Works destructured. */
export function testKit(options: TestKitOptions = {}): TestKit {
  const { seed, onEvent, ...rest } = options
  const scheduler = new SeededScheduler(seed === undefined ? undefined : seededRandom(seed))
  const clock = new ManualClock(undefined, () => { scheduler.drain() })
  const common: SupervisorOptions = { clock, random: seededRandom(seed ?? 1), log: silentLogger, scheduler, ...rest }
  const events: SupervisorEvent[] = []
  const starting = new Map<string, (event: SupervisorEvent) => void>()
  const tree = supervisor('test', {
    ...common,
    onEvent(event) {
      events.push(event)
      starting.get(event.path)?.(event)
      onEvent?.(event)
    },
  })
  const trees = [tree]
  const contexts = new Map<Watchable, Pick<Context<never>, 'fail'>>()
  const started = tree.start()
  let count = 0

  const settle = async (): Promise<void> => {
    for (let before = -1; before !== scheduler.steps;) {
      before = scheduler.steps
      scheduler.drain()
      await new Promise(resolve => { setImmediate(resolve) })
    }
  }

  const spawn: TestKit['spawn'] = async (spec, { name, ...childOptions } = {}) => {
    await started
    const make = typeof spec === 'function' ? spec : () => spec
    const unique = name ?? `${typeof spec === 'function' ? 'actor' : spec.name}-${++count}`
    return new Promise((resolve, reject) => {
      starting.set(`test/${unique}`, event => {
        starting.delete(event.path)
        if (event.type !== 'failed') { resolve(ref); return }
        void tree.remove(unique)
        reject(event.error instanceof Error ? event.error : new Error(String(event.error)))
      })
      const ref = tree.child(unique, () => {
        const made = make()
        return { ...made, init(ctx) { contexts.set(ref, ctx); return made.init(ctx) } }
      }, childOptions)
    })
  }

  return {
    clock, scheduler, tree, events, settle, spawn,
    probe: (name = `probe-${++count}`) => new TestProbe(name, clock, settle),
    supervisor(name, own) {
      const other = supervisor(name, { ...common, ...own })
      trees.push(other)
      return other
    },
    crash(ref, error = new Error('injected')) { contexts.get(ref)?.fail(error) },
    async advance(ms) {
      await settle()
      for (let left = ms, step = clock.next ?? Infinity; step <= left; step = clock.next ?? Infinity) {
        clock.advance(step)
        left -= step
        ms = left
        await settle()
      }
      clock.advance(ms)
      await settle()
    },
    async stop() {
      let stopped = false
      void Promise.all(trees.toReversed().map(each => each.stop())).then(() => { stopped = true })
      for (await settle(); !stopped; await settle()) clock.advance(clock.next ?? 0)
    },
  }
}
