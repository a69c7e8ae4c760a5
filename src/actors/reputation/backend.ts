import type { PeerKey } from '../../protocol/peer-key.js'
import type { Outcome } from './ingress.js'

/** What this node found of a peer, for somebody else's books. */
export type Finding =
  | { readonly type: 'outcome'; readonly outcome: Outcome }
  /** `until`: Unix time in milliseconds. */
  | { readonly type: 'banned'; readonly until: number; readonly reason: string }
  | { readonly type: 'banLifted' }

/**
 * What tells peers apart, and what else is known of them (SPEC §8, `docs/reputation.md`). All of it is called on the main thread in
 * the middle of other work: it answers at once, from memory. What it throws is logged and passed over.
 */
export interface ReputationBackend {
  /** For logs. */
  readonly name: string
  /**
   * Peers of one key have one score and one ban. `publicKey`: the peer's uncompressed secp256k1 key without its 0x04, 64 bytes, where
   * its identity or its ENR has one. Must give the same for the same.
   */
  keyOf(peer: PeerKey, publicKey: Uint8Array | undefined): string
  /** The reputation to go by, given the one that our rules came to; it is held within the bounds of the rules. Left out: ours. */
  reputation?(key: string, ours: number): number
  /** Why the peers of this key are banned elsewhere; `undefined` where they are not. Does not hold for protected peers. */
  bannedElsewhere?(key: string): string | undefined
  /** What was found here. */
  note?(key: string, finding: Finding): void
}

/** A peer is its libp2p id. */
export const localBackend: ReputationBackend = { name: 'local', keyOf: peer => peer }

/** A peer is its secp256k1 public key (hex, 128 digits), as Ethereum execution clients count; without one, its libp2p id. */
export const rethBackend: ReputationBackend = {
  name: 'reth',
  keyOf: (peer, publicKey) => publicKey === undefined ? peer : Buffer.from(publicKey).toString('hex'),
}

export function backendOf(chosen: 'local' | 'reth' | ReputationBackend): ReputationBackend {
  if (typeof chosen === 'object') return chosen
  return chosen === 'reth' ? rethBackend : localBackend
}
