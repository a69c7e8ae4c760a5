import type { ChainStatus } from '../chain/ingress.js'
import type { Judgement } from '../chain/ports.js'
import type { RequestKind } from '../network/ingress.js'
import type { PeerKey } from '../../protocol/peer-key.js'
import type { SyncConfig } from './config.js'
import type { FaultReason, SyncEvent } from './ingress.js'
import type { SyncPeers, SyncPeerState } from './peers.js'

/** The result of a request: the body and the duration of the exchange in ms, or the error's code. */
export type Answer =
  | { readonly ok: true; readonly body: Uint8Array; readonly ms: number }
  | { readonly ok: false; readonly code: string }

/** Callbacks for a page or txlist that was handed to the validator; each is called at most once. */
export interface Tracked {
  judged(results: readonly Judgement[]): void
  /** Everything adopted of it is on disk. Called only after `judged`, and only if something was adopted. */
  durable?(): void
  /** The validator restarted or refused it. */
  lost(): void
}

/**
 * How a fault counts. `proved` by what the peer itself sent: a penalty each time. `found_out` by comparing its claims with what others
 * deliver, where an honest node with a damaged store may be caught too: at most one penalty per `softPenaltyEvery`. `noted`: no penalty
 * here, since the driver reports it.
 */
export type Gravity = 'proved' | 'found_out' | 'noted'

/**
 * What the parts of sync use to reach the other actors. Every method returns at once. Callbacks run later, each in its own turn of the
 * actor, and never after a restart.
 */
export interface SyncContext {
  readonly config: SyncConfig
  readonly book: SyncPeers
  /** Monotonic milliseconds. */
  now(): number
  /** Sends a request to a peer; equal requests in flight are joined. The peer's state is updated before `done` runs. */
  request(peer: SyncPeerState, kind: RequestKind, body: Uint8Array, done: (answer: Answer) => void): void
  /** Hands a page to the validator; returns its ticket. */
  handPage(bytes: Uint8Array, peer: PeerKey, tracked: Tracked): number
  /** Hands a txlist (36 + n bytes) of the block at `height` to the validator. */
  handTxList(bytes: Uint8Array, peer: PeerKey, height: bigint, tracked: Tracked): number
  /** Tells chain, when it has no confirmed tip, at which height it begins. */
  rootAt(first: bigint): void
  /** Tells chain that `peers` peers could not supply a parent. */
  parentUnavailable(hash: Uint8Array, peers: number): void
  /** Drops the callbacks of this ticket. */
  forget(ticket: number): void
  /** Chain's status; `undefined` if it did not answer. */
  standing(then: (standing: ChainStatus | undefined) => void): void
  fault(peer: PeerKey, reason: FaultReason, detail: string, gravity: Gravity): void
  /** Reports that the peer delivered something that was adopted. */
  credit(peer: PeerKey): void
  emit(event: SyncEvent): void
  /** Calls `pump` in `ms` at the latest. */
  wake(ms: number): void
  count(counter: string): void
}
