import { getPublicKey, hashes, sign } from '@noble/secp256k1'
import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { keccak_256 as keccak256 } from '@noble/hashes/sha3.js'
import { copyBytes, equalBytes, isHigh, isScalar, negateScalar } from './bytes.js'
import { PreconfCommitmentCodec } from './codecs.js'
import type { Crypto } from './crypto.js'
import { DEFAULT_DOMAIN } from './domain.js'
import { describe, ProtocolError } from './errors.js'
import { addressOf, signingHash } from './hash.js'
import { fromHex, toHex } from './hex.js'
import { SIGNATURE_SIZE } from './layout.js'
import type { PreconfCommitment, SignedCommitment } from './values.js'

/**
 * Signs a commitment's signing hash: with a key at hand, or elsewhere. Gives r(32) ‖ s(32) ‖ v(1). The commitment is
 * there for a signer with a policy of its own (never two for one height, for instance).
 */
export interface Signer {
  (digest: Uint8Array, commitment: PreconfCommitment): Promise<Uint8Array> | Uint8Array
  /** The address it signs for, where it is known; signatures are then held against it. */
  readonly address?: Uint8Array
}

/** A signer whose address is known. */
export interface AddressedSigner extends Signer {
  readonly address: Uint8Array
}

/** A signer with its key in memory, which also answers at once. */
export interface KeySigner extends AddressedSigner {
  (digest: Uint8Array, commitment?: PreconfCommitment): Uint8Array
}

/**
 * A signer from a private key (32 bytes, or 64 hex digits). Deterministic (RFC 6979) and low-S: the same commitment
 * always gets the same signature.
 * @throws ProtocolError `invalid_key`; the message never holds the key
 */
export function signerFromKey(privateKey: Uint8Array | string): KeySigner {
  const key = parseKey(privateKey)
  // The library's synchronous calls need these two; setting them again changes nothing.
  hashes.sha256 = sha256
  hashes.hmacSha256 = (secret, message) => hmac(sha256, secret, message)
  const address = keccak256(getPublicKey(key, false).subarray(1)).slice(12)
  const signDigest = (digest: Uint8Array): Uint8Array => {
    const recoverable = sign(digest, key, { prehash: false, lowS: true, format: 'recovered' })
    const signature = new Uint8Array(SIGNATURE_SIZE)
    signature.set(recoverable.subarray(1))
    signature[64] = recoverable[0]!
    return signature
  }
  return Object.assign(signDigest, { address })
}

function parseKey(privateKey: Uint8Array | string): Uint8Array {
  let key: Uint8Array | undefined
  try {
    key = typeof privateKey === 'string' ? fromHex(privateKey) : copyBytes(privateKey)
  } catch {
    // Without the cause: its message could quote the key.
  }
  if (key === undefined || key.length !== 32 || !isScalar(key, 0)) {
    throw new ProtocolError('invalid_key', 'a private key is 32 bytes (64 hex digits), above zero and below the group order')
  }
  return key
}

export interface SignOptions {
  readonly crypto: Crypto
  /** Default `DEFAULT_DOMAIN`. */
  readonly domain?: Uint8Array
}

/**
 * Encodes, has it signed, and checks the answer before anybody else can: its form, that a key can be recovered, and that
 * it is the signer's where the signer tells its address. High-S is brought to low-S and a v of 27/28 to 0/1, since remote
 * signers of other protocols answer so.
 * @throws ProtocolError of the encoding, `invalid_signature`, `signer_mismatch`; what the signer throws passes through
 */
export async function signCommitment(
  commitment: PreconfCommitment, signer: Signer, { crypto, domain = DEFAULT_DOMAIN }: SignOptions,
): Promise<SignedCommitment> {
  const digest = signingHash(crypto, domain, PreconfCommitmentCodec.encode(commitment))
  const signature = normalizeAnswer(await signer(digest.slice(), commitment))
  const publicKey = crypto.recover(digest, signature.subarray(0, 64), signature[64]!)
  if (publicKey === undefined) throw new ProtocolError('invalid_signature', 'the signer answered with a signature of no key')
  const address = addressOf(crypto, publicKey)
  if (signer.address !== undefined && !equalBytes(address, signer.address)) {
    const message = `signed by ${toHex(address)}, expected ${toHex(signer.address)}`
    throw new ProtocolError('signer_mismatch', message, { value: toHex(address) })
  }
  return { commitment, signature }
}

function normalizeAnswer(answer: unknown): Uint8Array {
  if (!(answer instanceof Uint8Array) || answer.length !== SIGNATURE_SIZE) {
    throw new ProtocolError('invalid_signature', `the signer answered with ${describe(answer)}, not 65 bytes r ‖ s ‖ v`)
  }
  const signature = copyBytes(answer)
  if (signature[64]! >= 27 && signature[64]! <= 28) signature[64] = signature[64]! - 27
  return normalizeHighS(signature)
}

/**
 * The low-S twin of a high-S signature (s → n − s, v flipped), which has the same signer: stores of reference nodes keep
 * mangled copies for ever (SPEC §9). What is low-S already, or has an s out of range, comes back as it is (copied).
 * @throws ProtocolError `invalid_length` for other than 65 bytes
 */
export function normalizeHighS(signature: Uint8Array): Uint8Array {
  if (signature.length !== SIGNATURE_SIZE) {
    throw new ProtocolError('invalid_length', `a signature is ${SIGNATURE_SIZE} bytes, got ${signature.length}`, {
      value: signature.length, limit: SIGNATURE_SIZE,
    })
  }
  const normalized = copyBytes(signature)
  if (isHigh(normalized, 32) && isScalar(normalized, 32)) {
    negateScalar(normalized, 32)
    normalized[64] = normalized[64]! ^ 1
  }
  return normalized
}
