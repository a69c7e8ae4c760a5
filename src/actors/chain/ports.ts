/** What chain sends back against the arrows: ports, given at construction and implemented by rooms above it (docs/architecture.md). */
import type { Deadline, Feedback, Port } from '../kernel/index.js'
import type { CommitmentRecord, Evidence, LossKind, Restored, SignedWindow, WriteBatch } from '../store/ingress.js'
import type { PeerKey } from '../../protocol/peer-key.js'
import type { Head } from './ingress.js'

export type { ScheduleAnswer, ScheduleResolver, UpcomingSigner } from './schedule.js'

export type Verdict = 'accept' | 'reject' | 'ignore'

/** Where a commitment stands (SPEC §7): see the store's word for it. */
export type CommitmentStatus = CommitmentRecord['standing']

/** Of the store, what chain needs: writes that are acknowledged, and reads whose results come back as messages. */
export interface ChainStore {
  write(sequence: number, after: number | undefined, batch: WriteBatch): Feedback
  restore(tail: number, beside: number, within: Deadline): Promise<Restored>
  blockAt(height: bigint, within: Deadline): Promise<CommitmentRecord | undefined>
  evidence(from: number, max: number, within: Deadline): Promise<readonly Evidence[]>
  /** Canonical records from a height on, ascending. */
  scan(from: bigint, max: number, after: Uint8Array | undefined, within: Deadline): Promise<Iterable<CommitmentRecord>>
  /** Of any standing. */
  commitment(hash: Uint8Array, within: Deadline): Promise<CommitmentRecord | undefined>
  meta(name: string, within: Deadline): Promise<string | undefined>
  /** What a signer signed in a window, everything written before included (SPEC §7, What we signed). */
  signedWindow(signer: Uint8Array, submissionWindowEnd: bigint, within: Deadline): Promise<SignedWindow>
}

/** To network: the one verdict on a gossip message (SPEC §5). */
export type Verdicts = Port<{ readonly type: 'verdict'; readonly messageId: string; readonly peer: PeerKey; readonly verdict: Verdict; readonly reason: string; readonly ofAuthor?: boolean }>

/** To network: who may sign has changed, and with it whose fault a refused commitment was. */
export type ScheduleChanges = Port<{ readonly type: 'scheduleChanged' }>

/** To network: the answer to an inbound request, an SSZ body without its frame. */
export type Answers = Port<{ readonly type: 'answer'; readonly request: number; readonly body: Uint8Array }>

/** What came of one message or page, and why, in the words of SPEC §6. */
export interface Judgement {
  readonly verdict: Verdict
  /** `accepted`, or the finding that decided: `duplicate`, `not_elected`, `unlinked`, `equivocation`, `below_confirmed_tip`, … */
  readonly reason: string
  /** Whether the sender is to blame. */
  readonly penalty: boolean
  /** Whether its author is to blame, and nobody who relays it: it took our state or configuration to tell (SPEC §6). */
  readonly ofAuthor?: boolean
  readonly hash: Uint8Array
}

/** To sync and to the publisher: what came of what they brought. `durable` follows once everything adopted of it is on disk. */
export type JudgedMessage =
  | { readonly type: 'judged'; readonly ticket: number; readonly results: readonly Judgement[] }
  | { readonly type: 'durable'; readonly ticket: number }
export type Judged = Port<JudgedMessage>

/** To sync: what is missing on the live path (SPEC §9, live gaps and backfill). */
export type Gaps = Port<
  | { readonly type: 'missingParent'; readonly hash: Uint8Array; readonly height: bigint; readonly from: PeerKey | undefined }
  | { readonly type: 'missingTxList'; readonly hash: Uint8Array; readonly height: bigint; readonly from: PeerKey | undefined; readonly signer: Uint8Array }
  /** It is here, or no canonical block names it any more. */
  | { readonly type: 'haveTxList'; readonly hash: Uint8Array }
>

/** To reputation: what dealing with a peer came to (SPEC §8). */
export type Outcomes = Port<{ readonly type: 'report'; readonly peer: PeerKey; readonly outcome: 'accepted' | 'failure' }>

/** What the application hears of the chain. `from` is the peer that brought it, `undefined` for what we published ourselves. */
export type ChainEvent =
  | { readonly type: 'commitment'; readonly ssz: Uint8Array; readonly hash: Uint8Array; readonly blockNumber: bigint; readonly signer: Uint8Array; readonly from: PeerKey | undefined }
  | { readonly type: 'txList'; readonly hash: Uint8Array; readonly txList: Uint8Array; readonly from: PeerKey | undefined }
  | { readonly type: 'rejected'; readonly topic: 'commitments' | 'txLists'; readonly from: PeerKey | undefined; readonly reason: string; readonly verdict: 'reject' | 'ignore' }
  /** Durable on disk (in memory where the node has no data directory). */
  | { readonly type: 'stored'; readonly kind: 'commitment' | 'txList'; readonly hash: Uint8Array; readonly blockNumber: bigint | undefined }
  | { readonly type: 'handover'; readonly hash: Uint8Array; readonly blockNumber: bigint; readonly submissionWindowEnd: bigint; readonly signer: Uint8Array; readonly withBlock: boolean }
  | { readonly type: 'head'; readonly head: Head; readonly hash: Uint8Array | undefined }
  | { readonly type: 'rewind'; readonly to: bigint; readonly reason: 'application' | 'supersession' }
  | { readonly type: 'equivocation'; readonly first: Uint8Array; readonly second: Uint8Array; readonly signer: Uint8Array; readonly blockNumber: bigint }
  | { readonly type: 'misbehaviour'; readonly reason: string; readonly evidence: readonly Uint8Array[]; readonly signer: Uint8Array; readonly blockNumber: bigint }
  /** Our own key has signed two commitments that exclude each other; `first` and `second` are their hashes. */
  | {
    readonly type: 'ownEquivocation'; readonly signer: Uint8Array; readonly blockNumber: bigint; readonly submissionWindowEnd: bigint
    readonly first: Uint8Array; readonly second: Uint8Array
  }
  /** Records of what we signed may be missing: nothing is signed for windows that end at or before `signingClosedUpTo` (SPEC §7). */
  | { readonly type: 'recordsLost'; readonly what: LossKind; readonly signingClosedUpTo: bigint }
  /**
   * This commitment would demote deeper than `maxReorgDepth` (SPEC §7): the chain stays as it is. `evidence`: the block that stays at that
   * height, where it is in memory, and the commitment.
   */
  | { readonly type: 'deepReorg'; readonly hash: Uint8Array; readonly blockNumber: bigint; readonly head: bigint; readonly evidence: readonly Uint8Array[] }
  | { readonly type: 'scheduleFailed'; readonly submissionWindowEnd: bigint; readonly error: unknown }
