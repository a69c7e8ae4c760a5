import type { ActorSpec } from './actor.js'
import { Ending } from './address.js'
import { Budget, restartDefaults } from './budget.js'
import type { RestartOptions } from './budget.js'
import { Cell } from './cell.js'
import { systemClock, systemRandom, withinMs } from './clock.js'
import { ActorContext } from './context.js'
import { DeadLetters } from './dead-letters.js'
import { ClosedError, EscalatedError, InterruptedError, KernelError, StartError, TimeoutError } from './errors.js'
import type { Phase, TreeSnapshot } from './figures.js'
import type { Spec } from './incarnation.js'
import { silentLogger } from './log.js'
import type { Message } from './message.js'
import { pathOf } from './node.js'
import type { HaltReason, Node, Overseer, Runtime } from './node.js'
import { checked, validated } from './options.js'
import { guarded, SafeLogger } from './outside.js'
import { Plan } from './plan.js'
import type { Planned } from './plan.js'
import { Pool } from './pool.js'
import type { Ref } from './ref.js'
import { sharedScheduler } from './scheduler.js'
import type {
  Action, ChildOptions, PoolOptions, Supervisor, SupervisorEvent, SupervisorOptions, Termination, TreeOptions,
} from './supervisor.js'

type Defaulted = 'strategy' | 'maxChildren' | 'stopWithin' | keyof RestartOptions
const treeDefaults: TreeOptions & Required<Pick<TreeOptions, Defaulted>> = {
  ...restartDefaults, strategy: 'one_for_one', maxChildren: 1_024, stopWithin: 30_000,
}
const childDefaults = { kind: 'permanent', startWithin: 30_000, stopWithin: 5_000, drainWithin: 0 } as const

interface Child extends Planned {
  readonly name: string
  readonly node: Node
  readonly options: Required<ChildOptions>
  readonly budget: Budget
  launched: boolean
  /** Its end for good, once that has begun. */
  leaving: Promise<void> | undefined
  restarts: number
}

export class Tree implements Supervisor, Node, Overseer {
  readonly terminated: Promise<Termination>
  #terminate!: (termination: Termination) => void
  readonly #ending: Ending
  readonly #options
  readonly #children: Child[] = []
  #phase: Phase = 'declared'
  #halting: Promise<void> = Promise.resolve()
  #escalation: EscalatedError | undefined
  /** The start that is under way, or the last one. */
  #starting: Plan<Child> | undefined
  #restarts = 0

  static root(name: string, options: SupervisorOptions): Tree {
    const { under, trace } = options
    const holder = under instanceof ActorContext ? under : undefined
    if (holder?.ended === true) throw new ClosedError(holder.path)
    const clock = options.clock ?? under?.clock ?? systemClock
    const log = SafeLogger.over(options.log ?? under?.log ?? silentLogger)
    const tree = new Tree(name, under === undefined ? name : pathOf(under.path, name), options, undefined, {
      clock, log, trace: trace && (seen => { guarded(log, 'trace', () => trace(seen)) }),
      random: options.random ?? under?.random ?? systemRandom,
      scheduler: options.scheduler ?? holder?.runtime.scheduler ?? sharedScheduler,
      deadLetters: new DeadLetters(clock, log), nest: holder => Tree.nest(holder),
    })
    holder?.holds.add(tree)
    tree.onceTerminated(() => { holder?.holds.delete(tree) })
    return tree
  }

  /** An actor's own tree, running at once; its paths are the actor's with a step more. */
  static nest(holder: ActorContext): Tree {
    const tree = Tree.root('children', { under: holder, trace: holder.runtime.trace })
    tree.#phase = 'running'
    void tree.terminated.then(end => { if (end.reason === 'escalated') holder.fail(end.error) })
    return tree
  }

  private constructor(
    private readonly name: string, readonly path: string, options: TreeOptions,
    private readonly parent: Tree | undefined, private readonly runtime: Runtime,
  ) {
    this.#options = validated(path, treeDefaults, options)
    this.terminated = new Promise(resolve => { this.#terminate = resolve })
    this.#ending = new Ending(error => { runtime.log.error({ path, err: error }, 'a listener threw') })
  }

  onceTerminated(listener: () => void): () => void { return this.#ending.once(listener) }

  // ---- children

  child<M extends Message, S, I extends Message = never, K extends string = string>(
    name: string, make: () => ActorSpec<M, S, I, K>, options?: ChildOptions,
  ): Ref<M> {
    return this.#cell(name, make, options).self as unknown as Ref<M>
  }

  #cell(name: string, make: unknown, options: ChildOptions = {}): Cell {
    const cell = new Cell(pathOf(this.path, name), name, this.runtime, this, make as () => Spec)
    this.#add(name, cell, options)
    return cell
  }

  tree(name: string, options: TreeOptions = {}, asChild: ChildOptions = {}): Tree {
    const { clock, log, deadLetters } = this.runtime
    const runtime = { ...this.runtime, deadLetters: new DeadLetters(clock, log, deadLetters) }
    const tree = new Tree(name, pathOf(this.path, name), options, this, runtime)
    this.#add(name, tree, asChild, { stopWithin: tree.#options.stopWithin, startWithin: Infinity })
    return tree
  }

  pool<M extends Message, S, I extends Message, K extends string>(
    name: string, { size, make, child, ...options }: PoolOptions<M, S, I, K>,
  ): Ref<M> {
    checked(pathOf(this.path, name), 'size', size)
    const tree = this.tree(name, options)
    const members = Array.from({ length: size }, (_, n) => tree.#cell(`${n}`, make, child))
    return new Pool(tree, members)
  }

  async remove(name: string): Promise<void> {
    const child = this.#children.find(each => each.name === name)
    if (child !== undefined) await this.#dismiss(child)
  }

  #add(name: string, node: Node, given: ChildOptions, defaults: ChildOptions = {}): void {
    const { maxChildren } = this.#options
    if (this.#phase === 'stopping' || this.#phase === 'stopped') throw new ClosedError(this.path)
    if (this.#children.some(each => each.name === name)) throw new KernelError('duplicate_name', `${this.path} has ${name}`, name)
    if (this.#children.length >= maxChildren) throw new KernelError('too_many_children', `${this.path} is full`, maxChildren)
    const options = validated(node.path, { ...this.#options, ...childDefaults, ...defaults }, given)
    const child: Child = {
      name, node, options, launched: false, leaving: undefined, restarts: 0, plan: undefined,
      budget: new Budget(options, this.runtime.clock, this.runtime.random),
    }
    this.#children.push(child)
    if (this.#phase === 'starting') this.#starting?.join(child)
    else if (this.#phase === 'running') void this.#carryOut(new Plan([child], this.runtime.clock))
  }

  // ---- life

  async start(): Promise<void> {
    if (this.#phase !== 'declared' || this.parent !== undefined) {
      throw new KernelError('already_started', `${this.path} is ${this.#phase} or starts with its parent`, this.path)
    }
    try { await this.launch() } catch (error) {
      await this.halt('stop')
      throw error
    }
  }

  stop(): Promise<void> { return this.parent === undefined ? this.halt('stop') : this.parent.remove(this.name) }

  [Symbol.asyncDispose](): Promise<void> { return this.stop() }

  async launch(): Promise<void> {
    this.#phase = 'starting'
    this.#escalation = undefined
    const plan = this.#starting = new Plan(this.#children.filter(each => each.leaving === undefined), this.runtime.clock)
    await plan.wait()
    for (const child of plan.children) {
      if (!plan.has(child)) continue
      try { await this.#launch(child, plan) } catch (error) {
        if (!plan.has(child)) continue
        this.#report(child, error, 'escalate')
        throw error instanceof StartError ? error : new StartError(child.node.path, error)
      }
    }
    if (this.#phase !== 'starting') throw this.#escalation ?? new InterruptedError(this.path)
    this.#phase = 'running'
  }

  halt(reason: HaltReason): Promise<void> {
    return this.#halting = this.#halting.then(() => this.#halt(reason))
  }

  abandon(reason: HaltReason): void {
    this.#cancelPlans()
    for (const { node } of this.#children) node.abandon(reason)
    this.#over(reason)
  }

  async #halt(reason: HaltReason): Promise<void> {
    if (this.#phase === 'stopped') return
    this.#phase = 'stopping'
    this.#cancelPlans()
    const { clock } = this.runtime
    const until = clock.monotonic() + this.#options.stopWithin
    for (const child of this.#children.toReversed()) {
      if (this.#phase !== 'stopping') return
      await this.#end(child, reason, until - clock.monotonic())
    }
    this.#over(reason)
  }

  #over(reason: HaltReason): void {
    this.#phase = reason === 'stop' ? 'stopped' : 'down'
    if (reason === 'restart') return
    this.#ending.happen()
    this.#terminate(this.#escalation === undefined ? { reason: 'stopped' } : { reason: 'escalated', error: this.#escalation })
  }

  // ---- one child

  async #launch(child: Child, plan: Plan<Child>): Promise<void> {
    const { node, options: { startWithin }, launched } = child
    if (launched) {
      child.restarts++
      this.#restarts++
    }
    child.launched = true
    const launching = node.launch()
    if (!await withinMs(this.runtime.clock, startWithin, launching)) {
      node.abandon('restart')
      const why: unknown = await launching.catch((error: unknown) => error)
      throw new TimeoutError(`start of ${node.path}`, startWithin, why instanceof InterruptedError ? undefined : why)
    }
    child.budget.started()
    if (plan.has(child)) plan.leave(child)
    this.#emit({ type: launched ? 'restarted' : 'started', path: node.path })
  }

  async #end(child: Child, reason: HaltReason, atMost = Infinity): Promise<void> {
    const { node, options: { stopWithin, drainWithin } } = child
    if (!child.launched && reason === 'restart') return
    const ms = Math.max(0, Math.min(stopWithin, atMost))
    if (!await withinMs(this.runtime.clock, ms, node.halt(reason, drainWithin))) {
      node.abandon(reason)
      this.runtime.log.error({ path: node.path, ms }, 'did not stop in time and was abandoned')
      this.#emit({ type: 'overdue', path: node.path, ms })
    }
    if (!child.launched || reason === 'restart') return
    child.launched = false
    this.#emit({ type: 'stopped', path: node.path })
  }

  #dismiss(child: Child): Promise<void> {
    child.plan?.leave(child)
    return child.leaving ??= this.#end(child, 'stop').then(() => {
      const at = this.#children.indexOf(child)
      if (at >= 0) this.#children.splice(at, 1)
    })
  }

  // ---- failures

  failed(node: Node, error: unknown): void {
    const child = this.#children.find(each => each.node === node)
    if (child !== undefined) this.#failed(child, error)
  }

  finished(node: Node): void {
    const child = this.#children.find(each => each.node === node)
    if (child === undefined) return
    if (child.options.kind === 'permanent') this.#failed(child, new KernelError('finished', `${node.path} ended, though permanent`, node.path))
    else if (this.#lives) void this.#dismiss(child)
  }

  #failed(child: Child, error: unknown): void {
    const action = this.#mends(child) ? this.#decide(child, error) : 'none'
    this.#report(child, error, action)
    if (child.leaving !== undefined) return
    if (action === 'restart') this.#restart(child)
    else if (action === 'stop') void this.#dismiss(child)
    else if (action === 'escalate') this.#escalate(child, error)
  }

  /** Not while this tree ends, nor when the child is about to be restarted anyway. */
  #mends(child: Child): boolean {
    return this.#lives && child.leaving === undefined && child.plan?.stage !== 'halting'
  }

  get #lives(): boolean { return this.#phase === 'running' || this.#phase === 'starting' }

  #decide({ name, restarts, options, budget }: Child, error: unknown): 'restart' | 'stop' | 'escalate' {
    const decision = guarded(this.runtime.log, 'decide', () => this.#options.decide?.({ child: name, error, restarts }))
    if (decision === 'restart' || decision === 'stop' || decision === 'escalate') return decision
    if (decision !== undefined && decision !== 'default') this.runtime.log.error({ path: this.path, decision }, 'decide gave an unknown decision')
    if (options.kind === 'temporary') return 'stop'
    return budget.spend() ? 'restart' : 'escalate'
  }

  #restart(child: Child): void {
    const delayMs = child.budget.delay()
    this.runtime.log.warn({ path: child.node.path, delayMs }, 'restarting')
    this.#emit({ type: 'restarting', path: child.node.path, delayMs })
    const { strategy } = this.#options
    const from = strategy === 'one_for_all' ? 0 : this.#children.indexOf(child)
    const affected = this.#children.slice(from, strategy === 'one_for_one' ? from + 1 : undefined)
    void this.#carryOut(new Plan(affected.filter(each => each.leaving === undefined), this.runtime.clock, delayMs), child)
  }

  /** Ends the plan's children in reverse, waits, launches in order those that no newer plan or stop has taken away. */
  async #carryOut(plan: Plan<Child>, failed?: Child): Promise<void> {
    for (const child of plan.children.toReversed()) {
      if (!plan.has(child)) continue
      if (child.options.kind === 'temporary' && child !== failed && child.launched) await this.#dismiss(child)
      else await this.#end(child, 'restart')
    }
    await plan.wait()
    for (const child of plan.children) {
      if (!plan.has(child)) continue
      try { await this.#launch(child, plan) } catch (error) { if (plan.has(child)) this.#failed(child, error) }
    }
  }

  #escalate(child: Child, error: unknown): void {
    const starting = this.#phase === 'starting'
    this.#phase = 'failed'
    this.#escalation = new EscalatedError(child.node.path, error)
    this.#cancelPlans()
    this.runtime.log.error({ path: this.path, child: child.node.path, err: error }, 'escalated')
    this.#emit({ type: 'escalated', path: this.path, error: this.#escalation })
    if (starting) return
    if (this.parent === undefined) void this.halt('stop')
    else this.parent.failed(this, this.#escalation)
  }

  #cancelPlans(): void {
    for (const child of this.#children) child.plan?.leave(child)
  }

  // ---- to be seen

  describe(): TreeSnapshot { return this.snapshot() }

  snapshot(): TreeSnapshot {
    return {
      kind: 'tree', name: this.name, path: this.path, phase: this.#phase, strategy: this.#options.strategy,
      restarts: this.#restarts, deadLetters: { ...this.runtime.deadLetters.counts },
      children: this.#children.map(({ node }) => node.snapshot()),
    }
  }

  #report({ node, restarts }: Child, error: unknown, action: Action): void {
    this.runtime.log.error({ path: node.path, err: error, restarts, action }, 'failed')
    this.#emit({ type: 'failed', path: node.path, error, action })
  }

  #emit(event: SupervisorEvent): void {
    guarded(this.runtime.log, 'onEvent', () => this.#options.onEvent?.(event))
    if (this.parent !== undefined) this.parent.#emit(event)
  }
}
