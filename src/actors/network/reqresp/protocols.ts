import {
  FRAME_CAPS, GetCommitmentsByNumberRequestCodec, GetCommitmentsByNumberResponseCodec, GetHeadRequestCodec, GetRawTxListRequestCodec,
  GetRawTxListResponseCodec, MAX_COMMITMENTS, PreconfHeadCodec, ProtocolError,
} from '../../../protocol/index.js'
import { RequestError } from '../errors.js'
import type { RequestKind } from '../ingress.js'

export const REQUEST_KINDS = ['head', 'commitments', 'txList'] as const satisfies readonly RequestKind[]

/** An inbound request, decoded. */
export type DecodedRequest =
  | { readonly kind: 'head' }
  | { readonly kind: 'commitments'; readonly start: bigint; /** 1 to 256. */ readonly max: number }
  | { readonly kind: 'txList'; readonly hash: Uint8Array }

/** Bytes that an answer of this kind may hold: what the serving budget reserves while it is under way. */
export const ANSWER_SIZES: Record<RequestKind, number> = {
  head: PreconfHeadCodec.maxSize,
  commitments: GetCommitmentsByNumberResponseCodec.maxSize,
  txList: GetRawTxListResponseCodec.maxSize,
}

export const frameCaps: Record<RequestKind, { readonly request: number; readonly response: number }> = FRAME_CAPS

/** An inbound request's body. More than 256 commitments asked counts as 256. @throws ProtocolError where it is not one */
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

/** The answer of one who has nothing: a head of zeros, no commitments, or the asked hash with an empty txlist (SPEC §9). */
export function emptyAnswer(request: DecodedRequest): Uint8Array {
  switch (request.kind) {
    case 'head': return new Uint8Array(PreconfHeadCodec.maxSize)
    case 'commitments': return GetCommitmentsByNumberResponseCodec.encode({ commitments: [] })
    case 'txList': return GetRawTxListResponseCodec.encode({ rawTxListHash: request.hash, txlist: new Uint8Array(0) })
  }
}

/**
 * Whether an outgoing request can be asked at all, so that a bad argument is an error at once and no time-out (H28).
 * @throws RequestError `max_count_exceeded` (value, limit 256), `empty_range`, `malformed_request`
 */
export function checkRequest(kind: RequestKind, body: Uint8Array): void {
  try {
    switch (kind) {
      case 'head': GetHeadRequestCodec.decode(body); return
      case 'txList': GetRawTxListRequestCodec.decode(body); return
      case 'commitments': checkMaxCount(GetCommitmentsByNumberRequestCodec.decode(body).maxCount)
    }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    throw new RequestError('malformed_request', `no ${kind} request: ${error.message}`, { value: body.length, cause: error })
  }
}

/** How many commitments may be asked. @throws RequestError `max_count_exceeded`, `empty_range` */
export function checkMaxCount(maxCount: number): void {
  if (maxCount === 0) throw new RequestError('empty_range', 'no commitment is asked', { value: maxCount })
  if (maxCount > MAX_COMMITMENTS) {
    throw new RequestError('max_count_exceeded', `${maxCount} commitments are asked, at most ${MAX_COMMITMENTS}`, { value: maxCount, limit: MAX_COMMITMENTS })
  }
}

