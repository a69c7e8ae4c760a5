import type { ActorSpec } from './actor.js'
import { Asked } from './asked.js'
import { ClosedError, CrashedError, DroppedError } from './errors.js'
import { Figures } from './figures.js'
import type { ActorSnapshot, DropReason, Phase } from './figures.js'
import { Inbox, messageOf } from './inbox.js'
import type { Entry } from './inbox.js'
import { Incarnation, LaterAnswer } from './incarnation.js'
import type { Host, Signal } from './incarnation.js'
import type { Feedback } from './mailbox.js'
import type { Message } from './message.js'
import type { HaltReason, Node, Overseer, Runtime } from './node.js'
import type { Deadline, OfferOptions, Ref } from './ref.js'
import { Ring } from './ring.js'
import type { Runnable } from './scheduler.js'

type Spec = ActorSpec<Message, unknown>
type Handler = (state: unknown, message: Message, ctx: Incarnation) => unknown

/**
 * One actor over all its incarnations.
 *
 * 1. declared: the inbox takes messages, nothing runs.
 * 2. starting: `make`, then `init`.
 * 3. running: system lane first, then the queue, one message at a time, also across `await`.
 * 4. failed: a handler threw or `ctx.fail` was called; the supervisor has been told and will halt or launch.
 * 5. stopping: the signal is aborted; the running handler ends, then the `stop` hook runs.
 * 6. down (for the next incarnation, the queue kept) or stopped (for good, the queue dropped, watchers told).
 */
export class Cell implements Node, Host, Runnable {
  readonly self: Ref<Message>
  readonly #figures = new Figures()
  readonly #inbox: Inbox
  readonly #system = new Ring<Signal>()
  readonly #terminations = new Set<() => void>()
  #phase: Phase = 'declared'
  #spec: Spec | undefined
  #state: unknown
  #incarnation: Incarnation | undefined
  #launching: Promise<void> | undefined
  #halting: Promise<void> | undefined
  #early: { readonly failure: unknown } | 'finish' | undefined
  #ready = false
  #handling = false
  #handled: (() => void) | undefined
  #inHand: Entry | undefined
  #startedAt = -1

  constructor (
    readonly path: string, private readonly name: string, readonly runtime: Runtime,
    private readonly overseer: Overseer, private readonly make: () => Spec,
  ) {
    this.#inbox = new Inbox(() => runtime.clock.monotonic(), (entry, reason) => { this.#drop(entry, reason) }, runtime.trace !== undefined)
    this.self = new CellRef(this)
  }

  // ---- what its reference does

  send (message: Message): Feedback {
    const feedback = this.#inbox.put(message)
    if (!this.#ready) this.#wake()
    return feedback
  }

  offer (message: Message, options?: OfferOptions): Promise<'ok' | 'closed'> {
    const offered = this.#inbox.offer(message, this.path, options)
    this.#wake()
    return offered
  }

  ask (message: Message, within: Deadline): Promise<unknown> {
    return Asked.send(message, `${this.path} ${message.type}`, within, this.runtime.clock, asked => {
      this.#inbox.put(asked)
      this.#wake()
    })
  }

  onceTerminated (listener: () => void): () => void {
    if (this.#phase === 'stopped') { listener(); return () => undefined }
    const once = (): void => { listener() }
    this.#terminations.add(once)
    return () => { this.#terminations.delete(once) }
  }

  // ---- what its supervisor does

  launch (): Promise<void> {
    const incarnation = new Incarnation(this)
    this.#incarnation = incarnation
    this.#early = undefined
    return this.#launching = this.#launch(incarnation)
  }

  halt (reason: HaltReason): Promise<void> {
    if (reason === 'stop') this.#inbox.close()
    return this.#halting ??= this.#halt(reason).finally(() => { this.#halting = undefined })
  }

  abandon (reason: HaltReason): void {
    if (reason === 'stop') this.#inbox.close()
    this.#incarnation?.end()
    if (this.#inHand instanceof Asked) this.#inHand.refuse(new ClosedError(this.path))
    this.#bury()
  }

  snapshot (): ActorSnapshot {
    const { handled, restarts, drops, wait, handling } = this.#figures
    const { depth, highWater, capacity, offering } = this.#inbox
    return {
      kind: 'actor', name: this.name, path: this.path, phase: this.#phase, depth, highWater, capacity, offering, handled, restarts,
      drops: { ...drops }, wait: wait.snapshot(), handling: handling.snapshot(),
      holds: [...this.#incarnation?.holds ?? []].map(tree => tree.describe()),
    }
  }

  // ---- what its incarnation does

  knowsTimer (key: string): boolean { return Object.hasOwn(this.#spec?.timers ?? {}, key) }

  signal (signal: Signal): void {
    this.#system.push(signal)
    if (!this.#ready) this.#wake()
  }

  stale (type: string): void { this.#count('stale', type) }

  fault (error: unknown): void {
    if (this.#phase === 'starting') { this.#early ??= { failure: error }; return }
    if (this.#phase !== 'running') { this.runtime.log.warn({ actor: this.path, err: error }, 'failed while ending'); return }
    this.#phase = 'failed'
    this.#incarnation?.end()
    this.overseer.failed(this, error)
  }

  finish (): void {
    if (this.#phase === 'starting') { this.#early ??= 'finish'; return }
    if (this.#phase !== 'running') return
    this.#phase = 'stopping'
    this.#incarnation?.end()
    this.overseer.finished(this)
  }

  // ---- life

  async #launch (incarnation: Incarnation): Promise<void> {
    if (this.#inbox.closed) throw new ClosedError(this.path)
    if (this.#phase !== 'declared') this.#figures.restarts++
    this.#phase = 'starting'
    try {
      const spec = this.#spec = this.make()
      this.#inbox.bind(spec.mailbox)
      const state = await spec.init(incarnation)
      if (this.#incarnation !== incarnation) {
        await this.#stopHook(spec, state, incarnation, 'stop')
        throw new ClosedError(this.path)
      }
      this.#state = state
      incarnation.started = true
      if (incarnation.ended) throw new ClosedError(this.path)
      if (typeof this.#early === 'object') throw this.#early.failure
    } catch (error) {
      if (this.#incarnation === incarnation && !incarnation.ended) {
        this.#phase = 'failed'
        incarnation.end()
      }
      throw error
    }
    this.#phase = 'running'
    if (this.#early === 'finish') this.finish()
    this.#wake()
  }

  async #halt (reason: HaltReason): Promise<void> {
    const incarnation = this.#incarnation
    if (incarnation !== undefined) {
      this.#phase = 'stopping'
      incarnation.end()
      await this.#launching?.catch(() => undefined)
      if (this.#handling) await new Promise<void>(resolve => { this.#handled = resolve })
      if (this.#incarnation !== incarnation) return
      if (incarnation.started && this.#spec !== undefined) await this.#stopHook(this.#spec, this.#state, incarnation, reason)
      if (this.#incarnation !== incarnation) return
    }
    this.#bury()
  }

  async #stopHook (spec: Spec, state: unknown, incarnation: Incarnation, reason: HaltReason): Promise<void> {
    try { await spec.stop?.(state, incarnation, reason) } catch (error) {
      this.runtime.log.error({ actor: this.path, err: error }, 'the stop hook threw')
    }
  }

  #bury (): void {
    const incarnation = this.#incarnation
    this.#incarnation = this.#state = this.#inHand = undefined
    this.#handling = false
    this.#handled?.()
    for (const asked of incarnation?.unanswered ?? []) asked.refuse(new ClosedError(this.path))
    for (let signal = this.#system.shift(); signal !== undefined; signal = this.#system.shift()) {
      if (signal.kind === 'piped') this.#count('stale', signal.message.type)
    }
    this.#phase = this.#inbox.closed ? 'stopped' : 'down'
    if (this.#phase === 'down') return
    for (const terminated of this.#terminations) terminated()
    this.#terminations.clear()
  }

  // ---- messages

  run (limit: number): number {
    this.#ready = false
    let count = 0
    while (count < limit && this.#phase === 'running' && !this.#handling) {
      const signal = this.#system.shift()
      if (signal !== undefined) {
        this.#receiveSignal(signal)
      } else {
        const entry = this.#inbox.take()
        if (entry === undefined) break
        this.#receive(entry)
      }
      count++
    }
    this.#wake()
    return count
  }

  #wake (): void {
    if (this.#ready || this.#handling || this.#phase !== 'running' || (this.#inbox.depth === 0 && this.#system.length === 0)) return
    this.#ready = true
    this.runtime.scheduler.ready(this)
  }

  #receive (entry: Entry): void {
    const incarnation = this.#incarnation!
    const message = messageOf(entry)
    const handlers = this.#spec!.receive as Record<string, Handler>
    if (entry instanceof Asked) {
      if (entry.settled) { this.#drop(entry, 'ask_expired'); return }
      incarnation.asked = entry
    }
    if (handlers[message.type] === undefined) { this.#drop(entry, 'unhandled'); return }
    this.#inHand = entry
    this.#handling = true
    const putAt = this.#inbox.sampled
    if (putAt >= 0) {
      this.#startedAt = this.runtime.clock.monotonic()
      this.#figures.wait.record(this.#startedAt - putAt)
    }
    let result: unknown
    try { result = handlers[message.type]!(this.#state, message, incarnation) } catch (error) { this.#threw(error); return }
    if (result instanceof Promise) this.#await(result)
    else this.#returned(result)
  }

  #receiveSignal (signal: Signal): void {
    const incarnation = this.#incarnation!
    const spec = this.#spec!
    this.#handling = true
    let result: unknown
    try {
      if (signal.kind === 'piped') { this.#handling = false; this.#receive(signal.message); return }
      if (signal.kind === 'terminated') result = spec.terminated?.(this.#state, signal.path, incarnation)
      else if (incarnation.takes(signal.timer)) result = spec.timers?.[signal.timer.key]?.(this.#state, incarnation)
    } catch (error) { this.#threw(error); return }
    if (result instanceof Promise) this.#await(result)
    else this.#returned(result)
  }

  #await (result: Promise<unknown>): void {
    const incarnation = this.#incarnation
    result.then(
      value => { if (this.#incarnation === incarnation) { this.#returned(value); this.#wake() } },
      (error: unknown) => { if (this.#incarnation === incarnation) this.#threw(error) },
    )
  }

  #returned (result: unknown): void {
    const entry = this.#inHand
    if (entry !== undefined) {
      this.#figures.handled++
      if (this.#startedAt >= 0) this.#measure(entry)
      if (entry instanceof Asked) this.#answer(entry, result)
    }
    this.#release()
  }

  #threw (error: unknown): void {
    const entry = this.#inHand
    this.#release()
    if (entry instanceof Asked) entry.refuse(new CrashedError(this.path, error))
    if (entry !== undefined) this.#count('crashed', messageOf(entry).type)
    this.fault(error)
  }

  #release (): void {
    this.#inHand = undefined
    this.#startedAt = -1
    this.#handling = false
    if (this.#incarnation !== undefined) this.#incarnation.asked = undefined
    if (this.#handled === undefined) return
    this.#handled()
    this.#handled = undefined
  }

  #answer (asked: Asked, result: unknown): void {
    if (!(result instanceof LaterAnswer)) {
      if (!asked.answer(result)) this.#count('late_reply', asked.message.type)
      return
    }
    const { unanswered } = this.#incarnation!
    unanswered.add(asked)
    const settle = (settled: boolean): void => {
      if (unanswered.delete(asked) && !settled) this.#count('late_reply', asked.message.type)
    }
    (result as LaterAnswer<unknown>).promise.then(value => { settle(asked.answer(value)) }, (error: Error) => { settle(asked.refuse(error)) })
  }

  #measure (entry: Entry): void {
    const { clock, trace } = this.runtime
    const handlingMs = clock.monotonic() - this.#startedAt
    this.#figures.handling.record(handlingMs)
    trace?.({ path: this.path, type: messageOf(entry).type, waitMs: 0, handlingMs })
  }

  #drop (entry: Entry, reason: DropReason): void {
    if (entry instanceof Asked) entry.refuse(reason === 'closed' || reason === 'stopped' ? new ClosedError(this.path) : new DroppedError(this.path, reason))
    this.#count(reason, messageOf(entry).type)
  }

  #count (reason: DropReason, type: string): void {
    this.#figures.drops[reason] = (this.#figures.drops[reason] ?? 0) + 1
    this.runtime.deadLetters.add(reason, this.path, type)
  }
}

/** The actor as others hold it. */
class CellRef implements Ref<Message> {
  readonly path: string
  readonly #cell: Cell
  constructor (cell: Cell) { this.#cell = cell; this.path = cell.path }
  send (message: Message): Feedback { return this.#cell.send(message) }
  offer (message: Message, options?: OfferOptions): Promise<'ok' | 'closed'> { return this.#cell.offer(message, options) }
  ask (type: string, body: object, within: Deadline): Promise<never> { return this.#cell.ask({ type, ...body }, within) as Promise<never> }
  onceTerminated (listener: () => void): () => void { return this.#cell.onceTerminated(listener) }
}
