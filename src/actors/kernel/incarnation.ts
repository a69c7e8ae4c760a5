import type { ActorSpec } from './actor.js'
import { Asked } from './asked.js'
import { ActorContext, LaterAnswer, Signal } from './context.js'
import { CrashedError, InterruptedError } from './errors.js'
import { messageOf } from './inbox.js'
import type { Entry } from './inbox.js'
import type { Host, life, Life, Queue } from './life.js'
import type { Message } from './message.js'
import type { HaltReason } from './node.js'
import { Ring } from './ring.js'

/** Some actor's behaviour, its types forgotten; one that runs elsewhere brings its own kind of life. */
export type Spec = ActorSpec<Message, unknown> & { readonly [life]?: (host: Host) => Life }

type Handler = (state: unknown, message: Message, ctx: ActorContext) => unknown

/**
 * One life of an actor in this thread: its state, its context, the turn in hand and its end.
 *
 * 1. starting: `init`.
 * 2. running: the system lane, then the queue; one message at a time, also across `await`.
 * 3. failed: a handler threw or `ctx.fail` was called; the supervisor knows and will halt it.
 * 4. stopping: the signal is aborted; the running handler ends, then the `stop` hook runs.
 */
export class Incarnation implements Life {
  phase: Life['phase'] = 'starting'
  readonly #context: ActorContext
  readonly #system = new Ring<Signal | Message>()
  /** Asks that are answered later. */
  readonly #unanswered = new Set<Asked>()
  #state: unknown
  /** `init` has succeeded. */
  #started = false
  #abandoned = false
  #starting: Promise<void> | undefined
  #giveUp: ((error: Error) => void) | undefined
  #halting: Promise<void> | undefined
  #reason: HaltReason = 'stop'
  /** What `ctx.fail` or `ctx.stop` asked for during `init`. */
  #early: (() => void) | undefined
  #handling = false
  #handled: (() => void) | undefined
  #inHand: Entry | Signal | undefined
  #waited = 0
  #startedAt = -1

  constructor(private readonly host: Host, private readonly spec: Spec) {
    this.#context = new ActorContext(host, this)
  }

  get free(): boolean { return this.phase === 'running' && !this.#handling }
  get own(): number { return this.#system.length }
  get answering(): number { return this.#unanswered.size }
  get holds() { return this.#context.holds }

  // ---- for its actor

  start(): Promise<void> {
    this.#starting = this.#start()
    return new Promise((resolve, reject) => {
      this.#giveUp = reject
      this.#starting!.then(resolve, reject)
    })
  }

  run(queue: Queue, limit: number): number {
    let count = 0
    for (; count < limit && this.phase === 'running' && !this.#handling; count++) {
      const signal = this.#system.shift()
      if (signal !== undefined) { this.#handle(signal, -1); continue }
      const entry = queue.take()
      if (entry === undefined) break
      this.#handle(entry, queue.sampled)
    }
    return count
  }

  halt(reason: HaltReason): Promise<void> {
    this.#reason = reason
    return this.#halting ??= this.#halt()
  }

  abandon(): void {
    this.#end('stopping')
    this.#abandoned = true
    this.#interrupt()
    if (this.#inHand instanceof Asked) this.#inHand.refuse(new InterruptedError(this.host.path))
    this.#giveUp?.(new InterruptedError(this.host.path))
  }

  // ---- for its context

  hasTimer(key: string): boolean { return Object.hasOwn(this.spec.timers ?? {}, key) }

  signal(signal: Signal | Message): void {
    if (!this.#context.ended) this.#system.push(signal)
    else if (!(signal instanceof Signal)) this.host.count('stale', signal)
    this.host.wake()
  }

  fault(error: unknown): void {
    if (this.phase === 'starting') this.#early ??= () => { throw error }
    else if (this.phase === 'running') {
      this.#end('failed')
      this.host.failed(error)
    } else this.host.runtime.log.warn({ actor: this.host.path, err: error }, 'failed while ending')
  }

  finish(): void {
    if (this.phase === 'starting') this.#early ??= () => { this.finish() }
    if (this.phase !== 'running') return
    this.#end('stopping')
    this.host.finished()
  }

  // ---- life

  async #start(): Promise<void> {
    try {
      this.#state = await this.spec.init(this.#context)
      this.#started = true
      if (this.#abandoned) await this.#stopHook('stop')
      if (this.#context.ended) throw new InterruptedError(this.host.path)
      this.phase = 'running'
      this.#early?.()
    } catch (error) {
      this.#end('failed')
      throw error
    }
  }

  async #halt(): Promise<void> {
    this.#end('stopping')
    await this.#starting?.catch(() => undefined)
    if (this.#handling) await new Promise<void>(resolve => { this.#handled = resolve })
    if (this.#started && !this.#abandoned) await this.#stopHook(this.#reason)
    this.#interrupt()
  }

  async #stopHook(reason: HaltReason): Promise<void> {
    try { await this.spec.stop?.(this.#state, this.#context, reason) } catch (error) {
      this.host.runtime.log.error({ actor: this.host.path, err: error }, 'the stop hook threw')
    }
  }

  /** Nothing is begun any more; what was on its way to itself is counted. */
  #end(phase: 'failed' | 'stopping'): void {
    if (phase === 'stopping' || !this.#context.ended) this.phase = phase
    this.#context.end()
    for (const signal of this.#system.drain()) if (!(signal instanceof Signal)) this.host.count('stale', signal)
  }

  #interrupt(): void {
    for (const asked of this.#unanswered) asked.refuse(new InterruptedError(this.host.path))
  }

  // ---- messages

  #handle(work: Entry | Signal, putAt: number): void {
    const asked = work instanceof Asked ? work : undefined
    if (asked?.settled === true) { this.host.count('ask_expired', asked.message); return }
    this.#context.asked = asked
    this.#inHand = work
    this.#handling = true
    if (putAt >= 0) {
      this.#startedAt = this.host.runtime.clock.monotonic()
      this.host.figures.wait.record(this.#waited = this.#startedAt - putAt)
    }
    let result: unknown
    try {
      result = work instanceof Signal ? work.deliver(this.spec, this.#state) : this.#receive(messageOf(work))
    } catch (error) { this.#threw(error); return }
    if (result instanceof Promise) this.#await(result)
    else this.#returned(result)
  }

  #receive(message: Message): unknown {
    const handlers = this.spec.receive as Record<string, Handler>
    return handlers[message.type]!(this.#state, message, this.#context)
  }

  #await(result: Promise<unknown>): void {
    result.then(
      value => { this.#returned(value); this.host.wake() },
      (error: unknown) => { this.#threw(error) },
    )
  }

  #returned(result: unknown): void {
    const work = this.#inHand
    if (!this.#abandoned) {
      if (!(work instanceof Signal)) this.host.figures.handled++
      if (this.#startedAt >= 0) this.#measure(work as Entry)
      if (work instanceof Asked) this.#answer(work, result)
    }
    this.#release()
  }

  #threw(error: unknown): void {
    const work = this.#inHand
    this.#release()
    if (!this.#abandoned) {
      if (work instanceof Asked) work.refuse(new CrashedError(this.host.path, error))
      if (work !== undefined && !(work instanceof Signal)) this.host.count('crashed', messageOf(work))
    }
    this.fault(error)
  }

  #release(): void {
    this.#inHand = undefined
    this.#startedAt = -1
    this.#handling = false
    this.#context.asked = undefined
    if (this.#handled === undefined) return
    this.#handled()
    this.#handled = undefined
  }

  #answer(asked: Asked, result: unknown): void {
    if (!(result instanceof LaterAnswer)) {
      if (!asked.answer(result)) this.host.count('late_reply', asked.message)
      return
    }
    this.#unanswered.add(asked)
    asked.onSettled = () => { this.#unanswered.delete(asked) }
    const counted = (inTime: boolean): void => { if (!inTime) this.host.count('late_reply', asked.message) }
    result.promise.then(value => { counted(asked.answer(value)) }, (error: unknown) => { counted(asked.refuse(error)) })
  }

  #measure(entry: Entry): void {
    const { clock, trace } = this.host.runtime
    const handlingMs = clock.monotonic() - this.#startedAt
    this.host.figures.handling.record(handlingMs)
    trace?.({ path: this.host.path, type: messageOf(entry).type, waitMs: this.#waited, handlingMs })
  }
}
