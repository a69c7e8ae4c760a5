import { copyBytes } from './bytes.js'
import { describe, ProtocolError } from './errors.js'
import { fromHex } from './hex.js'

export const DOMAIN_SIZE = 32

/** The 32 ASCII bytes `TAIKO_PRECONF_DOMAIN_PLACEHOLDER` (SPEC §4). Not to be written to. */
export const DEFAULT_DOMAIN: Uint8Array = new TextEncoder().encode('TAIKO_PRECONF_DOMAIN_PLACEHOLDER')

/**
 * A chain's signing domain from its configuration: 64 hex digits with or without `0x`, or 32 bytes (copied).
 * @throws ProtocolError `invalid_domain`
 */
export function parseDomain(domain: string | Uint8Array): Uint8Array {
  let bytes: Uint8Array
  try {
    bytes = typeof domain === 'string' ? fromHex(domain) : copyBytes(domain)
  } catch (cause) {
    throw new ProtocolError('invalid_domain', `a domain is 64 hex digits, got ${describe(domain)}`, {}, { cause })
  }
  if (bytes.length !== DOMAIN_SIZE) {
    throw new ProtocolError('invalid_domain', `a domain is ${DOMAIN_SIZE} bytes, got ${bytes.length}`, {
      value: bytes.length, limit: DOMAIN_SIZE,
    })
  }
  return bytes
}
