import type { Clock, Random } from './clock.js'
import type { Logger } from './log.js'
import type { MailboxSpec } from './mailbox.js'
import type { AskTypes, ByType, Message, ReplyOf } from './message.js'
import type { Ref, Watchable } from './ref.js'

declare const later: unique symbol
/** An answer that is not there yet: what `Context.later` gives and an ask's handler returns. */
export interface Later<T> { readonly [later]: T }

/** What an actor can do beside answering. One per incarnation: after a stop or restart all of it is void. */
export interface Context<M extends Message> {
  readonly path: string
  readonly self: Ref<M>
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  /** Aborted when this incarnation stops or crashes. */
  readonly signal: AbortSignal
  /** In the handler of an ask: aborted when the asker has given up. Else undefined. */
  readonly askSignal: AbortSignal | undefined
  /** Runs `timers[key]` once, `ms` from now. A start under a key replaces what the key stood for. */
  after(key: string, ms: number): void
  /** Runs `timers[key]` every `ms`. A tick that finds the former one still waiting is left out. */
  every(key: string, ms: number): void
  cancel(key: string): void
  /** The outcome of a promise comes back as a message of our own, ahead of the queue; after a restart it is dropped. */
  pipe<T>(promise: Promise<T>, then: { ok(value: T): M; failed(error: unknown): M }): void
  /** `return ctx.later(promise)`: the asker gets its outcome, a rejection too, while the actor goes on with its next message. */
  later<T>(promise: Promise<T>): Later<T>
  /** Gives one `terminated` when the other ends for good, also if it has ended already. */
  watch(other: Watchable): void
  /** A library's callback found this actor's ground gone: crashes as if a handler had thrown. */
  fail(error: unknown): void
  /** Ends this actor in a regular way, after the running handler. */
  stop(): void
}

/** What a handler may return: the declared reply of an ask, now, awaited or later; nothing for other messages. */
export type Answer<M extends Message, T extends M['type']> = T extends AskTypes<M>
  ? ReplyOf<ByType<M, T>> | Promise<ReplyOf<ByType<M, T>>> | Later<ReplyOf<ByType<M, T>>>
  : void | Promise<void>

/** An actor's behaviour. See SEMANTICS.md for what each part is promised. */
export interface ActorSpec<M extends Message, S> {
  readonly name: string
  readonly mailbox: MailboxSpec<M>
  /** Fresh state for one incarnation. */
  init(ctx: Context<M>): S | Promise<S>
  /** One handler per message. One message at a time, across `await` too. */
  readonly receive: { readonly [T in M['type']]: (state: S, message: ByType<M, T>, ctx: Context<M>) => Answer<M, T> }
  readonly timers?: { readonly [key: string]: (state: S, ctx: Context<M>) => void | Promise<void> }
  /** A watched actor has ended for good. */
  terminated?(state: S, path: string, ctx: Context<M>): void | Promise<void>
  /** Runs once at the end of an incarnation whose `init` succeeded, within the child's stop deadline. */
  stop?(state: S, ctx: Context<M>, reason: 'stop' | 'restart'): void | Promise<void>
}

/** Declares an actor: see `ActorSpec`. */
export const actor = <M extends Message, S>(spec: ActorSpec<M, S>): ActorSpec<M, S> => spec
