/**
 * A batch of signatures for the verifying thread (`author-thread.ts`), packed into one buffer that is transferred:
 *
 *     count u32 | count × (key 32 | signature 64 | length u32 | signed bytes)
 *
 * Integers are little-endian.
 */
import { createPublicKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'

/** One signature to be verified. */
export interface Signed {
  /** The author's Ed25519 key, 32 bytes. */
  readonly key: Uint8Array
  /** 64 bytes. */
  readonly signature: Uint8Array
  /** The signed bytes. */
  readonly bytes: Uint8Array
}

const COUNT_SIZE = 4
const KEY_SIZE = 32
const SIGNATURE_SIZE = 64
const LENGTH_SIZE = 4
const HEAD_SIZE = KEY_SIZE + SIGNATURE_SIZE + LENGTH_SIZE

/** An Ed25519 key as a Node key object. @throws if it is not a valid key */
export function nativeKey(raw: Uint8Array): KeyObject {
  return createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(raw).toString('base64url') } })
}

export function packSigned(items: readonly Signed[]): Uint8Array<ArrayBuffer> {
  const packed = new Uint8Array(items.reduce((size, { bytes }) => size + HEAD_SIZE + bytes.length, COUNT_SIZE))
  const view = new DataView(packed.buffer)
  view.setUint32(0, items.length, true)
  let at = COUNT_SIZE
  for (const { key, signature, bytes } of items) {
    packed.set(key, at)
    packed.set(signature, at + KEY_SIZE)
    view.setUint32(at + KEY_SIZE + SIGNATURE_SIZE, bytes.length, true)
    packed.set(bytes, at + HEAD_SIZE)
    at += HEAD_SIZE + bytes.length
  }
  return packed
}

/** The items, as views of the buffer. @throws RangeError if the buffer was not made by `packSigned` */
export function unpackSigned(packed: Uint8Array<ArrayBuffer>): Signed[] {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength)
  let at = COUNT_SIZE
  return Array.from({ length: view.getUint32(0, true) }, () => {
    const length = view.getUint32(at + KEY_SIZE + SIGNATURE_SIZE, true)
    const bytes = at + HEAD_SIZE
    if (bytes + length > packed.length) throw new RangeError(`${bytes + length} bytes in a batch of ${packed.length}`)
    const item = { key: packed.subarray(at, at + KEY_SIZE), signature: packed.subarray(at + KEY_SIZE, at + KEY_SIZE + SIGNATURE_SIZE), bytes: packed.subarray(bytes, bytes + length) }
    at = bytes + length
    return item
  })
}
