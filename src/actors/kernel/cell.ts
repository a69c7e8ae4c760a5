import { Address, Ending } from './address.js'
import { Asked } from './asked.js'
import { ClosedError, DroppedError } from './errors.js'
import { Figures } from './figures.js'
import type { ActorSnapshot, DropReason, Phase } from './figures.js'
import { Inbox, messageOf } from './inbox.js'
import type { Entry } from './inbox.js'
import { Incarnation } from './incarnation.js'
import type { Spec } from './incarnation.js'
import { life } from './life.js'
import type { Host, Life } from './life.js'
import type { Message } from './message.js'
import type { HaltReason, Node, Overseer, Runtime } from './node.js'
import { withinMs } from './clock.js'
import type { Ref } from './ref.js'
import type { Runnable } from './scheduler.js'

/**
 * One actor over all its incarnations: its queue, its figures, and its life while it has one.
 *
 * 1. declared: the inbox takes messages, nothing runs.
 * 2. starting, running, failed, stopping: as its life is.
 * 3. down (the queue waits for the next incarnation) or stopped (for good: the queue is dropped, watchers are told).
 */
export class Cell implements Node, Runnable, Host {
  readonly self: Ref<Message>
  readonly figures = new Figures()
  readonly #inbox: Inbox
  readonly #ending: Ending
  #launched = false
  #life: Life | undefined
  #ready = false
  /** Ends the wait for what is queued to be handled, at a stop. */
  #drained: (() => void) | undefined

  constructor(
    readonly path: string, private readonly name: string, readonly runtime: Runtime,
    private readonly overseer: Overseer, private readonly make: () => Spec,
  ) {
    this.#inbox = new Inbox(runtime.clock, runtime.trace !== undefined, (entry, reason) => { this.#drop(entry, reason) })
    this.#ending = new Ending(error => { runtime.log.error({ actor: path, err: error }, 'a listener threw') })
    this.self = new Address(path, this.#inbox, this.#ending, runtime.clock, () => { this.wake() })
  }

  // ---- for its supervisor

  async launch(): Promise<void> {
    if (this.#inbox.closed) throw new ClosedError(this.path)
    if (this.#launched) this.figures.restarts++
    this.#launched = true
    const spec = this.make()
    this.#inbox.bind(spec.mailbox, this.path)
    this.#life = spec[life]?.(this) ?? new Incarnation(this, spec)
    await this.#life.start()
    this.wake()
  }

  async halt(reason: HaltReason, drainWithin = 0): Promise<void> {
    if (reason === 'stop') {
      this.#inbox.close()
      if (drainWithin > 0) await this.#drain(drainWithin)
      this.#inbox.clear()
    }
    const current = this.#life
    await current?.halt(reason)
    if (this.#life === current) this.#bury()
  }

  abandon(reason: HaltReason): void {
    if (reason === 'stop') {
      this.#inbox.close()
      this.#inbox.clear()
    }
    this.#life?.abandon()
    this.#bury()
  }

  snapshot(): ActorSnapshot {
    const thread = this.#life?.thread
    const { handled, restarts, drops, wait, handling } = this.figures
    const { depth, highWater, capacity, offering } = this.#inbox
    return {
      kind: 'actor', name: this.name, path: this.path, phase: this.#phase, depth, highWater, capacity, offering,
      answering: this.#life?.answering ?? 0, handled, restarts, drops: { ...drops },
      wait: wait.snapshot(), handling: handling.snapshot(), ...thread !== undefined && { thread },
      holds: [...this.#life?.holds ?? []].map(tree => tree.describe()),
    }
  }

  /** What it has to do: queued, offered, in hand and owed. One that does not run comes after all that have room. */
  get load(): number {
    const { depth, offering, capacity } = this.#inbox
    const current = this.#life
    return depth + offering + (current === undefined || current.phase !== 'running' ? capacity : current.answering + current.inHand)
  }

  // ---- for its incarnation

  wake(): void {
    if (this.#ready) return
    const current = this.#life
    if (this.#drained !== undefined && !this.#hasWork) this.#drained()
    if (current === undefined || !current.free || (this.#inbox.depth === 0 && current.own === 0)) return
    this.#ready = true
    this.runtime.scheduler.ready(this)
  }

  count(reason: DropReason, { type }: Message): void {
    this.figures.drops[reason] = (this.figures.drops[reason] ?? 0) + 1
    this.runtime.deadLetters.add(reason, this.path, type)
  }

  giveBack(entries: readonly Entry[]): void {
    this.#inbox.putBack(entries)
    this.wake()
  }

  failed(error: unknown): void {
    this.overseer.failed(this, error)
    this.wake()
  }

  finished(): void {
    this.overseer.finished(this)
    this.wake()
  }

  // ---- messages

  run(limit: number): number {
    this.#ready = false
    const count = this.#life?.run(this.#inbox, limit) ?? 0
    this.wake()
    return count
  }

  #drop(entry: Entry, reason: DropReason): void {
    if (entry instanceof Asked) {
      entry.refuse(reason === 'closed' || reason === 'stopped' ? new ClosedError(this.path) : new DroppedError(this.path, reason))
    }
    this.count(reason, messageOf(entry))
  }

  get #phase(): Phase {
    return this.#life?.phase ?? (this.#inbox.closed ? 'stopped' : this.#launched ? 'down' : 'declared')
  }

  /** What can be handled and answered, and is not yet. */
  get #hasWork(): boolean {
    const current = this.#life
    return current?.phase === 'running' && this.#inbox.depth + current.inHand + current.answering > 0
  }

  async #drain(within: number): Promise<void> {
    this.#life?.drain?.()
    await withinMs(this.runtime.clock, within, new Promise<void>(resolve => {
      this.#drained = resolve
      this.wake()
    }))
    this.#drained = undefined
  }

  #bury(): void {
    this.#life = undefined
    this.#drained?.()
    if (this.#inbox.closed) this.#ending.happen()
  }
}
