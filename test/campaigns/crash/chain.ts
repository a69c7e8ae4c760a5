import { PreconfCommitmentCodec, PRECONFIRMATION_SIZE, loadCrypto, preconfirmationHash, signerFromKey, txListHash } from '../../../src/protocol/index.js'
import type { Crypto, PreconfCommitment } from '../../../src/protocol/index.js'
import { seededRandom } from '../../../src/actors/kernel/index.js'

/** The preconfer's key. */
export const KEY = '05'.repeat(32)
export const SIGNER = signerFromKey(KEY).address
/** Confirmed before the first block. */
export const TIP = 999n
/** Blocks of one submission window; the last of them ends the preconfer's turn. */
const WINDOW_BLOCKS = 64n

export interface ChainBlock {
  readonly height: bigint
  readonly commitment: PreconfCommitment
  /** Preconfirmation hash. */
  readonly hash: Uint8Array
  readonly txList: Uint8Array
  readonly txListHash: Uint8Array
}

interface BlockRules {
  readonly seed: number
  /** End of the first submission window, in seconds since the epoch. */
  readonly windowsFrom: bigint
  /** Size of every txlist. Left out: by chance. */
  readonly txListBytes?: number
}

/** Blocks that follow from a seed, a height and a parent alone: who writes and who checks need not tell each other. */
export class BlockMaker {
  private constructor(readonly crypto: Crypto, private readonly rules: BlockRules) {}

  static async create(rules: BlockRules): Promise<BlockMaker> { return new BlockMaker(await loadCrypto(), rules) }

  block(height: bigint, parent: Uint8Array): ChainBlock {
    const txList = this.#txList(height)
    const hash = txListHash(this.crypto, txList)
    const commitment = this.#commitment(height, { parent, txListHash: hash })
    return { height, commitment, hash: this.hashOf(commitment), txList, txListHash: hash }
  }

  /** Another block of the same window and height: to sign both would be punished. */
  rival(height: bigint): PreconfCommitment {
    const rival = this.#commitment(height, { parent: new Uint8Array(32).fill(1), txListHash: new Uint8Array(32).fill(2) })
    return { ...rival, preconf: { ...rival.preconf, eop: false } }
  }

  /** A block right above the last one of the window before `height`, in that window, whose turn has ended: `undefined` in the first one. */
  afterEop(height: bigint): PreconfCommitment | undefined {
    const first = height - (height - TIP - 1n) % WINDOW_BLOCKS
    if (first <= TIP + 1n) return undefined
    const { preconf, slasherAddress } = this.rival(first)
    return { preconf: { ...preconf, submissionWindowEnd: preconf.submissionWindowEnd - 1n }, slasherAddress }
  }

  hashOf(commitment: PreconfCommitment): Uint8Array {
    return preconfirmationHash(this.crypto, PreconfCommitmentCodec.encode(commitment).subarray(0, PRECONFIRMATION_SIZE))
  }

  #commitment(height: bigint, { parent, txListHash }: { readonly parent: Uint8Array; readonly txListHash: Uint8Array }): PreconfCommitment {
    const at = height - TIP - 1n
    return {
      preconf: {
        eop: at % WINDOW_BLOCKS === WINDOW_BLOCKS - 1n, blockNumber: height, timestamp: 1_800_000_000n + height, gasLimit: 30_000_000n, coinbase: SIGNER,
        anchorBlockNumber: 1n, rawTxListHash: txListHash, parentPreconfirmationHash: parent, submissionWindowEnd: this.rules.windowsFrom + at / WINDOW_BLOCKS,
        proverAuth: new Uint8Array(20), proposalId: 1n,
      },
      slasherAddress: new Uint8Array(20),
    }
  }

  /** Most are small, some are large. */
  #txList(height: bigint): Uint8Array {
    const random = seededRandom(this.rules.seed ^ Math.imul(Number(height), 0x9e3779b1))
    const size = random()
    const txList = new Uint8Array(this.rules.txListBytes ?? (size < 0.94 ? 20 + random() * 3_000 : size < 0.995 ? 20_000 + random() * 60_000 : 300_000))
    for (let at = 8; at < txList.length; at += 16) txList[at] = random() * 256
    new DataView(txList.buffer).setBigUint64(0, height)
    return txList
  }
}
