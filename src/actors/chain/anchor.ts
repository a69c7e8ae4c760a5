import type { Commitment } from './commitment.js'
import { keyOf } from './commitment.js'
import type { ConfirmedTip } from './ingress.js'

/**
 * What the canonical chain stands on (SPEC §7, Anchor): the application's confirmed tip, with its hash or without; or, where there is
 * none, whatever the first accepted commitment stood on.
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

/** Without a tip the first accepted commitment is the root. */
export const anchorBelow = (first: Commitment): Anchor => ({ kind: 'root', height: first.number - 1n, key: first.parentKey })
