import { LRUCache } from 'lru-cache'
import { equalBytes } from '../bytes.js'
import { toHex } from '../hex.js'

/**
 * Who a commitment is probably of, before its signature is looked at: the signer of its submission window, as the schedule said or as
 * an earlier recovery showed. A wrong guess costs time and nothing else. Everything is bounded, whatever senders do.
 */

/** A signer that was heard of. Its public key and table are the verifier's. */
export interface GuessedSigner {
  /** 20 bytes. */
  readonly address: Uint8Array
  /** The schedule named it. */
  expected: boolean
  /** Valid signatures of it that recovery decided since it last had a table. */
  recovered: number
}

/** Who a window's commitments are thought to be of. */
export interface Guess {
  signer: GuessedSigner
  /** From the schedule: no commitment changes it. */
  readonly fixed: boolean
  /** Hits less misses. At 0 another signer takes its place. */
  weight: number
}

const SIGNERS = 256
const WINDOWS = 1_024
const MOST_WEIGHT = 8

export class SignerGuess {
  readonly #signers = new LRUCache<string, GuessedSigner>({ max: SIGNERS })
  readonly #windows = new LRUCache<number, Guess>({ max: WINDOWS })

  /** The schedule elected a signer; with a window where it says which (`windowKey`). */
  expect(address: Uint8Array, window?: number): void {
    const signer = this.#signer(address)
    signer.expected = true
    if (window !== undefined) this.#windows.set(window, { signer, fixed: true, weight: MOST_WEIGHT })
  }

  of(window: number): Guess | undefined { return this.#windows.get(window) }

  /** A guess was right. */
  hit(guess: Guess): void {
    if (guess.weight < MOST_WEIGHT) guess.weight++
  }

  /** Recovery gave a signer for a window; gives what is known of that signer. */
  learn(window: number, address: Uint8Array): GuessedSigner {
    const signer = this.#signer(address)
    signer.recovered++
    const guess = this.#windows.get(window)
    if (guess === undefined) {
      this.#windows.set(window, { signer, fixed: false, weight: 1 })
    } else if (equalBytes(guess.signer.address, address)) {
      if (guess.weight < MOST_WEIGHT) guess.weight++
      // The list of signers may have forgotten it meanwhile: there is one object a signer again.
      guess.signer = signer
    } else if (!guess.fixed && --guess.weight <= 0) {
      guess.signer = signer
      guess.weight = 1
    }
    return signer
  }

  #signer(address: Uint8Array): GuessedSigner {
    const key = toHex(address)
    const known = this.#signers.get(key)
    if (known !== undefined) return known
    const signer: GuessedSigner = { address: address.slice(), expected: false, recovered: 0 }
    this.#signers.set(key, signer)
    return signer
  }
}

/** The lower 48 bits of the submission window's end, read in place: enough to tell windows apart. */
export function windowKey(bytes: Uint8Array, offset: number): number {
  const low = bytes[offset]! | bytes[offset + 1]! << 8 | bytes[offset + 2]! << 16
  const high = bytes[offset + 3]! | bytes[offset + 4]! << 8 | bytes[offset + 5]! << 16
  return high * 0x100_0000 + low
}

/** The same of a number. */
export function windowKeyOf(window: bigint): number { return Number(BigInt.asUintN(48, window)) }

/**
 * Whether guessing pays. A hit spares a recovery, a miss costs a tenth of one, so below one hit in eight guesses it does not; then
 * one batch in sixteen still tries, to notice when that changes.
 */
export class HitRate {
  #rate = 1
  #skipped = 0

  get rate(): number { return this.#rate }

  /** Whether this batch tries its guesses. */
  tries(): boolean {
    if (this.#rate >= LEAST_RATE) return true
    this.#skipped = (this.#skipped + 1) % PROBE_EVERY
    return this.#skipped === 0
  }

  /** What came of a batch's guesses. */
  saw(hits: number, misses: number): void {
    const tried = hits + misses
    // A single guess weighs 1/32, a batch of 32 and more half of all that was before.
    if (tried > 0) this.#rate += (hits / tried - this.#rate) * Math.min(0.5, tried / 32)
  }
}

const LEAST_RATE = 1 / 8
const PROBE_EVERY = 16
