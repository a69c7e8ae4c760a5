import type { DropReason, Feedback, Kind, Strategy } from '../../src/actors/kernel/index.js'

/**
 * The semantics of supervision and mailboxes, small and slow: arrays for queues, one event after the other, no promises.
 * Between two steps everything is at rest, as after `settle`.
 */
export interface ModelMessage {
  readonly type: 'note' | 'fresh' | 'latest' | 'kept' | 'boom' | 'finish'
  readonly n: number
  readonly key?: string
}

export interface ActorPlan {
  readonly kind: 'actor'
  readonly name: string
  readonly child: Kind
  readonly capacity: number
  readonly firstMs: number
  /** Incarnations, counted from 1, whose `init` throws. */
  readonly failingInits: readonly number[]
  readonly tickEvery: number | undefined
  /** The tick, counted per incarnation, whose handler throws. */
  readonly failingTick: number | undefined
}

export interface TreePlan {
  readonly kind: 'tree'
  readonly name: string
  readonly child: Kind
  readonly firstMs: number
  readonly strategy: Strategy
  readonly maxRestarts: number
  readonly within: number
  readonly children: readonly (ActorPlan | TreePlan)[]
}

export const FACTOR = 2
export const MAX_MS = 1_000
export const STABLE_AFTER = 3_000

abstract class ModelNode {
  launched = false
  plan: Restart | undefined
  #restarts: number[] = []
  #streak = 0
  startedAt: number | undefined

  constructor(
    readonly model: Model, readonly parent: ModelTree | undefined,
    readonly name: string, readonly child: Kind, readonly firstMs: number,
  ) {}

  abstract launch(): boolean
  abstract halt(reason: 'stop' | 'restart'): void

  fail(): void {
    const { parent } = this
    if (parent === undefined || !parent.running) return
    if (this.child === 'temporary') { parent.dismiss(this); return }
    this.#restarts = this.#restarts.filter(at => this.model.now - at < parent.within)
    if (this.#restarts.length >= parent.maxRestarts) { parent.escalate(); return }
    this.#restarts.push(this.model.now)
    parent.restart(this)
  }

  delay(): number {
    if (this.startedAt !== undefined && this.model.now - this.startedAt >= STABLE_AFTER) this.#streak = 0
    this.startedAt = undefined
    return Math.min(MAX_MS, this.firstMs * FACTOR ** this.#streak++)
  }
}

interface Restart { readonly children: Set<ModelNode>; readonly due: number }

export class ModelActor extends ModelNode {
  up = false
  gone = false
  incarnation = 0
  queue: ModelMessage[] = []
  /** What was queued at the end. */
  left: ModelMessage[] = []
  readonly handled: string[] = []
  nextTick: number | undefined
  #started = false
  #ticks = 0

  constructor(model: Model, parent: ModelTree, readonly spec: ActorPlan) {
    super(model, parent, spec.name, spec.child, spec.firstMs)
    model.everyone.push(this)
  }

  /** It handled one more before it went down: where it is started and ended in one breath, both are right. */
  catchUp(): boolean {
    const message = this.queue.shift() ?? this.left.shift()
    if (message === undefined) return false
    if (this.gone) this.model.drop('stopped', -1)
    this.handled.push(`${message.type} ${message.n}`)
    return true
  }

  send(message: ModelMessage): Feedback {
    const { queue } = this
    const capacity = this.incarnation === 0 ? 1_024 : this.spec.capacity
    if (this.gone) { this.model.drop('closed'); return 'closed' }
    if (queue.length < capacity) {
      queue.push(message)
      return queue.length >= Math.ceil(capacity * 0.75) ? 'backoff' : 'ok'
    }
    if (message.type === 'kept' && this.incarnation > 0 && queue.length < capacity * 2) {
      queue.push(message)
      return 'backoff'
    }
    const at = this.incarnation === 0 ? -1 : message.type === 'fresh' ? queue.findIndex(({ type }) => type === 'fresh')
      : message.type === 'latest' ? queue.findLastIndex(({ type, key }) => type === 'latest' && key === message.key) : -1
    if (at < 0) { this.model.drop('rejected'); return 'rejected' }
    this.model.drop(message.type === 'fresh' ? 'dropped_oldest' : 'coalesced')
    if (message.type === 'latest') queue[at] = message
    else { queue.splice(at, 1); queue.push(message) }
    return 'backoff'
  }

  /** Handles what is queued, to the first message that ends it. */
  deliver(): void {
    while (this.up && this.queue.length > 0) {
      const message = this.queue.shift()!
      this.handled.push(`${message.type} ${message.n}`)
      if (message.type === 'boom') { this.model.drop('crashed'); this.crash() }
      if (message.type === 'finish') this.finish()
    }
  }

  crash(): void { this.up = false; this.nextTick = undefined; this.fail() }

  finish(): void {
    this.up = false
    this.nextTick = undefined
    if (this.child === 'permanent') this.fail()
    else this.parent!.dismiss(this)
  }

  tick(): void {
    this.nextTick! += this.spec.tickEvery!
    this.handled.push('tick')
    if (++this.#ticks === this.spec.failingTick) this.crash()
  }

  launch(): boolean {
    this.launched = true
    this.model.lives.push(`${this.name} init ${++this.incarnation}`)
    if (this.incarnation === 1) for (const message of this.queue.splice(0)) void this.send(message)
    if (this.spec.failingInits.includes(this.incarnation)) return false
    this.up = this.#started = true
    this.#ticks = 0
    this.startedAt = this.model.now
    if (this.spec.tickEvery !== undefined) this.nextTick = this.model.now + this.spec.tickEvery
    return true
  }

  halt(reason: 'stop' | 'restart'): void {
    if (this.#started) this.model.lives.push(`${this.name} stop ${reason}`)
    this.up = this.#started = false
    this.nextTick = undefined
    if (reason === 'restart' || this.gone) return
    this.gone = true
    this.left = this.queue.splice(0)
    for (const _ of this.left) this.model.drop('stopped')
  }
}

export class ModelTree extends ModelNode {
  running = false
  gone = false
  readonly children: (ModelActor | ModelTree)[] = []
  readonly maxRestarts
  readonly within

  constructor(model: Model, parent: ModelTree | undefined, readonly spec: TreePlan) {
    super(model, parent, spec.name, spec.child, spec.firstMs)
    this.maxRestarts = spec.maxRestarts
    this.within = spec.within
    for (const child of spec.children) this.declare(child)
  }

  declare(spec: ActorPlan | TreePlan): ModelActor | ModelTree {
    const child = spec.kind === 'actor' ? new ModelActor(this.model, this, spec) : new ModelTree(this.model, this, spec)
    this.children.push(child)
    if (this.running && !child.launch()) child.fail()
    return child
  }

  launch(): boolean {
    this.launched = this.running = true
    for (const child of this.children) {
      this.model.leave(child)
      if (!child.launch()) { this.running = false; return false }
    }
    this.startedAt = this.model.now
    return true
  }

  halt(reason: 'stop' | 'restart'): void {
    this.running = false
    for (const child of this.children) this.model.leave(child)
    for (const child of this.children.toReversed()) if (child.launched || reason === 'stop') child.halt(reason)
    if (reason === 'stop') this.gone = true
  }

  restart(failed: ModelNode): void {
    const { strategy } = this.spec
    const from = strategy === 'one_for_all' ? 0 : this.children.indexOf(failed as ModelActor)
    const affected = this.children.slice(from, strategy === 'one_for_one' ? from + 1 : undefined)
    const due = Math.max(this.model.now + failed.delay(), ...affected.map(child => child.plan?.due ?? 0))
    const plan: Restart = { children: new Set<ModelNode>(affected), due }
    for (const child of affected) { this.model.leave(child); child.plan = plan }
    this.model.plans.push(plan)
    for (const child of affected.toReversed()) {
      if (child.child === 'temporary' && child !== failed && child.launched) this.dismiss(child)
      else if (child.launched) child.halt('restart')
    }
  }

  dismiss(child: ModelNode): void {
    this.model.leave(child)
    child.halt('stop')
    this.children.splice(this.children.indexOf(child as ModelActor), 1)
  }

  escalate(): void {
    this.running = false
    for (const child of this.children) this.model.leave(child)
    if (this.parent === undefined) this.halt('stop')
    else this.fail()
  }
}

export class Model {
  now = 0
  /** Every `init` and every stop hook, in order, over all actors. */
  readonly lives: string[] = []
  readonly drops: Partial<Record<DropReason, number>> = {}
  readonly plans: Restart[] = []
  /** Also those that are gone. */
  readonly everyone: ModelActor[] = []
  readonly root: ModelTree

  constructor(plan: TreePlan) { this.root = new ModelTree(this, undefined, plan) }

  drop(reason: DropReason, count = 1): void {
    const now = (this.drops[reason] ?? 0) + count
    if (now > 0) this.drops[reason] = now
    else delete this.drops[reason]
  }

  leave(node: ModelNode): void {
    node.plan?.children.delete(node)
    node.plan = undefined
  }

  actors(tree = this.root): ModelActor[] {
    return tree.children.flatMap(child => child instanceof ModelTree ? this.actors(child) : [child])
  }

  trees(tree = this.root): ModelTree[] {
    return [tree, ...tree.children.flatMap(child => child instanceof ModelTree ? this.trees(child) : [])]
  }

  deliverAll(): void { for (const actor of this.actors()) actor.deliver() }

  advance(ms: number): void {
    const until = this.now + ms
    for (;;) {
      const ticking = this.actors().filter(actor => actor.nextTick !== undefined).sort((a, b) => a.nextTick! - b.nextTick!)[0]
      const plan = this.plans.filter(({ children }) => children.size > 0).sort((a, b) => a.due - b.due)[0]
      const at = Math.min(ticking?.nextTick ?? Infinity, plan?.due ?? Infinity)
      if (at > until) break
      this.now = at
      if (ticking?.nextTick === at) ticking.tick()
      else this.#carryOut(plan!)
      this.deliverAll()
    }
    this.now = until
  }

  #carryOut(plan: Restart): void {
    for (const child of plan.children) {
      const launched = child.launch()
      const mine = child.plan === plan
      if (mine) this.leave(child)
      if (!launched && mine) child.fail()
    }
    plan.children.clear()
  }
}
