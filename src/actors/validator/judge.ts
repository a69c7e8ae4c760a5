/** What a worker does with a batch. No thread in it: tests run it on the spot. */
import type { Crypto } from '../../protocol/crypto.js'
import { RECORD_SIZE, checkCommitment, checkTxList } from '../../protocol/rules.js'
import type { CommitmentRules } from '../../protocol/rules.js'
import { openBatch } from './packing.js'

/**
 * Judges every item by the stateless rules of SPEC §6 and writes its record into the batch. A bad item never fails its neighbours.
 * @throws ValidatorError `bad_batch` where the buffer is no batch: our own fault, never a sender's
 */
export function judgeBatch(buffer: ArrayBuffer, rules: CommitmentRules, crypto: Crypto): void {
  const { kind, items, records } = openBatch(buffer)
  for (const [index, item] of items.entries()) {
    if (kind === 'commitments') checkCommitment(item, rules, crypto, records, index * RECORD_SIZE)
    else checkTxList(item, crypto, records, index * RECORD_SIZE)
  }
}
