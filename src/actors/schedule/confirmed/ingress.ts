import { Handle, mailbox, reject } from '../../kernel/index.js'
import type { Ask, Deadline } from '../../kernel/index.js'
import type { EndpointFigures } from '../endpoints.js'

/** How the confirmed tip is followed, for figures and health. Counters since its start. */
export interface ConfirmationFigures {
  /** The last L2 block that L1 has by the quorum, and the L1 block that has it; `undefined`: none is known. */
  readonly tip: { readonly blockNumber: bigint; readonly l1Block: bigint } | undefined
  /** The highest one that chain has taken. */
  readonly confirmed: bigint | undefined
  /** Seconds since the quorum was read last; `undefined`: never. */
  readonly age: number | undefined
  /** Whether it is followed: the quorum was read not long ago. */
  readonly fresh: boolean
  /** How often the tip went back. */
  readonly wentBack: number
  readonly rpcCalls: number
  readonly rpcFailures: number
  readonly endpoints: readonly EndpointFigures[]
  /** What the last look, or the last confirmation, failed with. */
  readonly failing: { readonly code: string; readonly message: string } | undefined
}

export type ConfirmationMessage = Ask<'figures', object, ConfirmationFigures>

/** What following the confirmed tip tells the application. */
export type ConfirmationEvent =
  /** L1 has the chain up to this block, and chain has taken it. */
  | { readonly type: 'tipConfirmed'; readonly blockNumber: bigint; readonly l1Block: bigint }
  /** L1 has less than it had, or than what is confirmed here: a reorg of L1, or a client that is behind. What is confirmed stays so. */
  | { readonly type: 'tipWentBack'; readonly from: bigint; readonly to: bigint }
  /** The clients are read again, or not any more. */
  | { readonly type: 'tipFresh'; readonly fresh: boolean; readonly reason: string | undefined }

export const confirmationsMailbox = mailbox<ConfirmationMessage>({ capacity: 64, whenFull: { figures: reject('the caller is told') } })

/** Follows the confirmed tip. */
export class Confirmations extends Handle<ConfirmationMessage> {
  figures(within: Deadline) { return this.ask('figures', {}, within) }
}
