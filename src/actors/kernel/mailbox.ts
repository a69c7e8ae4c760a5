import type { ByType, Message } from './message.js'

/**
 * What became of a message, told to its sender at once: `ok` accepted; `backoff` accepted, but the mailbox is three quarters full
 * or something had to give way; `rejected` not accepted, by the message's own policy; `closed` the actor is gone for good.
 */
export type Feedback = 'ok' | 'backoff' | 'rejected' | 'closed'

/** What happens to a message of one type when the mailbox is full, and why that is right. */
export type Policy<M extends Message = never> =
  | { readonly kind: 'reject' | 'drop_oldest' | 'keep'; readonly why: string }
  | { readonly kind: 'coalesce'; readonly why: string; key(message: M): string }

/** The new message is refused. */
export const reject = (why: string): Policy => ({ kind: 'reject', why })

/** The oldest queued message of the same type gives way; with none queued the new one is refused. */
export const dropOldest = (why: string): Policy => ({ kind: 'drop_oldest', why })

/** The new message takes the place in line of the newest queued one with its key; with none queued it is refused. */
export function coalesce<M extends Message>(why: string, key: (message: M) => string): Policy<M> {
  return { kind: 'coalesce', why, key }
}

/** Accepted over the bound, up to twice the capacity: only where the senders themselves bound how many can be in flight. */
export const keep = (why: string): Policy => ({ kind: 'keep', why })

export interface MailboxSpec<M extends Message> {
  /** Queued messages at most. */
  readonly capacity: number
  /** Callers of `offer` that wait for room, at most. As many as the capacity, and at least 1,024. */
  readonly maxWaiting?: number
  /** Asks that are answered later, at most; at that number further asks are refused. As many as the capacity, and at least 1,024. */
  readonly maxAnswering?: number
  /** A message without a policy does not compile. */
  readonly whenFull: { readonly [T in M['type']]: Policy<ByType<M, T>> }
}

/** Declares a mailbox, beside its messages: see `MailboxSpec`. */
export const mailbox = <M extends Message>(spec: MailboxSpec<M>): MailboxSpec<M> => spec
