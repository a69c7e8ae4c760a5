import { PreconfCommitmentCodec, SIGNED_COMMITMENT_SIZE, SignedCommitmentCodec, signerFromKey, signingHash, toHex, DEFAULT_DOMAIN } from '../../../src/protocol/index.js'
import { KEY, TIP } from './chain.js'
import type { BlockMaker } from './chain.js'

/** The chain as it has to be, made here on its own: what stands on disk is held against it. */
export class ExpectedChain {
  /** SSZ of each block, one after the other. */
  #ssz = Buffer.alloc(0)
  #blocks = 0
  readonly #hashes: string[] = []
  readonly #txListHashes: Uint8Array[] = []
  #parent: Uint8Array = new Uint8Array(32)
  readonly #sign = signerFromKey(KEY)

  constructor(readonly maker: BlockMaker) {}

  /** SSZ of the blocks from `from` to `to`. */
  ssz(from: bigint, to: bigint): Buffer {
    this.#reach(to)
    return this.#ssz.subarray(index(from) * SIGNED_COMMITMENT_SIZE, (index(to) + 1) * SIGNED_COMMITMENT_SIZE)
  }

  /** Preconfirmation hash, hex. */
  hash(height: bigint): string {
    this.#reach(height)
    return this.#hashes[index(height)] ?? ''
  }

  txListHash(height: bigint): Uint8Array {
    this.#reach(height)
    return this.#txListHashes[index(height)] ?? new Uint8Array(32)
  }

  #reach(height: bigint): void {
    const { maker } = this
    while (this.#blocks <= index(height)) {
      const { commitment, hash, txListHash } = maker.block(TIP + 1n + BigInt(this.#blocks), this.#parent)
      const signature = this.#sign(signingHash(maker.crypto, DEFAULT_DOMAIN, PreconfCommitmentCodec.encode(commitment)))
      const at = this.#blocks++ * SIGNED_COMMITMENT_SIZE
      if (at + SIGNED_COMMITMENT_SIZE > this.#ssz.length) this.#ssz = Buffer.concat([this.#ssz], 2 * this.#ssz.length + 1_024 * SIGNED_COMMITMENT_SIZE)
      this.#ssz.set(SignedCommitmentCodec.encode({ commitment, signature }), at)
      this.#hashes.push(toHex(hash))
      this.#txListHashes.push(txListHash)
      this.#parent = hash
    }
  }
}

const index = (height: bigint): number => Number(height - TIP - 1n)
