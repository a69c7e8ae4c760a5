import { createHash } from 'node:crypto'
import { keccak_256 } from '@noble/hashes/sha3.js'
import type { Checked, Origin } from '../../src/actors/chain/ingress.js'
import {
  Finding, PRECONFIRMATION_SIZE, RawTxListGossipCodec, SignedCommitmentCodec,
} from '../../src/protocol/index.js'

/**
 * Commitments and txlists as the validator hands them over: linked and hashed for real; signatures and txlist hashes are made up, since
 * their findings are given.
 */
export interface Built {
  readonly ssz: Uint8Array
  /** Preconfirmation hash. */
  readonly hash: Uint8Array
  readonly signer: Uint8Array
  readonly number: bigint
  readonly window: bigint
  readonly handoverOnly: boolean
  readonly txList: Uint8Array
  readonly txListHash: Uint8Array
}

export interface Spec {
  readonly number: bigint | number
  /** A commitment or its hash; left out: 32 zeros. */
  readonly parent?: Built | Uint8Array
  /** Default `ALICE`. */
  readonly signer?: Uint8Array
  /** Submission window end; default `WINDOW`. */
  readonly window?: bigint | number
  readonly eop?: boolean
  /** A hand-over without a block. */
  readonly handoverOnly?: boolean
  /** Makes a commitment different from another of the same place. */
  readonly salt?: number
  /** Makes another signature over the same commitment. */
  readonly signature?: number
  readonly slasher?: number
}

export const ALICE = new Uint8Array(20).fill(0xa1)
export const BOB = new Uint8Array(20).fill(0xb0)
export const CAROL = new Uint8Array(20).fill(0xca)
export const MALLORY = new Uint8Array(20).fill(0x66)
/** Long over by the test kit's clock, which begins at 1,800,000,000 s: windows around it are within reach (SPEC §6). */
export const WINDOW = 1_799_000_384n

/** Stands for the txlist hash, whose check is the worker's: keccak256 of 2 MiB would take a test 100 ms. */
export const txListHashOf = (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash('sha256').update(bytes).digest())

export function build(spec: Spec): Built {
  const { signer = ALICE, eop = false, handoverOnly = false, salt = 0, signature = 1, slasher = 0 } = spec
  const number = BigInt(spec.number)
  const window = BigInt(spec.window ?? WINDOW)
  const parent = spec.parent === undefined ? new Uint8Array(32) : spec.parent instanceof Uint8Array ? spec.parent : spec.parent.hash
  const txList = new TextEncoder().encode(`txlist ${number} ${window} ${salt} ${Buffer.from(signer).toString('hex')}`)
  const txListHash = handoverOnly ? new Uint8Array(32) : txListHashOf(txList)
  const ssz = SignedCommitmentCodec.encode({
    commitment: {
      preconf: {
        eop: eop || handoverOnly, blockNumber: number, timestamp: BigInt(salt), gasLimit: 30_000_000n, coinbase: signer, anchorBlockNumber: 1n,
        rawTxListHash: txListHash, parentPreconfirmationHash: parent, submissionWindowEnd: window, proverAuth: new Uint8Array(20), proposalId: 0n,
      },
      slasherAddress: new Uint8Array(20).fill(slasher),
    },
    signature: Uint8Array.from({ length: 65 }, (_, at) => at === 64 ? 0 : at === 32 ? 1 : signature),
  })
  return { ssz, hash: keccak_256(ssz.subarray(0, PRECONFIRMATION_SIZE)), signer, number, window, handoverOnly, txList, txListHash }
}

/** Blocks `from` to `to`, linked. */
export function chainOf(from: number, to: number, options: Omit<Spec, 'number'> = {}): Built[] {
  const blocks: Built[] = []
  for (let number = from; number <= to; number++) {
    const parent = blocks.at(-1) ?? options.parent
    blocks.push(build({ ...options, number, ...(parent !== undefined && { parent }) }))
  }
  return blocks
}

/** As the worker finds it. */
export const checked = (built: Built, origin: Origin, finding: Finding = Finding.valid): Checked =>
  ({ bytes: built.ssz, finding, signer: built.signer, hash: built.hash, origin })

export function checkedTxList(txList: Uint8Array, origin: Origin, finding: Finding = Finding.valid): Checked {
  const rawTxListHash = txListHashOf(txList)
  return { bytes: RawTxListGossipCodec.encode({ rawTxListHash, txlist: txList }), finding, signer: new Uint8Array(20), hash: rawTxListHash, origin }
}
