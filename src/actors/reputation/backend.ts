import type { PeerKey } from '../../protocol/peer-key.js'
import type { Outcome } from './ingress.js'

/** An event about a peer, for the application's reputation backend. */
export type Finding =
  | { readonly type: 'outcome'; readonly outcome: Outcome }
  /** `until`: Unix time in milliseconds. */
  | { readonly type: 'banned'; readonly until: number; readonly reason: string }
  | { readonly type: 'banLifted' }

/**
 * Decides under which key a peer's score and ban are kept, and can supply scores and bans of its own (SPEC §8, `docs/reputation.md`). The methods
 * are called synchronously on the main thread, so they must answer from memory, without I/O. An error that they throw is logged and ignored.
 */
export interface ReputationBackend {
  /** The backend's name in logs. */
  readonly name: string
  /**
   * The key of a peer; peers with the same key share one score and one ban. `publicKey`: the uncompressed secp256k1 key in the peer's id or
   * ENR, without the prefix 0x04, 64 bytes; `undefined` if there is none. Must be deterministic.
   */
  keyOf(peer: PeerKey, publicKey: Uint8Array | undefined): string
  /** The reputation to use instead of `ours`, which our rules give. It is clamped to their range. Left out: `ours` is used. */
  reputation?(key: string, ours: number): number
  /** The reason to treat peers of this key as banned; `undefined` for none. It does not apply to protected peers. */
  bannedElsewhere?(key: string): string | undefined
  /** Receives every outcome, ban and end of a ban. */
  note?(key: string, finding: Finding): void
}

/** The backend whose key is the peer id. */
export const localBackend: ReputationBackend = { name: 'local', keyOf: peer => peer }

/** The backend whose key is the secp256k1 public key (128 hex digits), as in Ethereum execution clients; without one, the peer id. */
export const rethBackend: ReputationBackend = {
  name: 'reth',
  keyOf: (peer, publicKey) => publicKey === undefined ? peer : Buffer.from(publicKey).toString('hex'),
}

export function backendOf(chosen: 'local' | 'reth' | ReputationBackend): ReputationBackend {
  if (typeof chosen === 'object') return chosen
  return chosen === 'reth' ? rethBackend : localBackend
}
