import { availableParallelism } from 'node:os'
import { DEFAULT_DOMAIN } from '../../protocol/index.js'
import type { KeccakBackend, RecoverBackend } from '../../protocol/index.js'
import { ValidatorError } from './errors.js'
import type { BatchSettings } from './batch-thread.js'
import type { LaneBound, LaneName } from './lanes.js'

export interface PoolConfig {
  /** Number of threads. Default: one less than cores, at least 2 (so that one never takes txlists) and at most 4. */
  readonly threads: number
  /** The signing domain, 32 bytes (SPEC §4). */
  readonly domain: Uint8Array
  /** The only slasher accepted, 20 bytes; default: any. */
  readonly slasher: Uint8Array | undefined
  /** Libraries that must be used; default: the fastest that load. */
  readonly crypto: { readonly recover?: RecoverBackend | undefined; readonly keccak?: KeccakBackend | undefined }
  /** How commitments of known signers are checked together (docs/batch-verification.md). */
  readonly together: BatchSettings
  /** Maximum JavaScript heap of a thread, in MiB. Above it the thread dies. The process usually survives; on Node 24 a tight loop ends both. */
  readonly heapMb: number
  /**
   * The nice value of the threads (Linux only). Above 0 the main thread is scheduled before them when cores are scarce, so that it does not wait
   * for a scheduler's time slice.
   */
  readonly nice: number
  /** Deadline from a thread's start to its first answer, in milliseconds. */
  readonly startWithin: number
  /** A thread that holds a batch and returns none for this long is terminated and replaced. Milliseconds in which our own event loop runs. */
  readonly hangWithin: number
  /** Deadline for running batches at close, in milliseconds. */
  readonly closeWithin: number
  /** The thread's module, a JavaScript file that exports `greet` and `check`. */
  readonly worker: URL
}

export interface BatchConfig {
  /** A batch of this many messages leaves without waiting for more. */
  readonly full: number
  /** Maximum number of messages in a batch. */
  readonly most: number
  /** Maximum bytes in a batch; a single message may be larger. A batch of this size leaves without waiting for more. */
  readonly bytes: number
  /** How long a message waits for others to share its batch while the pool is busy, in milliseconds. */
  readonly lingerMs: number
}

export interface ValidatorConfig {
  readonly pool: PoolConfig
  readonly batch: BatchConfig
  /** Bounds of each lane's queue, and its minimum share of the work (0 to 1) while other lanes wait too. */
  readonly lanes: Readonly<Record<LaneName, LaneBound>>
  /** At stop, queued messages are checked for this long, in milliseconds; the rest goes to chain as `unjudged`. */
  readonly drainMs: number
}

/** The options as the application gives them. */
export interface ValidatorOptions {
  readonly pool?: Partial<Omit<PoolConfig, 'together'>> & { readonly together?: Partial<BatchSettings> }
  readonly batch?: Partial<BatchConfig>
  readonly lanes?: Partial<Record<LaneName, Partial<LaneBound>>>
  readonly drainMs?: number
}

const MIB = 1_048_576
const LEAST_THREADS = 2
const MOST_THREADS = 4

/** The default number of threads on a machine of so many cores. */
export function defaultThreads(cores = availableParallelism()): number {
  return Math.min(Math.max(cores - 1, LEAST_THREADS), MOST_THREADS)
}

const DEFAULT_LANES: ValidatorConfig['lanes'] = {
  live: { messages: 8_192, bytes: 4 * MIB, share: 0.5 },
  pages: { messages: 16_384, bytes: 8 * MIB, share: 0.2 },
  txLists: { messages: 512, bytes: 48 * MIB, share: 0.1 },
}

/**
 * Fills in the defaults.
 * @throws ValidatorError `bad_config`
 */
export function validatorConfig({ pool, batch, lanes, drainMs = 2_000 }: ValidatorOptions = {}): ValidatorConfig {
  const config: ValidatorConfig = {
    pool: {
      threads: defaultThreads(),
      domain: DEFAULT_DOMAIN,
      slasher: undefined,
      crypto: {},
      heapMb: 256,
      nice: 3,
      startWithin: 30_000,
      hangWithin: 10_000,
      closeWithin: 2_000,
      worker: new URL('./worker.js', import.meta.url),
      ...pool,
      together: { enabled: true, sampleEvery: 64, signers: 16, ...pool?.together },
    },
    batch: { full: 64, most: 128, bytes: MIB, lingerMs: 1, ...batch },
    lanes: {
      live: { ...DEFAULT_LANES.live, ...lanes?.live },
      pages: { ...DEFAULT_LANES.pages, ...lanes?.pages },
      txLists: { ...DEFAULT_LANES.txLists, ...lanes?.txLists },
    },
    drainMs,
  }
  check(config)
  return config
}

function check({ pool, batch, lanes, drainMs }: ValidatorConfig): void {
  atLeast('pool.threads', pool.threads, 1)
  atLeast('pool.nice', pool.nice, 0)
  atLeast('pool.hangWithin', pool.hangWithin, 1)
  whole('pool.together.sampleEvery', pool.together.sampleEvery, 0, 1_000_000)
  whole('pool.together.signers', pool.together.signers, 1, 256)
  if (pool.domain.length !== 32) throw new ValidatorError('bad_config', 'pool.domain must have 32 bytes', pool.domain.length)
  if (pool.slasher !== undefined && pool.slasher.length !== 20) {
    throw new ValidatorError('bad_config', 'pool.slasher must have 20 bytes', pool.slasher.length)
  }
  atLeast('batch.full', batch.full, 1)
  atLeast('batch.most', batch.most, batch.full)
  atLeast('batch.bytes', batch.bytes, 1)
  atLeast('batch.lingerMs', batch.lingerMs, 0)
  atLeast('drainMs', drainMs, 0)
  let shares = 0
  for (const [name, lane] of Object.entries(lanes)) {
    atLeast(`lanes.${name}.messages`, lane.messages, 1)
    atLeast(`lanes.${name}.bytes`, lane.bytes, 1)
    atLeast(`lanes.${name}.share`, lane.share, 0)
    shares += lane.share
  }
  if (shares > 1) throw new ValidatorError('bad_config', 'the minimum shares of the lanes must not add up to more than 1', shares)
}

function whole(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return
  throw new ValidatorError('bad_config', `${name} is ${value}, must be a whole number from ${least} to ${most}`, value)
}

function atLeast(name: string, value: number, least: number): void {
  if (!(value >= least)) throw new ValidatorError('bad_config', `${name} is ${value}, must be at least ${least}`, value)
}
