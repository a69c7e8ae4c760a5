import type { Context, Deferral, Later } from './actor.js'
import type { Asked } from './asked.js'
import type { TimerHandle } from './clock.js'
import { ClosedError, KernelError } from './errors.js'
import type { Incarnation, Spec } from './incarnation.js'
import type { Host } from './life.js'
import type { Message } from './message.js'
import type { Held, Runtime } from './node.js'
import type { Ref, Watchable } from './ref.js'
import type { Supervisor } from './supervisor.js'

/** A timer's tick or a `terminated` on its way through the system lane. */
export class Signal {
  constructor(readonly deliver: (spec: Spec, state: unknown) => unknown) {}
}

/** Counted where a pipe's outcome has not become a message. */
const PIPED: Message = Object.freeze({ type: 'pipe' })

interface Timer { handle: TimerHandle; waiting: boolean }

/** What `Context.later`, `refuse` and `defer` give, from the inside. */
export class LaterAnswer { constructor(readonly promise: Promise<unknown>) {} }

/** The `Context` of one incarnation's handlers, and everything that must not outlive it. */
export class ActorContext implements Context<Message, Message> {
  readonly path: string
  readonly self: Ref<Message>
  readonly runtime: Runtime
  readonly clock
  readonly random
  readonly log
  /** The ask in hand. */
  asked: Asked | undefined
  /** Trees that were built with `under: ctx` and have not ended. */
  readonly holds = new Set<Held>()
  #children: Supervisor | undefined
  readonly #controller = new AbortController()
  readonly #timers = new Map<string, Timer>()
  readonly #watches = new Map<Watchable, (() => void) | undefined>()

  constructor({ path, self, runtime }: Host, private readonly life: Incarnation) {
    this.path = path
    this.self = self
    this.runtime = runtime
    this.clock = runtime.clock
    this.random = runtime.random
    this.log = runtime.log.child({ actor: path })
  }

  get signal(): AbortSignal { return this.#controller.signal }
  get ended(): boolean { return this.#controller.signal.aborted }
  get askSignal(): AbortSignal | undefined { return this.asked?.signal }

  after(key: string, ms: number): void { this.#set(key, ms, false) }
  every(key: string, ms: number): void { this.#set(key, ms, true) }

  cancel(key: string): void {
    const timer = this.#timers.get(key)
    if (timer === undefined) return
    this.#timers.delete(key)
    this.clock.clearTimeout(timer.handle)
  }

  get children(): Supervisor {
    if (this.ended) throw new ClosedError(this.path)
    return this.#children ??= this.runtime.nest(this)
  }

  pipe<T>(promise: PromiseLike<T>, then: { ok(value: T): Message; failed(error: unknown): Message }): void {
    Promise.resolve(promise).then(
      value => { this.#arrive(() => then.ok(value)) },
      (error: unknown) => { this.#arrive(() => then.failed(error)) },
    )
  }

  later<T>(promise: PromiseLike<T>): Later<T> {
    const settles = Promise.resolve(promise)
    settles.catch(() => undefined)
    return new LaterAnswer(settles) as unknown as Later<T>
  }

  refuse(error: unknown): Later<never> { return this.later(Promise.reject(error as Error)) }

  defer<T>(keep: (answer: Deferral<T>) => void): Later<T> {
    const { asked } = this
    let settle!: Pick<Deferral<T>, 'resolve' | 'reject'>
    const answer = new Promise<T>((resolve, reject) => { settle = { resolve, reject } })
    keep({ ...settle, get expired() { return asked?.expired ?? true } })
    return this.later(answer)
  }

  watch(other: Watchable): void {
    if (this.ended || this.#watches.has(other)) return
    this.#watches.set(other, undefined)
    const unwatch = other.onceTerminated(() => {
      this.#watches.delete(other)
      this.life.signal(new Signal((spec, state) => spec.terminated?.(state, other.path, this)))
    })
    if (this.#watches.has(other)) this.#watches.set(other, unwatch)
  }

  fail(error: unknown): void { if (!this.ended) this.life.fault(error) }
  stop(): void { this.life.finish() }

  /** Aborts the signals; timers and watches are gone. */
  end(): void {
    if (this.ended) return
    this.#controller.abort()
    this.asked?.callOff()
    for (const { handle } of this.#timers.values()) this.clock.clearTimeout(handle)
    this.#timers.clear()
    for (const unwatch of this.#watches.values()) unwatch?.()
    this.#watches.clear()
  }

  /** The outcome of a pipe has come. The mapping is the actor's own code: it runs only for an actor that lives. */
  #arrive(map: () => Message): void {
    const arrive = (): void => {
      if (this.ended) { this.life.lost('stale', PIPED); return }
      let message: Message
      try { message = map() } catch (error) { this.fail(error); return }
      if (typeof (message as Message | undefined)?.type === 'string') this.life.signal(message)
      else this.life.lost('unknown', PIPED)
    }
    if (this.runtime.scheduler.arrive === undefined) arrive()
    else this.runtime.scheduler.arrive(arrive)
  }

  #set(key: string, ms: number, again: boolean): void {
    if (this.ended) return
    if (!this.life.hasTimer(key)) throw new KernelError('unknown_timer', `${this.path} has no timers.${key}`, key)
    if (!(ms >= 0 && ms < Infinity)) throw new KernelError('bad_delay', `${this.path}: timers.${key} in ${ms} ms`, ms)
    this.cancel(key)
    const tick = new Signal((spec, state) => {
      if (this.#timers.get(key) !== timer) return undefined
      timer.waiting = false
      if (!again) this.#timers.delete(key)
      return spec.timers?.[key]?.(state, this)
    })
    const fire = (): void => {
      if (again) timer.handle = this.clock.setTimeout(fire, ms)
      if (timer.waiting) return
      timer.waiting = true
      this.life.signal(tick)
    }
    const timer: Timer = { waiting: false, handle: this.clock.setTimeout(fire, ms) }
    this.#timers.set(key, timer)
  }
}
