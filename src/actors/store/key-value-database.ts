import { MAX_COMMITMENTS, SIGNED_COMMITMENT_SIZE } from '../../protocol/layout.js'
import { isZero } from '../../protocol/bytes.js'
import { CommitmentView } from '../../protocol/view.js'
import { checkBatch, checkOwnSigned } from './check-batch.js'
import { systemClock } from '../kernel/clock.js'
import type { Clock } from '../kernel/clock.js'
import { SSZ_IN_RECORD, recordIn } from './commitment-value.js'
import { discard } from './discard.js'
import { evictCommitments, forget, prefetchCommitments, putCommitment, restand, rewind } from './commitments.js'
import type {
  ChainRecord, CommitmentRecord, Database, DatabaseLimits, Discarded, Evidence, MissingTxLists, OpenOptions, Opened, OwnSigned, RewindsSince, SignedBefore,
  Stats, WriteBatch,
} from './database.js'
import { DEFAULT_LIMITS } from './database.js'
import { StoreError, storeErrorOf } from './errors.js'
import { GroupCommit } from './group-commit.js'
import {
  evictEvidence, numbered, putEvidence, putGap, putHead, putMark, putMeta, putRoot, putTip, readChainRecord, readEvidence, readMeta, readRewinds,
} from './ledger.js'
import { begin, horizonAfter } from './opening.js'
import { PAGE_RECORD_SIZE, RecordPage } from './record-page.js'
import {
  SCHEMA_KEY, SCHEMA_VERSION, decodeHeight, encodeHeight, heightInKey, isBlockKey, join, keyAfter, keyOfText, sequenceKey,
  spaceEnd, spaceStart,
} from './schema.js'
import type { Key } from './schema.js'
import { closeSigning, forgetOwn, keepOwn, ownPage, ownSignedIn, recordOwn } from './signed-records.js'
import { chainIdIn } from './schema-record.js'
import { blockKeyOf, floorKey, loadState, putCounters } from './state.js'
import type { State } from './state.js'
import type { Entry, Storage } from './storage.js'
import type { Transaction } from './transaction.js'
import {
  checkTxList, evictOrphans, evictReferenced, evictUnreferenced, forgetTxList, prefetchTxLists, putTxList, readInfo,
  referenceTxList,
} from './tx-lists.js'

/** Records that one call gives or looks at, at most. */
const MOST_RECORDS = 4_096

export interface DatabaseOptions {
  readonly limits?: Partial<DatabaseLimits>
  /** Refuses a directory of another chain. Left out: not asked. */
  readonly chainId?: bigint | undefined
  /** Wall time, for what is closed for signing after a loss. */
  readonly clock?: Pick<Clock, 'now'>
}

/** `Database` over any ordered storage: what is kept, for how long, and what becomes durable together. */
export class KeyValueDatabase implements Database {
  readonly #connect: () => Promise<Storage>
  readonly #limits: DatabaseLimits
  readonly #chainId: bigint | undefined
  readonly #clock: Pick<Clock, 'now'>
  #storage: Storage | undefined
  #writer: GroupCommit<State> | undefined
  #seen: Seen | undefined

  constructor(connect: () => Promise<Storage>, { limits, chainId, clock = systemClock }: DatabaseOptions = {}) {
    this.#connect = connect
    this.#clock = clock
    this.#limits = { ...DEFAULT_LIMITS, ...limits }
    this.#chainId = chainId
  }

  async open({ tail = 0, inspect = false }: OpenOptions = {}): Promise<Opened> {
    if (this.#storage !== undefined) throw new StoreError('invalid', 'the database is open already', { value: 'open' })
    const storage = await this.#connect()
    try {
      const { created, migratedFrom, loss, discarded } = await begin(storage, { chainId: this.#chainId, now: this.#clock.now(), inspect })
      const writer = new GroupCommit<State>({
        storage,
        load: () => loadState(storage),
        finish: (txn, state) => this.#finish(txn, state),
        committed: state => {
          this.#seen = seen(state)
          storage.acknowledged(state.counters.commits)
        },
      })
      this.#seen = seen(await writer.start())
      this.#storage = storage
      this.#writer = writer
      return {
        durable: storage.durable,
        created,
        schema: SCHEMA_VERSION,
        migratedFrom,
        ...await readChainRecord(storage),
        tail: await this.tail(tail),
        stats: await this.stats(),
        droppedBytes: storage.droppedBytes,
        loss,
        discarded,
        unknownFiles: storage.unknownFiles,
      }
    } catch (error) {
      this.#storage = undefined
      this.#writer = undefined
      await storage.close()
      throw storeErrorOf(error, 'open')
    }
  }

  async commit(batch: WriteBatch): Promise<readonly Discarded[]> {
    checkBatch(batch)
    return this.#open().writer.enqueue(async (txn, state) => {
      await this.#apply(txn, state, batch)
      return state.discarded.splice(0)
    }, batch)
  }

  async discard(damaged: string, waiting: boolean): Promise<readonly Discarded[]> {
    return this.#open().writer.enqueue(async (txn, state) => {
      const at = this.#clock.now()
      const gone = await discard(txn, state, Buffer.from(damaged, 'hex'), { waiting, closeUpTo: horizonAfter(at), at })
      return gone === undefined ? state.discarded.splice(0) : [gone, ...state.discarded.splice(0)]
    })
  }

  async #apply(txn: Transaction, state: State, batch: WriteBatch): Promise<void> {
    for (const record of batch.signed ?? []) await keepOwn(txn, record)
    if (batch.closeSigning !== undefined) closeSigning(txn, state, batch.closeSigning.upTo, batch.closeSigning)
    if (batch.forgetSigned !== undefined) await forgetOwn(txn, state, batch.forgetSigned)
    await numbered(txn, state, async () => this.#applyCommitments(txn, state, batch))
    await this.#applyTxLists(txn, state, batch)
    for (const evidence of batch.evidence ?? []) await putEvidence(txn, state, evidence)
    if (batch.confirmedTip !== undefined) putTip(txn, batch.confirmedTip)
    if (batch.headOverride !== undefined) putHead(txn, batch.headOverride)
    if (batch.root !== undefined) putRoot(txn, batch.root)
    if (batch.mark !== undefined) putMark(txn, batch.mark)
    for (const gap of batch.gaps ?? []) putGap(txn, gap)
    for (const { name, value } of batch.meta ?? []) putMeta(txn, name, value)
  }

  async #applyCommitments(txn: Transaction, state: State, { rewindTo, retires, forget: forgotten = [], commitments, standings = [] }: WriteBatch): Promise<void> {
    if (rewindTo !== undefined) await rewind(txn, state, rewindTo, retires === true ? 'retired' : 'demoted')
    for (const hash of forgotten) await forget(txn, state, hash)
    if (commitments !== undefined) {
      await prefetchCommitments(txn, state, commitments)
      for (const put of commitments) await putCommitment(txn, state, put)
    }
    for (const { hash, standing } of standings) await restand(txn, state, hash, standing)
  }

  async #applyTxLists(txn: Transaction, state: State, batch: WriteBatch): Promise<void> {
    const { txLists = [], referenced = [], forgetTxLists = [] } = batch
    if (txLists.length + referenced.length + forgetTxLists.length === 0) return
    await prefetchTxLists(txn, [...txLists.map(({ hash }) => hash), ...referenced.map(({ hash }) => hash), ...forgetTxLists])
    for (const put of txLists) await putTxList(txn, state, put)
    for (const { hash, blockNumber } of referenced) await referenceTxList(txn, state, hash, blockNumber)
    for (const hash of forgetTxLists) await forgetTxList(txn, state, hash)
    const unnamed = txLists.filter(({ blockNumber }) => blockNumber === undefined)
    if (unnamed.length > 0) await evictUnreferenced(txn, state, new Set(unnamed.map(({ peer = '' }) => peer)), this.#limits)
  }

  async #finish(txn: Transaction, state: State): Promise<void> {
    if (await evictCommitments(txn, state, this.#limits) > 0) await evictOrphans(txn, state)
    await evictReferenced(txn, state, this.#limits)
    await evictEvidence(txn, state, this.#limits)
    state.counters.commits++
    putCounters(txn, state)
  }

  async recordSigned(record: OwnSigned): Promise<SignedBefore> {
    checkOwnSigned(record)
    return this.#open().writer.enqueue((txn, state) => recordOwn(txn, state, record))
  }

  async ownSigned(signer: Uint8Array, submissionWindowEnd: bigint): Promise<readonly OwnSigned[]> {
    const { writer } = this.#open()
    // What is being written counts, also where who wrote it has stopped waiting.
    if (!writer.idle) return writer.enqueue(txn => ownSignedIn(txn, signer, submissionWindowEnd))
    return this.#read(storage => ownSignedIn(storage, signer, submissionWindowEnd))
  }

  /** As the database's own record says; `undefined` where it does not. */
  async chainId(): Promise<bigint | undefined> { return this.#read(async storage => chainIdIn(await storage.get(SCHEMA_KEY))) }

  /** Nothing is signed any more for windows that end at or before this one. Never lowers what there is. */
  async closeSigning(upTo: bigint): Promise<void> {
    await this.#open().writer.enqueue(async (txn, state) => { closeSigning(txn, state, upTo) })
  }

  /** Everything that we signed, in pages: for an export. */
  async * signedRecords(): AsyncGenerator<readonly OwnSigned[]> {
    for (let from: Key | undefined; ;) {
      const at = from
      const { records, next } = await this.#read(storage => ownPage(storage, at))
      yield records
      if (next === undefined) return
      from = next
    }
  }

  async canonicalRange(start: bigint, max: number, onePerHeight = false): Promise<Uint8Array> {
    const most = bounded(max, MAX_COMMITMENTS)
    let entries: readonly Entry[] = []
    let gte = join('c', encodeHeight(start))
    // what a height holds beside its block is bounded by chain, and so is the number of reads
    for (let more = most > 0; more;) {
      const read = await this.#read(storage => storage.range({ gte, lt: spaceEnd('c'), limit: most }))
      const last = read.at(-1)
      entries = onePerHeight ? lastOfEachHeight([...entries, ...read]) : read
      more = onePerHeight && read.length === most && entries.length <= most
      if (last !== undefined) gte = keyAfter(last.key)
    }
    const page = new Uint8Array(Math.min(entries.length, most) * SIGNED_COMMITMENT_SIZE)
    entries.slice(0, most).forEach(({ key, value }, at) => {
      page.set(recordIn(key, value).subarray(SSZ_IN_RECORD), at * SIGNED_COMMITMENT_SIZE)
    })
    return page
  }

  async scan(from: bigint, max: number, after?: Uint8Array): Promise<RecordPage> {
    let gte = join('c', encodeHeight(from))
    if (after !== undefined) {
      const there = await this.#read(storage => storage.get(join('x', after)))
      // Only where it is still canonical: otherwise the height starts over.
      if (there?.[0] === 0x63 && Buffer.compare(there, gte) >= 0) gte = keyAfter(there)
    }
    return packed(await this.#read(storage => storage.range({ gte, lt: spaceEnd('c'), limit: bounded(max, MOST_RECORDS) })))
  }

  async tail(count: number): Promise<RecordPage> { return packed((await this.#last('c', count)).reverse()) }

  async blockAt(height: bigint): Promise<CommitmentRecord | undefined> {
    const key = blockKeyOf(encodeHeight(height))
    const value = await this.#read(storage => storage.get(key))
    return value === undefined ? undefined : packed([{ key, value }]).at(0)
  }

  async chainRecord(): Promise<ChainRecord> { return this.#read(readChainRecord) }

  async rewinds(after: number, store?: string): Promise<RewindsSince> { return this.#read(storage => readRewinds(storage, after, store)) }

  async beside(max: number): Promise<RecordPage> {
    return packed((await this.#last('p', max)).reverse())
  }

  async commitmentByHash(hash: Uint8Array): Promise<CommitmentRecord | undefined> {
    return this.#read(async storage => {
      // The record may move between the two reads; then its index has moved with it.
      for (let attempt = 0; attempt < 3; attempt++) {
        const key = await storage.get(join('x', hash))
        if (key === undefined) return undefined
        const value = await storage.get(Buffer.from(key))
        if (value === undefined) continue
        const page = packed([{ key: Buffer.from(key), value }])
        const record = page.at(0)
        if (Buffer.compare(record.hash, hash) === 0) return record
      }
      return undefined
    })
  }

  async txList(hash: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#read(async storage => {
      const info = await storage.get(join('i', hash))
      if (info === undefined) return undefined
      const known = readInfo(info)
      const bytes = await storage.get(sequenceKey('t', known.sequence))
      // Evicted between the two reads.
      if (bytes === undefined && await storage.get(join('i', hash)) === undefined) return undefined
      return Uint8Array.from(checkTxList(hash, known, bytes))
    })
  }

  async hasTxLists(hashes: readonly Uint8Array[]): Promise<readonly boolean[]> {
    const infos = await this.#read(storage => storage.getMany(hashes.map(hash => join('i', hash))))
    return infos.map(info => info !== undefined)
  }

  async missingTxLists(from: bigint, max: number): Promise<MissingTxLists> {
    const { txListFloor: floor } = this.#open().seen.stats
    const records = await this.scan(from > floor ? from : floor, MOST_RECORDS)
    const named: MissingTxLists['missing'][number][] = []
    for (const { ssz, blockNumber, handover, signer } of records) {
      const hash = new CommitmentView(ssz).rawTxListHash
      if (!handover && !isZero(hash, 0, hash.length)) named.push({ hash: Uint8Array.from(hash), blockNumber, signer: Uint8Array.from(signer) })
    }
    const there = await this.hasTxLists(named.map(({ hash }) => hash))
    const missing = named.filter((_, at) => there[at] !== true)
    if (missing.length > max) return { missing: missing.slice(0, max), next: missing[max]?.blockNumber }
    if (records.length < MOST_RECORDS) return { missing, next: undefined }
    const last = records.at(records.length - 1)
    return { missing, next: last.handover ? last.blockNumber : last.blockNumber + 1n }
  }

  async evidence(from: number, max: number): Promise<readonly Evidence[]> {
    const gte = sequenceKey('e', Math.max(0, from))
    const entries = await this.#read(storage => storage.range({ gte, lt: spaceEnd('e'), limit: bounded(max, MOST_RECORDS) }))
    return entries.map(readEvidence)
  }

  async meta(name: string): Promise<string | undefined> {
    return this.#read(storage => readMeta(storage, name))
  }

  async stats(): Promise<Stats> {
    const { stats, floor } = this.#open().seen
    return { ...stats, lowest: await this.#lowest(floor) }
  }

  /** The last entries of a space, descending. */
  async #last(space: 'c' | 'p', count: number): Promise<Entry[]> {
    const found: Entry[] = []
    for (let lt = spaceEnd(space); found.length < count;) {
      const [before, limit] = [lt, Math.min(count - found.length, MOST_RECORDS)]
      const entries = await this.#read(storage => storage.range({ gte: spaceStart(space), lt: before, limit, reverse: true }))
      found.push(...entries)
      const last = entries.at(-1)
      if (last === undefined || entries.length < limit) break
      lt = last.key
    }
    return found
  }

  async #lowest(gte: Key): Promise<bigint | undefined> {
    const entries = await this.#read(storage => storage.range({ gte, lt: spaceEnd('c'), limit: 64 }))
    const block = entries.find(({ key }) => isBlockKey(key))
    return block === undefined ? undefined : decodeHeight(block.key, 1)
  }

  async close(): Promise<void> {
    const [storage, writer] = [this.#storage, this.#writer]
    this.#storage = undefined
    this.#writer = undefined
    await writer?.close()
    await storage?.close()
  }

  #open(): { readonly storage: Storage; readonly writer: GroupCommit<State>; readonly seen: Seen } {
    const [storage, writer, seen] = [this.#storage, this.#writer, this.#seen]
    if (storage === undefined || writer === undefined || seen === undefined) {
      throw new StoreError('closed', 'the database is not open')
    }
    return { storage, writer, seen }
  }

  async #read<T>(read: (storage: Storage) => Promise<T>): Promise<T> {
    const { storage } = this.#open()
    try {
      return await read(storage)
    } catch (error) {
      throw storeErrorOf(error, 'read')
    }
  }
}

const bounded = (count: number, most: number): number =>
  Number.isFinite(count) ? Math.min(most, Math.max(0, Math.floor(count))) : 0

/** Of entries in the order of their keys: what stands last at its height is the block, where there is one. */
function lastOfEachHeight(entries: readonly Entry[]): Entry[] {
  return entries.filter(({ key }, at) => {
    const next = entries[at + 1]
    return next === undefined || Buffer.compare(heightInKey(next.key), heightInKey(key)) !== 0
  })
}

function packed(entries: readonly Entry[]): RecordPage {
  const page = new Uint8Array(entries.length * PAGE_RECORD_SIZE)
  entries.forEach(({ key, value }, at) => { page.set(recordIn(key, value), at * PAGE_RECORD_SIZE) })
  return new RecordPage(page)
}

/** What readers see of the state: that of the last commit, while the writer changes its own. */
interface Seen {
  /** Without `lowest`, which is looked up. */
  readonly stats: Stats
  /** Where the search for the lowest begins. */
  readonly floor: Key
}

const seen = (state: State): Seen => ({ stats: statsOf(state), floor: floorKey(state, 'c') })

function statsOf({ counters, head, unreferenced, signing }: State): Stats {
  return {
    commitments: counters.canonical + counters.side,
    canonical: counters.canonical,
    lowest: undefined,
    highest: head === undefined ? undefined : decodeHeight(heightInKey(keyOfText(head)), 0),
    txLists: counters.txLists,
    referencedBytes: counters.referencedBytes,
    unreferencedBytes: unreferenced.cost,
    txListFloor: decodeHeight(Buffer.from(counters.txListFloor, 'hex'), 0),
    evidence: counters.evidence,
    evictedCommitments: counters.evictedCommitments,
    evictedTxLists: counters.evictedTxLists,
    evictedUnreferenced: counters.evictedUnreferenced,
    evictedEvidence: counters.evictedEvidence,
    signing,
  }
}
