/** Checks a batch. Runs in a worker; it uses no thread itself, so tests can call it directly. */
import type { Crypto } from '../../protocol/crypto.js'
import { RECORD_SIZE, checkCommitment, checkTxList } from '../../protocol/rules.js'
import type { CommitmentRules } from '../../protocol/rules.js'
import type { BatchThread } from './batch-thread.js'
import { openBatch } from './packing.js'

/**
 * Checks every item by the stateless rules of SPEC §6 and writes its record into the batch. A bad item does not affect the others. With `batch`,
 * the signatures of known signers are verified as a batch; the records are the same.
 * @throws ValidatorError `bad_batch` if the buffer is malformed: a fault of this program, never of a sender
 */
export function judgeBatch(buffer: ArrayBuffer, rules: CommitmentRules, crypto: Crypto, batch?: BatchThread): void {
  const { kind, items, body, records } = openBatch(buffer)
  if (kind === 'commitments' && batch?.check(body, records) === true) return
  for (const [index, item] of items.entries()) {
    if (kind === 'commitments') checkCommitment(item, rules, crypto, records, index * RECORD_SIZE)
    else checkTxList(item, crypto, records, index * RECORD_SIZE)
  }
}
