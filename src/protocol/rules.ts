import { equalBytes, isHigh, isZero } from './bytes.js'
import type { Crypto } from './crypto.js'
import { addressOf } from './hash.js'
import {
  ADDRESS_SIZE, COMMITMENT_SIZE, HASH_SIZE, MAX_TXLIST_BYTES, OFFSETS, PRECONFIRMATION_SIZE, SIGNED_COMMITMENT_SIZE,
  TXLIST_HEADER_SIZE,
} from './layout.js'
import { hasTxListOffset } from './view.js'

/**
 * What the stateless rules of SPEC §6 say of a message, as one byte of a packed record. Zero is not a finding: a record
 * that nobody has written must not look like a valid one.
 */
export const Finding = {
  /** Not judged: the record was never written, or our own library failed. Ignored, nobody is punished. */
  unjudged: 0,
  valid: 1,
  /** Wrong size, bool or offset. */
  undecodable: 2,
  /** v above 3. */
  bad_v: 3,
  /** No public key can be recovered. */
  bad_signature: 4,
  /** A valid signature's mangled twin. The record holds signer and hash all the same: sync takes it, normalised. */
  high_s: 5,
  /** Not an EOP, and names no txlist. */
  zero_tx_list_hash: 6,
  /** Another slasher than the configured one. */
  wrong_slasher: 7,
  /** A txlist above 2 MiB. */
  oversize: 8,
  /** keccak256 of the txlist is not the hash that it came with. */
  hash_mismatch: 9,
  /** In a response only: an empty txlist under another hash, which says "I do not have it". */
  not_found: 10,
  /** Not judged: more is waiting than the validator's bounds allow (SPEC §6). */
  overloaded: 11,
  /** Not judged: the thread that had it in hand died, twice (H31). */
  worker_died: 12,
} as const

export type Finding = typeof Finding[keyof typeof Finding]
export type FindingName = keyof typeof Finding

const NAMES = Object.entries(Finding).sort(([, a], [, b]) => a - b).map(([name]) => name as FindingName)

/** The finding's name for logs and metrics; `unjudged` for a byte that is no finding. */
export function findingName(finding: number): FindingName {
  return NAMES[finding] ?? 'unjudged'
}

export interface Verdict {
  /** What gossipsub is told. `accept` here means: by the stateless rules; the stateful ones come after. */
  readonly verdict: 'accept' | 'reject' | 'ignore'
  /** Whether it costs the sender reputation. */
  readonly penalty: boolean
}

const ACCEPT: Verdict = { verdict: 'accept', penalty: false }
const REJECT: Verdict = { verdict: 'reject', penalty: true }
const IGNORE: Verdict = { verdict: 'ignore', penalty: false }

const VERDICTS: Readonly<Record<FindingName, Verdict>> = {
  unjudged: IGNORE,
  valid: ACCEPT,
  undecodable: REJECT,
  bad_v: REJECT,
  bad_signature: REJECT,
  high_s: IGNORE,
  zero_tx_list_hash: REJECT,
  // it takes our configuration to tell: never held against a relay
  wrong_slasher: IGNORE,
  oversize: REJECT,
  hash_mismatch: REJECT,
  not_found: IGNORE,
  overloaded: IGNORE,
  worker_died: IGNORE,
}

/** The verdict of SPEC §6 on a finding. */
export function verdictOf(finding: number): Verdict {
  return VERDICTS[findingName(finding)]
}

/** A packed record: finding(1) ‖ signer(20) ‖ hash(32), where the hash is the preconfirmation's or the txlist's. */
export const RECORD_SIZE = 1 + ADDRESS_SIZE + HASH_SIZE
export const RECORD_SIGNER = 1
export const RECORD_HASH = 1 + ADDRESS_SIZE

/** What the configuration contributes to the stateless rules. */
export interface CommitmentRules {
  /** 32 bytes. */
  readonly domain: Uint8Array
  /** 20 bytes; left out: any slasher. */
  readonly slasher?: Uint8Array | undefined
}

/**
 * Judges a signed commitment by the stateless rules of SPEC §6, cheapest first, and writes its record to `out` at
 * `offset`: signer and preconfirmation hash where the finding is `valid` or `high_s`, else zeros. Never throws for what
 * is in `bytes`.
 * @param out has room for `RECORD_SIZE` bytes at `offset`
 */
export function checkCommitment(
  bytes: Uint8Array, rules: CommitmentRules, crypto: Crypto, out: Uint8Array, offset = 0,
): Finding {
  out.fill(0, offset, offset + RECORD_SIZE)
  let finding: Finding
  try {
    finding = judgeCommitment(bytes, rules, crypto, out, offset)
  } catch {
    out.fill(0, offset, offset + RECORD_SIZE)
    finding = Finding.unjudged
  }
  out[offset] = finding
  return finding
}

/**
 * What the rules that need no hash and no signature say: a finding that condemns the commitment, or undefined where the others have to
 * be asked.
 */
export function precheckCommitment(bytes: Uint8Array, rules: CommitmentRules): Finding | undefined {
  if (bytes.length !== SIGNED_COMMITMENT_SIZE || bytes[OFFSETS.eop]! > 1) return Finding.undecodable
  if (bytes[OFFSETS.signature + 64]! > 3) return Finding.bad_v
  if (bytes[OFFSETS.eop] === 0 && isZero(bytes, OFFSETS.rawTxListHash, HASH_SIZE)) return Finding.zero_tx_list_hash
  if (rules.slasher !== undefined && !equalsAt(bytes, OFFSETS.slasherAddress, rules.slasher)) return Finding.wrong_slasher
  return undefined
}

function judgeCommitment(bytes: Uint8Array, rules: CommitmentRules, crypto: Crypto, out: Uint8Array, offset: number): Finding {
  const early = precheckCommitment(bytes, rules)
  if (early !== undefined) return early
  const v = bytes[OFFSETS.signature + 64]!
  const digest = crypto.keccak256(rules.domain, bytes.subarray(0, COMMITMENT_SIZE))
  const publicKey = crypto.recover(digest, bytes.subarray(OFFSETS.signature, OFFSETS.signature + 64), v)
  if (publicKey === undefined) return Finding.bad_signature
  out.set(addressOf(crypto, publicKey), offset + RECORD_SIGNER)
  out.set(crypto.keccak256(bytes.subarray(0, PRECONFIRMATION_SIZE)), offset + RECORD_HASH)
  return isHigh(bytes, OFFSETS.signature + 32) ? Finding.high_s : Finding.valid
}

function equalsAt(bytes: Uint8Array, offset: number, expected: Uint8Array): boolean {
  for (let i = 0; i < expected.length; i++) if (bytes[offset + i] !== expected[i]) return false
  return true
}

/**
 * Judges a txlist's gossip message and writes its record: no signer, and the txlist's hash where it is `valid`, else
 * zeros. Never throws for what is in `bytes`.
 */
export function checkTxList(bytes: Uint8Array, crypto: Crypto, out: Uint8Array, offset = 0): Finding {
  return writeTxListRecord(bytes, crypto, out, offset, Finding.hash_mismatch)
}

/**
 * The same for a response, where an empty txlist under a hash that is not its own is `not_found`. Whether the hash is the
 * one that was asked for is for the caller, who compares it with the message's first 32 bytes.
 */
export function checkTxListResponse(bytes: Uint8Array, crypto: Crypto, out: Uint8Array, offset = 0): Finding {
  return writeTxListRecord(bytes, crypto, out, offset, Finding.not_found)
}

function writeTxListRecord(bytes: Uint8Array, crypto: Crypto, out: Uint8Array, offset: number, emptyMismatch: Finding): Finding {
  out.fill(0, offset, offset + RECORD_SIZE)
  let finding: Finding
  try {
    finding = judgeTxList(bytes, crypto, emptyMismatch)
  } catch {
    finding = Finding.unjudged
  }
  out[offset] = finding
  if (finding === Finding.valid) out.set(bytes.subarray(0, HASH_SIZE), offset + RECORD_HASH)
  return finding
}

function judgeTxList(bytes: Uint8Array, crypto: Crypto, emptyMismatch: Finding): Finding {
  if (!hasTxListOffset(bytes)) return Finding.undecodable
  if (bytes.length > TXLIST_HEADER_SIZE + MAX_TXLIST_BYTES) return Finding.oversize
  const txList = bytes.subarray(TXLIST_HEADER_SIZE)
  if (equalBytes(crypto.keccak256(txList), bytes.subarray(0, HASH_SIZE))) return Finding.valid
  return txList.length === 0 ? emptyMismatch : Finding.hash_mismatch
}
