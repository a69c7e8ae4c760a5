import { findingName } from '../../protocol/index.js'
import type { Finding, FindingName } from '../../protocol/index.js'
import type { BatchFigures } from '../../protocol/secp256k1/index.js'
import type { LaneName } from './lanes.js'
import type { WorkerReport } from './serve.js'

/** Counters of the validator since its start; they only grow. */
export interface ValidatorFigures {
  readonly batches: number
  readonly messages: number
  /** Messages by lane and finding. */
  readonly findings: Readonly<Record<LaneName, Readonly<Partial<Record<FindingName, number>>>>>
  /** Batches by size: up to 1, 2, 4, … 128 and more messages. */
  readonly batchSizes: readonly number[]
  /** Batches that were run again after their thread died, and messages found to end threads. */
  readonly retried: number
  readonly killers: number
  /** Threads that died. */
  readonly deaths: number
  /** Those of them that hung and were terminated. */
  readonly hung: number
  /** Checked messages that chain did not take. */
  readonly undelivered: number
  readonly waiting: Readonly<Record<LaneName, { readonly messages: number; readonly bytes: number }>>
  readonly running: number
  readonly workers: readonly WorkerReport[]
  /** The configured number of threads; `workers` has fewer while one is replaced. */
  readonly threads: number
  /** Which way signatures were checked; `off` once the batch module was wrong. */
  readonly together: BatchFigures & { readonly off: boolean }
  /** Whether a worker uses a slower library than the first choice (H36). */
  readonly degraded: boolean
}

const SIZES = 8

export class Counters {
  batches = 0
  messages = 0
  retried = 0
  killers = 0
  undelivered = 0
  readonly batchSizes: number[] = new Array<number>(SIZES).fill(0)
  readonly findings: Record<LaneName, Partial<Record<FindingName, number>>> = { live: {}, pages: {}, txLists: {} }

  batch(size: number): void {
    this.batches++
    const bucket = Math.min(SIZES - 1, 32 - Math.clz32(size - 1))
    this.batchSizes[bucket] = (this.batchSizes[bucket] ?? 0) + 1
  }

  found(lane: LaneName, finding: Finding): void {
    this.messages++
    const name = findingName(finding)
    const of = this.findings[lane]
    of[name] = (of[name] ?? 0) + 1
  }
}
