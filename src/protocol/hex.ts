import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { describe, ProtocolError } from './errors.js'

/** Lower case, without prefix. */
export function toHex(bytes: Uint8Array): string {
  return bytesToHex(bytes)
}

/**
 * Bytes of a hex text, upper or lower case, with or without `0x`.
 * @param length bytes expected, where the caller knows it
 * @throws ProtocolError `invalid_hex`, or `invalid_length` where `length` is given and differs
 */
export function fromHex(text: string, length?: number): Uint8Array {
  const digits = typeof text === 'string' && text.startsWith('0x') ? text.slice(2) : text
  let bytes: Uint8Array
  try {
    bytes = hexToBytes(digits)
  } catch {
    throw new ProtocolError('invalid_hex', `not hex: ${describe(text)}`)
  }
  if (length !== undefined && bytes.length !== length) {
    const detail = { value: bytes.length, limit: length }
    throw new ProtocolError('invalid_length', `expected ${length} bytes of hex, got ${bytes.length}`, detail)
  }
  return bytes
}
