import { equalBytes } from '../../protocol/bytes.js'
import { ADDRESS_SIZE, COMMITMENT_SIZE, CommitmentView, HASH_SIZE, SIGNED_COMMITMENT_SIZE } from '../../protocol/index.js'
import type { PeerKey } from '../../protocol/peer-key.js'
import type { CommitmentStatus } from './ports.js'

/** A map key for a hash or an address: shorter to make than hex, and never shown. */
export const keyOf = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')

/** What the worker found: a signed commitment whose signer and hash are known to belong to it. */
export interface Authentic {
  /** 382 bytes. */
  readonly ssz: Uint8Array
  readonly hash: Uint8Array
  readonly signer: Uint8Array
  readonly from: PeerKey | undefined
  /** We published it. */
  readonly own?: boolean
}

/** A commitment in memory: its fields as this room needs them, and where it stands. */
export class Commitment {
  #ssz: Uint8Array
  #hash: Uint8Array
  #signer: Uint8Array
  #kept = false
  readonly from: PeerKey | undefined
  readonly own: boolean
  readonly key: string
  readonly signerKey: string
  readonly parentKey: string
  readonly number: bigint
  readonly window: bigint
  readonly eop: boolean
  /** `eop` without a txlist: a hand-over that occupies no height (SPEC §6). */
  readonly handoverOnly: boolean
  /** Signer and window: whose turn it was signed in. */
  readonly turn: string
  /** What may be signed once only; a hand-over without a block has none (SPEC §6). */
  readonly slot: string | undefined

  standing: CommitmentStatus = 'pending'
  /** The second of an equivocation: kept beside the chain, and refused until a later window is built on it (SPEC §7). */
  rival = false
  /** It may be, or was, adopted without its parent, on its elected signer's word (SPEC §6, EOP): the store's gap records. */
  adoptedWithoutParent = false
  /** Whether the store was told of it. */
  written = false
  /** Whether the application's rules have passed it, and had its parent before them. */
  ruled: 'no' | 'alone' | 'with_parent' | 'refused' = 'no'
  /** Whether its `handover` event went out. */
  announced = false
  /** Since when only its missing parent keeps it from the head, ms. */
  waitingSince: number | undefined

  /** @param order counts arrivals */
  constructor({ ssz, hash, signer, from, own = false }: Authentic, readonly order: number) {
    this.#ssz = ssz
    this.#hash = hash
    this.#signer = signer
    this.from = from
    this.own = own
    const view = new CommitmentView(ssz)
    this.key = keyOf(hash)
    this.signerKey = keyOf(signer)
    this.parentKey = keyOf(view.parentPreconfirmationHash)
    this.number = view.blockNumber
    this.window = view.submissionWindowEnd
    this.eop = view.eop
    this.handoverOnly = view.isHandoverOnly
    this.turn = `${this.signerKey}${this.window}`
    this.slot = this.handoverOnly ? undefined : `${this.turn}:${this.number}`
  }

  get ssz(): Uint8Array { return this.#ssz }
  get hash(): Uint8Array { return this.#hash }
  get signer(): Uint8Array { return this.#signer }

  /** Copies what it looks at, before it outlives its batch: a view would keep the whole batch's buffer alive. */
  keep(): this {
    if (this.#kept) return this
    this.#kept = true
    const copy = new Uint8Array(SIGNED_COMMITMENT_SIZE + HASH_SIZE + ADDRESS_SIZE)
    copy.set(this.#ssz)
    copy.set(this.#hash, SIGNED_COMMITMENT_SIZE)
    copy.set(this.#signer, SIGNED_COMMITMENT_SIZE + HASH_SIZE)
    this.#ssz = copy.subarray(0, SIGNED_COMMITMENT_SIZE)
    this.#hash = copy.subarray(SIGNED_COMMITMENT_SIZE, SIGNED_COMMITMENT_SIZE + HASH_SIZE)
    this.#signer = copy.subarray(SIGNED_COMMITMENT_SIZE + HASH_SIZE)
    return this
  }

  /** The height that its child must have. */
  get next(): bigint { return this.handoverOnly ? this.number : this.number + 1n }
  get parentHash(): Uint8Array { return new CommitmentView(this.ssz).parentPreconfirmationHash }
  /** `undefined` for a hand-over without a block. */
  get txListHash(): Uint8Array | undefined { return this.handoverOnly ? undefined : new CommitmentView(this.ssz).rawTxListHash }

  sameBytes(other: Commitment): boolean { return equalBytes(this.#ssz, other.#ssz) }

  /** Whether it is the same but for the signature. */
  sameContent(other: Commitment): boolean {
    return equalBytes(this.ssz.subarray(0, COMMITMENT_SIZE), other.ssz.subarray(0, COMMITMENT_SIZE))
  }
}

/** The end of a signer's turn (SPEC §6, EOP). */
interface Signed { readonly number: bigint; readonly eop: boolean; readonly handoverOnly: boolean }

/**
 * The first height that a signer may not sign any more in this window: the one above an EOP that carries a block; with a hand-over
 * without a block the very height that it names, since the next signer's block takes that.
 */
export const turnEndsAt = ({ number, handoverOnly }: Signed): bigint => handoverOnly ? number : number + 1n

/** The end of its signer's turn that a block comes after, in the order of the chain (not of arrival); an EOP itself never does. */
export function brokenTurnEnd<E extends Signed>(block: Signed, ends: Iterable<E>): E | undefined {
  if (block.eop) return undefined
  for (const end of ends) if (block.number >= turnEndsAt(end)) return end
  return undefined
}
