/** A validator thread whose recovery goes wrong after a while, so that it and the batch module do not agree. */
import { parentPort, workerData } from 'node:worker_threads'
import { BatchThread } from '../../../src/actors/validator/batch-thread.js'
import { serve } from '../../../src/actors/validator/serve.js'
import type { BatchAlarm, WorkerData } from '../../../src/actors/validator/serve.js'
import { loadCrypto } from '../../../src/protocol/index.js'
import type { Crypto } from '../../../src/protocol/index.js'

const { rules, board } = workerData as WorkerData
const HONEST_RECOVERIES = 8

const loading = loadCrypto().then((crypto): Crypto => {
  let left = HONEST_RECOVERIES
  return { ...crypto, recover: (digest, signature, v) => left-- > 0 ? crypto.recover(digest, signature, v) : undefined }
})
const together = BatchThread.load(loading, {
  rules, board, settings: { enabled: true, sampleEvery: 1, signers: 4 }, random: () => 0,
  alarm: evidence => { parentPort?.postMessage({ type: 'batchAlarm', evidence } satisfies BatchAlarm) },
})

export const { greet, check } = serve(rules, loading, together)
