import { createHash } from 'node:crypto'
import secp256k1 from 'secp256k1/bindings.js'
import {
  COMMITMENT_SIZE, DEFAULT_DOMAIN, OFFSETS, SIGNED_COMMITMENT_SIZE, TXLIST_HEADER_SIZE, loadCrypto, signingHash,
} from '../../src/protocol/index.js'

/** What the types of the protocol's side leave out: signing, to be fast at setup. */
interface Signing {
  ecdsaSign (digest: Uint8Array, key: Uint8Array): { readonly signature: Uint8Array; readonly recid: number }
}

const native = secp256k1 as typeof secp256k1 & Signing

/** The same 32 bytes for the same words. */
function bytesOf(...words: (string | number)[]): Uint8Array {
  return createHash('sha256').update(words.join(' ')).digest()
}

/** Where the submission window of the first signer ends. */
const FIRST_WINDOW = 1_800_000_384
const WINDOW_SECONDS = 384

/**
 * Valid signed commitments of linked-looking blocks, going round `signers` keys. Reproducible. With `windows`, each signer has a submission
 * window of its own, as elected ones have; without, all have the same.
 */
export async function makeCommitments(count: number, signers = count, { windows = false }: { readonly windows?: boolean } = {}): Promise<readonly Uint8Array[]> {
  const crypto = await loadCrypto()
  return Array.from({ length: count }, (_, index) => {
    const bytes = new Uint8Array(SIGNED_COMMITMENT_SIZE)
    const view = new DataView(bytes.buffer)
    view.setUint32(OFFSETS.blockNumber, 1_000_000 + index, true)
    view.setUint32(OFFSETS.timestamp, 1_800_000_000 + index, true)
    view.setUint32(OFFSETS.gasLimit, 240_000_000, true)
    view.setUint32(OFFSETS.submissionWindowEnd, FIRST_WINDOW + (windows ? WINDOW_SECONDS * (index % signers) : 0), true)
    bytes.set(bytesOf('txlist', index), OFFSETS.rawTxListHash)
    bytes.set(bytesOf('parent', index), OFFSETS.parentPreconfirmationHash)
    const { signature, recid } = native.ecdsaSign(
      signingHash(crypto, DEFAULT_DOMAIN, bytes.subarray(0, COMMITMENT_SIZE)), bytesOf('key', index % signers),
    )
    bytes.set(signature, OFFSETS.signature)
    bytes[SIGNED_COMMITMENT_SIZE - 1] = recid
    return bytes
  })
}

/** Valid txlist messages whose lists have so many bytes. */
export async function makeTxLists(count: number, size: number): Promise<readonly Uint8Array[]> {
  const crypto = await loadCrypto()
  return Array.from({ length: count }, (_, index) => {
    const bytes = new Uint8Array(TXLIST_HEADER_SIZE + size)
    for (let at = TXLIST_HEADER_SIZE; at < bytes.length; at += 32) bytes.set(bytesOf('list', index, at).subarray(0, bytes.length - at), at)
    bytes[32] = TXLIST_HEADER_SIZE
    bytes.set(crypto.keccak256(bytes.subarray(TXLIST_HEADER_SIZE)), 0)
    return bytes
  })
}
