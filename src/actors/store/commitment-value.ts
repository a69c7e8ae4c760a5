import { crc32 } from 'node:zlib'
import { isZero } from '../../protocol/bytes.js'
import { HASH_SIZE, OFFSETS } from '../../protocol/layout.js'
import type { CommitmentPut, Standing } from './database.js'
import { StoreError } from './errors.js'
import { PAGE_RECORD_SIZE, standingByte, standingOf } from './record-page.js'
import { BLOCK, HANDOVER, heightOfSsz, join } from './schema.js'
import type { Key } from './schema.js'

/**
 * A stored commitment: CRC-32 of the rest (4 bytes, big-endian), then the record as it stands in a page. LevelDB checks no
 * value that it reads.
 */
const CRC_SIZE = 4
const VALUE_SIZE = CRC_SIZE + PAGE_RECORD_SIZE
const HASH_AT = CRC_SIZE + 1
const SIGNER_AT = HASH_AT + HASH_SIZE
const SSZ_AT = SIGNER_AT + 20

export function commitmentValue(put: CommitmentPut): Buffer {
  const { hash, signer, ssz } = put
  const value = Buffer.allocUnsafe(VALUE_SIZE)
  value[CRC_SIZE] = standingByte(put)
  value.set(hash, HASH_AT)
  value.set(signer, SIGNER_AT)
  value.set(ssz, SSZ_AT)
  value.writeUInt32BE(crc32(value.subarray(CRC_SIZE)), 0)
  return value
}

/** The record part of a value, checked. @throws StoreError `damaged` naming the key */
export function recordIn(key: Key, value: Uint8Array): Uint8Array {
  const record = value.subarray(CRC_SIZE)
  const stated = value.length < CRC_SIZE ? -1 : new DataView(value.buffer, value.byteOffset).getUint32(0)
  if (value.length !== VALUE_SIZE || stated !== crc32(record)) {
    const text = key.toString('hex')
    throw new StoreError('damaged', `the commitment under ${text} is not what was written`, { value: text })
  }
  return record
}

/** Where the SSZ starts in a page's record. */
export const SSZ_IN_RECORD = SSZ_AT - CRC_SIZE

/** A value read back, with its own copy of the bytes. */
export function readCommitment(key: Key, value: Uint8Array): CommitmentPut {
  const record = Uint8Array.from(recordIn(key, value))
  return {
    ...standingOf(record[0]),
    hash: record.subarray(1, 1 + HASH_SIZE),
    signer: record.subarray(1 + HASH_SIZE, SSZ_IN_RECORD),
    ssz: record.subarray(SSZ_IN_RECORD),
  }
}

/** The same record under another standing. */
export const withStanding = (commitment: CommitmentPut, standing: Standing): CommitmentPut => ({ ...commitment, standing })

/** `eop` without a txlist, with or without its signature. */
export const isHandover = (ssz: Uint8Array): boolean => ssz[OFFSETS.eop] === 1 && isZero(ssz, OFFSETS.rawTxListHash, HASH_SIZE)

/** Where a commitment stands in the database: canonical blocks by height alone, everything else with its hash. */
export function keyOfCommitment({ hash, ssz, standing }: CommitmentPut, height = heightOfSsz(ssz, OFFSETS.blockNumber)): Key {
  if (standing !== 'canonical') return join('p', height, hash)
  if (!isHandover(ssz)) return join('c', height, BLOCK)
  return join('c', height, HANDOVER, heightOfSsz(ssz, OFFSETS.submissionWindowEnd), hash)
}
