import { ADDRESS_SIZE, COMMITMENT_SIZE, HASH_SIZE, MAX_TXLIST_BYTES, SIGNED_COMMITMENT_SIZE } from '../../protocol/layout.js'
import type { OwnSigned, WriteBatch } from './database.js'
import { StoreError } from './errors.js'

/** Names are ours; this only keeps a key from growing without bound. */
const MAX_NAME = 256
const MAX_PEER = 256

function refuse(what: string, value: string | number, limit?: number): never {
  const bound = limit === undefined ? '' : `, must be ${limit}`
  throw new StoreError('invalid', `${what}: ${value}${bound}`, limit === undefined ? { value } : { value, limit })
}

function size(what: string, bytes: Uint8Array, ...allowed: readonly number[]): void {
  if (!allowed.includes(bytes.length)) refuse(`bytes of ${what}`, bytes.length, allowed[0])
}

const hashes = (what: string, all: readonly Uint8Array[] = []): void => { for (const hash of all) size(what, hash, HASH_SIZE) }

function height(what: string, value: bigint): void {
  if (value < 0n || value >> 256n !== 0n) refuse(what, value.toString())
}

/** Looks at a whole batch before any of it is applied. @throws StoreError `invalid` */
export function checkBatch(batch: WriteBatch): void {
  batch.signed?.forEach(checkOwnSigned)
  if (batch.closeSigning !== undefined) height('a submission window', batch.closeSigning.upTo)
  if (batch.forgetSigned !== undefined) height('a submission window', batch.forgetSigned)
  for (const { hash, signer, ssz } of batch.commitments ?? []) {
    size('a preconfirmation hash', hash, HASH_SIZE)
    size('a signer', signer, ADDRESS_SIZE)
    size('a signed commitment', ssz, SIGNED_COMMITMENT_SIZE)
  }
  hashes('a preconfirmation hash', batch.forget)
  hashes('a preconfirmation hash', batch.standings?.map(({ hash }) => hash))
  hashes('a txlist hash', batch.txLists?.map(({ hash }) => hash))
  hashes('a txlist hash', batch.referenced?.map(({ hash }) => hash))
  hashes('a txlist hash', batch.forgetTxLists)
  for (const { bytes, blockNumber, peer = '' } of batch.txLists ?? []) {
    if (bytes.length > MAX_TXLIST_BYTES) refuse('bytes of a txlist', bytes.length, MAX_TXLIST_BYTES)
    if (blockNumber !== undefined) height('the height of a txlist', blockNumber)
    if (peer.length > MAX_PEER) refuse('length of a peer', peer.length, MAX_PEER)
  }
  for (const { blockNumber } of batch.referenced ?? []) height('the height of a txlist', blockNumber)
  for (const { signer, messages } of batch.evidence ?? []) {
    size('a signer', signer, ADDRESS_SIZE)
    for (const message of messages) size('a signed commitment', message, SIGNED_COMMITMENT_SIZE)
  }
  if (batch.confirmedTip) {
    height('the confirmed tip', batch.confirmedTip.blockNumber)
    if (batch.confirmedTip.preconfirmationHash) size('a preconfirmation hash', batch.confirmedTip.preconfirmationHash, HASH_SIZE)
  }
  if (batch.headOverride) {
    height('the head', batch.headOverride.blockNumber)
    height('the head\'s window', batch.headOverride.submissionWindowEnd)
  }
  if (batch.rewindTo !== undefined) height('the height of a rewind', batch.rewindTo + 1n)
  if (batch.mark !== undefined) height('the mark', batch.mark)
  if (batch.root) height('the root', batch.root.first)
  if (batch.root?.parentHash) size('a preconfirmation hash', batch.root.parentHash, HASH_SIZE)
  hashes('a preconfirmation hash', batch.gaps?.map(({ hash }) => hash))
  for (const { name } of batch.meta ?? []) {
    if (name.length === 0 || name.length > MAX_NAME) refuse('length of a name', name.length, MAX_NAME)
  }
}

export function checkOwnSigned({ signer, hash, ssz }: OwnSigned): void {
  size('a signer', signer, ADDRESS_SIZE)
  size('a preconfirmation hash', hash, HASH_SIZE)
  size('a commitment', ssz, SIGNED_COMMITMENT_SIZE, COMMITMENT_SIZE)
}
