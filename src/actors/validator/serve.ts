/** The tasks of a validator thread. Apart from `worker.ts`, so that tests can build threads that misbehave. */
import { createRequire } from 'node:module'
import { threadId } from 'node:worker_threads'
import type * as PiscinaLibrary from 'piscina'
import type { CommitmentRules, Crypto, KeccakBackend, RecoverBackend } from '../../protocol/index.js'
import type { BatchEvidence } from '../../protocol/secp256k1/index.js'
import type { BatchSettings, BatchThread } from './batch-thread.js'
import { judgeBatch } from './judge.js'

// by `require`: a thread has it in CommonJS already, and `import` would search that for what it exports
const { move } = createRequire(import.meta.url)('piscina') as typeof PiscinaLibrary

/** The `workerData` of a thread. */
export interface WorkerData {
  /** The URL of the thread's module, which exports `greet` and `check`. */
  readonly entry: string
  readonly rules: CommitmentRules
  /** Libraries to use instead of the best that load. */
  readonly crypto: { readonly recover?: RecoverBackend | undefined; readonly keccak?: KeccakBackend | undefined }
  readonly batch: BatchSettings
  /** The memory of a `SharedSigners`. */
  readonly board: SharedArrayBuffer
}

/** A message that a thread sends on its own. */
export interface BatchAlarm {
  readonly type: 'batchAlarm'
  readonly evidence: BatchEvidence
}

export function isBatchAlarm(message: unknown): message is BatchAlarm {
  return typeof message === 'object' && message !== null && 'type' in message && message.type === 'batchAlarm'
}

/** A thread's answer to the greeting: the libraries that it uses (H36). */
export interface WorkerReport {
  readonly threadId: number
  readonly recover: RecoverBackend
  readonly keccak: KeccakBackend
  /** Whether a slower library replaces the first choice. */
  readonly degraded: boolean
  readonly warnings: readonly string[]
  /** Why batch verification is not used; left out if it is. */
  readonly batchOff?: string | undefined
}

export type Greet = () => WorkerReport
/** Checks a batch. Returns the same buffer with the records written. */
export type Check = (batch: ArrayBuffer) => ArrayBuffer

export interface WorkerTasks {
  readonly greet: Promise<Greet>
  readonly check: Promise<Check>
}

export function serve(rules: CommitmentRules, loading: Promise<Crypto>, batches?: Promise<BatchThread>): WorkerTasks {
  const loaded = Promise.all([loading, batches])
  return {
    greet: loaded.then(([{ recoverBackend, keccakBackend, degraded, warnings }, together]) => () => {
      const report = { threadId, recover: recoverBackend, keccak: keccakBackend, degraded, warnings }
      const batchOff = together === undefined ? 'not loaded' : together.off
      return batchOff === undefined ? report : { ...report, batchOff }
    }),
    check: loaded.then(([crypto, together]) => batch => {
      judgeBatch(batch, rules, crypto, together)
      return move(batch) as ArrayBuffer
    }),
  }
}
