import type { AskTypes, BodyOf, ByType, Message, ReplyOf } from './message.js'
import type { Feedback } from './mailbox.js'

/** What a sender needs and no more. Ports between rooms are typed as this; a test's probe is one too. */
export interface Port<M extends Message> {
  /** Never throws, never waits. A property: an actor that knows `A` is no port for `A | B`. */
  readonly send: (message: M) => Feedback
}

/** Something whose end for good can be watched (`Context.watch`). */
export interface Watchable {
  readonly path: string
  /** Calls `listener` once, at the end for good, at once if that is past. Gives the function that takes the listener away. */
  onceTerminated(listener: () => void): () => void
}

/** How long an asker waits: milliseconds (`seconds(5)`), until a signal, or whichever comes first. */
export type Deadline = number | AbortSignal | { readonly ms: number; readonly signal: AbortSignal }

export interface OfferOptions { readonly signal?: AbortSignal }

/** What came of an offer: handed over; not taken, too many wait already; not taken, the actor is gone for good. */
export type Offered = 'ok' | 'rejected' | 'closed'

/** An actor as others hold it. It stays the same over restarts. */
export interface Ref<M extends Message> extends Port<M>, Watchable {
  /** Waits for room. Rejects with `CancelledError` when the signal is aborted first. */
  offer(message: M, options?: OfferOptions): Promise<Offered>
  /** The reply, or `TimeoutError`, `CancelledError`, `ClosedError`, `DroppedError`, `CrashedError`. */
  ask<T extends AskTypes<M>>(type: T, body: BodyOf<ByType<M, T>>, within: Deadline): Promise<ReplyOf<ByType<M, T>>>
}

/** Base of an actor's handle: one method per message, so that callers never build a message by hand. */
export abstract class Handle<M extends Message> implements Watchable {
  readonly #ref: Ref<M>
  constructor(ref: Ref<M>) { this.#ref = ref }
  get path(): string { return this.#ref.path }
  onceTerminated(listener: () => void): () => void { return this.#ref.onceTerminated(listener) }
  protected send(message: M): Feedback { return this.#ref.send(message) }
  protected offer(message: M, options?: OfferOptions): Promise<Offered> { return this.#ref.offer(message, options) }
  protected ask<T extends AskTypes<M>>(type: T, body: BodyOf<ByType<M, T>>, within: Deadline): Promise<ReplyOf<ByType<M, T>>> {
    return this.#ref.ask(type, body, within)
  }
}
