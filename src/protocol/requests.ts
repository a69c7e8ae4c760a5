/** The three requests of SPEC §3: kinds, sizes, and their bodies in both directions. */
import {
  GetCommitmentsByNumberRequestCodec, GetCommitmentsByNumberResponseCodec, GetHeadRequestCodec, GetRawTxListRequestCodec,
  GetRawTxListResponseCodec, PreconfHeadCodec,
} from './containers.js'
import type { PreconfHead } from './containers.js'
import { ProtocolError } from './errors.js'
import { FRAME_CAPS } from './framing.js'
import { toHex } from './hex.js'
import { MAX_COMMITMENTS, PAGE_HEADER_SIZE, TXLIST_HEADER_SIZE } from './layout.js'
import { viewTxList } from './view.js'

export const REQUEST_KINDS = ['head', 'commitments', 'txList'] as const
export type RequestKind = typeof REQUEST_KINDS[number]

/** An inbound request, decoded. */
export type DecodedRequest =
  | { readonly kind: 'head' }
  | { readonly kind: 'commitments'; readonly start: bigint; /** 1 to 256. */ readonly max: number }
  | { readonly kind: 'txList'; readonly hash: Uint8Array }

/** Largest response body of each kind, bytes: what the serving budget reserves while a response is in flight. */
export const ANSWER_SIZES: Record<RequestKind, number> = {
  head: PreconfHeadCodec.maxSize,
  commitments: GetCommitmentsByNumberResponseCodec.maxSize,
  txList: GetRawTxListResponseCodec.maxSize,
}

export const frameCaps: Record<RequestKind, { readonly request: number; readonly response: number }> = FRAME_CAPS

/** Decodes a request body. A count above 256 is taken as 256. @throws ProtocolError for anything else */
export function decodeRequest(kind: RequestKind, body: Uint8Array): DecodedRequest {
  switch (kind) {
    case 'head':
      GetHeadRequestCodec.decode(body)
      return { kind }
    case 'commitments': {
      const { startBlockNumber, maxCount } = GetCommitmentsByNumberRequestCodec.decode(body)
      return { kind, start: startBlockNumber, max: Math.min(maxCount, MAX_COMMITMENTS) }
    }
    case 'txList':
      return { kind, hash: GetRawTxListRequestCodec.decode(body).rawTxListHash }
  }
}

/** The response of a node that has nothing: a head of zeros, no commitments, or the requested hash with an empty txlist (SPEC §9). */
export function emptyAnswer(request: DecodedRequest): Uint8Array {
  switch (request.kind) {
    case 'head': return new Uint8Array(PreconfHeadCodec.maxSize)
    case 'commitments': return commitmentsBody(new Uint8Array(0))
    case 'txList': return txListBody(request.hash, undefined)
  }
}

export const headRequest = (): Uint8Array => GetHeadRequestCodec.encode({ reserved: new Uint8Array(0) })

export const pageRequest = (startBlockNumber: bigint, maxCount: number): Uint8Array =>
  GetCommitmentsByNumberRequestCodec.encode({ startBlockNumber, maxCount })

export const txListRequest = (rawTxListHash: Uint8Array): Uint8Array => GetRawTxListRequestCodec.encode({ rawTxListHash })

/** Decodes a head response; `undefined` if malformed. Zeros mean that the peer knows none (SPEC §7, §9). */
export function readHead(body: Uint8Array): PreconfHead | undefined {
  try {
    return PreconfHeadCodec.decode(body)
  } catch (error) {
    if (error instanceof ProtocolError) return undefined
    throw error
  }
}

/** keccak256 of the empty string: for this hash alone an empty txlist is the txlist, and not its absence. */
const EMPTY_HASH = 'c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470'

/** The form of a `get_raw_txlist` response; the validator checks that the bytes match the hash. */
export type TxListAnswer = 'found' | 'not_found' | 'undecodable' | 'wrong_hash'

export function readTxListAnswer(body: Uint8Array, askedHash: string): TxListAnswer {
  try {
    viewTxList(body)
  } catch (error) {
    if (error instanceof ProtocolError) return 'undecodable'
    throw error
  }
  if (toHex(body.subarray(0, 32)) !== askedHash) return 'wrong_hash'
  return body.length === TXLIST_HEADER_SIZE && askedHash !== EMPTY_HASH ? 'not_found' : 'found'
}

/** A `GetCommitmentsByNumberResponse` (SPEC §3) around packed commitments. */
export function commitmentsBody(packed: Uint8Array): Uint8Array {
  const body = new Uint8Array(PAGE_HEADER_SIZE + packed.length)
  body[0] = PAGE_HEADER_SIZE
  body.set(packed, PAGE_HEADER_SIZE)
  return body
}

/** A `GetRawTxListResponse`; `undefined` gives the response for an unknown txlist, its hash with an empty list (SPEC §9). */
export function txListBody(hash: Uint8Array, bytes: Uint8Array | undefined): Uint8Array {
  return GetRawTxListResponseCodec.encode({ rawTxListHash: hash, txlist: bytes ?? new Uint8Array(0) })
}
