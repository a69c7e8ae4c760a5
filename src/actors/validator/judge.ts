/** What a worker does with a batch. No thread in it: tests run it on the spot. */
import type { Crypto } from '../../protocol/crypto.js'
import { RECORD_SIZE, checkCommitment, checkTxList } from '../../protocol/rules.js'
import type { CommitmentRules } from '../../protocol/rules.js'
import type { BatchThread } from './batch-thread.js'
import { openBatch } from './packing.js'

/**
 * Judges every item by the stateless rules of SPEC §6 and writes its record into the batch. A bad item never fails its neighbours. With
 * `batch`, commitments of known signers are checked together; the records are the same.
 * @throws ValidatorError `bad_batch` where the buffer is no batch: our own fault, never a sender's
 */
export function judgeBatch(buffer: ArrayBuffer, rules: CommitmentRules, crypto: Crypto, batch?: BatchThread): void {
  const { kind, items, body, records } = openBatch(buffer)
  if (kind === 'commitments' && batch?.check(body, records) === true) return
  for (const [index, item] of items.entries()) {
    if (kind === 'commitments') checkCommitment(item, rules, crypto, records, index * RECORD_SIZE)
    else checkTxList(item, crypto, records, index * RECORD_SIZE)
  }
}
