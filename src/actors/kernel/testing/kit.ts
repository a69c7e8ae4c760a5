import type { ActorSpec, Context } from '../actor.js'
import { seededRandom } from '../clock.js'
import { textOf } from '../errors.js'
import { silentLogger } from '../log.js'
import type { Message } from '../message.js'
import { pathOf } from '../node.js'
import type { Ref, Watchable } from '../ref.js'
import { supervisor } from '../supervisor.js'
import type { ChildOptions, Supervisor, SupervisorEvent, SupervisorOptions } from '../supervisor.js'
import { ManualClock } from './manual-clock.js'
import { TestProbe } from './probe.js'
import { noRest, NO_REST_AFTER, SeededScheduler } from './seeded-scheduler.js'

/** Rounds of the event loop in which nothing happens but that some immediate is set: by somebody else, then. */
const QUIET_ROUNDS = 1_000

const round = (): Promise<void> => new Promise(resolve => { setImmediate(resolve) })

export interface TestKitOptions extends SupervisorOptions {
  /**
   * Chance draws everything that the promises leave open: which ready actor is next, which of several timers of one time, when the
   * outcome of a pipe arrives. Left out: the order of readiness, of setting, of arrival.
   */
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
  readonly spawn: <M extends Message, S, I extends Message = never, K extends string = string>(
    spec: ActorSpec<M, S, I, K> | (() => ActorSpec<M, S, I, K>), options?: ChildOptions & { readonly name?: string },
  ) => Promise<Ref<M>>
  /** A mailbox in the test's hand. */
  readonly probe: <M extends Message>(name?: string) => TestProbe<M>
  /** A supervisor of its own with the kit's clock, chance and scheduler. */
  readonly supervisor: (name: string, options?: SupervisorOptions) => Supervisor
  /** Makes a spawned actor fail as if a handler had thrown. */
  readonly crash: (ref: Watchable, error?: Error) => void
  /**
   * Until no actor has anything left to do that does not wait for time, a thread or a socket.
   * @throws KernelError `no_rest` when that does not come
   */
  readonly settle: () => Promise<void>
  /** Moves time on timer by timer and settles at each: for what needs several rounds of timers and promises. */
  readonly advance: (ms: number) => Promise<void>
  /** Stops everything that the kit has started; where something hangs, time moves on to its deadline. */
  readonly stop: () => Promise<void>
}

/** Everything that the test of an actor needs, without real time, threads or sockets. Works destructured. */
export function testKit(options: TestKitOptions = {}): TestKit {
  const { seed, onEvent, ...rest } = options
  const chance = seed === undefined ? undefined : seededRandom(seed)
  const scheduler = new SeededScheduler(chance)
  const clock = new ManualClock(undefined, () => { scheduler.drain() }, chance)
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
  const contexts = new Map<string, Pick<Context<never>, 'fail'>>()
  const started = tree.start()
  let count = 0

  const settle = async (): Promise<void> => {
    const begun = scheduler.steps
    for (let quiet = 0, before = -1; quiet < QUIET_ROUNDS; before = scheduler.steps) {
      if (scheduler.steps - begun > NO_REST_AFTER) throw noRest('messages')
      if (chance === undefined) scheduler.drain()
      await round()
      if (!scheduler.idle || scheduler.steps !== before) quiet = 0
      // a handler may wait for an immediate, or for one after the other
      else if (process.getActiveResourcesInfo().includes('Immediate')) quiet++
      else break
    }
  }

  const spawn: TestKit['spawn'] = async (spec, { name, ...childOptions } = {}) => {
    await started
    const make = typeof spec === 'function' ? spec : () => spec
    const unique = name ?? `${typeof spec === 'function' ? 'actor' : spec.name}-${++count}`
    return new Promise((resolve, reject) => {
      starting.set(pathOf(tree.path, unique), event => {
        starting.delete(event.path)
        if (event.type !== 'failed') { resolve(ref); return }
        void tree.remove(unique)
        reject(event.error instanceof Error ? event.error : new Error(textOf(event.error)))
      })
      const ref = tree.child(unique, () => {
        const made = make()
        return { ...made, init(ctx) { contexts.set(ref.path, ctx); return made.init(ctx) } }
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
    crash(ref, error = new Error('injected')) { contexts.get(ref.path)?.fail(error) },
    async advance(ms) {
      const until = clock.monotonic() + ms
      for (await settle(); (clock.next ?? Infinity) <= until - clock.monotonic(); await settle()) {
        clock.fire()
        // those of the same time at once, or one after the other has had its effect
        while (clock.next === 0 && (chance === undefined || chance() < 0.5)) clock.fire()
      }
      clock.advance(until - clock.monotonic())
      await settle()
    },
    async stop() {
      let stopped = false
      void Promise.all(trees.toReversed().map(each => each.stop())).then(() => { stopped = true })
      await round()
      for (await settle(); !stopped; await settle()) clock.advance(clock.next ?? 0)
    },
  }
}
