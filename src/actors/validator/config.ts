import { availableParallelism } from 'node:os'
import { DEFAULT_DOMAIN } from '../../protocol/index.js'
import type { KeccakBackend, RecoverBackend } from '../../protocol/index.js'
import { ValidatorError } from './errors.js'
import type { BatchSettings } from './batch-thread.js'
import type { LaneBound, LaneName } from './lanes.js'

export interface PoolConfig {
  /** Threads. Default: one less than cores, at least 2 (so that one never takes txlists) and at most 4. */
  readonly threads: number
  /** The signing domain, 32 bytes (SPEC §4). */
  readonly domain: Uint8Array
  /** The only slasher that is taken, 20 bytes; default: any. */
  readonly slasher: Uint8Array | undefined
  /** Libraries to insist on; default: the best that load. */
  readonly crypto: { readonly recover?: RecoverBackend | undefined; readonly keccak?: KeccakBackend | undefined }
  /** How commitments of known signers are checked together (docs/batch-verification.md). */
  readonly together: BatchSettings
  /** A thread's JavaScript heap in MiB. Above it the thread dies and as a rule the process lives; on Node 24 a tight loop ends both. */
  readonly heapMb: number
  /**
   * How much the threads step back where cores are scarce (the system's nice value, Linux only): the main thread, on which everybody
   * waits, goes first. With few cores that spares it waits of a scheduler's slice and more.
   */
  readonly nice: number
  /** ms from a thread's start to its first answer. */
  readonly startWithin: number
  /** A thread that gives nothing back for so long while it has a batch is ended and replaced, ms of our own loop's turning. */
  readonly hangWithin: number
  /** ms that running batches get at close. */
  readonly closeWithin: number
  /** The thread's module, a JavaScript file that exports `greet` and `check`. */
  readonly worker: URL
}

export interface BatchConfig {
  /** A batch of so many messages leaves without waiting for more. */
  readonly full: number
  /** Messages in a batch at most, when many are waiting. */
  readonly most: number
  /** Bytes in a batch at most (one message may be larger); so many leave without waiting for more. */
  readonly bytes: number
  /** ms that a message waits for company while the pool is not idle. */
  readonly lingerMs: number
}

export interface ValidatorConfig {
  readonly pool: PoolConfig
  readonly batch: BatchConfig
  /** What may wait in each lane, and its minimum share of the work (0 to 1) while others wait too. */
  readonly lanes: Readonly<Record<LaneName, LaneBound>>
  /** ms at stop in which what is queued is still checked; the rest is handed on as `unjudged`. */
  readonly drainMs: number
}

/** All optional, as an application gives it. */
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
  if (pool.domain.length !== 32) throw new ValidatorError('bad_config', 'pool.domain has 32 bytes', pool.domain.length)
  if (pool.slasher !== undefined && pool.slasher.length !== 20) {
    throw new ValidatorError('bad_config', 'pool.slasher has 20 bytes', pool.slasher.length)
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
  if (shares > 1) throw new ValidatorError('bad_config', 'the minimum shares of the lanes add up to more than 1', shares)
}

function whole(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return
  throw new ValidatorError('bad_config', `${name} is ${value}, must be a whole number from ${least} to ${most}`, value)
}

function atLeast(name: string, value: number, least: number): void {
  if (!(value >= least)) throw new ValidatorError('bad_config', `${name} is ${value}, must be at least ${least}`, value)
}
