import { Handle, dropOldest, keep, mailbox, reject } from '../kernel/index.js'
import type { Ask, Deadline } from '../kernel/index.js'
import type { Finding } from '../../protocol/index.js'
import type { PeerKey } from '../../protocol/peer-key.js'
import type { CommitmentRecord, SignedWindow } from '../store/ingress.js'
import type { Found } from './decisions.js'

/**
 * Where bytes came from. It travels with them through the validator and tells chain where the verdict goes: to gossipsub,
 * to the sync run that fetched them, or to the publisher that waits for its own message.
 */
export type Origin =
  | { readonly kind: 'gossip'; readonly peer: PeerKey; readonly messageId: string }
  /** `height`: of the block whose txlist was asked for, where sync knows it. */
  | { readonly kind: 'sync'; readonly peer: PeerKey; readonly ticket: number; readonly height?: bigint }
  /** `behind`: published although blocks are known that wait above our head (H75). */
  | { readonly kind: 'own'; readonly ticket: number; readonly behind?: boolean }

/** A commitment (382 bytes) or a txlist gossip message (36 + n bytes) with what the worker found (SPEC §6, stateless). */
export interface Checked {
  /** The SSZ bytes as they came. Never changed after this point. */
  readonly bytes: Uint8Array
  readonly finding: Finding
  /** Recovered address, 20 bytes; zeros for txlists and where nothing could be recovered. */
  readonly signer: Uint8Array
  /** Preconfirmation hash, or txlist hash; 32 bytes. */
  readonly hash: Uint8Array
  readonly origin: Origin
}

/** The application's confirmed tip (SPEC §7, Anchor). */
export interface ConfirmedTip { readonly blockNumber: bigint; readonly preconfirmationHash?: Uint8Array }

export interface Head { readonly blockNumber: bigint; readonly submissionWindowEnd: bigint }

/** What chain stands on, for sync and for health. */
export interface ChainStatus {
  /** Highest canonical block without a gap from the anchor, durable; zeros where there is none. */
  readonly head: Head
  /** Preconfirmation hash of the head block, where there is one. */
  readonly headHash: Uint8Array | undefined
  /** The next block number that would extend the chain; `undefined` while there is neither tip nor root. */
  readonly next: bigint | undefined
  /** Without a tip, the chain begins with whatever came first; where most peers begin (`rootAt`) was not said yet. */
  readonly rootedByChance?: boolean
  readonly confirmedTip: ConfirmedTip | undefined
  /** The highest block above the head that elected signers have signed and that waits for its parent (H75); `undefined`: none does. */
  readonly highest: bigint | undefined
  readonly pendingParents: number
  readonly pendingSchedule: number
  /** Records sent to the store and not yet acknowledged. */
  readonly unstored: number
  /** Our own key has signed two commitments that exclude each other. */
  readonly ownEquivocation?: { readonly blockNumber: bigint; readonly submissionWindowEnd: bigint } | undefined
}

export type ChainMessage =
  | { readonly type: 'commitments'; readonly items: readonly Checked[] }
  | { readonly type: 'txLists'; readonly items: readonly Checked[] }
  /** One page of a catch-up, in the order of the response; judged as a whole and answered to sync as one `judged`. */
  | { readonly type: 'page'; readonly peer: PeerKey; readonly ticket: number; readonly items: readonly Checked[] }
  /** From the store: every write up to and including `sequence` is durable. */
  | { readonly type: 'durable'; readonly sequence: number }
  /** From the store: it started (again), or lacks a write. Answered with everything unacknowledged, from the oldest on. */
  | { readonly type: 'storeReady' }
  /** From network: answer `get_head` to this inbound request. */
  | { readonly type: 'serveHead'; readonly request: number }
  | { readonly type: 'updateHead'; readonly head: Head | undefined }
  /** From the application's schedule: windows from `from` to `to` may have another answer now. */
  | { readonly type: 'scheduleChanged'; readonly from: bigint; readonly to: bigint }
  /** From sync: without a tip, most peers can serve the chain from this height on (SPEC §7, Anchor). */
  | { readonly type: 'rootAt'; readonly first: bigint }
  /** From sync: so many peers could not supply a parent (SPEC §6, EOP: it may be a hand-over that nobody keeps). */
  | { readonly type: 'parentUnavailable'; readonly hash: Uint8Array; readonly peers: number }
  | Ask<'confirm', { tip: ConfirmedTip }, void>
  | Ask<'rewind', { to: bigint }, void>
  | Ask<'reinstate', { hash: Uint8Array }, void>
  | Ask<'reserve', { signer: Uint8Array; hash: Uint8Array; ssz: Uint8Array; behind?: boolean }, void>
  /** From the service: the first catch-up has come to its end. */
  | Ask<'caughtUp', object, void>
  /** From the store: this txlist was damaged, and is not there any more. */
  | { readonly type: 'lostTxList'; readonly hash: Uint8Array; readonly height: bigint | undefined }
  | Ask<'standing', object, ChainStatus>

/** What the room tells itself when something that it waited for is there. Never sent by others. */
export type ChainInternal =
  | { readonly type: 'scheduleAnswered'; readonly window: bigint; readonly answer: unknown; readonly generation: number }
  | { readonly type: 'scheduleFailed'; readonly window: bigint; readonly error: unknown; readonly generation: number }
  | { readonly type: 'ruled'; readonly id: number; readonly answer: unknown }
  | { readonly type: 'rulesFailed'; readonly id: number; readonly error: unknown }
  /** What was signed in a window; `undefined` where the store did not say. */
  | { readonly type: 'signedKnown'; readonly signer: Uint8Array; readonly window: bigint; readonly answer: SignedWindow | undefined }
  /** What the store knows of a commitment. */
  | { readonly type: 'recalled'; readonly id: number; readonly record: CommitmentRecord | undefined; readonly error: unknown }
  /** Records that a rewind, a tip or a name has to look at. */
  | { readonly type: 'recordsRead'; readonly records: readonly Found[] }
  | { readonly type: 'readFailed'; readonly error: unknown }

export const chainMailbox = mailbox<ChainMessage>({
  capacity: 8_192,
  whenFull: {
    commitments: keep('at most as many batches as the pool has workers; each is bounded'),
    txLists: keep('at most as many batches as the pool has workers; each is bounded'),
    page: keep('sync bounds its pages in flight'),
    durable: keep('one a commit in flight'),
    storeReady: keep('one a start of the store'),
    serveHead: dropOldest('the asker is answered by nobody and tries elsewhere; the network counts it'),
    updateHead: keep('the application sends it'),
    rootAt: keep('one a search for a root'),
    parentUnavailable: dropOldest('chain gives up waiting by itself after a while'),
    confirm: reject('the caller is told'),
    rewind: reject('the caller is told'),
    reinstate: reject('the caller is told'),
    reserve: reject('the caller is told'),
    caughtUp: reject('the caller is told'),
    lostTxList: dropOldest('the store is asked again for what is missing'),
    standing: reject('the caller is told'),
    scheduleChanged: keep('the application\'s schedule sends it'),
  },
})

/** Judges what the validator has checked: the stateful half of SPEC §6. */
export class Chain extends Handle<ChainMessage> {
  /** Hands over a batch of checked commitments. Never waits. */
  commitments(items: readonly Checked[]) { return this.send({ type: 'commitments', items }) }
  /** Hands over a batch of checked txlists. Never waits. */
  txLists(items: readonly Checked[]) { return this.send({ type: 'txLists', items }) }
  /** Hands over a checked page of a catch-up. Never waits; sync gets one `judged` for it. */
  page(peer: PeerKey, ticket: number, items: readonly Checked[]) { return this.send({ type: 'page', peer, ticket, items }) }
  /** The store's acknowledgement. */
  durable(sequence: number) { return this.send({ type: 'durable', sequence }) }
  /** The store is there (again). */
  storeReady() { return this.send({ type: 'storeReady' }) }
  /** Answers `get_head`, through the answers port. */
  serveHead(request: number) { return this.send({ type: 'serveHead', request }) }
  /** Overrides the served head; `undefined` takes the override back. */
  updateHead(head: Head | undefined) { return this.send({ type: 'updateHead', head }) }
  /** Without a tip, most peers can serve the chain from this height on (SPEC §7, Anchor). Never waits. */
  rootAt(first: bigint) { return this.send({ type: 'rootAt', first }) }
  /** So many peers could not supply this parent. Never waits. */
  parentUnavailable(hash: Uint8Array, peers: number) { return this.send({ type: 'parentUnavailable', hash, peers }) }
  /** Moves the confirmed tip (SPEC §7); resolves when that is durable. @throws ChainError `tip_below_present` */
  confirm(tip: ConfirmedTip, within: Deadline) { return this.ask('confirm', { tip }, within) }
  /** Demotes every canonical block above `to`; resolves when that is durable. @throws ChainError `below_confirmed_tip`, `below_anchor`, `busy` */
  rewind(to: bigint, within: Deadline) { return this.ask('rewind', { to }, within) }
  /**
   * Names a block that was demoted, whose supersession was too deep, or that is kept as evidence of an equivocation: it becomes canonical in place of what holds its height (SPEC §7).
   * Its parent must be canonical. Resolves when that is durable. @throws ChainError `unknown_block`, `not_linked`, `below_confirmed_tip`
   */
  reinstate(hash: Uint8Array, within: Deadline) { return this.ask('reinstate', { hash }, within) }
  /**
   * Before we sign (SPEC §6, §7): what is about to be signed (`ssz`: 317 bytes, or 382 with its signature) is judged as it would be when signed,
   * our rules included, then recorded; resolves when that is durable.
   * @throws ChainError `conflicting_commitment`, `after_own_eop`, `eop_below_own_block`, `window_closed`, `not_recorded`, `refused`
   */
  reserve(commitment: { readonly signer: Uint8Array; readonly hash: Uint8Array; readonly ssz: Uint8Array; readonly behind?: boolean }, within: Deadline) {
    return this.ask('reserve', commitment, within)
  }
  /** The first catch-up has come to its end; resolves when what it showed of our key is recorded. */
  caughtUp(within: Deadline) { return this.ask('caughtUp', {}, within) }
  /** This txlist is not there any more; `height`: of the block that names it, where one does. */
  lostTxList(hash: Uint8Array, height: bigint | undefined) { return this.send({ type: 'lostTxList', hash, height }) }
  standing(within: Deadline) { return this.ask('standing', {}, within) }
}
