import secp256k1 from 'secp256k1/bindings.js'
import {
  COMMITMENT_SIZE, CommitmentView, DEFAULT_DOMAIN, OFFSETS, PRECONFIRMATION_SIZE, SIGNED_COMMITMENT_SIZE, loadCrypto, preconfirmationHash,
  signerFromKey, signingHash, txListHash,
} from '../../src/protocol/index.js'

/** What the types of the protocol's side leave out: signing, to be fast at setup. */
interface Signing {
  ecdsaSign(digest: Uint8Array, key: Uint8Array): { readonly signature: Uint8Array; readonly recid: number }
}

const native = secp256k1 as typeof secp256k1 & Signing
const KEY = new Uint8Array(32).fill(7)

/** The elected signer of every bench. */
export const SIGNER = signerFromKey(KEY).address
/** Who may sign in windows that end before this is not known, seconds of the epoch. */
export const SCHEDULED_FROM = 1_700_000_000n
/** Confirmed before the first block. */
export const TIP = 999_999

/**
 * The one txlist that all blocks name. It is sent before them: else the nodes would ask each other for each block's, which is not what
 * these benches measure.
 */
export const TXLIST = new Uint8Array(200).fill(0xb1)

/** The first submission window of a bench ends so much later, seconds: none is over before the bench is, nor beyond the horizon (SPEC §6). */
const WINDOW_S = 1_800
/** Blocks of one submission window: an epoch of 384 s, a block each 2 s. */
const WINDOW_BLOCKS = 192
/** From one window's end to the next, seconds: so many windows are within reach at a time. */
const WINDOW_EVERY_S = 1

export interface Chain {
  /** The next `count` blocks, each linked to the one before: valid signed commitments of 382 bytes. */
  next(count: number): Uint8Array[]
}

export interface ChainOptions {
  /** The signer's key, 32 bytes. Default: the elected one's. */
  readonly key?: Uint8Array
  /** End of the first submission window, seconds of the epoch. Default: in half an hour. */
  readonly window?: number
  /** Tells chains apart that have the same heights: below 256. */
  readonly salt?: number
}

/** A chain from the first block above `TIP` on. */
export async function chainOf({ key = KEY, window = Math.ceil(Date.now() / 1_000) + WINDOW_S, salt = 0 }: ChainOptions = {}): Promise<Chain> {
  const crypto = await loadCrypto()
  const named = txListHash(crypto, TXLIST)
  let height = TIP
  let parent: Uint8Array = new Uint8Array(32)
  const block = () => {
    height++
    const bytes = new Uint8Array(SIGNED_COMMITMENT_SIZE)
    const view = new DataView(bytes.buffer)
    view.setUint32(OFFSETS.blockNumber, height, true)
    view.setUint32(OFFSETS.timestamp, 1_800_000_000 + height, true)
    view.setUint32(OFFSETS.gasLimit, 240_000_000, true)
    view.setUint32(OFFSETS.submissionWindowEnd, window + WINDOW_EVERY_S * Math.floor((height - TIP - 1) / WINDOW_BLOCKS), true)
    bytes[OFFSETS.proposalId] = salt
    bytes.set(named, OFFSETS.rawTxListHash)
    bytes.set(parent, OFFSETS.parentPreconfirmationHash)
    const { signature, recid } = native.ecdsaSign(signingHash(crypto, DEFAULT_DOMAIN, bytes.subarray(0, COMMITMENT_SIZE)), key)
    bytes.set(signature, OFFSETS.signature)
    bytes[SIGNED_COMMITMENT_SIZE - 1] = recid
    parent = preconfirmationHash(crypto, bytes.subarray(0, PRECONFIRMATION_SIZE))
    return bytes
  }
  return { next: count => Array.from({ length: count }, block) }
}

/** A signed commitment's height, which names it in the figures. */
export const heightOf = (commitment: Uint8Array): number => Number(new CommitmentView(commitment).blockNumber)
