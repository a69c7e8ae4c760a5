import type { Clock, TimerHandle } from './clock.js'
import { CancelledError, KernelError, TimeoutError } from './errors.js'
import type { Message } from './message.js'
import type { Deadline } from './ref.js'

/** Where an ask waits for its turn. */
export interface Waiting { forget(asked: Asked): void }

/** An ask on its way: the message, its asker's promise and deadline. Settles once; then timer and listener are gone. */
export class Asked implements Message {
  readonly type: string
  settled = false
  /** The queue that it stands in, and where. */
  queue: Waiting | undefined
  at = 0
  /** Told when it settles while its answer is due. */
  onSettled: (() => void) | undefined
  #resolve!: (reply: unknown) => void
  #reject!: (error: unknown) => void
  #timer: TimerHandle | undefined
  #signal: AbortSignal | undefined
  #callee: AbortController | undefined
  #calledOff = false

  /** @throws never: a bad deadline is a rejection like any other */
  static send(message: Message, what: string, within: Deadline, clock: Clock, put: (asked: Asked) => void): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const asked = new Asked(message, what, clock)
      asked.#resolve = resolve
      asked.#reject = reject
      if (asked.#arm(within)) put(asked)
    })
  }

  /** One whose asker is elsewhere, and says with `cancel` that it has given up. */
  static open(message: Message, what: string, clock: Clock, resolve: (reply: unknown) => void, reject: (error: unknown) => void): Asked {
    const asked = new Asked(message, what, clock)
    asked.#resolve = resolve
    asked.#reject = reject
    return asked
  }

  private constructor(readonly message: Message, private readonly what: string, private readonly clock: Clock) {
    this.type = message.type
  }

  /** No answer is of use any more. */
  get expired(): boolean { return this.settled || this.#calledOff }

  /** Aborted when the asker has given up, and when the incarnation that has it in hand begins to end. */
  get signal(): AbortSignal {
    this.#callee ??= new AbortController()
    if (this.expired) this.#callee.abort()
    return this.#callee.signal
  }

  callOff(): void {
    this.#calledOff = true
    this.#callee?.abort()
  }

  /** Gives false when it comes too late. */
  answer(reply: unknown): boolean {
    if (!this.#settle()) return false
    this.#resolve(reply)
    return true
  }

  refuse(error: unknown): boolean {
    if (!this.#settle()) return false
    this.#reject(error)
    return true
  }

  cancel(): void { this.#cancelled() }

  #arm(within: Deadline): boolean {
    const limits: { readonly ms?: number; readonly signal?: AbortSignal } =
      typeof within === 'number' ? { ms: within } : within instanceof AbortSignal ? { signal: within } : within
    const { ms, signal } = limits
    if (ms !== undefined && !(ms >= 0 && Number.isFinite(ms))) {
      return !this.refuse(new KernelError('bad_deadline', `${this.what}: a deadline is a finite number of milliseconds`, ms))
    }
    if (signal?.aborted === true) return !this.refuse(new CancelledError(this.what, signal.reason))
    if (ms !== undefined) this.#timer = this.clock.setTimeout(() => { this.#giveUp(new TimeoutError(this.what, ms)) }, ms)
    this.#signal = signal
    signal?.addEventListener('abort', this.#cancelled, { once: true })
    return true
  }

  readonly #cancelled = (): void => { this.#giveUp(new CancelledError(this.what, this.#signal?.reason)) }

  #giveUp(error: Error): void {
    if (this.refuse(error)) this.#callee?.abort(error)
  }

  #settle(): boolean {
    if (this.settled) return false
    this.settled = true
    if (this.#timer !== undefined) this.clock.clearTimeout(this.#timer)
    this.#signal?.removeEventListener('abort', this.#cancelled)
    this.queue?.forget(this)
    this.onSettled?.()
    return true
  }
}
