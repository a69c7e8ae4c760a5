import { Handle, dropOldest, keep, mailbox, reject } from '../kernel/index.js'
import type { Ask, Deadline } from '../kernel/index.js'
import type { Finding } from '../../protocol/index.js'
import type { PeerKey } from '../../protocol/peer-key.js'

/**
 * Where bytes came from. It travels with them through the validator and tells chain where the verdict goes: to gossipsub,
 * to the sync run that fetched them, or to the publisher that waits for its own message.
 */
export type Origin =
  | { readonly kind: 'gossip'; readonly peer: PeerKey; readonly messageId: string }
  | { readonly kind: 'sync'; readonly peer: PeerKey; readonly ticket: number }
  | { readonly kind: 'own'; readonly ticket: number }

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
export interface ChainStanding {
  /** Highest canonical block without a gap from the anchor, durable; zeros where there is none. */
  readonly head: Head
  /** Preconfirmation hash of the head block, where there is one. */
  readonly headHash: Uint8Array | undefined
  /** The next block number that would extend the chain; `undefined` while there is neither tip nor root. */
  readonly next: bigint | undefined
  readonly confirmedTip: ConfirmedTip | undefined
  readonly pendingParents: number
  readonly pendingSchedule: number
  /** Records sent to the store and not yet acknowledged. */
  readonly unstored: number
}

export type ChainMessage =
  | { readonly type: 'commitments'; readonly items: readonly Checked[] }
  | { readonly type: 'txLists'; readonly items: readonly Checked[] }
  /** One page of a catch-up, in the order of the response; judged as a whole and answered to sync as one `judged`. */
  | { readonly type: 'page'; readonly peer: PeerKey; readonly ticket: number; readonly items: readonly Checked[] }
  /** From the store: every write up to and including `sequence` is durable. */
  | { readonly type: 'durable'; readonly sequence: number }
  /** From the store: it started (again). Answered with `store.resume()`, then everything unacknowledged from the oldest on. */
  | { readonly type: 'storeReady' }
  /** From network: answer `get_head` to this inbound request. */
  | { readonly type: 'serveHead'; readonly request: number }
  | { readonly type: 'updateHead'; readonly head: Head | undefined }
  | Ask<'confirm', { tip: ConfirmedTip }, void>
  | Ask<'rewind', { to: bigint }, void>
  | Ask<'standing', object, ChainStanding>

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
    confirm: reject('the caller is told'),
    rewind: reject('the caller is told'),
    standing: reject('the caller is told'),
  },
})

/** Judges what the validator has checked: the stateful half of SPEC §6. */
export class Chain extends Handle<ChainMessage> {
  /** Hands over a batch of checked commitments. Never waits. */
  commitments (items: readonly Checked[]) { return this.send({ type: 'commitments', items }) }
  /** Hands over a batch of checked txlists. Never waits. */
  txLists (items: readonly Checked[]) { return this.send({ type: 'txLists', items }) }
  /** Hands over a checked page of a catch-up. Never waits; sync gets one `judged` for it. */
  page (peer: PeerKey, ticket: number, items: readonly Checked[]) { return this.send({ type: 'page', peer, ticket, items }) }
  /** The store's acknowledgement. */
  durable (sequence: number) { return this.send({ type: 'durable', sequence }) }
  /** The store is there (again). */
  storeReady () { return this.send({ type: 'storeReady' }) }
  /** Answers `get_head`, through the answers port. */
  serveHead (request: number) { return this.send({ type: 'serveHead', request }) }
  /** Overrides the served head; `undefined` takes the override back. */
  updateHead (head: Head | undefined) { return this.send({ type: 'updateHead', head }) }
  /** Moves the confirmed tip (SPEC §7). Fails with a `ChainError` for a tip below the present one. */
  confirm (tip: ConfirmedTip, within: Deadline) { return this.ask('confirm', { tip }, within) }
  /** Demotes every canonical block above `to`. */
  rewind (to: bigint, within: Deadline) { return this.ask('rewind', { to }, within) }
  standing (within: Deadline) { return this.ask('standing', {}, within) }
}
