import { isZero } from './bytes.js'
import { checkCount, checkOffset, readUint32 } from './codec.js'
import { ProtocolError } from './errors.js'
import {
  ADDRESS_SIZE, COMMITMENT_SIZE, HASH_SIZE, MAX_TXLIST_BYTES, OFFSETS, PRECONFIRMATION_SIZE, SIGNATURE_SIZE,
  SIGNED_COMMITMENT_SIZE, TXLIST_HEADER_SIZE,
} from './layout.js'

export { COMMITMENT_SIZE, PRECONFIRMATION_SIZE, SIGNED_COMMITMENT_SIZE } from './layout.js'
export { fromHex, toHex } from './hex.js'

const TWO_32 = 4_294_967_296

/** A little-endian uint256. Values below 2^53, which real ones are, cost one small bigint. */
export function readUint256(bytes: Uint8Array, offset: number): bigint {
  const high = readUint32(bytes, offset + 4)
  if (high < 0x20_0000 && isZero(bytes, offset + 8, 24)) return BigInt(readUint32(bytes, offset) + high * TWO_32)
  let value = 0n
  for (let word = 28; word >= 0; word -= 4) value = value << 32n | BigInt(readUint32(bytes, offset + word))
  return value
}

/**
 * The fields of a signed commitment read in place, without decoding the rest. It looks at `bytes`, so it changes when
 * they do; byte fields are subarrays, to be copied by who keeps them. Gives what the bytes say: whether they are valid
 * is for `checkCommitment`.
 */
export class CommitmentView {
  readonly #bytes: Uint8Array
  readonly #offset: number

  /** @throws ProtocolError `invalid_size` where fewer than 382 bytes follow `offset` */
  constructor(bytes: Uint8Array, offset = 0) {
    const size = bytes.length - offset
    if (!(offset >= 0 && size >= SIGNED_COMMITMENT_SIZE)) {
      const detail = { value: size, limit: SIGNED_COMMITMENT_SIZE }
      throw new ProtocolError('invalid_size', `SignedCommitment: ${size} bytes, must be ${SIGNED_COMMITMENT_SIZE}`, detail)
    }
    this.#bytes = bytes
    this.#offset = offset
  }

  get eop(): boolean { return this.#bytes[this.#offset + OFFSETS.eop] === 1 }
  get blockNumber(): bigint { return readUint256(this.#bytes, this.#offset + OFFSETS.blockNumber) }
  get timestamp(): bigint { return readUint256(this.#bytes, this.#offset + OFFSETS.timestamp) }
  get submissionWindowEnd(): bigint { return readUint256(this.#bytes, this.#offset + OFFSETS.submissionWindowEnd) }
  get rawTxListHash(): Uint8Array { return this.#field(OFFSETS.rawTxListHash, HASH_SIZE) }
  get parentPreconfirmationHash(): Uint8Array { return this.#field(OFFSETS.parentPreconfirmationHash, HASH_SIZE) }
  get slasherAddress(): Uint8Array { return this.#field(OFFSETS.slasherAddress, ADDRESS_SIZE) }
  /** r ‖ s ‖ v. */
  get signature(): Uint8Array { return this.#field(OFFSETS.signature, SIGNATURE_SIZE) }
  /** What the parent link hashes. */
  get preconfirmationBytes(): Uint8Array { return this.#field(0, PRECONFIRMATION_SIZE) }
  /** What the signature covers, after the domain. */
  get commitmentBytes(): Uint8Array { return this.#field(0, COMMITMENT_SIZE) }
  /** All 382 bytes. */
  get bytes(): Uint8Array { return this.#field(0, SIGNED_COMMITMENT_SIZE) }
  /** Whether it names a txlist: its hash is not zero. */
  get hasTxList(): boolean { return !isZero(this.#bytes, this.#offset + OFFSETS.rawTxListHash, HASH_SIZE) }
  /** `eop` without a txlist: it ends the signer's turn and occupies no height (SPEC §6). */
  get isHandoverOnly(): boolean { return this.eop && !this.hasTxList }

  #field(start: number, length: number): Uint8Array {
    return this.#bytes.subarray(this.#offset + start, this.#offset + start + length)
  }
}

/** A txlist message (gossip or response) read in place: both fields are subarrays of the message. */
export interface TxListView {
  readonly rawTxListHash: Uint8Array
  readonly txList: Uint8Array
}

/** Bytes 32..35 = `24000000`: what every txlist message has, and `RawTxListGossip` requires (SPEC §5). */
export function hasTxListOffset(bytes: Uint8Array): boolean {
  return bytes.length >= TXLIST_HEADER_SIZE && bytes[32] === TXLIST_HEADER_SIZE
    && bytes[33] === 0 && bytes[34] === 0 && bytes[35] === 0
}

/** @throws ProtocolError `invalid_size`, `invalid_offset`, `list_too_long` */
export function viewTxList(bytes: Uint8Array): TxListView {
  checkOffset('RawTxListGossip', bytes, TXLIST_HEADER_SIZE)
  checkCount('RawTxListGossip.txlist', bytes.length - TXLIST_HEADER_SIZE, MAX_TXLIST_BYTES)
  return { rawTxListHash: bytes.subarray(0, HASH_SIZE), txList: bytes.subarray(TXLIST_HEADER_SIZE) }
}
