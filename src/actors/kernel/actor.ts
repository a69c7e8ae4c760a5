import type { Clock, Random } from './clock.js'
import type { Logger } from './log.js'
import type { MailboxSpec } from './mailbox.js'
import type { AskTypes, ByType, Message, ReplyOf } from './message.js'
import type { Ref, Watchable } from './ref.js'
import type { Supervisor } from './supervisor.js'

declare const later: unique symbol
/** An answer that is not there yet: what `Context.later` gives and an ask's handler returns. */
export interface Later<T> { readonly [later]: T }

/** An answer in the actor's hand, for `Context.defer`. Given twice, the first counts. */
export interface Deferral<T> {
  resolve(value: T): void
  reject(error: unknown): void
  /** Nobody waits for it any more: the asker has given up, the incarnation has begun to end, or the message was not asked. */
  readonly expired: boolean
}

/**
 * What an actor can do beside answering. One per incarnation: after a stop or restart all of it is void.
 * `I`: what it tells itself, see `ActorSpec.internal`. `K`: its timers.
 */
export interface Context<M extends Message, I extends Message = never, K extends string = string> {
  readonly path: string
  readonly self: Ref<M>
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  /** Aborted when this incarnation stops or crashes. */
  readonly signal: AbortSignal
  /** In the handler of an ask: aborted when the asker has given up, and with `signal`. Else undefined. */
  readonly askSignal: AbortSignal | undefined
  /** Whether nobody waits any more for the ask in hand, as of this moment: for a handler that computes for long without returning. */
  readonly cancelled: boolean
  /** Runs `timers[key]` once, `ms` from now. A start under a key replaces what the key stood for. */
  after(key: K, ms: number): void
  /** Runs `timers[key]` every `ms`. A tick that finds the former one still waiting is left out. */
  every(key: K, ms: number): void
  cancel(key: K): void
  /** The outcome of a promise comes back as a message of our own, ahead of the queue; after a restart it is dropped. */
  pipe<T>(promise: PromiseLike<T>, then: { ok(value: T): M | I; failed(error: unknown): M | I }): void
  /** `return ctx.later(promise)`: the asker gets its outcome, a rejection too, while the actor goes on with its next message. */
  later<T>(promise: PromiseLike<T>): Later<T>
  /** `return ctx.refuse(error)`: the asker gets the error, and the actor goes on. */
  refuse(error: unknown): Later<never>
  /** `return ctx.defer(answer => { … })`: the answer is kept, and given when it is known. */
  defer<T>(keep: (answer: Deferral<T>) => void): Later<T>
  /** A tree of this incarnation's own. It is there at once, stops before the stop hook runs, and its escalation is this actor's failure. */
  readonly children: Supervisor
  /** Gives one `terminated` when the other ends for good, also if it has ended already. */
  watch(other: Watchable): void
  /** A library's callback found this actor's ground gone: crashes as if a handler had thrown. */
  fail(error: unknown): void
  /** Ends this actor in a regular way, after the running handler. */
  stop(): void
}

/** What a handler may return: the declared reply of an ask, now, awaited or later; nothing for other messages. */
export type Answer<M extends Message, T extends M['type']> = T extends AskTypes<M>
  ? ReplyOf<ByType<M, T>> | PromiseLike<ReplyOf<ByType<M, T>> | Later<ReplyOf<ByType<M, T>>>> | Later<ReplyOf<ByType<M, T>>>
  : void | PromiseLike<void>

export type Handlers<M extends Message, S, C> = { readonly [T in M['type']]: (state: S, message: ByType<M, T>, ctx: C) => Answer<M, T> }

/** An actor's behaviour. See SEMANTICS.md for what each part is promised. `I` and `K` as for `Context`. */
export interface ActorSpec<M extends Message, S, I extends Message = never, K extends string = string> {
  readonly name: string
  readonly mailbox: MailboxSpec<M>
  /** Fresh state for one incarnation. */
  init(ctx: Context<M, I, K>): S | PromiseLike<S>
  /** One handler per message. One message at a time, across `await` too. */
  readonly receive: Handlers<M, S, Context<M, I, K>>
  /** Handlers of what it tells itself by `pipe`: nobody else can send these, and no mailbox has to bound them. */
  readonly internal?: Handlers<I, S, Context<M, I, K>>
  readonly timers?: { readonly [T in K]: (state: S, ctx: Context<M, I, K>) => void | PromiseLike<void> }
  /** A watched actor has ended for good. */
  terminated?(state: S, path: string, ctx: Context<M, I, K>): void | PromiseLike<void>
  /** Runs once at the end of an incarnation whose `init` succeeded, within the child's stop deadline. */
  stop?(state: S, ctx: Context<M, I, K>, reason: 'stop' | 'restart'): void | PromiseLike<void>
}

/** Declares an actor: see `ActorSpec`. */
export const actor = <M extends Message, S, I extends Message = never, K extends string = string>(
  spec: ActorSpec<M, S, I, K>,
): ActorSpec<M, S, I, K> => spec
