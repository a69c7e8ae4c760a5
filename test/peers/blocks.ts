import { randomFillSync } from 'node:crypto'
import {
  PreconfirmationCodec, RawTxListGossipCodec, SignedCommitmentCodec, loadCrypto, preconfirmationHash, signCommitment, signerFromKey, toHex, txListHash,
} from '../../src/protocol/index.js'
import type { Crypto, Preconfirmation } from '../../src/protocol/index.js'

/** The preconfer of all windows: one key, since who publishes is told apart by the peer. */
const signer = signerFromKey('02'.repeat(32))
/** Whom no schedule has elected. */
const stranger = signerFromKey('0f'.repeat(32))
export const SIGNER = signer.address

export interface Block {
  readonly blockNumber: bigint
  readonly windowEnd: bigint
  readonly ssz: Uint8Array
  /** Of the preconfirmation. */
  readonly hash: string
  readonly txList: Uint8Array
  readonly txListHash: string
  /** As it goes over gossip. */
  readonly txListSsz: Uint8Array
}

export const TIP = 999n

/** A chain of signed blocks, linked, from `TIP + 1` on. */
export class Blocks {
  #parent: Uint8Array = new Uint8Array(32)
  #next = TIP + 1n
  #windowEnd = BigInt(Math.ceil(Date.now() / 1_000) + 3_000)

  private constructor(private readonly crypto: Crypto) {}
  static async create(): Promise<Blocks> { return new Blocks(await loadCrypto()) }

  /** The next block, with these bytes for its txlist, or random ones. */
  async next(content: number | Uint8Array): Promise<Block> {
    const block = await this.#make({ blockNumber: this.#next++, eop: false }, content)
    this.#parent = Buffer.from(block.hash, 'hex')
    return block
  }

  /** The end of the signer's turn, without a block: beside the height that comes next, in the next window. */
  async handover(): Promise<Block> {
    const block = await this.#make({ blockNumber: this.#next, eop: true }, 0)
    this.#parent = Buffer.from(block.hash, 'hex')
    this.#windowEnd += 12n
    return block
  }

  /** In the right form, on top of what there is, and signed by nobody whom a schedule knows; so many heights further. */
  async foreign(further = 0n): Promise<Block> { return this.#make({ blockNumber: this.#next + further, eop: false, by: stranger }, 64) }

  async #make({ blockNumber, by = signer, eop }: { blockNumber: bigint; eop: boolean; by?: typeof signer }, content: number | Uint8Array): Promise<Block> {
    const txList = typeof content === 'number' ? randomFillSync(new Uint8Array(content)) : content
    const rawTxListHash = eop ? new Uint8Array(32) : txListHash(this.crypto, txList)
    const preconf: Preconfirmation = {
      eop, blockNumber, timestamp: 1_800_000_000n + blockNumber, gasLimit: 30_000_000n, coinbase: SIGNER,
      anchorBlockNumber: 1n, rawTxListHash, parentPreconfirmationHash: this.#parent, submissionWindowEnd: this.#windowEnd,
      proverAuth: new Uint8Array(20), proposalId: 1n,
    }
    const signed = await signCommitment({ preconf, slasherAddress: new Uint8Array(20) }, by, { crypto: this.crypto })
    return {
      blockNumber, windowEnd: this.#windowEnd, ssz: SignedCommitmentCodec.encode(signed), hash: toHex(preconfirmationHash(this.crypto, PreconfirmationCodec.encode(preconf))),
      txList, txListHash: toHex(rawTxListHash), txListSsz: RawTxListGossipCodec.encode({ rawTxListHash, txlist: txList }),
    }
  }
}
