import { GetRawTxListResponseCodec, PAGE_HEADER_SIZE } from '../../protocol/index.js'

/** A `GetCommitmentsByNumberResponse` (SPEC §3) around commitments that stand one after the other. */
export function commitmentsBody(packed: Uint8Array): Uint8Array {
  const body = new Uint8Array(PAGE_HEADER_SIZE + packed.length)
  body[0] = PAGE_HEADER_SIZE
  body.set(packed, PAGE_HEADER_SIZE)
  return body
}

/** A `GetRawTxListResponse`; what we do not have is answered with its hash and an empty list (SPEC §9). */
export function txListBody(hash: Uint8Array, bytes: Uint8Array | undefined): Uint8Array {
  return GetRawTxListResponseCodec.encode({ rawTxListHash: hash, txlist: bytes ?? new Uint8Array(0) })
}
