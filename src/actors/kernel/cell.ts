import { Address, Ending } from './address.js'
import { Asked } from './asked.js'
import { ClosedError, CrashedError, DroppedError, InterruptedError } from './errors.js'
import { Figures } from './figures.js'
import type { ActorSnapshot, DropReason, Phase } from './figures.js'
import { Inbox, messageOf } from './inbox.js'
import type { Entry } from './inbox.js'
import { Incarnation, LaterAnswer, Signal } from './incarnation.js'
import type { Spec } from './incarnation.js'
import type { Message } from './message.js'
import type { HaltReason, Node, Overseer, Runtime } from './node.js'
import type { Ref } from './ref.js'
import { Ring } from './ring.js'
import type { Runnable } from './scheduler.js'

type Handler = (state: unknown, message: Message, ctx: Incarnation) => unknown

/**
 * One actor over all its incarnations.
 *
 * 1. declared: the inbox takes messages, nothing runs.
 * 2. starting: `make`, then `init`.
 * 3. running: the system lane, then the queue; one message at a time, also across `await`.
 * 4. failed: a handler threw or `ctx.fail` was called; the supervisor knows and will halt it.
 * 5. stopping: the signal is aborted; the running handler ends, then the `stop` hook runs.
 * 6. down (the queue waits for the next incarnation) or stopped (for good: the queue is dropped, watchers are told).
 */
export class Cell implements Node, Runnable {
  readonly self: Ref<Message>
  readonly #figures = new Figures()
  readonly #inbox: Inbox
  readonly #system = new Ring<Signal | Message>()
  readonly #ending: Ending
  #phase: Phase = 'declared'
  #spec: Spec | undefined
  #state: unknown
  #incarnation: Incarnation | undefined
  #launching: Promise<void> | undefined
  #giveUp: ((error: Error) => void) | undefined
  #halting: Promise<void> | undefined
  /** What `ctx.fail` or `ctx.stop` asked for during `init`. */
  #early: (() => void) | undefined
  #ready = false
  #handling = false
  #handled: (() => void) | undefined
  #inHand: Entry | Signal | undefined
  #waited = 0
  #startedAt = -1

  constructor(
    readonly path: string, private readonly name: string, readonly runtime: Runtime,
    private readonly overseer: Overseer, private readonly make: () => Spec,
  ) {
    this.#inbox = new Inbox(runtime.clock, runtime.trace !== undefined, (entry, reason) => { this.#drop(entry, reason) })
    this.#ending = new Ending(error => { runtime.log.error({ actor: path, err: error }, 'a listener threw') })
    this.self = new Address(path, this.#inbox, this.#ending, runtime.clock, () => { this.#wake() })
  }

  // ---- for its supervisor

  launch(): Promise<void> {
    this.#early = undefined
    return this.#launching = new Promise((resolve, reject) => {
      this.#giveUp = reject
      this.#launch(this.#incarnation = new Incarnation(this)).then(resolve, reject)
    })
  }

  halt(reason: HaltReason): Promise<void> {
    if (reason === 'stop') this.#inbox.close()
    if (this.#incarnation === undefined) this.#bury()
    else this.#halting ??= this.#halt(reason, this.#incarnation)
    return this.#halting ?? Promise.resolve()
  }

  abandon(reason: HaltReason): void {
    if (reason === 'stop') this.#inbox.close()
    this.#incarnation?.end()
    if (this.#inHand instanceof Asked) this.#inHand.refuse(new InterruptedError(this.path))
    this.#bury()
  }

  snapshot(): ActorSnapshot {
    const { handled, restarts, drops, wait, handling } = this.#figures
    const { depth, highWater, capacity, offering } = this.#inbox
    return {
      kind: 'actor', name: this.name, path: this.path, phase: this.#phase, depth, highWater, capacity, offering,
      answering: this.#incarnation?.unanswered.size ?? 0, handled, restarts, drops: { ...drops },
      wait: wait.snapshot(), handling: handling.snapshot(),
      holds: this.#incarnation?.holds.map(tree => tree.describe()) ?? [],
    }
  }

  // ---- for its incarnation

  hasTimer(key: string): boolean { return Object.hasOwn(this.#spec?.timers ?? {}, key) }

  signal(signal: Signal | Message): void {
    this.#system.push(signal)
    this.#wake()
  }

  piped(incarnation: Incarnation, message: Message): void {
    if (incarnation.ended) this.#count('stale', message)
    else this.signal(message)
  }

  fault(error: unknown): void {
    if (this.#phase === 'starting') this.#early ??= () => { throw error }
    else if (this.#phase === 'running') {
      this.#phase = 'failed'
      this.#incarnation?.end()
      this.overseer.failed(this, error)
    } else this.runtime.log.warn({ actor: this.path, err: error }, 'failed while ending')
  }

  finish(): void {
    if (this.#phase === 'starting') this.#early ??= () => { this.finish() }
    if (this.#phase !== 'running') return
    this.#phase = 'stopping'
    this.#incarnation?.end()
    this.overseer.finished(this)
  }

  // ---- life

  async #launch(incarnation: Incarnation): Promise<void> {
    if (this.#inbox.closed) throw new ClosedError(this.path)
    if (this.#phase !== 'declared') this.#figures.restarts++
    this.#phase = 'starting'
    try {
      const spec = this.#spec = this.make()
      this.#inbox.bind(spec.mailbox)
      const state = await spec.init(incarnation)
      incarnation.started = true
      if (this.#incarnation !== incarnation) await this.#stopHook(spec, state, incarnation, 'stop')
      else this.#state = state
      if (incarnation.ended) throw new InterruptedError(this.path)
      this.#phase = 'running'
      this.#early?.()
    } catch (error) {
      if (!incarnation.ended) this.#phase = 'failed'
      incarnation.end()
      throw error
    }
    this.#wake()
  }

  async #halt(reason: HaltReason, incarnation: Incarnation): Promise<void> {
    this.#phase = 'stopping'
    incarnation.end()
    await this.#launching?.catch(() => undefined)
    if (this.#handling) await new Promise<void>(resolve => { this.#handled = resolve })
    const stillOurs = this.#incarnation === incarnation
    if (stillOurs && incarnation.started) await this.#stopHook(this.#spec!, this.#state, incarnation, reason)
    if (this.#incarnation === incarnation) this.#bury()
  }

  async #stopHook(spec: Spec, state: unknown, incarnation: Incarnation, reason: HaltReason): Promise<void> {
    try { await spec.stop?.(state, incarnation, reason) } catch (error) {
      this.runtime.log.error({ actor: this.path, err: error }, 'the stop hook threw')
    }
  }

  #bury(): void {
    const unanswered = this.#incarnation?.unanswered ?? []
    this.#incarnation = this.#state = this.#halting = undefined
    this.#release()
    this.#giveUp?.(new InterruptedError(this.path))
    for (const asked of unanswered) asked.refuse(new InterruptedError(this.path))
    for (const signal of this.#system.drain()) if (!(signal instanceof Signal)) this.#count('stale', signal)
    this.#phase = this.#inbox.closed ? 'stopped' : 'down'
    if (this.#phase === 'stopped') this.#ending.happen()
  }

  // ---- messages

  run(limit: number): number {
    this.#ready = false
    let count = 0
    for (; count < limit && this.#phase === 'running' && !this.#handling; count++) {
      const signal = this.#system.shift()
      if (signal !== undefined) { this.#handle(signal, -1); continue }
      const entry = this.#inbox.take()
      if (entry === undefined) break
      this.#handle(entry, this.#inbox.sampled)
    }
    this.#wake()
    return count
  }

  #wake(): void {
    if (this.#ready || this.#handling || this.#phase !== 'running') return
    if (this.#inbox.depth === 0 && this.#system.length === 0) return
    this.#ready = true
    this.runtime.scheduler.ready(this)
  }

  #handle(work: Entry | Signal, putAt: number): void {
    const asked = work instanceof Asked ? work : undefined
    if (asked?.settled === true) { this.#drop(asked, 'ask_expired'); return }
    const incarnation = this.#incarnation!
    incarnation.asked = asked
    this.#inHand = work
    this.#handling = true
    if (putAt >= 0) {
      this.#startedAt = this.runtime.clock.monotonic()
      this.#figures.wait.record(this.#waited = this.#startedAt - putAt)
    }
    let result: unknown
    try {
      result = work instanceof Signal
        ? work.deliver(this.#spec!, this.#state)
        : this.#receive(messageOf(work), incarnation)
    } catch (error) { this.#threw(error); return }
    if (result instanceof Promise) this.#await(result, incarnation)
    else this.#returned(result)
  }

  #receive(message: Message, incarnation: Incarnation): unknown {
    const handlers = this.#spec!.receive as Record<string, Handler>
    return handlers[message.type]!(this.#state, message, incarnation)
  }

  #await(result: Promise<unknown>, incarnation: Incarnation): void {
    result.then(
      value => { if (this.#incarnation === incarnation) { this.#returned(value); this.#wake() } },
      (error: unknown) => { if (this.#incarnation === incarnation) this.#threw(error) },
    )
  }

  #returned(result: unknown): void {
    const work = this.#inHand
    if (!(work instanceof Signal)) this.#figures.handled++
    if (this.#startedAt >= 0) this.#measure(work as Entry)
    if (work instanceof Asked) this.#answer(work, result)
    this.#release()
  }

  #threw(error: unknown): void {
    const work = this.#inHand
    this.#release()
    if (work instanceof Asked) work.refuse(new CrashedError(this.path, error))
    if (work !== undefined && !(work instanceof Signal)) this.#count('crashed', messageOf(work))
    this.fault(error)
  }

  #release(): void {
    this.#inHand = undefined
    this.#startedAt = -1
    this.#handling = false
    if (this.#incarnation !== undefined) this.#incarnation.asked = undefined
    if (this.#handled === undefined) return
    this.#handled()
    this.#handled = undefined
  }

  #answer(asked: Asked, result: unknown): void {
    if (!(result instanceof LaterAnswer)) {
      if (!asked.answer(result)) this.#count('late_reply', asked.message)
      return
    }
    const { unanswered } = this.#incarnation!
    unanswered.add(asked)
    asked.onSettled = () => { unanswered.delete(asked) }
    const counted = (inTime: boolean): void => { if (!inTime) this.#count('late_reply', asked.message) }
    result.promise.then(value => { counted(asked.answer(value)) }, (error: unknown) => { counted(asked.refuse(error)) })
  }

  #measure(entry: Entry): void {
    const handlingMs = this.runtime.clock.monotonic() - this.#startedAt
    this.#figures.handling.record(handlingMs)
    this.runtime.trace?.({ path: this.path, type: messageOf(entry).type, waitMs: this.#waited, handlingMs })
  }

  #drop(entry: Entry, reason: DropReason): void {
    if (entry instanceof Asked) {
      entry.refuse(reason === 'closed' || reason === 'stopped' ? new ClosedError(this.path) : new DroppedError(this.path, reason))
    }
    this.#count(reason, messageOf(entry))
  }

  #count(reason: DropReason, { type }: Message): void {
    this.#figures.drops[reason] = (this.#figures.drops[reason] ?? 0) + 1
    this.runtime.deadLetters.add(reason, this.path, type)
  }
}
