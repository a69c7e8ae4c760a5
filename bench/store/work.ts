import { randomFillSync } from 'node:crypto'

/** One commitment record as the engines keep it: 382 B SSZ after 32 B hash and 20 B signer. */
export const RECORD_BYTES = 32 + 20 + 382
export const HASH_BYTES = 32
const SSZ_AT = 52

/**
 * `count` records from height `first` on, packed one after the other. The SSZ has the shape of a real commitment (uint256
 * fields mostly zero, hashes and signature random), since that is what compression and size on disk depend on.
 */
export function commitments(first: number, count: number): Uint8Array {
  const packed = new Uint8Array(count * RECORD_BYTES)
  const view = new DataView(packed.buffer)
  for (let at = 0; at < count; at++) {
    const start = at * RECORD_BYTES
    randomFillSync(packed, start, 32)
    packed.fill(1 + (first + at) % 3, start + 32, start + SSZ_AT)
    const ssz = start + SSZ_AT
    view.setBigUint64(ssz + 1, BigInt(first + at), true)
    view.setBigUint64(ssz + 33, 1_800_000_000n + 2n * BigInt(first + at), true)
    view.setBigUint64(ssz + 65, 241_000_000n, true)
    packed.fill(7, ssz + 97, ssz + 117)
    view.setBigUint64(ssz + 117, BigInt(20_000_000 + first + at), true)
    randomFillSync(packed, ssz + 149, 64)
    view.setBigUint64(ssz + 213, 1_800_000_000n + 384n * BigInt(Math.floor((first + at) / 192)), true)
    packed.fill(9, ssz + 245, ssz + 265)
    view.setBigUint64(ssz + 265, BigInt(1_000 + at), true)
    randomFillSync(packed, ssz + 317, 65)
  }
  return packed
}

/** `count` txlists of `bytes` each, random as compressed data is, each after its 32 B hash. */
export function txLists(count: number, bytes: number): Uint8Array {
  return randomFillSync(new Uint8Array(count * (HASH_BYTES + bytes)))
}

/** Big-endian key of a height: byte order is number order. */
export function heightKey(height: number): Buffer {
  const key = Buffer.alloc(9)
  key[0] = 0x63
  key.writeBigUInt64BE(BigInt(height), 1)
  return key
}

export function hashKey(space: number, hash: Uint8Array): Buffer {
  const key = Buffer.alloc(33)
  key[0] = space
  key.set(hash, 1)
  return key
}
