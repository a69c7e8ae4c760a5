import { Finding, OFFSETS, normalizeHighS } from '../../protocol/index.js'
import type { Commitment } from './commitment.js'
import type { Checked, Origin } from './ingress.js'
import type { Judgement } from './ports.js'
import type { PeerKey } from '../../protocol/peer-key.js'

/** A page of a catch-up while its commitments are judged: answered as a whole (SPEC §9). */
export interface Page {
  readonly peer: PeerKey
  readonly ticket: number
  readonly arrivedAt: number
  readonly results: (Judgement | undefined)[]
  /** In the order of the response; what is refused at once is no case. */
  readonly cases: PendingCommitment[]
  /** All of it has been looked at once. */
  complete: boolean
  answered: boolean
}

/** One commitment on its way to its verdict. It may wait for the schedule, for the application's rules, or for the store. */
export interface PendingCommitment {
  readonly id: number
  readonly commitment: Commitment
  readonly origin: Origin | { readonly kind: 'page'; readonly page: Page; readonly at: number } | Proposal
  readonly arrivedAt: number
  /** What it waits for. */
  waits: 'schedule' | 'rules' | 'recall' | 'ledger' | undefined
  /** The one verdict that gossipsub gets was given: what comes later only counts for ourselves (SPEC §6). */
  verdictGiven: boolean
  /** The store was asked whether the application had demoted it. */
  recalled: boolean
}

/** Our own before it is signed: judged as it would be with its signature, and recorded; it takes no place. */
export interface Proposal {
  readonly kind: 'proposal'
  /** As of `Origin`. */
  readonly behind?: boolean | undefined
  /** Recorded, durably. */
  readonly granted: () => void
  readonly refused: (error: unknown) => void
}

/** Ours to sign or to send: asked of the ledger. */
export const isOwn = ({ origin: { kind } }: Pick<PendingCommitment, 'origin'>): boolean => kind === 'own' || kind === 'proposal'

/** The peer that brought it; `undefined` for our own. */
export function senderOf({ origin }: PendingCommitment): PeerKey | undefined {
  return origin.kind === 'own' || origin.kind === 'proposal' ? undefined : origin.kind === 'page' ? origin.page.peer : origin.peer
}

/** Stores of reference nodes keep mangled copies for ever (SPEC §9): what comes by request is taken with its signature put right. */
export function takeHighS(item: Checked): Checked {
  if (item.finding !== Finding.high_s) return item
  const bytes = item.bytes.slice()
  bytes.set(normalizeHighS(bytes.subarray(OFFSETS.signature)), OFFSETS.signature)
  return { ...item, bytes, finding: Finding.valid }
}

/** The parent may stand before it in the same page, and is placed with it. */
export function earlierInPage({ origin, commitment }: PendingCommitment): Commitment | undefined {
  if (origin.kind !== 'page') return undefined
  return origin.page.cases.find(each => each.commitment.key === commitment.parentKey)?.commitment
}
