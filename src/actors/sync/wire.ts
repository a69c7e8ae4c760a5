/** Requests and answers of SPEC §3 as this room needs them: bytes out, the few fields it looks at in. */
import {
  GetCommitmentsByNumberRequestCodec, GetHeadRequestCodec, GetRawTxListRequestCodec, PreconfHeadCodec, ProtocolError, TXLIST_HEADER_SIZE, toHex, viewTxList,
} from '../../protocol/index.js'
import type { Head } from '../chain/ingress.js'

export const headRequest = (): Uint8Array => GetHeadRequestCodec.encode({ reserved: new Uint8Array(0) })

export const pageRequest = (startBlockNumber: bigint, maxCount: number): Uint8Array =>
  GetCommitmentsByNumberRequestCodec.encode({ startBlockNumber, maxCount })

export const txListRequest = (rawTxListHash: Uint8Array): Uint8Array => GetRawTxListRequestCodec.encode({ rawTxListHash })

/** A head; `undefined` where the bytes are none. Zeros mean that the peer knows none (SPEC §7, §9). */
export function readHead(body: Uint8Array): Head | undefined {
  try {
    return PreconfHeadCodec.decode(body)
  } catch (error) {
    if (error instanceof ProtocolError) return undefined
    throw error
  }
}

/** keccak256 of nothing: the one hash under which an empty txlist is the answer and not the lack of one. */
const EMPTY_HASH = 'c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470'

/** What an answer to `get_raw_txlist` is, as far as its form goes; whether the bytes fit the hash is for the validator. */
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
