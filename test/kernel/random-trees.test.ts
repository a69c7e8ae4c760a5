import { expect } from 'chai'
import { seededRandom } from '../../src/actors/kernel/index.js'
import type { ChildOptions, Random, Ref, Supervisor, TreeOptions } from '../../src/actors/kernel/index.js'
import { testKit } from '../../src/actors/kernel/testing/index.js'
import { samples } from '../support/samples.js'
import { FACTOR, MAX_MS, Model, ModelActor, ModelTree, STABLE_AFTER } from './model.js'
import type { ActorPlan, ModelMessage, TreePlan } from './model.js'
import { jobber } from './support.js'
import type { Job } from './support.js'

const TREES = samples(2_000)
const STEPS = 14
const KINDS = ['permanent', 'permanent', 'transient', 'temporary'] as const

/** Durations end in a fraction of their own, exact in binary, so that no two timers of a tree fall due together. */
class Chance {
  readonly random: Random
  #fraction = 0
  #name = 0
  constructor(seed: number) { this.random = seededRandom(seed) }
  upTo(n: number): number { return Math.floor(this.random() * n) }
  oneIn(n: number): boolean { return this.upTo(n) === 0 }
  pick<T>(of: readonly T[]): T { return of[this.upTo(of.length)]! }
  ms(from: number, to: number): number { return from + this.upTo(to - from) + ++this.#fraction / 1_024 }
  name(): string { return `n${++this.#name}` }
}

function randomActor(chance: Chance): ActorPlan {
  const ticks = chance.oneIn(3)
  return {
    kind: 'actor', name: chance.name(), child: chance.pick(KINDS),
    capacity: 1 + chance.upTo(8), firstMs: chance.ms(20, 300),
    failingInits: chance.oneIn(4) ? [2 + chance.upTo(3), 3 + chance.upTo(3)] : chance.oneIn(60) ? [1] : [],
    tickEvery: ticks ? chance.ms(50, 700) : undefined, failingTick: ticks && chance.oneIn(3) ? 1 + chance.upTo(4) : undefined,
  }
}

function randomTree(chance: Chance, depth: number): TreePlan {
  return {
    kind: 'tree', name: chance.name(), child: chance.pick(KINDS), firstMs: chance.ms(20, 300),
    strategy: chance.pick(['one_for_one', 'rest_for_one', 'one_for_all'] as const),
    maxRestarts: 1 + chance.upTo(5), within: chance.ms(500, 20_000),
    children: Array.from({ length: 1 + chance.upTo(4) }, () =>
      depth > 0 && chance.oneIn(4) ? randomTree(chance, depth - 1) : randomActor(chance)),
  }
}

/** The real tree beside its model. */
class Run {
  readonly kit
  readonly lives: string[] = []
  readonly handled = new Map<string, string[]>()
  readonly refs = new Map<string, Ref<Job>>()
  readonly trees = new Map<string, Supervisor>()
  readonly root: Supervisor
  readonly model: Model

  constructor(seed: number, plan: TreePlan) {
    this.kit = testKit({ seed })
    this.model = new Model(plan)
    this.root = this.kit.supervisor(plan.name, options(plan))
    this.trees.set(plan.name, this.root)
    for (const child of plan.children) this.declare(this.root, child)
  }

  declare(tree: Supervisor, plan: ActorPlan | TreePlan): void {
    const asChild: ChildOptions = { kind: plan.child, backoff: { firstMs: plan.firstMs, maxMs: MAX_MS, factor: FACTOR, jitter: 0 } }
    if (plan.kind === 'actor') { this.refs.set(plan.name, tree.child(plan.name, this.#actor(plan), asChild)); return }
    const sub = tree.tree(plan.name, options(plan), asChild)
    this.trees.set(plan.name, sub)
    for (const child of plan.children) this.declare(sub, child)
  }

  send(name: string, { type, n, key = '' }: ModelMessage): string {
    const log = this.handled.get(name)!
    return this.refs.get(name)!.send(
      type === 'latest' ? { type, n, key } : type === 'boom' ? { type: 'call', run() { log.push(`boom ${n}`); throw new Error('boom') } }
        : type === 'finish' ? { type: 'call', run(ctx) { log.push(`finish ${n}`); ctx.stop() } } : { type, n })
  }

  /** Both tell the same. */
  compare(): void {
    expect(this.lives).deep.equal(this.model.lives)
    for (const actor of this.model.everyone) {
      const handled = this.handled.get(actor.name)!
      while (!actor.up && actor.handled.length < handled.length && actor.catchUp()) { /* one more */ }
      expect(handled, actor.name).deep.equal(actor.handled)
    }
    expect(this.root.describe().deadLetters).deep.equal(this.model.drops)
  }

  #actor(plan: ActorPlan) {
    const log: string[] = []
    this.handled.set(plan.name, log)
    let incarnation = 0
    return () => {
      let ticks = 0
      const spec = jobber([], {
        name: plan.name, capacity: plan.capacity,
        init: ctx => {
          this.lives.push(`${plan.name} init ${++incarnation}`)
          if (plan.failingInits.includes(incarnation)) throw new Error('init')
          if (plan.tickEvery !== undefined) ctx.every('tick', plan.tickEvery)
        },
        stop: (_, reason) => { this.lives.push(`${plan.name} stop ${reason}`) },
        timers: { tick() { log.push('tick'); if (++ticks === plan.failingTick) throw new Error('tick') } },
      })
      const noted = (_: unknown, { type, n }: { readonly type: string; readonly n: number }): void => { log.push(`${type} ${n}`) }
      return { ...spec, receive: { ...spec.receive, note: noted, fresh: noted, latest: noted, kept: noted } }
    }
  }
}

function options({ strategy, maxRestarts, within }: TreePlan): TreeOptions {
  return { strategy, maxRestarts, within, stableAfter: STABLE_AFTER }
}

async function burst(run: Run, chance: Chance): Promise<void> {
  const actor = chance.pick(run.model.actors())
  if (actor === undefined) return
  const end = actor.up && chance.oneIn(2) ? chance.upTo(6) : -1
  const length = 1 + chance.upTo(actor.spec.capacity * 3)
  for (let n = 0; n < length; n++) {
    const type = n === end
      ? chance.pick(['boom', 'boom', 'boom', 'finish'] as const)
      : chance.pick(['note', 'fresh', 'latest', 'kept'] as const)
    const message: ModelMessage = { type, n, key: chance.pick(['a', 'b']) }
    expect(run.send(actor.name, message), `${actor.name} ${type} ${n}`).equal(actor.send(message))
  }
  actor.deliver()
  run.model.deliverAll()
  await run.kit.settle()
}

async function step(run: Run, chance: Chance): Promise<void> {
  const what = chance.upTo(20)
  if (what < 11) { await burst(run, chance); return }
  if (what < 17) {
    const ms = chance.ms(10, 1_500)
    run.model.advance(ms)
    await run.kit.advance(ms)
    return
  }
  const tree = chance.pick(run.model.trees().filter(each => each.running))
  if (tree === undefined) return
  if (what < 18 && tree.children.length > 0) {
    const child = chance.pick(tree.children)
    tree.dismiss(child)
    await run.trees.get(tree.name)!.remove(child.name)
  } else {
    const plan = chance.oneIn(4) ? randomTree(chance, 0) : randomActor(chance)
    tree.declare(plan)
    run.declare(run.trees.get(tree.name)!, plan)
  }
  run.model.deliverAll()
  await run.kit.settle()
}

async function check(seed: number): Promise<number> {
  const chance = new Chance(seed)
  const run = new Run(seed, randomTree(chance, 2))
  const { model, kit, root } = run
  const started = await root.start().then(() => true, () => false)
  if (model.root.launch() !== started) throw new Error(`started: ${started}`)
  if (!started) model.root.halt('stop')
  await kit.settle()
  run.compare()
  for (let n = 0; n < STEPS && !model.root.gone; n++) {
    await step(run, chance)
    run.compare()
  }
  const stopped = root.stop()
  if (!model.root.gone) model.root.halt('stop')
  await stopped
  run.compare()
  const silent = [run.lives.length, ...[...run.handled.values()].map(log => log.length)]
  for (const ref of run.refs.values()) expect(ref.send({ type: 'note', n: 0 })).equal('closed')
  await kit.advance(60_000)
  expect([run.lives.length, ...[...run.handled.values()].map(log => log.length)], 'runs after the stop').deep.equal(silent)
  expect(kit.clock.pending, 'timers after the stop').equal(0)
  await kit.stop()
  return run.lives.length
}

describe('kernel: random supervision trees', () => {
  it(`${TREES} trees with crashes, regular ends, floods, ticks, additions and removals behave as the model`, async () => {
    let lives = 0
    for (let seed = 1; seed <= TREES; seed++) {
      try { lives += await check(seed) } catch (cause) { throw new Error(`seed ${seed}: ${(cause as Error).message}`, { cause }) }
    }
    expect(lives).greaterThan(TREES * 5)
  })

  it('K40 K41 the model itself: a few lives written out', () => {
    const actor = (name: string): ActorPlan => ({
      kind: 'actor', name, child: 'permanent', capacity: 1, firstMs: 100, failingInits: [], tickEvery: undefined, failingTick: undefined,
    })
    const model = new Model({
      kind: 'tree', name: 'app', child: 'permanent', firstMs: 1, strategy: 'rest_for_one', maxRestarts: 1, within: 1_000,
      children: [actor('a'), actor('b')],
    })
    model.root.launch()
    const [a, b] = model.root.children
    if (!(a instanceof ModelActor) || b instanceof ModelTree) throw new Error('actors')
    expect(a.send({ type: 'boom', n: 1 })).equal('backoff')
    a.deliver()
    model.advance(100)
    expect(model.lives).deep.equal(['a init 1', 'b init 1', 'b stop restart', 'a stop restart', 'a init 2', 'b init 2'])
  })
})
