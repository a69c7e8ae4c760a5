/** A validator thread that some commitments kill: see `poisoned` in samples.ts. */
import { workerData } from 'node:worker_threads'
import { openBatch } from '../../../src/actors/validator/packing.js'
import { serve } from '../../../src/actors/validator/serve.js'
import type { WorkerData } from '../../../src/actors/validator/serve.js'
import { loadCrypto } from '../../../src/protocol/index.js'
import { POISON_AT, POISON_MARK, POISONS } from '../samples.js'
import type { Poison } from '../samples.js'

const tasks = serve((workerData as WorkerData).rules, loadCrypto())

const deaths: Readonly<Record<Poison, () => void>> = {
  exit: () => process.exit(7),
  throw: () => { queueMicrotask(() => { throw new Error('poisoned') }) },
  memory: () => { for (const held: string[] = []; ;) held.push(`${'x'.repeat(2_000)}${held.length}`) },
  // The thread does not end: its event loop stands still.
  block: () => { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0) },
  loop: () => { for (;;) { /* without an end */ } },
  // Kills only threads that were started while the test said so.
  originals: () => { if (process.env['VALIDATOR_TEST_ORIGINAL'] === '1') process.exit(7) },
}

export const { greet } = tasks
export const check = tasks.check.then(check => async (batch: ArrayBuffer) => {
  for (const item of openBatch(batch).items) {
    if (!POISON_MARK.every((byte, index) => item[POISON_AT + index] === byte)) continue
    const how = POISONS[item[POISON_AT + POISON_MARK.length]!]!
    deaths[how]()
    // The thread ends with the batch in hand.
    if (how === 'throw') await new Promise<never>(() => undefined)
  }
  return check(batch)
})
