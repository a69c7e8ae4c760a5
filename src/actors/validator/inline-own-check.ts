import { loadCrypto } from '../../protocol/crypto.js'
import type { Crypto } from '../../protocol/crypto.js'
import type { CommitmentRules } from '../../protocol/rules.js'
import type { PoolConfig } from './config.js'
import { judgeBatch } from './judge.js'
import { packBatch, readRecords } from './packing.js'
import type { Records } from './packing.js'

/** Minimum interval between two inline checks, in milliseconds. A check takes about 0.1 ms, so they take at most 5 % of the main thread. */
const EVERY = 2

/**
 * Checks a single commitment of our own on the main thread, because a round trip to a worker takes longer than the check. Messages of other nodes
 * are never checked here, so neither a flood of them nor a crash that one causes in a native library reaches the main thread (H19, H31).
 */
export class InlineOwnCheck {
  readonly #rules: CommitmentRules
  #crypto: Crypto | 'loading' | undefined
  #last = -Infinity

  constructor(private readonly config: PoolConfig, private readonly load: typeof loadCrypto = loadCrypto) {
    this.#rules = { domain: config.domain, slasher: config.slasher }
  }

  /** The record of one commitment; `undefined` if it has to go through the pool. The libraries are loaded at the first call. */
  judge(bytes: Uint8Array, now: number): Records | undefined {
    const crypto = this.#crypto
    if (crypto === undefined) void this.#begin()
    if (crypto === undefined || crypto === 'loading' || now - this.#last < EVERY) return undefined
    this.#last = now
    const batch = packBatch('commitments', [bytes])
    judgeBatch(batch, this.#rules, crypto)
    return readRecords(batch, 1)
  }

  async #begin(): Promise<void> {
    this.#crypto = 'loading'
    try {
      this.#crypto = await this.load(this.config.crypto)
    } catch {
      // The threads have reported the fault of the libraries already.
    }
  }
}
