import { OFFSETS } from '../../protocol/layout.js'

/**
 * The keys of the database. The first byte names the space; the rest sorts as the comments say. Heights and windows are
 * uint256 in as few bytes as they need, after their count: byte order is number order, and a height of today takes 5 bytes.
 *
 *     s                                    what the database is, as JSON
 *     k                                    counters, as JSON, rewritten by every commit
 *     c height 0 window hash               canonical hand-over, before the block of its height
 *     c height 1                           canonical block: the key allows one a height
 *     p height hash                        every other commitment (pending, demoted)
 *     x hash                               → the key of that commitment in c or p
 *     t sequence                           bytes of a txlist. In the order of arrival, so that nothing is sorted again
 *     i hash                               → what is known of a txlist, with its sequence
 *     r height hash                        referenced txlists by height: the order of eviction
 *     u sequence                           unreferenced txlists by arrival
 *     e sequence                           evidence by arrival, as JSON
 *     d digest                             → the sequence of that evidence
 *     o signer window height kind          what we signed
 *     o signer window height kind digest   the same, where another is recorded in its place
 *     w number                             height from which on canonical blocks were taken away, or put below others; the last 4,096
 *     g height                             hash of a canonical block that was adopted without its parent
 *     a name                               confirmed tip, head override, root, mark, id of this directory, up to where nothing is signed any more
 *     m name                               text of other rooms
 *
 * Version 1 had neither `w` nor `g`, and `demoted` for what is `retired` now: see migrate.ts.
 */
export const SCHEMA_VERSION = 2
/** Says in the record under `s` that the database is ours. */
export const SCHEMA_NAME = 'preconfirmation-p2p'

export type Space = 's' | 'k' | 'c' | 'p' | 'x' | 't' | 'i' | 'r' | 'u' | 'e' | 'd' | 'o' | 'w' | 'g' | 'a' | 'm'

export const HANDOVER = 0
export const BLOCK = 1

const HEIGHT_MOST = 33

/** Keys are Buffers: their text form (latin1) is what maps are keyed by, and sorts as the bytes do. */
export type Key = Buffer
export const keyText = (key: Key): string => key.toString('latin1')
export const keyOfText = (text: string): Key => Buffer.from(text, 'latin1')

export const SCHEMA_KEY: Key = Buffer.from('s')
export const COUNTERS_KEY: Key = Buffer.from('k')

/** Bytes that a little-endian uint256 needs. */
function significant(bytes: Uint8Array, offset: number): number {
  let length = 32
  while (length > 0 && bytes[offset + length - 1] === 0) length--
  return length
}

/** A uint256 of an SSZ container, as it stands in keys: count of bytes, then big-endian. */
export function heightOfSsz(ssz: Uint8Array, offset: number): Buffer {
  const length = significant(ssz, offset)
  const encoded = Buffer.allocUnsafe(1 + length)
  encoded[0] = length
  for (let at = 0; at < length; at++) encoded[1 + at] = ssz[offset + length - 1 - at] ?? 0
  return encoded
}

const MOST = (1n << 256n) - 1n

/** The same of a bigint; what is out of the range of a uint256 becomes its nearest end. */
export function encodeHeight(height: bigint): Buffer {
  const clamped = height < 0n ? 0n : height > MOST ? MOST : height
  if (clamped === 0n) return Buffer.from([0])
  const digits = clamped.toString(16)
  const hex = digits.length % 2 === 0 ? digits : `0${digits}`
  return Buffer.concat([Buffer.from([hex.length / 2]), Buffer.from(hex, 'hex')])
}

/** Reads the height that starts at `offset` of a key. */
export function decodeHeight(key: Uint8Array, offset: number): bigint {
  const length = key[offset] ?? 0
  let value = 0n
  for (let at = 1; at <= length; at++) value = value << 8n | BigInt(key[offset + at] ?? 0)
  return value
}

/** The encoded height that starts at `offset` of a key. */
export const heightInKey = (key: Uint8Array, offset = 1): Buffer => {
  const length = Math.min(key[offset] ?? 0, HEIGHT_MOST - 1)
  return Buffer.from(key.buffer, key.byteOffset + offset, 1 + length)
}

export function join(space: Space, ...parts: readonly (Uint8Array | number)[]): Key {
  let length = 1
  for (const part of parts) length += typeof part === 'number' ? 1 : part.length
  const key = Buffer.allocUnsafe(length)
  key[0] = space.charCodeAt(0)
  let at = 1
  for (const part of parts) {
    if (typeof part === 'number') {
      key[at++] = part
    } else {
      key.set(part, at)
      at += part.length
    }
  }
  return key
}

/** A count of ours; below 2^48, so that it is exact as a number and as six bytes. */
export function sequenceKey(space: 't' | 'u' | 'e' | 'w', sequence: number): Key {
  const key = Buffer.allocUnsafe(7)
  key[0] = space.charCodeAt(0)
  key.writeUIntBE(sequence, 1, 6)
  return key
}
export const sequenceOf = (key: Key): number => key.readUIntBE(1, 6)

export const nameKey = (space: 'a' | 'm', name: string): Key => join(space, Buffer.from(name, 'utf8'))

/** Of what we signed: the SSZ gives window, height and kind. */
export function ownSignedKey(signer: Uint8Array, ssz: Uint8Array, handover: boolean): Key {
  const [window, height] = [heightOfSsz(ssz, OFFSETS.submissionWindowEnd), heightOfSsz(ssz, OFFSETS.blockNumber)]
  return join('o', signer, window, height, handover ? HANDOVER : BLOCK)
}

/** The bounds of a whole space, for ranges. */
export const spaceStart = (space: Space): Key => Buffer.from(space)
export const spaceEnd = (space: Space): Key => Buffer.from([space.charCodeAt(0) + 1])

/** The first key after this one, to go on with a range. */
export const keyAfter = (key: Uint8Array): Key => Buffer.concat([key, Buffer.from([0])])

/** The key of the block above this one. */
export const blockAbove = (key: Uint8Array): Key => join('c', encodeHeight(decodeHeight(key, 1) + 1n), BLOCK)

/** Whether a key of space `c` is a block's. */
export function isBlockKey(key: Uint8Array): boolean {
  return key[0] === 0x63 && key[2 + (key[1] ?? 0)] === BLOCK
}
