/** Requests to peers as the application makes them: arguments checked at once (H28), answers decoded (SPEC §3). */
import {
  GetCommitmentsByNumberResponseCodec, GetRawTxListResponseCodec, MAX_COMMITMENTS, PreconfHeadCodec, headRequest, pageRequest, toHex, txListHash, txListRequest,
} from '../../protocol/index.js'
import type { Codec, Crypto, PreconfHead, SignedCommitment } from '../../protocol/index.js'
import type { PeerKey } from '../../protocol/peer-key.js'
import type { Deadline } from '../kernel/index.js'
import { RequestError } from '../network/index.js'
import type { NetworkHandle, RequestKind } from '../network/ingress.js'
import { ofCaller } from './signals.js'

/** Waiting for the quota of SPEC §8 (a sliding 10 s), then at most 15 s for the exchange. */
const REQUEST_WITHIN = 26_000

type Network = Pick<NetworkHandle, 'request'>

export interface RequestOptions {
  /** Left out: the driver chooses among the connected peers that speak the protocol. */
  readonly peer?: PeerKey | undefined
  readonly signal?: AbortSignal | undefined
}

/** The head that a peer announces; zeros mean that it knows none. */
export async function requestHead(network: Network, options: RequestOptions): Promise<{ peer: PeerKey; head: PreconfHead }> {
  const { peer, value } = await exchange(network, 'head', headRequest(), PreconfHeadCodec, options)
  return { peer, head: value }
}

/**
 * Commitments from `start` (inclusive) on, as the peer sends them: decoded, not judged. What `sync` fetches is judged.
 * @throws RequestError `max_count_exceeded` above 256, `empty_range` and `bad_argument` for a range that cannot be
 */
export async function requestCommitments(
  network: Network, { start, maxCount, ...options }: RequestOptions & { readonly start: bigint; readonly maxCount: number },
): Promise<{ peer: PeerKey; commitments: readonly SignedCommitment[] }> {
  checkRange(start, maxCount)
  const { peer, value } = await exchange(network, 'commitments', pageRequest(start, maxCount), GetCommitmentsByNumberResponseCodec, options)
  return { peer, commitments: value.commitments }
}

/** @throws RequestError `bad_argument`, `empty_range`, `max_count_exceeded` */
export function checkRange(start: bigint, maxCount: number): void {
  if (typeof start !== 'bigint' || start < 0n || start >= 1n << 256n) {
    throw new RequestError('bad_argument', 'start is a block number', { value: start })
  }
  if (!Number.isSafeInteger(maxCount) || maxCount < 1) {
    throw new RequestError('empty_range', 'maxCount is at least 1', { value: maxCount })
  }
  if (maxCount > MAX_COMMITMENTS) {
    const detail = { value: maxCount, limit: MAX_COMMITMENTS }
    throw new RequestError('max_count_exceeded', `maxCount is at most ${MAX_COMMITMENTS}`, detail)
  }
}

/**
 * A txlist by its hash, checked against it.
 * @throws RequestError `not_found` when the peer does not have it, `bad_response` when it sends another
 */
export async function requestTxList(
  network: Network, crypto: Crypto, { hash, ...options }: RequestOptions & { readonly hash: Uint8Array },
): Promise<{ peer: PeerKey; txList: Uint8Array }> {
  if (!(hash instanceof Uint8Array) || hash.length !== 32) {
    throw new RequestError('bad_argument', 'hash is 32 bytes', { value: hash })
  }
  const { peer, value } = await exchange(network, 'txList', txListRequest(hash), GetRawTxListResponseCodec, options)
  if (value.txlist.length === 0) throw new RequestError('not_found', `${peer} does not have this txlist`, { value: hash, peer })
  if (toHex(txListHash(crypto, value.txlist)) !== toHex(hash)) {
    throw new RequestError('bad_response', `${peer} sent another txlist than asked`, { value: hash, peer })
  }
  return { peer, txList: value.txlist }
}

async function exchange<T>(
  network: Network, kind: RequestKind, body: Uint8Array, codec: Codec<T>, { peer, signal }: RequestOptions,
): Promise<{ peer: PeerKey; value: T }> {
  const within: Deadline = signal === undefined ? REQUEST_WITHIN : { ms: REQUEST_WITHIN, signal: ofCaller(signal) }
  const { peer: from, body: answer } = await network.request(kind, body, { peer }, within)
  try {
    return { peer: from, value: codec.decode(answer) }
  } catch (cause) {
    throw new RequestError('bad_response', `${from} answered what is no ${codec.name}`, { peer: from, cause })
  }
}
