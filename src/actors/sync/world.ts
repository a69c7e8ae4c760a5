import type { ChainStanding } from '../chain/ingress.js'
import type { Judgement } from '../chain/ports.js'
import type { RequestKind } from '../network/ingress.js'
import type { PeerKey } from '../../protocol/peer-key.js'
import type { SyncConfig } from './config.js'
import type { FaultReason, SyncEvent } from './ingress.js'
import type { PeerBook, SyncPeerState } from './peers.js'

/** What came of a request: the body and how long the exchange took, or the error's code. */
export type Answer =
  | { readonly ok: true; readonly body: Uint8Array; readonly ms: number }
  | { readonly ok: false; readonly code: string }

/** What follows on something that was handed to the validator. Each at most once. */
export interface Tracked {
  judged(results: readonly Judgement[]): void
  /** Everything adopted of it is on disk. Comes only after `judged`, and not where nothing was adopted. */
  durable?(): void
  /** The validator is gone, or did not take it. */
  lost(): void
}

/**
 * How bad a fault is. `proved`: by what the peer itself sent; costs reputation each time. `found_out`: by comparing its words with what
 * others deliver, which an honest but odd node can fall foul of; costs reputation once in a while. `noted`: the driver reports it.
 */
export type Gravity = 'proved' | 'found_out' | 'noted'

/**
 * What the parts of this room have of the world around it. Everything returns at once; continuations run later, each in a turn of the
 * actor of its own, and none after a restart.
 */
export interface World {
  readonly config: SyncConfig
  readonly book: PeerBook
  /** Monotonic milliseconds. */
  now(): number
  /** Asks a peer; equal requests under way are joined. The peer's own state has been brought up to date when `done` runs. */
  request(peer: SyncPeerState, kind: RequestKind, body: Uint8Array, done: (answer: Answer) => void): void
  /** Hands a page to the validator; gives its ticket. */
  handPage(bytes: Uint8Array, peer: PeerKey, tracked: Tracked): number
  /** Hands a txlist (36 + n bytes) of the block at `height` to the validator. */
  handTxList(bytes: Uint8Array, peer: PeerKey, height: bigint, tracked: Tracked): number
  /** Tells a chain without a tip where it begins. */
  rootAt(first: bigint): void
  /** Tells chain that so many peers could not supply a parent. */
  parentUnavailable(hash: Uint8Array, peers: number): void
  /** Nothing that happens to this ticket matters any more. */
  forget(ticket: number): void
  /** Where chain stands, `undefined` when it did not answer. */
  standing(then: (standing: ChainStanding | undefined) => void): void
  fault(peer: PeerKey, reason: FaultReason, detail: string, gravity: Gravity): void
  /** The peer has delivered something that was taken. */
  credit(peer: PeerKey): void
  emit(event: SyncEvent): void
  /** Calls the room's pump after so many ms at the latest. */
  wake(ms: number): void
  count(counter: string): void
}
