import type { ActorSpec } from './actor.js'
import { Budget } from './budget.js'
import { Cell } from './cell.js'
import { systemClock, systemRandom } from './clock.js'
import { DeadLetters } from './dead-letters.js'
import { ClosedError, EscalatedError, KernelError, StartError, TimeoutError } from './errors.js'
import type { Phase, TreeSnapshot } from './figures.js'
import { Incarnation } from './incarnation.js'
import { silentLogger } from './log.js'
import type { Message } from './message.js'
import type { HaltReason, Node, Overseer, Runtime } from './node.js'
import { Plan, withinMs } from './plan.js'
import type { Ref } from './ref.js'
import { TurnScheduler } from './scheduler.js'
import type { ChildOptions, Decision, Kind, Supervisor, SupervisorEvent, SupervisorOptions, Termination } from './supervisor.js'

const MAX_CHILDREN = 1_024
const STOP_TREE_MS = 30_000
const STOP_CHILD_MS = 5_000
const START_CHILD_MS = 30_000

interface Child {
  readonly name: string
  readonly node: Node
  readonly kind: Kind
  readonly budget: Budget
  readonly stopWithin: number
  readonly startWithin: number
  launched: boolean
  restarts: number
  /** Who may start this child next; taken over by a newer plan, taken away by a stop. */
  plan: Plan | undefined
}

export class Tree implements Supervisor, Node, Overseer {
  readonly terminated: Promise<Termination>
  #terminate!: (termination: Termination) => void
  readonly #children: Child[] = []
  readonly #stopWithin: number
  #phase: Phase = 'declared'
  #escalation: EscalatedError | undefined
  #halting: Promise<void> | undefined
  #restarts = 0

  static root (name: string, options: SupervisorOptions): Tree {
    const from = options.under
    const clock = options.clock ?? from?.clock ?? systemClock
    const log = options.log ?? from?.log ?? silentLogger
    const held = from instanceof Incarnation ? from : undefined
    const path = from === undefined ? name : `${from.path}/${name}`
    const tree = new Tree(name, path, options, undefined, {
      clock, log, random: options.random ?? from?.random ?? systemRandom,
      scheduler: options.scheduler ?? held?.scheduler ?? new TurnScheduler(() => clock.monotonic()),
      deadLetters: new DeadLetters(clock, log), trace: options.trace,
    })
    held?.holds.add(tree)
    return tree
  }

  private constructor (
    private readonly name: string, readonly path: string, private readonly options: SupervisorOptions,
    private readonly parent: Tree | undefined, private readonly runtime: Runtime,
  ) {
    this.#stopWithin = options.stopWithin ?? STOP_TREE_MS
    this.terminated = new Promise(resolve => { this.#terminate = resolve })
  }

  // ---- children

  child<M extends Message, S> (name: string, make: () => ActorSpec<M, S>, options: ChildOptions = {}): Ref<M> {
    const cell = new Cell(`${this.path}/${name}`, name, this.runtime, this, make as unknown as () => ActorSpec<Message, unknown>)
    this.#add(name, cell, options, STOP_CHILD_MS)
    return cell.self as unknown as Ref<M>
  }

  tree (name: string, options: SupervisorOptions & ChildOptions = {}): Supervisor {
    const { clock, random, log, scheduler, trace } = options
    const runtime: Runtime = {
      ...this.runtime, ...clock && { clock }, ...random && { random }, ...log && { log }, ...scheduler && { scheduler }, ...trace && { trace },
    }
    const tree = new Tree(name, `${this.path}/${name}`, options, this, runtime)
    this.#add(name, tree, options, STOP_TREE_MS)
    return tree
  }

  async remove (name: string): Promise<void> {
    const child = this.#children.find(child => child.name === name)
    if (child !== undefined) await this.#dismiss(child)
  }

  #add (name: string, node: Node, options: ChildOptions, stopWithin: number): void {
    if (this.#phase === 'stopping' || this.#phase === 'stopped') throw new ClosedError(this.path)
    if (this.#children.some(child => child.name === name)) throw new KernelError('duplicate_name', `${this.path} has a child ${name}`, name)
    const { maxChildren = MAX_CHILDREN } = this.options
    if (this.#children.length >= maxChildren) throw new KernelError('too_many_children', `${this.path} takes ${maxChildren} children`, maxChildren)
    const { maxRestarts, within, backoff, stableAfter } = { ...this.options, ...options }
    const { clock, random } = this.runtime
    const budget = new Budget({
      ...maxRestarts !== undefined && { maxRestarts }, ...within !== undefined && { within },
      ...backoff && { backoff }, ...stableAfter !== undefined && { stableAfter },
    }, clock, random)
    const child: Child = {
      name, node, kind: options.kind ?? 'permanent', budget, launched: false, restarts: 0, plan: undefined,
      stopWithin: options.stopWithin ?? stopWithin, startWithin: options.startWithin ?? START_CHILD_MS,
    }
    this.#children.push(child)
    if (this.#phase === 'running') void this.#carryOut(new Plan([child], clock), 0)
  }

  // ---- life

  async start (): Promise<void> {
    if (this.#phase !== 'declared') throw new KernelError('already_started', `${this.path} is ${this.#phase}`, this.#phase)
    try { await this.launch() } catch (error) {
      await this.halt('stop')
      throw error
    }
  }

  stop (): Promise<void> { return this.parent === undefined ? this.halt('stop') : this.parent.remove(this.name) }

  [Symbol.asyncDispose] (): Promise<void> { return this.stop() }

  async launch (): Promise<void> {
    this.#phase = 'starting'
    this.#escalation = undefined
    const plan = new Plan([], this.runtime.clock)
    for (const child of this.#children) child.plan = plan
    for (let next = 0; next < this.#children.length; next++) {
      const child = this.#children[next]!
      child.plan ??= plan
      if (child.plan !== plan) continue
      try { await this.#launch(child) } catch (error) {
        throw error instanceof StartError ? error : new StartError(child.node.path, error)
      }
      if (this.#phase !== 'starting') throw this.#escalation ?? new ClosedError(this.path)
    }
    this.#phase = 'running'
  }

  halt (reason: HaltReason): Promise<void> {
    const before = this.#halting ?? Promise.resolve()
    if (this.#phase === 'stopped') return before
    return this.#halting = before.then(() => this.#halt(reason))
  }

  abandon (reason: HaltReason): void {
    this.#release()
    for (const child of this.#children) child.node.abandon(reason)
    this.#over(reason)
  }

  async #halt (reason: HaltReason): Promise<void> {
    if (this.#phase === 'stopped') return
    this.#phase = 'stopping'
    this.#release()
    const { clock } = this.runtime
    const until = clock.monotonic() + this.#stopWithin
    for (const child of this.#children.toReversed()) {
      await this.#end(child, reason, Math.max(0, Math.min(child.stopWithin, until - clock.monotonic())))
    }
    this.#over(reason)
  }

  #over (reason: HaltReason): void {
    this.#phase = reason === 'stop' ? 'stopped' : 'down'
    if (reason === 'stop') this.#terminate(this.#escalation === undefined ? { reason: 'stopped' } : { reason: 'escalated', error: this.#escalation })
  }

  // ---- one child

  async #launch (child: Child): Promise<void> {
    const { clock } = this.runtime
    const { plan } = child
    const again = child.launched
    if (again) {
      child.restarts++
      this.#restarts++
    }
    child.launched = true
    const started = await withinMs(clock, child.startWithin, child.node.launch())
    if (!started) {
      child.node.abandon('restart')
      throw new TimeoutError(`start of ${child.node.path}`, child.startWithin)
    }
    child.budget.started()
    if (child.plan === plan) child.plan = undefined
    this.#emit({ type: again ? 'restarted' : 'started', path: child.node.path })
  }

  async #end (child: Child, reason: HaltReason, ms: number): Promise<void> {
    const { node } = child
    if (!await withinMs(this.runtime.clock, ms, node.halt(reason))) {
      node.abandon(reason)
      this.runtime.log.error({ path: node.path, ms }, 'did not stop in time and was abandoned')
      this.#emit({ type: 'overdue', path: node.path, ms })
    }
    if (reason === 'stop') this.#emit({ type: 'stopped', path: node.path })
  }

  async #dismiss (child: Child): Promise<void> {
    child.plan?.leave(child)
    child.plan = undefined
    await this.#end(child, 'stop', child.stopWithin)
    const at = this.#children.indexOf(child)
    if (at >= 0) this.#children.splice(at, 1)
  }

  // ---- failures

  finished (node: Node): void {
    const child = this.#find(node)
    if (child === undefined || this.#phase === 'stopping') return
    if (child.kind === 'permanent') this.#restart(child, new KernelError('finished', `${node.path} ended`, node.path), true)
    else void this.#dismiss(child)
  }

  failed (node: Node, error: unknown): void {
    const child = this.#find(node)
    if (child === undefined) return
    this.runtime.log.error({ path: node.path, err: error, restarts: child.restarts }, 'failed')
    this.#emit({ type: 'failed', path: node.path, error })
    if (this.#phase !== 'running' && this.#phase !== 'starting') return
    if (child.plan?.stage === 'halting') return
    const decision = this.#decide(child, error)
    if (decision === 'escalate') this.#escalate(child, error)
    else if (decision === 'stop' || (decision === 'default' && child.kind === 'temporary')) void this.#dismiss(child)
    else this.#restart(child, error, decision === 'default')
  }

  #decide (child: Child, error: unknown): Decision {
    try { return this.options.decide?.({ child: child.name, error, restarts: child.restarts }) ?? 'default' } catch (thrown) {
      this.runtime.log.error({ path: child.node.path, err: thrown }, 'the decide hook threw')
      return 'default'
    }
  }

  #restart (child: Child, error: unknown, withinBudget: boolean): void {
    if (withinBudget && !child.budget.spend()) { this.#escalate(child, error); return }
    const delayMs = child.budget.delay()
    this.runtime.log.warn({ path: child.node.path, delayMs }, 'restarting')
    this.#emit({ type: 'restarting', path: child.node.path, delayMs })
    void this.#carryOut(new Plan(this.#affected(child), this.runtime.clock), delayMs)
  }

  #affected (child: Child): Child[] {
    const { strategy = 'one_for_one' } = this.options
    if (strategy === 'one_for_one') return [child]
    return strategy === 'one_for_all' ? [...this.#children] : this.#children.slice(this.#children.indexOf(child))
  }

  /** Halts the plan's children in reverse, waits, launches in order those that no newer plan or stop has taken away. */
  async #carryOut (plan: Plan<Child>, delayMs: number): Promise<void> {
    plan.take(delayMs)
    for (const child of plan.children.toReversed()) {
      if (child.plan !== plan || !child.launched) continue
      if (child.kind === 'temporary' && plan.children[0] !== child) await this.#dismiss(child)
      else await this.#end(child, 'restart', child.stopWithin)
    }
    await plan.wait()
    for (const child of plan.children) {
      if (child.plan !== plan) continue
      try { await this.#launch(child) } catch (error) { if (child.plan === plan) this.failed(child.node, error) }
    }
  }

  #escalate (child: Child, error: unknown): void {
    const escalation = this.#escalation = new EscalatedError(child.node.path, error)
    this.#phase = 'failed'
    this.#release()
    this.runtime.log.error({ path: this.path, child: child.node.path, err: error }, 'escalated')
    this.#emit({ type: 'escalated', path: this.path, error: escalation })
    if (this.parent === undefined) void this.halt('stop')
    else this.parent.failed(this, escalation)
  }

  #release (): void {
    for (const child of this.#children) {
      child.plan?.cancel()
      child.plan = undefined
    }
  }

  // ---- to be seen

  describe (): TreeSnapshot { return this.snapshot() }

  snapshot (): TreeSnapshot {
    return {
      kind: 'tree', name: this.name, path: this.path, phase: this.#phase, strategy: this.options.strategy ?? 'one_for_one', restarts: this.#restarts,
      deadLetters: { ...this.runtime.deadLetters.counts }, children: this.#children.map(child => child.node.snapshot()),
    }
  }

  #find (node: Node): Child | undefined { return this.#children.find(child => child.node === node) }

  #emit (event: SupervisorEvent): void {
    try { this.options.onEvent?.(event) } catch (error) { this.runtime.log.error({ err: error }, 'onEvent threw') }
    if (this.parent !== undefined) this.parent.#emit(event)
  }
}
