/** A validator thread that does not start, or does not answer, while the environment says so. */
import { workerData } from 'node:worker_threads'
import { serve } from '../../../src/actors/validator/serve.js'
import type { Greet, WorkerData } from '../../../src/actors/validator/serve.js'
import { loadCrypto } from '../../../src/protocol/index.js'

const how = process.env['VALIDATOR_TEST_BREAK']
if (how === 'load') throw new Error('cannot be loaded')
if (how === 'exit') process.exit(3)

const tasks = serve((workerData as WorkerData).rules, loadCrypto())
const silent = (): Promise<never> => new Promise(() => undefined)
export const greet: Promise<Greet | typeof silent> = how === 'greet' ? Promise.resolve(silent) : tasks.greet
export const check = tasks.check.then(check => (batch: ArrayBuffer) => {
  // An empty batch ends the thread.
  if (new Uint8Array(batch, 4, 4).every(byte => byte === 0)) process.exit(9)
  return check(batch)
})
