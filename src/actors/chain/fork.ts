import { keyOf } from './commitment.js'
import type { Commitment } from './commitment.js'
import type { ConfirmedTip } from './ingress.js'
import type { ChainEvent } from './ports.js'

/** What the canonical chain tells and asks while it changes. */
export interface ForkHooks {
  /** Said at once; what may only be said when durable goes through `changes`. */
  event(event: ChainEvent): void
  /** A pending commitment's parent is wanted; it is at `height`, or a hand-over right below the commitment. */
  missingParent(child: Commitment, height: bigint): void
  /** Whether the application's rules have seen enough of it; if not, they are asked, and `offerAgain` follows. */
  passedRules(commitment: Commitment): boolean
  /** It broke a rule of the chain that only its parent's arrival could show. */
  broke(commitment: Commitment, parent: Commitment): void
  /** What `by` would demote from `present` on lies too deep: it stays. */
  tooDeep(by: Commitment, present: Commitment | undefined, head: bigint): void
  /** It has a place on the canonical chain, or has lost it. */
  adopted(commitment: Commitment): void
  left(commitment: Commitment): void
}

/**
 * What the canonical chain stands on (SPEC §7, Anchor): the application's confirmed tip, with its hash or without; or, where there is
 * none, whatever the first block stood on.
 */
export interface Anchor {
  readonly kind: 'tip' | 'root'
  /** The height below the first block of the chain. */
  readonly height: bigint
  /** What the first block must link to; `undefined` where its parent is not checked. */
  readonly key: string | undefined
}

export const anchorOfTip = ({ blockNumber, preconfirmationHash }: ConfirmedTip): Anchor =>
  ({ kind: 'tip', height: blockNumber, key: preconfirmationHash === undefined ? undefined : keyOf(preconfirmationHash) })

/**
 * How a commitment stands to the canonical chain by its parent link (SPEC §6, found by hash):
 * `linked` its parent is canonical; `aside` its parent is known and not canonical; `waiting` its parent is known and waits itself;
 * `unknown` its parent is not known; `misnumbered` its parent is known, and this is not the number that follows it.
 */
export type Link = 'linked' | 'aside' | 'waiting' | 'unknown' | 'misnumbered'

/** Where a commitment ended up. */
export type Placement = 'canonical' | 'aside' | 'pending'

/** Why canonical blocks are demoted: by a commitment, within the bound; or by a decision of the application, which has none. */
export type Cause = { readonly by: Commitment } | { readonly decision: 'retired' | 'pending'; readonly handovers: 'all' | 'above' }
