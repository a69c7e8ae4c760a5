import {
  GetCommitmentsByNumberRequestCodec, GetHeadRequestCodec, GetRawTxListRequestCodec, MAX_COMMITMENTS, ProtocolError,
} from '../../../protocol/index.js'
import type { RequestKind } from '../../../protocol/index.js'
import { RequestError } from '../errors.js'

/**
 * Checks an outgoing request, so that a bad argument fails at once and not by a time-out (H28).
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

/** Checks the number of requested commitments. @throws RequestError `max_count_exceeded`, `empty_range` */
export function checkMaxCount(maxCount: number): void {
  if (maxCount === 0) throw new RequestError('empty_range', 'no commitment is asked', { value: maxCount })
  if (maxCount > MAX_COMMITMENTS) {
    throw new RequestError('max_count_exceeded', `${maxCount} commitments are asked, at most ${MAX_COMMITMENTS}`, { value: maxCount, limit: MAX_COMMITMENTS })
  }
}

