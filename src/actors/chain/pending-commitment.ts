import { Finding, OFFSETS, normalizeHighS } from '../../protocol/index.js'
import type { Commitment } from './commitment.js'
import type { Checked, Origin } from './ingress.js'
import type { Judgement } from './ports.js'
import type { PeerKey } from '../../protocol/peer-key.js'

/** A page of a range sync whose commitments are being judged; answered as a whole (SPEC §9). */
export interface Page {
  readonly peer: PeerKey
  readonly ticket: number
  readonly arrivedAt: number
  readonly results: (Judgement | undefined)[]
  /** In the order of the response, without commitments that were refused at once. */
  readonly commitments: PendingCommitment[]
  /** Every commitment has entered the pipeline. */
  complete: boolean
  answered: boolean
}

/** A commitment in the pipeline. It may wait for the schedule, the application's rules, or the store. */
export interface PendingCommitment {
  readonly id: number
  readonly commitment: Commitment
  readonly origin: Origin | { readonly kind: 'page'; readonly page: Page; readonly at: number } | Proposal
  readonly arrivedAt: number
  /** What it waits for. */
  waits: 'schedule' | 'rules' | 'recall' | 'ledger' | undefined
  /** gossipsub already has its one verdict: a later outcome only counts for our own chain (SPEC §6). */
  verdictGiven: boolean
  /** The store was asked whether the application demoted it. */
  recalled: boolean
}

/** Our own commitment before it is signed: judged as if signed, and recorded, but not placed. */
export interface Proposal {
  readonly kind: 'proposal'
  /** As of `Origin`. */
  readonly behind?: boolean | undefined
  /** It is durably recorded and may be signed. */
  readonly granted: () => void
  readonly refused: (error: unknown) => void
}

/** Ours to sign or to send, so that the ledger is asked. */
export const isOwn = ({ origin: { kind } }: Pick<PendingCommitment, 'origin'>): boolean => kind === 'own' || kind === 'proposal'

/** The peer that brought it; `undefined` for our own. */
export function senderOf({ origin }: PendingCommitment): PeerKey | undefined {
  return origin.kind === 'own' || origin.kind === 'proposal' ? undefined : origin.kind === 'page' ? origin.page.peer : origin.peer
}

/** Normalises a high-S signature. Reference nodes store such copies for ever (SPEC §9), so in pages they are accepted. */
export function takeHighS(item: Checked): Checked {
  if (item.finding !== Finding.high_s) return item
  const bytes = item.bytes.slice()
  bytes.set(normalizeHighS(bytes.subarray(OFFSETS.signature)), OFFSETS.signature)
  return { ...item, bytes, finding: Finding.valid }
}

/** The parent, if it comes before this one in the same page: both are placed together. */
export function earlierInPage({ origin, commitment }: PendingCommitment): Commitment | undefined {
  if (origin.kind !== 'page') return undefined
  return origin.page.commitments.find(each => each.commitment.key === commitment.parentKey)?.commitment
}
