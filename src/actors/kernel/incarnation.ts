import type { ActorSpec } from './actor.js'
import { Asked } from './asked.js'
import { ActorContext, LaterAnswer, Signal } from './context.js'
import { CrashedError, DroppedError, InterruptedError } from './errors.js'
import type { DropReason } from './figures.js'
import { messageOf } from './inbox.js'
import type { Entry } from './inbox.js'
import type { Host, life, Life, Queue } from './life.js'
import type { Message } from './message.js'
import type { HaltReason } from './node.js'
import { isThenable } from './outside.js'
import { Ring } from './ring.js'

/** Some actor's behaviour, its types forgotten; one that runs elsewhere brings its own kind of life. */
export type Spec = ActorSpec<Message, unknown, Message> & { readonly [life]?: (host: Host) => Life }

/** Named where what was in hand was no message. */
const TICK: Message = Object.freeze({ type: 'tick' })

/** How many answers an actor may owe whose mailbox is smaller and says nothing else. */
const LEAST_ANSWERING = 1_024

type Handler = (state: unknown, message: Message, ctx: ActorContext) => unknown
type Handlers = ReadonlyMap<string, Handler>

/**
 * One life of an actor in this thread: its state, its context, the turn in hand and its end.
 *
 * 1. starting: `init`.
 * 2. running: the system lane, then the queue; one message at a time, also across `await`.
 * 3. failed: a handler threw or `ctx.fail` was called; the supervisor knows and will halt it.
 * 4. stopping: the signal is aborted; the running handler ends, then the trees that it holds, then the `stop` hook runs.
 */
export class Incarnation implements Life {
  phase: Life['phase'] = 'starting'
  readonly #context: ActorContext
  readonly #receive: Handlers
  readonly #internal: Handlers
  readonly #maxAnswering: number
  readonly #system = new Ring<Signal | Message>()
  /** Asks that are answered later. */
  readonly #unanswered = new Set<Asked>()
  #state: unknown
  /** `init` has succeeded. */
  #started = false
  #abandoned = false
  #starting: Promise<void> | undefined
  #giveUp: ((error: unknown) => void) | undefined
  #halting: Promise<void> | undefined
  #reason: HaltReason = 'stop'
  /** What `ctx.fail` or `ctx.stop` asked for during `init`. */
  #early: { readonly failure: unknown } | 'finish' | undefined
  #handling = false
  #handled: (() => void) | undefined
  #inHand: Message | undefined
  #waited = 0
  #startedAt = -1

  constructor(private readonly host: Host, private readonly spec: Spec) {
    const { receive, internal = {}, mailbox } = spec
    this.#context = new ActorContext(host, this)
    this.#receive = handlersOf(receive)
    this.#internal = new Map([...this.#receive, ...handlersOf(internal)])
    this.#maxAnswering = mailbox.maxAnswering ?? Math.max(mailbox.capacity, LEAST_ANSWERING)
  }

  get free(): boolean { return this.phase === 'running' && !this.#handling }
  get own(): number { return this.#system.length }
  get answering(): number { return this.#unanswered.size }
  get inHand(): number { return this.#handling ? 1 : 0 }
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
      const own = this.#system.shift()
      if (own !== undefined) { this.#runOwn(own); continue }
      const entry = queue.take()
      if (entry === undefined) break
      const handler = this.#receive.get(entry.type)
      const asked = entry instanceof Asked ? entry : undefined
      if (handler === undefined) this.#refuse(entry, asked, 'unknown')
      else if (asked !== undefined && this.#unanswered.size >= this.#maxAnswering) this.#refuse(entry, asked, 'overloaded')
      else this.#run(asked === undefined ? entry : asked.message, handler, asked, queue.sampled)
    }
    return count
  }

  halt(reason: HaltReason): Promise<void> {
    this.#reason = reason
    return this.#halting ??= this.#halt()
  }

  abandon(): void {
    this.#abandoned = true
    this.#halting ??= this.#halt()
    for (const tree of this.#context.holds) tree.abandon('stop')
    const error = new InterruptedError(this.host.path)
    this.#interrupt(error)
    this.#context.asked?.refuse(error)
    this.#giveUp?.(typeof this.#early === 'object' ? this.#early.failure : error)
  }

  // ---- for its context

  hasTimer(key: string): boolean { return Object.hasOwn(this.spec.timers ?? {}, key) }

  signal(signal: Signal | Message): void {
    this.#system.push(signal)
    this.host.wake()
  }

  lost(reason: DropReason, message: Message): void { this.host.count(reason, message) }

  fault(error: unknown): void {
    if (this.phase === 'starting') {
      if (typeof this.#early !== 'object') this.#early = { failure: error }
      this.#context.end()
    } else if (this.phase === 'running') {
      this.#end('failed')
      this.#interrupt(new InterruptedError(this.host.path, error))
      this.host.failed(error)
    } else this.host.runtime.log.warn({ actor: this.host.path, err: error }, 'failed while ending')
  }

  finish(): void {
    if (this.phase === 'starting') this.#early ??= 'finish'
    const isRestarted = this.phase === 'stopping' && this.#handling && this.#reason === 'restart' && !this.#abandoned
    if (this.phase === 'running') this.#end('stopping')
    else if (!isRestarted) return
    this.host.finished()
  }

  // ---- life

  async #start(): Promise<void> {
    try {
      this.#state = await this.spec.init(this.#context)
      this.#started = true
      if (typeof this.#early === 'object') throw this.#early.failure
      if (this.#context.ended) throw new InterruptedError(this.host.path)
      this.phase = 'running'
      if (this.#early !== undefined) this.finish()
    } catch (error) {
      this.#end('failed')
      throw typeof this.#early === 'object' && error === this.#context.signal.reason ? this.#early.failure : error
    }
  }

  /** All of it runs to its end, also when it was abandoned meanwhile: what `init` has made is always let go. */
  async #halt(): Promise<void> {
    this.#end('stopping')
    await this.#starting?.catch(() => undefined)
    if (this.#handling) await new Promise<void>(resolve => { this.#handled = resolve })
    for (const tree of [...this.#context.holds].reverse()) await tree.stop()
    if (this.#started) await this.#stopHook()
    this.#interrupt(new InterruptedError(this.host.path))
  }

  async #stopHook(): Promise<void> {
    try { await this.spec.stop?.(this.#state, this.#context, this.#reason) } catch (error) {
      this.host.runtime.log.error({ actor: this.host.path, err: error }, 'the stop hook threw')
    }
  }

  /** Nothing is begun any more; what was on its way to itself is counted. */
  #end(phase: 'failed' | 'stopping'): void {
    if (this.phase !== 'stopping') this.phase = phase
    this.#context.end()
    for (const asked of this.#unanswered) asked.callOff()
    for (const own of this.#system.drain()) if (!(own instanceof Signal)) this.host.count('stale', own)
  }

  #interrupt(error: InterruptedError): void { for (const asked of this.#unanswered) asked.refuse(error) }

  // ---- messages

  #refuse(entry: Entry, asked: Asked | undefined, reason: 'unknown' | 'overloaded'): void {
    asked?.refuse(new DroppedError(this.host.path, reason))
    this.host.count(reason, messageOf(entry))
  }

  #runOwn(own: Signal | Message): void {
    if (own instanceof Signal) { this.#run(undefined, state => own.deliver(this.spec, state), undefined, -1); return }
    const handler = this.#internal.get(own.type)
    if (handler === undefined) this.#refuse(own, undefined, 'unknown')
    else this.#run(own, handler, undefined, -1)
  }

  /** @param message undefined: a tick or the end of another */
  #run(message: Message | undefined, handler: Handler, asked: Asked | undefined, putAt: number): void {
    this.#inHand = message
    this.#context.asked = asked
    this.#handling = true
    if (putAt >= 0) {
      this.#startedAt = this.host.runtime.clock.monotonic()
      this.host.figures.wait.record(this.#waited = this.#startedAt - putAt)
    }
    let awaited = false
    let result: unknown
    try {
      result = handler(this.#state, message as Message, this.#context)
      awaited = isThenable(result)
    } catch (error) { this.#threw(error); return }
    if (awaited) this.#await(result as PromiseLike<unknown>)
    else this.#returned(result)
  }

  #await(result: PromiseLike<unknown>): void {
    Promise.resolve(result).then(
      value => { this.#returned(value); this.host.wake() },
      (error: unknown) => { this.#threw(error) },
    )
  }

  #returned(result: unknown): void {
    const message = this.#inHand
    const { asked } = this.#context
    if (!this.#abandoned) {
      if (message !== undefined) this.host.figures.handled++
      if (this.#startedAt >= 0) this.#measure(message!)
      if (asked !== undefined) this.#answer(asked, result)
      else if (result instanceof LaterAnswer) this.#nobodyAsked(message ?? TICK, result)
    }
    this.#release()
  }

  #threw(error: unknown): void {
    const message = this.#inHand
    const { asked } = this.#context
    this.#release()
    if (!this.#abandoned) {
      asked?.refuse(new CrashedError(this.host.path, error))
      if (message !== undefined) this.host.count('crashed', message)
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
    if (!asked.settled) {
      this.#unanswered.add(asked)
      asked.onSettled = () => {
        this.#unanswered.delete(asked)
        this.host.wake()
      }
    }
    const counted = (inTime: boolean): void => { if (!inTime) this.host.count('late_reply', asked.message) }
    result.promise.then(value => { counted(asked.answer(value)) }, (error: unknown) => { counted(asked.refuse(error)) })
  }

  /** A refusal has to be heard somewhere. */
  #nobodyAsked(message: Message, { promise }: LaterAnswer): void {
    promise.catch((error: unknown) => {
      this.host.count('late_reply', message)
      this.host.runtime.log.warn({ actor: this.host.path, type: message.type, err: error }, 'refused, but nobody asked')
    })
  }

  #measure({ type }: Message): void {
    const { clock, trace } = this.host.runtime
    const handlingMs = clock.monotonic() - this.#startedAt
    this.host.figures.handling.record(handlingMs)
    trace?.({ path: this.host.path, type, waitMs: this.#waited, handlingMs })
  }
}

/** By type, and nothing that every object has. */
function handlersOf(table: object): Handlers {
  return new Map(Object.entries(table as Record<string, Handler>).map(([type, handler]) => [type, handler.bind(table)]))
}
