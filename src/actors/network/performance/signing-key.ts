import { createPrivateKey, sign } from 'node:crypto'
import type { Ed25519PrivateKey, PrivateKey } from '@libp2p/interface'

export const CRYPTO_VERSION = '5.1.23'

const SEED_BYTES = 32

/**
 * Fault: `@libp2p/crypto` makes OpenSSL's key anew for each signature, from JSON and base64: 80 µs of the 150 that signing a message costs
 * a node that publishes now and then.
 * Remedy: a key that is made once. Ed25519 gives the same signature either way (RFC 8032).
 * Paid for by `npm run bench -- latency` (docs/performance.md).
 * Goes when the library keeps it: the test counts keys made with and without this.
 */
export function keepSigningKey(key: PrivateKey): PrivateKey {
  if (key.type !== 'Ed25519') return key
  const d = Buffer.from(key.raw.subarray(0, SEED_BYTES)).toString('base64url')
  const x = Buffer.from(key.publicKey.raw).toString('base64url')
  const native = createPrivateKey({ format: 'jwk', key: { kty: 'OKP', crv: 'Ed25519', d, x } })
  return Object.create(key, {
    sign: {
      value: ((message, options) => {
        options?.signal?.throwIfAborted()
        return sign(null, message.subarray(), native)
      }) satisfies Ed25519PrivateKey['sign'],
    },
  }) as PrivateKey
}
