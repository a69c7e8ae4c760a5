import type { Context, Later } from './actor.js'
import type { Asked } from './asked.js'
import type { TimerHandle } from './clock.js'
import { KernelError } from './errors.js'
import type { TreeSnapshot } from './figures.js'
import type { Message } from './message.js'
import type { Runtime } from './node.js'
import type { Ref, Watchable } from './ref.js'

/** What goes through the system lane: ahead of the queue, outside its bound. The actor itself bounds how many there can be. */
export type Signal =
  | { readonly kind: 'timer'; readonly timer: Timer }
  | { readonly kind: 'piped'; readonly message: Message }
  | { readonly kind: 'terminated'; readonly path: string }

interface Timer { readonly key: string; readonly everyMs: number | undefined; handle: TimerHandle; waiting: boolean }

/** The actor, as its incarnation needs it. */
export interface Host {
  readonly path: string
  readonly self: Ref<Message>
  readonly runtime: Runtime
  knowsTimer(key: string): boolean
  signal(signal: Signal): void
  stale(type: string): void
  fault(error: unknown): void
  finish(): void
}

export class LaterAnswer<T> { constructor (readonly promise: Promise<T>) {} }

/** One life of an actor, from `init` to its end: the `Context` of its handlers, and everything that must not outlive it. */
export class Incarnation implements Context<Message> {
  readonly path: string
  readonly self: Ref<Message>
  readonly clock
  readonly random
  readonly log
  readonly scheduler
  /** The ask in hand. */
  asked: Asked | undefined
  /** `init` has succeeded. */
  started = false
  /** Asks that are answered later. */
  readonly unanswered = new Set<Asked>()
  readonly holds = new Set<{ describe(): TreeSnapshot }>()
  readonly #controller = new AbortController()
  readonly #timers = new Map<string, Timer>()
  readonly #watches = new Map<Watchable, (() => void) | undefined>()

  constructor (private readonly host: Host) {
    const { clock, random, log, scheduler } = host.runtime
    this.path = host.path
    this.self = host.self
    this.clock = clock
    this.random = random
    this.scheduler = scheduler
    this.log = log.child({ actor: host.path })
  }

  get signal (): AbortSignal { return this.#controller.signal }
  get ended (): boolean { return this.#controller.signal.aborted }
  get askSignal (): AbortSignal | undefined { return this.asked?.signal }

  after (key: string, ms: number): void { this.#set(key, ms, undefined) }
  every (key: string, ms: number): void { this.#set(key, ms, ms) }

  cancel (key: string): void {
    const timer = this.#timers.get(key)
    if (timer === undefined) return
    this.#timers.delete(key)
    this.clock.clearTimeout(timer.handle)
  }

  pipe<T> (promise: Promise<T>, then: { ok(value: T): Message; failed(error: unknown): Message }): void {
    promise.then(value => then.ok(value), (error: unknown) => then.failed(error)).then(message => {
      if (this.ended) this.host.stale(message.type)
      else this.host.signal({ kind: 'piped', message })
    }).catch((error: unknown) => { this.fail(error) })
  }

  later<T> (promise: Promise<T>): Later<T> {
    promise.catch(() => undefined)
    return new LaterAnswer(promise) as unknown as Later<T>
  }

  watch (other: Watchable): void {
    if (this.ended || this.#watches.has(other)) return
    this.#watches.set(other, undefined)
    const unwatch = other.onceTerminated(() => {
      this.#watches.delete(other)
      this.host.signal({ kind: 'terminated', path: other.path })
    })
    if (this.#watches.has(other)) this.#watches.set(other, unwatch)
  }

  fail (error: unknown): void { if (!this.ended) this.host.fault(error) }
  stop (): void { if (!this.ended) this.host.finish() }

  /** True when the tick is still wanted: not cancelled, not replaced. */
  takes (timer: Timer): boolean {
    if (this.#timers.get(timer.key) !== timer) return false
    timer.waiting = false
    if (timer.everyMs === undefined) this.#timers.delete(timer.key)
    return true
  }

  /** Aborts the signal; timers and watches are gone. */
  end (): void {
    if (this.ended) return
    this.#controller.abort()
    for (const key of [...this.#timers.keys()]) this.cancel(key)
    for (const unwatch of this.#watches.values()) unwatch?.()
    this.#watches.clear()
  }

  #set (key: string, ms: number, everyMs: number | undefined): void {
    if (this.ended) return
    if (!this.host.knowsTimer(key)) throw new KernelError('unknown_timer', `${this.path} has no timers.${key}`, key)
    if (!(ms >= 0 && Number.isFinite(ms))) throw new KernelError('bad_delay', `${this.path}: timer ${key} needs a finite number of milliseconds`, ms)
    this.cancel(key)
    const fire = (): void => {
      if (everyMs !== undefined) timer.handle = this.clock.setTimeout(fire, everyMs)
      if (timer.waiting) return
      timer.waiting = true
      this.host.signal({ kind: 'timer', timer })
    }
    const timer: Timer = { key, everyMs, waiting: false, handle: this.clock.setTimeout(fire, ms) }
    this.#timers.set(key, timer)
  }
}
