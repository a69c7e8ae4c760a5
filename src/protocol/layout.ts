/**
 * Sizes and offsets of the containers in bytes (SPEC §3). Offsets count from the start of the container, and hold for
 * `Preconfirmation`, `PreconfCommitment` and `SignedCommitment` alike, since each starts with the former.
 */
export const PRECONFIRMATION_SIZE = 297
export const COMMITMENT_SIZE = 317
export const SIGNED_COMMITMENT_SIZE = 382
export const HEAD_SIZE = 64
export const HEAD_REQUEST_SIZE = 4
export const COMMITMENTS_REQUEST_SIZE = 36
export const TXLIST_REQUEST_SIZE = 32
/** What stands before a txlist: its hash and the offset of the list. */
export const TXLIST_HEADER_SIZE = 36
/** What stands before a page of commitments: the offset of the list. */
export const PAGE_HEADER_SIZE = 4

export const HASH_SIZE = 32
export const ADDRESS_SIZE = 20
export const SIGNATURE_SIZE = 65

/** Bytes of a txlist at most. */
export const MAX_TXLIST_BYTES = 2_097_152
/** Commitments in one response at most. */
export const MAX_COMMITMENTS = 256
/** Bytes of a gossip message, and of what it may declare to decompress to (SPEC §3, §5). */
export const MAX_GOSSIP_BYTES = 10 * 1024 * 1024

export const OFFSETS = {
  eop: 0,
  blockNumber: 1,
  timestamp: 33,
  gasLimit: 65,
  coinbase: 97,
  anchorBlockNumber: 117,
  rawTxListHash: 149,
  parentPreconfirmationHash: 181,
  submissionWindowEnd: 213,
  proverAuth: 245,
  proposalId: 265,
  slasherAddress: 297,
  signature: 317,
} as const
