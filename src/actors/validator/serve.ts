/** The tasks of a validator thread. Apart from `worker.ts`, so that tests can build threads that misbehave. */
import { threadId } from 'node:worker_threads'
import { move } from 'piscina'
import type { CommitmentRules, Crypto, KeccakBackend, RecoverBackend } from '../../protocol/index.js'
import { judgeBatch } from './judge.js'

/** What a thread is started with. */
export interface WorkerData {
  readonly rules: CommitmentRules
  /** Libraries to use instead of the best that load. */
  readonly crypto: { readonly recover?: RecoverBackend | undefined; readonly keccak?: KeccakBackend | undefined }
}

/** What a thread runs on, in answer to the greeting (H36). */
export interface WorkerReport {
  readonly threadId: number
  readonly recover: RecoverBackend
  readonly keccak: KeccakBackend
  /** A slower library stands in for the first choice. */
  readonly degraded: boolean
  readonly warnings: readonly string[]
}

export type Greet = () => WorkerReport
/** Gives back the buffer that it got, with the records written. */
export type Check = (batch: ArrayBuffer) => ArrayBuffer

export interface WorkerTasks {
  readonly greet: Promise<Greet>
  readonly check: Promise<Check>
}

export function serve(rules: CommitmentRules, loading: Promise<Crypto>): WorkerTasks {
  return {
    greet: loading.then(({ recoverBackend, keccakBackend, degraded, warnings }) => () => (
      { threadId, recover: recoverBackend, keccak: keccakBackend, degraded, warnings }
    )),
    check: loading.then(crypto => batch => {
      judgeBatch(batch, rules, crypto)
      return move(batch) as ArrayBuffer
    }),
  }
}
