import type { Crypto } from './crypto.js'

/** What is signed: keccak256(domain(32) ‖ SSZ(PreconfCommitment)(317)) (SPEC §4). */
export function signingHash(crypto: Crypto, domain: Uint8Array, commitmentBytes: Uint8Array): Uint8Array {
  return crypto.keccak256(domain, commitmentBytes)
}

/** What a child links to: keccak256(SSZ(Preconfirmation)(297)), without a domain (SPEC §4). */
export function preconfirmationHash(crypto: Crypto, preconfirmationBytes: Uint8Array): Uint8Array {
  return crypto.keccak256(preconfirmationBytes)
}

/** keccak256 of the txlist's bytes (SPEC §4). */
export function txListHash(crypto: Crypto, txList: Uint8Array): Uint8Array {
  return crypto.keccak256(txList)
}

/** The last 20 bytes of keccak256 of a public key: 64 bytes, x ‖ y, without the leading 0x04 (SPEC §4). */
export function addressOf(crypto: Crypto, publicKey: Uint8Array): Uint8Array {
  return crypto.keccak256(publicKey).subarray(12)
}
