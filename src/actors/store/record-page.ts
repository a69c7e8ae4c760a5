import { HASH_SIZE, SIGNED_COMMITMENT_SIZE } from '../../protocol/layout.js'
import { CommitmentView } from '../../protocol/view.js'
import type { CommitmentPut, CommitmentRecord, Standing } from './database.js'

/** One record in a page: standing and whether it is our own (1), hash (32), signer (20), SSZ (382). */
export const PAGE_RECORD_SIZE = 1 + HASH_SIZE + 20 + SIGNED_COMMITMENT_SIZE
const HASH_AT = 1
const SIGNER_AT = HASH_AT + HASH_SIZE
const SSZ_AT = SIGNER_AT + 20

const STANDINGS: readonly Standing[] = ['canonical', 'pending', 'demoted', 'retired']
const OWN = 0x80
export const standingByte = ({ standing, own = false }: Pick<CommitmentPut, 'standing' | 'own'>): number => STANDINGS.indexOf(standing) | (own ? OWN : 0)
export const standingOf = (byte = 0): { standing: Standing; own?: true } => ({ standing: STANDINGS[byte & ~OWN] ?? 'demoted', ...(byte & OWN) !== 0 && { own: true } })

/** Commitment records packed into one buffer, as they cross the thread; records are views of it. */
export class RecordPage implements Iterable<CommitmentRecord> {
  readonly length: number

  constructor(readonly bytes: Uint8Array) {
    this.length = Math.floor(bytes.length / PAGE_RECORD_SIZE)
  }

  /** @throws RangeError where there is no such record */
  at(index: number): CommitmentRecord {
    if (!(index >= 0 && index < this.length)) throw new RangeError(`record ${index} of ${this.length}`)
    const start = index * PAGE_RECORD_SIZE
    const view = new CommitmentView(this.bytes, start + SSZ_AT)
    return {
      blockNumber: view.blockNumber,
      hash: this.bytes.subarray(start + HASH_AT, start + SIGNER_AT),
      signer: this.bytes.subarray(start + SIGNER_AT, start + SSZ_AT),
      ssz: this.bytes.subarray(start + SSZ_AT, start + PAGE_RECORD_SIZE),
      ...standingOf(this.bytes[start]),
      handover: view.isHandoverOnly,
    }
  }

  * [Symbol.iterator](): IterableIterator<CommitmentRecord> {
    for (let index = 0; index < this.length; index++) yield this.at(index)
  }
}
