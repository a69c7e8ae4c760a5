import { randomBytes, randomInt } from 'node:crypto'
import {
  PreconfirmationCodec, SignedCommitmentCodec, preconfirmationHash, signCommitment, signerFromKey, txListHash,
} from '../../protocol/index.js'
import type { Crypto, KeySigner, Preconfirmation } from '../../protocol/index.js'

/** Two preconfers take turns, a window each. */
export const PRECONFERS = 2
/** The tip that every node is given; the first block is the next one. */
export const CONFIRMED_TIP = 999n
const MIN_TXLIST = 1_024
const MAX_TXLIST = 100 * 1_024
/** How long after the last moment of its blocks a window ends, s: machines stall. */
const WINDOW_SLACK = 10

export interface Plan {
  /** Unix time of the first block, s. */
  readonly startsAt: number
  readonly blocks: number
  readonly blocksPerSecond: number
  readonly windowSeconds: number
}

/** One thing to publish. */
export interface Piece {
  readonly index: number
  readonly preconfer: number
  readonly blockNumber: bigint
  /** `hand-over`: an EOP without a block; `last block`: an EOP with one (SPEC §6). */
  readonly kind: 'block' | 'last block' | 'hand-over'
  /** When to publish it, s since the epoch. */
  readonly at: number
  readonly ssz: Uint8Array
  readonly hash: Uint8Array
  readonly txList: Uint8Array | undefined
}

const ZERO_HASH = new Uint8Array(32)

/** Builds the blocks of a chain, each when its turn comes: linked, signed by the preconfer of its window, with random txlists. */
export class Sequencer {
  readonly signers: readonly KeySigner[] = Array.from({ length: PRECONFERS }, () => signerFromKey(randomBytes(32)))
  #parent: Uint8Array = ZERO_HASH

  constructor(private readonly plan: Plan, private readonly crypto: Crypto) {}

  /** The schedule file of `run --schedule`: whose turn it is from each window on. */
  schedule(): readonly { readonly from: string; readonly signer: string }[] {
    const windows = this.#windowOf(this.plan.blocks) + 2
    return Array.from({ length: windows }, (_, window) => ({
      from: String(this.#windowEnd(window)),
      signer: `0x${Buffer.from(this.signers[window % PRECONFERS]!.address).toString('hex')}`,
    }))
  }

  /** All pieces in order. Windows end in turn with an EOP that carries a block, and with a hand-over without one. */
  async * pieces(): AsyncGenerator<Piece> {
    let index = 0
    for (let block = 0; block < this.plan.blocks; block++) {
      const window = this.#windowOf(block)
      const last = this.#windowOf(block + 1) !== window
      const blockNumber = CONFIRMED_TIP + 1n + BigInt(block)
      const carriesEop = last && window % 2 === 0
      const at = this.#timeOf(block)
      yield await this.#piece({ index: index++, window, blockNumber, at, kind: carriesEop ? 'last block' : 'block' })
      if (last && !carriesEop) yield await this.#piece({ index: index++, window, blockNumber: blockNumber + 1n, at, kind: 'hand-over' })
    }
  }

  async #piece({ index, window, blockNumber, at, kind }: { index: number; window: number; blockNumber: bigint; at: number; kind: Piece['kind'] }): Promise<Piece> {
    const preconfer = window % PRECONFERS
    const signer = this.signers[preconfer]!
    const txList = kind === 'hand-over' ? undefined : new Uint8Array(randomBytes(randomInt(MIN_TXLIST, MAX_TXLIST + 1)))
    const preconf: Preconfirmation = {
      eop: kind !== 'block',
      blockNumber,
      timestamp: BigInt(Math.floor(at)),
      gasLimit: 30_000_000n,
      coinbase: signer.address,
      anchorBlockNumber: blockNumber / 2n,
      rawTxListHash: txList === undefined ? ZERO_HASH : txListHash(this.crypto, txList),
      parentPreconfirmationHash: this.#parent,
      submissionWindowEnd: BigInt(this.#windowEnd(window)),
      proverAuth: new Uint8Array(20),
      proposalId: BigInt(window),
    }
    const signed = await signCommitment({ preconf, slasherAddress: new Uint8Array(20) }, signer, { crypto: this.crypto })
    const hash = preconfirmationHash(this.crypto, PreconfirmationCodec.encode(preconf))
    this.#parent = hash
    return { index, preconfer, blockNumber, kind, at, ssz: SignedCommitmentCodec.encode(signed), hash, txList }
  }

  #timeOf(block: number): number { return this.plan.startsAt + block / this.plan.blocksPerSecond }
  #windowOf(block: number): number { return Math.floor(block / this.plan.blocksPerSecond / this.plan.windowSeconds) }
  #windowEnd(window: number): number { return Math.ceil(this.plan.startsAt) + (window + 1) * this.plan.windowSeconds + WINDOW_SLACK }
}
