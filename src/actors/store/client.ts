import { Worker } from 'node:worker_threads'
import type { Remote } from 'comlink'
import { transfer, wrap } from 'comlink/dist/esm/comlink.mjs'
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs'
import { HASH_SIZE } from '../../protocol/layout.js'
import { systemClock } from '../kernel/clock.js'
import type { Clock } from '../kernel/clock.js'
import { encodeBatch } from './batch-codec.js'
import type {
  ChainRecord, CommitmentRecord, Database, Discarded, Evidence, MissingTxLists, OpenOptions, Opened, OwnSigned, RewindsSince, SignedBefore, Stats, WriteBatch,
} from './database.js'
import { StoreError, storeErrorOf } from './errors.js'
import type { FileDatabaseOptions } from './file-database.js'
import { releaseLock } from './lock.js'
import { RecordPage } from './record-page.js'
import { SequenceGuard } from './sequence-guard.js'
import type { Outcome, ThreadApi } from './thread-api.js'
import { newToken } from './token.js'

export interface ThreadDatabaseOptions extends FileDatabaseOptions {
  /** Told at once when the thread ends by itself; what was under way rejects with the same error. */
  readonly died?: (error: StoreError) => void
  /** Deadline of `open`, ms. Default 30,000: reading back a log of 16 MiB takes well under a second, a slow disk longer. */
  readonly openWithin?: number
  /** Deadline of `close`, ms; then the thread is terminated. Default 5,000. */
  readonly closeWithin?: number
  readonly clock?: Clock
  /** How the thread is started, for tests that end or block it. */
  readonly startThread?: (entry: URL) => Worker
}

const startWorker = (entry: URL): Worker => new Worker(entry, { name: 'store' })

/** A thread that runs. */
interface Thread {
  readonly worker: Worker
  /** Held as long as the thread lives: when comlink's proxy is collected, calls under way are dropped. */
  readonly remote: Remote<ThreadApi>
  readonly underWay: Set<(error: StoreError) => void>
  readonly ended: Promise<void>
}

/** The database in a thread of its own. After `thread_died` or `timeout`, `open` starts another thread on the same directory. */
export function threadDatabase(options: ThreadDatabaseOptions): ThreadDatabase {
  return new ThreadDatabase(options)
}

export class ThreadDatabase implements Database {
  readonly #options: ThreadDatabaseOptions
  readonly #token: string
  readonly #clock: Clock
  readonly #order = new SequenceGuard()
  #thread: Thread | undefined
  /** Why there is no thread. */
  #gone = new StoreError('closed', 'the database is not open')

  constructor(options: ThreadDatabaseOptions) {
    this.#options = options
    this.#token = options.token ?? newToken()
    this.#clock = options.clock ?? systemClock
  }

  async open({ tail = 0 }: OpenOptions = {}): Promise<Opened> {
    if (this.#thread !== undefined) throw new StoreError('invalid', 'the database is open already', { value: 'open' })
    const { dataDir, limits = {}, chainId, openWithin = 30_000 } = this.#options
    const thread = this.#start()
    try {
      const answer = this.#call(remote => remote.open({ dataDir, limits, chainId, token: this.#token, tail }))
      const opened = await this.#within(openWithin, 'open', answer)
      return { ...opened, tail: new RecordPage(opened.tail) }
    } catch (error) {
      const failure = storeErrorOf(error, 'open')
      this.#drop(thread, failure)
      await this.#end(thread).catch(() => undefined)
      throw failure
    }
  }

  #start(): Thread {
    const worker = (this.#options.startThread ?? startWorker)(new URL('./thread.js', import.meta.url))
    let cause: unknown
    worker.on('error', (error: unknown) => { cause = error })
    const ended = new Promise<void>(resolve => {
      worker.on('exit', code => {
        resolve()
        const why = cause instanceof Error ? `: ${cause.message}` : ''
        const message = `the database's thread ended with code ${code}${why}`
        const error = new StoreError('thread_died', message, { value: code }, { cause })
        if (this.#drop(thread, error)) this.#options.died?.(error)
      })
    })
    const thread: Thread = { worker, remote: wrap<ThreadApi>(nodeEndpoint(worker)), underWay: new Set(), ended }
    this.#thread = thread
    return thread
  }

  /** Forgets a thread and fails what it was doing. False where it is forgotten already. */
  #drop(thread: Thread, error: StoreError): boolean {
    if (this.#thread !== thread) return false
    this.#thread = undefined
    this.#gone = error
    for (const fail of thread.underWay) fail(error)
    return true
  }

  /** A call to a thread that has ended never settles by itself. */
  async #call<T>(call: (remote: Remote<ThreadApi>) => Promise<Outcome<T>>): Promise<T> {
    const thread = this.#thread
    if (thread === undefined) throw this.#gone
    return new Promise<T>((resolve, reject) => {
      thread.underWay.add(reject)
      call(thread.remote).then(
        outcome => {
          if ('ok' in outcome) resolve(outcome.ok)
          else reject(StoreError.fromJSON(outcome.error))
        },
        (error: unknown) => { reject(storeErrorOf(error, 'call the thread')) },
      ).finally(() => { thread.underWay.delete(reject) })
    })
  }

  async #page(call: (remote: Remote<ThreadApi>) => Promise<Outcome<Uint8Array>>): Promise<RecordPage> {
    return new RecordPage(await this.#call(call))
  }

  async #within<T>(ms: number, doing: string, work: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const timer = this.#clock.setTimeout(() => {
        reject(new StoreError('timeout', `the database did not ${doing} in ${ms} ms`, { value: ms }))
      }, ms)
      work.then(resolve, reject).finally(() => { this.#clock.clearTimeout(timer) })
    })
  }

  async commit(batch: WriteBatch): Promise<readonly Discarded[]> {
    this.#order.admit(batch.sequence)
    const packed = encodeBatch(batch)
    try {
      return await this.#call(remote => remote.commit(transfer(packed, [packed.buffer])))
    } catch (error) {
      const failure = storeErrorOf(error, 'commit')
      this.#order.failed(batch.sequence, failure)
      throw failure
    }
  }

  async recordSigned({ signer, hash, ssz }: OwnSigned): Promise<SignedBefore> {
    return this.#call(remote => remote.recordSigned({ signer: own(signer), hash: own(hash), ssz: own(ssz) }))
  }

  async ownSigned(signer: Uint8Array, submissionWindowEnd: bigint): Promise<readonly OwnSigned[]> {
    return this.#call(remote => remote.ownSigned(own(signer), submissionWindowEnd))
  }

  async discard(damaged: string, waiting: boolean): Promise<readonly Discarded[]> {
    return this.#call(remote => remote.discard(damaged, waiting))
  }

  async canonicalRange(start: bigint, max: number): Promise<Uint8Array> {
    return this.#call(remote => remote.canonicalRange(start, max))
  }

  async scan(from: bigint, max: number, after?: Uint8Array): Promise<RecordPage> {
    return this.#page(remote => remote.scan(from, max, after === undefined ? undefined : own(after)))
  }

  async tail(count: number): Promise<RecordPage> { return this.#page(remote => remote.tail(count)) }
  async beside(max: number): Promise<RecordPage> { return this.#page(remote => remote.beside(max)) }

  async blockAt(height: bigint): Promise<CommitmentRecord | undefined> {
    const page = await this.#page(remote => remote.blockAt(height))
    return page.length === 0 ? undefined : page.at(0)
  }

  async chainRecord(): Promise<ChainRecord> { return this.#call(remote => remote.chainRecord()) }
  async rewinds(after: number): Promise<RewindsSince> { return this.#call(remote => remote.rewinds(after)) }

  async commitmentByHash(hash: Uint8Array): Promise<CommitmentRecord | undefined> {
    const page = await this.#page(remote => remote.commitmentByHash(own(hash)))
    return page.length === 0 ? undefined : page.at(0)
  }

  async txList(hash: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#call(remote => remote.txList(own(hash)))
  }

  async hasTxLists(hashes: readonly Uint8Array[]): Promise<readonly boolean[]> {
    const packed = new Uint8Array(hashes.length * HASH_SIZE)
    hashes.forEach((hash, at) => { packed.set(hash, at * HASH_SIZE) })
    return Array.from(await this.#call(remote => remote.hasTxLists(transfer(packed, [packed.buffer]))), there => there === 1)
  }

  async missingTxLists(from: bigint, max: number): Promise<MissingTxLists> {
    return this.#call(remote => remote.missingTxLists(from, max))
  }

  async evidence(from: number, max: number): Promise<readonly Evidence[]> {
    return this.#call(remote => remote.evidence(from, max))
  }

  async meta(name: string): Promise<string | undefined> { return this.#call(remote => remote.meta(name)) }
  async stats(): Promise<Stats> { return this.#call(remote => remote.stats()) }

  /**
   * 1. lets the thread finish what it has and close the database, within the deadline;
   * 2. terminates it, which closes the database where that did not happen;
   * 3. takes the lock file away.
   * @throws StoreError `timeout` where even the end of the thread took longer: the disk does not answer
   */
  async close(): Promise<void> {
    const thread = this.#thread
    const closed = new StoreError('closed', 'the database is closed')
    if (thread === undefined) {
      this.#gone = closed
      await releaseLock(this.#options.dataDir, this.#token)
      return
    }
    await this.#within(this.#closeWithin, 'close', this.#call(remote => remote.close())).catch(() => undefined)
    this.#drop(thread, closed)
    await this.#end(thread)
  }

  get #closeWithin(): number { return this.#options.closeWithin ?? 5_000 }

  async #end(thread: Thread): Promise<void> {
    await this.#within(this.#closeWithin, 'end', Promise.all([thread.worker.terminate(), thread.ended]))
    await releaseLock(this.#options.dataDir, this.#token)
  }
}

/** A view would take its whole buffer across the thread. */
const own = (bytes: Uint8Array): Uint8Array => Uint8Array.from(bytes)
