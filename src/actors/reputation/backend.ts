import type { PeerKey } from '../../protocol/peer-key.js'
import type { Outcome } from './ingress.js'

/** What this node found out about a peer, for a backend of the application. */
export type Finding =
  | { readonly type: 'outcome'; readonly outcome: Outcome }
  /** `until`: Unix time in milliseconds. */
  | { readonly type: 'banned'; readonly until: number; readonly reason: string }
  | { readonly type: 'banLifted' }

/**
 * Decides by which key a peer is known, and may bring scores and bans from elsewhere (SPEC §8, `docs/reputation.md`). All methods are called on
 * the main thread in the middle of other work, and must answer at once, from memory. What they throw is logged and ignored.
 */
export interface ReputationBackend {
  /** For logs. */
  readonly name: string
  /**
   * Peers of one key have one score and one ban. `publicKey`: the peer's uncompressed secp256k1 key without its 0x04, 64 bytes, where
   * its identity or its ENR has one. Must be deterministic.
   */
  keyOf(peer: PeerKey, publicKey: Uint8Array | undefined): string
  /** The reputation to use, given `ours`, the one by our rules; clamped to their range. Left out: ours. */
  reputation?(key: string, ours: number): number
  /** The reason why peers of this key are banned elsewhere, or `undefined`. Does not hold for protected peers. */
  bannedElsewhere?(key: string): string | undefined
  /** Gets every outcome, ban and end of a ban. */
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
