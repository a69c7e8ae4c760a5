/** A validator thread that says with which flags it runs. */
import { threadId, workerData } from 'node:worker_threads'
import { serve } from '../../../src/actors/validator/serve.js'
import type { Greet, WorkerData } from '../../../src/actors/validator/serve.js'
import { loadCrypto } from '../../../src/protocol/index.js'

export const greet: Promise<Greet> = Promise.resolve(() => ({
  threadId, recover: 'noble', keccak: 'noble', degraded: false, warnings: [...process.execArgv, process.env['NODE_OPTIONS'] ?? 'none'],
}))
export const { check } = serve((workerData as WorkerData).rules, loadCrypto())
