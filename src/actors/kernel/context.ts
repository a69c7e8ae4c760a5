import type { Context, Later } from './actor.js'
import type { Asked } from './asked.js'
import type { TimerHandle } from './clock.js'
import { KernelError } from './errors.js'
import type { TreeSnapshot } from './figures.js'
import type { Incarnation, Spec } from './incarnation.js'
import type { Host } from './life.js'
import type { Message } from './message.js'
import type { Ref, Watchable } from './ref.js'

/** A timer's tick or a `terminated` on its way through the system lane. */
export class Signal {
  constructor(readonly deliver: (spec: Spec, state: unknown) => unknown) {}
}

interface Timer { handle: TimerHandle; waiting: boolean }

/** What `Context.later` gives, from the inside. */
export class LaterAnswer<T> { constructor(readonly promise: Promise<T>) {} }

/** The `Context` of one incarnation's handlers, and everything that must not outlive it. */
export class ActorContext implements Context<Message> {
  readonly path: string
  readonly self: Ref<Message>
  readonly clock
  readonly random
  readonly scheduler
  readonly log
  /** The ask in hand. */
  asked: Asked | undefined
  /** Trees that were built with `under: ctx`. */
  readonly holds: { describe(): TreeSnapshot }[] = []
  readonly #controller = new AbortController()
  readonly #timers = new Map<string, Timer>()
  readonly #watches = new Map<Watchable, (() => void) | undefined>()

  constructor({ path, self, runtime }: Host, private readonly life: Incarnation) {
    this.path = path
    this.self = self
    this.clock = runtime.clock
    this.random = runtime.random
    this.scheduler = runtime.scheduler
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

  pipe<T>(promise: Promise<T>, then: { ok(value: T): Message; failed(error: unknown): Message }): void {
    promise.then(value => then.ok(value), (error: unknown) => then.failed(error))
      .then(message => { this.life.signal(message) }, (error: unknown) => { this.fail(error) })
  }

  later<T>(promise: Promise<T>): Later<T> {
    promise.catch(() => undefined)
    return new LaterAnswer(promise) as unknown as Later<T>
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
  stop(): void { if (!this.ended) this.life.finish() }

  /** Aborts the signal; timers and watches are gone. */
  end(): void {
    if (this.ended) return
    this.#controller.abort()
    for (const { handle } of this.#timers.values()) this.clock.clearTimeout(handle)
    this.#timers.clear()
    for (const unwatch of this.#watches.values()) unwatch?.()
    this.#watches.clear()
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
