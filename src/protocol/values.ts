/**
 * The containers of SPEC §3 as values. Integers of 256 bits are bigint (0 ≤ n < 2^256); hashes are 32 bytes, addresses
 * 20, signatures 65 (r ‖ s ‖ v). Decoded bytes are copies: they keep no larger buffer alive.
 */

/** One L2 block's promise, or (with `eop` and a zero `rawTxListHash`) a hand-over without a block (SPEC §6). */
export interface Preconfirmation {
  /** End of preconfirmations: the signer hands over after this one. */
  readonly eop: boolean
  /** L2 height. */
  readonly blockNumber: bigint
  /** Seconds since the epoch. */
  readonly timestamp: bigint
  readonly gasLimit: bigint
  readonly coinbase: Uint8Array
  readonly anchorBlockNumber: bigint
  /** keccak256 of the txlist. */
  readonly rawTxListHash: Uint8Array
  /** keccak256 of the parent's SSZ `Preconfirmation`. */
  readonly parentPreconfirmationHash: Uint8Array
  /** End of the signer's window, in seconds of L1 time. */
  readonly submissionWindowEnd: bigint
  readonly proverAuth: Uint8Array
  readonly proposalId: bigint
}

/** What is signed. */
export interface PreconfCommitment {
  readonly preconf: Preconfirmation
  readonly slasherAddress: Uint8Array
}

/** What is gossiped and served: 382 bytes. */
export interface SignedCommitment {
  readonly commitment: PreconfCommitment
  /** r(32) ‖ s(32) ‖ v(1), v in 0..3. */
  readonly signature: Uint8Array
}

/** A transaction list on its topic; at most 2 MiB of it. */
export interface RawTxListGossip {
  readonly rawTxListHash: Uint8Array
  readonly txlist: Uint8Array
}

/** The head that a node announces; zeros where it has none. */
export interface PreconfHead {
  readonly blockNumber: bigint
  readonly submissionWindowEnd: bigint
}

export interface GetHeadRequest {
  /** Always empty. */
  readonly reserved: Uint8Array
}

export interface GetCommitmentsByNumberRequest {
  /** Inclusive. */
  readonly startBlockNumber: bigint
  /** 32 bits on the wire; what is above 256 cannot be answered. */
  readonly maxCount: number
}

export interface GetCommitmentsByNumberResponse {
  /** At most 256. */
  readonly commitments: readonly SignedCommitment[]
}

export interface GetRawTxListRequest {
  readonly rawTxListHash: Uint8Array
}

/** The asked hash again, and its txlist; an empty one with another hash means "not found" (SPEC §9). */
export interface GetRawTxListResponse {
  readonly rawTxListHash: Uint8Array
  readonly txlist: Uint8Array
}
