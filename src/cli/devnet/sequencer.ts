import { randomBytes, randomInt } from 'node:crypto'
import {
  PreconfirmationCodec, SignedCommitmentCodec, preconfirmationHash, signCommitment, signerFromKey, toHex, txListHash,
} from '../../protocol/index.js'
import type { Crypto, KeySigner, Preconfirmation } from '../../protocol/index.js'

/** Two preconfers take turns, a window each. */
export const PRECONFERS = 2
/** The tip that every node is given; the first block is the next one. */
export const CONFIRMED_TIP = 999n
const MIN_TXLIST = 1_024
const MAX_TXLIST = 100 * 1_024
/** How long after the last moment of its blocks a window ends, s: machines stall. */
const WINDOW_SLACK = 20
/** Blocks in a window, where the speed allows: a window lasts whole seconds. */
const BLOCKS_PER_WINDOW = 8
/** How long before the first block the schedule begins at most, and how far it reaches beyond the last one, s. */
const SCHEDULE_MARGIN = 90

export interface Plan {
  /** Unix time at which the first window of the schedule begins, whole s. The blocks begin with a later one. */
  readonly origin: number
  readonly blocks: number
  readonly blocksPerSecond: number
}

/** Whose turn it is, and when the window ends in which it is. */
export interface Turn { readonly preconfer: number; readonly end: number }

/** Turns that somebody else plans, L1 say, and how many blocks each has. */
export interface PlannedTurns { readonly turns: readonly Turn[]; readonly blocksEach: number }

/** One thing to publish. */
export interface Piece {
  readonly index: number
  readonly preconfer: number
  /** Which turn of the run it belongs to, from 0. */
  readonly turn: number
  readonly blockNumber: bigint
  /** `hand-over`: an EOP without a block; `last block`: an EOP with one (SPEC §6). */
  readonly kind: 'block' | 'last block' | 'hand-over'
  /** When to publish it, s since the epoch. */
  readonly at: number
  readonly ssz: Uint8Array
  readonly hash: Uint8Array
  readonly txListHash: Uint8Array
  readonly txList: Uint8Array | undefined
}

interface Place {
  readonly index: number
  readonly window: number
  readonly preconfer: number
  readonly end: number
  readonly turn: number
  readonly blockNumber: bigint
  readonly at: number
  readonly kind: Piece['kind']
}

const ZERO_HASH = new Uint8Array(32)

/** Builds the blocks of a chain, each when its turn comes: linked, signed by the preconfer of its window, with random txlists. */
export class Sequencer {
  readonly signers: readonly KeySigner[] = Array.from({ length: PRECONFERS }, () => signerFromKey(randomBytes(32)))
  readonly windowSeconds: number
  #parent: Uint8Array = ZERO_HASH

  constructor(
    private readonly plan: Plan,
    private readonly crypto: Crypto,
  ) {
    this.windowSeconds = Math.max(1, Math.round(BLOCKS_PER_WINDOW / plan.blocksPerSecond))
  }

  /** The schedule file of `run --schedule`: whose turn it is from each window on. */
  schedule(): readonly { readonly from: string; readonly signer: string }[] {
    const { blocks, blocksPerSecond } = this.plan
    const windows = Math.ceil((2 * SCHEDULE_MARGIN + blocks / blocksPerSecond) / this.windowSeconds)
    return Array.from({ length: windows }, (_, window) => ({
      from: String(this.#windowEnd(window)),
      signer: `0x${toHex(this.#signerOf(window).address)}`,
    }))
  }

  /**
   * All pieces in order, from the next window after `now` (s) on. Turns end alternately with an EOP that carries a block, and
   * with a hand-over without one.
   */
  async *pieces(now: number, planned?: PlannedTurns): AsyncGenerator<Piece> {
    const { origin, blocks, blocksPerSecond } = this.plan
    const first = Math.ceil((now - origin) / this.windowSeconds)
    const startsAt = origin + first * this.windowSeconds
    const turnOf = (block: number): number => planned === undefined ? Math.floor(block / blocksPerSecond / this.windowSeconds) : Math.floor(block / planned.blocksEach)
    let index = 0
    for (let block = 0; block < blocks; block++) {
      const turn = turnOf(block)
      const last = block === blocks - 1 || turnOf(block + 1) !== turn
      const carriesEop = last && turn % 2 === 0
      const window = first + turn
      const place = {
        ...planned?.turns[turn] ?? { preconfer: window % PRECONFERS, end: this.#windowEnd(window) },
        window,
        turn,
        blockNumber: CONFIRMED_TIP + 1n + BigInt(block),
        at: startsAt + block / blocksPerSecond,
      }
      yield await this.#piece({ ...place, index: index++, kind: carriesEop ? 'last block' : 'block' })
      if (last && !carriesEop)
        yield await this.#piece({ ...place, index: index++, blockNumber: place.blockNumber + 1n, kind: 'hand-over' })
    }
  }

  async #piece({ window, end, ...place }: Place): Promise<Piece> {
    const { kind, blockNumber, at } = place
    const signer = this.signers[place.preconfer]!
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
      submissionWindowEnd: BigInt(end),
      proverAuth: new Uint8Array(20),
      proposalId: BigInt(window),
    }
    const signed = await signCommitment({ preconf, slasherAddress: new Uint8Array(20) }, signer, { crypto: this.crypto })
    const hash = preconfirmationHash(this.crypto, PreconfirmationCodec.encode(preconf))
    this.#parent = hash
    return {
      ...place,
      ssz: SignedCommitmentCodec.encode(signed),
      hash,
      txListHash: preconf.rawTxListHash,
      txList,
    }
  }

  #signerOf(window: number): KeySigner {
    return this.signers[window % PRECONFERS]!
  }
  #windowEnd(window: number): number {
    return this.plan.origin + (window + 1) * this.windowSeconds + WINDOW_SLACK
  }
}
