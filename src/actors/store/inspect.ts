import { OFFSETS } from '../../protocol/layout.js'
import { isHandover, keyOfCommitment, readCommitment } from './commitment-value.js'
import { StoreError } from './errors.js'
import { readEvidence, readHead, readRoot, readTip } from './ledger.js'
import { COUNTERS_KEY, heightInKey, heightOfSsz, join, keyAfter, keyText, nameKey, sequenceKey, sequenceOf, spaceEnd, spaceStart } from './schema.js'
import type { Key, Space } from './schema.js'
import { parseMark, readOwn } from './signed-records.js'
import { freshCounters, parseCounters } from './state.js'
import type { Counters } from './state.js'
import type { Entry, Storage, Write } from './storage.js'
import { checkTxList, readInfo } from './tx-lists.js'
import { CHARGE, readUnnamed, unnamedValue } from './unreferenced.js'

/** Something in the database that is not as it should be. */
export interface Problem {
  readonly kind: 'commitment' | 'txList' | 'evidence' | 'signed' | 'index' | 'counters' | 'setting'
  readonly message: string
}

/** What a look at the whole database has found. */
export interface Inspection {
  readonly problems: readonly Problem[]
  /** What puts it right: damaged records go, indexes follow the records, counters are counted. */
  readonly writes: readonly Write[]
  readonly counters: Counters
  /** Records of what we signed, or the mark itself, are among what is damaged. */
  readonly signedLost: boolean
}

const STEP = 512

/**
 * Looks at every record of a database (SPEC §7), space by space: whether each is what was written, and whether indexes, orders of eviction and
 * counters say the same as the records. Reads only. Memory grows with the number of txlists, by some bytes each.
 */
export async function inspect(storage: Storage): Promise<Inspection> {
  const look = new Look(storage)
  await look.commitments()
  await look.txLists()
  await look.evidence()
  await look.signed()
  await look.settings()
  await look.count()
  return look
}

class Look implements Inspection {
  readonly problems: Problem[] = []
  readonly writes: Write[] = []
  readonly counters = freshCounters()
  signedLost = false
  /** Keys that go. */
  readonly #gone = new Set<string>()

  constructor(private readonly storage: Storage) {}

  // ---- commitments: c, p, x

  async commitments(): Promise<void> {
    const { counters } = this
    for (const space of ['c', 'p'] as const) {
      for await (const { key, value } of this.#all(space)) {
        const found = intact(() => readCommitment(key, value))
        if (found === undefined || keyText(keyOfCommitment(found)) !== keyText(key)) {
          this.#drop('commitment', key, `the commitment under ${hex(key)} is not what was written`)
          continue
        }
        if (space === 'c') counters.canonical++
        else counters.side++
        const index = await this.#get(join('x', found.hash))
        if (index === undefined || keyText(Buffer.from(index)) !== keyText(key)) {
          this.#put('index', join('x', found.hash), key, `the commitment under ${hex(key)} is not found by its hash`)
        }
      }
    }
    for await (const { key, value } of this.#all('x')) {
      const target = Buffer.from(value)
      const there = await this.#get(target)
      const named = there === undefined ? undefined : intact(() => readCommitment(target, there))
      // One that is found under another key was put right above.
      if (named === undefined) this.#drop('index', key, `a hash names ${hex(target)}, where nothing is`)
    }
  }

  // ---- txlists: i, t, r, u

  async txLists(): Promise<void> {
    const { counters } = this
    const sequences = new Set<number>()
    let lowest: Buffer | undefined
    for await (const { key, value } of this.#all('i')) {
      const hash = key.subarray(1)
      const info = intact(() => readInfo(value))
      const bytes = info === undefined ? undefined : await this.#get(sequenceKey('t', info.sequence))
      if (info === undefined || intact(() => checkTxList(hash, info, bytes)) === undefined) {
        this.#drop('txList', key, `the txlist ${hex(hash)} is not what was written`)
        continue
      }
      sequences.add(info.sequence)
      counters.txLists++
      if (info.height === undefined) {
        const entry = sequenceKey('u', info.sequence)
        const unnamed = unnamedValue({ sequence: info.sequence, hash, cost: info.size + CHARGE, peer: info.peer })
        if (!same(await this.#get(entry), unnamed)) this.#put('index', entry, unnamed, `the txlist ${hex(hash)} is not in the order of eviction`)
      } else {
        counters.referencedBytes += info.size
        if (lowest === undefined || Buffer.compare(info.height, lowest) < 0) lowest = info.height
        const entry = join('r', info.height, hash)
        const size = Buffer.alloc(4)
        size.writeUInt32BE(info.size)
        if (!same(await this.#get(entry), size)) this.#put('index', entry, size, `the txlist ${hex(hash)} is not in the order of eviction`)
      }
    }
    for await (const { key } of this.#all('t')) {
      counters.nextTxList = Math.max(counters.nextTxList, sequenceOf(key) + 1)
      if (!sequences.has(sequenceOf(key))) this.#drop('index', key, `bytes of a txlist that nothing names, under ${hex(key)}`)
    }
    for await (const { key } of this.#all('r')) {
      const height = heightInKey(key)
      const info = await this.#infoOf(key.subarray(1 + height.length))
      if (info?.height === undefined || Buffer.compare(info.height, height) !== 0) this.#drop('index', key, `the order of eviction names ${hex(key)}, which is not there`)
    }
    for await (const { key, value } of this.#all('u')) {
      counters.nextTxList = Math.max(counters.nextTxList, sequenceOf(key) + 1)
      const unnamed = intact(() => readUnnamed(sequenceOf(key), value))
      const info = unnamed === undefined ? undefined : await this.#infoOf(unnamed.hash)
      if (info?.sequence !== sequenceOf(key) || info.height !== undefined) this.#drop('index', key, `the order of eviction names ${hex(key)}, which is not there`)
    }
    if (lowest !== undefined) counters.txListFloor = lowest.toString('hex')
  }

  async #infoOf(hash: Uint8Array): Promise<ReturnType<typeof readInfo> | undefined> {
    const value = await this.#get(join('i', hash))
    return value === undefined ? undefined : intact(() => readInfo(value))
  }

  // ---- evidence: e, d

  async evidence(): Promise<void> {
    for await (const entry of this.#all('e')) {
      this.counters.nextEvidence = Math.max(this.counters.nextEvidence, sequenceOf(entry.key) + 1)
      if (intact(() => readEvidence(entry)) === undefined) this.#drop('evidence', entry.key, `the evidence under ${hex(entry.key)} cannot be read`)
      else this.counters.evidence++
    }
    for await (const { key, value } of this.#all('d')) {
      if (await this.#get(Buffer.from(value)) === undefined) this.#drop('index', key, `a digest names evidence ${hex(value)}, which is not there`)
    }
  }

  // ---- what we signed, tip, head, mark

  async signed(): Promise<void> {
    for await (const { key, value } of this.#all('o')) {
      if (intact(() => readOwn(key, value)) !== undefined) continue
      this.signedLost = true
      this.#drop('signed', key, `the record of what we signed under ${hex(key)} is not what was written`)
    }
    if (parseMark(await this.#get(nameKey('a', 'signing'))) !== undefined) return
    this.signedLost = true
    this.#drop('signed', nameKey('a', 'signing'), 'up to which window nothing is signed any more cannot be read')
  }

  async settings(): Promise<void> {
    for (const [name, read] of [['confirmedTip', readTip], ['headOverride', readHead], ['root', readRoot]] as const) {
      await read(this.storage).catch((error: unknown) => {
        if (!(error instanceof StoreError) || error.code !== 'damaged') throw error
        this.#drop('setting', nameKey('a', name), error.message)
      })
    }
  }

  // ---- counters

  async count(): Promise<void> {
    const { counters } = this
    const value = await this.#get(COUNTERS_KEY)
    const kept = value === undefined ? undefined : parseCounters(value)
    if (kept !== undefined) {
      // What cannot be counted is taken from there.
      const { floor, txListFloor, evictedCommitments, evictedTxLists, evictedUnreferenced, evictedEvidence, commits } = kept
      Object.assign(counters, { floor, txListFloor, evictedCommitments, evictedTxLists, evictedUnreferenced, evictedEvidence, commits })
      counters.nextTxList = Math.max(counters.nextTxList, kept.nextTxList)
      counters.nextEvidence = Math.max(counters.nextEvidence, kept.nextEvidence)
    }
    const differs = kept === undefined ? value !== undefined : (['canonical', 'side', 'txLists', 'referencedBytes', 'evidence'] as const).some(name => kept[name] !== counters[name])
    if (differs && this.problems.length === 0) this.problems.push({ kind: 'counters', message: 'the counters are not what is there' })
  }

  // ---- writes

  #drop(kind: Problem['kind'], key: Key, message: string): void { this.#put(kind, key, undefined, message) }

  #put(kind: Problem['kind'], key: Key, value: Uint8Array | undefined, message: string): void {
    this.problems.push({ kind, message })
    this.writes.push({ key, value })
    if (value === undefined) this.#gone.add(keyText(key))
  }

  /** As it will be. */
  async #get(key: Key): Promise<Uint8Array | undefined> { return this.#gone.has(keyText(key)) ? undefined : this.storage.get(key) }

  async * #all(space: Space): AsyncGenerator<Entry> {
    for (let gte = spaceStart(space); ;) {
      const entries = await this.storage.range({ gte, lt: spaceEnd(space), limit: STEP })
      yield * entries
      const last = entries.at(-1)
      if (last === undefined || entries.length < STEP) return
      gte = keyAfter(last.key)
    }
  }
}

/** `undefined` where it is not what was written. */
function intact<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof StoreError && error.code === 'damaged') return undefined
    throw error
  }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const same = (a: Uint8Array | undefined, b: Uint8Array): boolean => a !== undefined && Buffer.compare(a, b) === 0

/** Where a block and the one above it do not link, for people: it may be so by right (a hand-over that nobody keeps, SPEC §6). */
export async function looseLinks(storage: Storage, most: number): Promise<readonly string[]> {
  const loose: string[] = []
  let below = new Set<string>()
  let at: bigint | undefined
  for (let gte = spaceStart('c'); loose.length < most;) {
    const entries = await storage.range({ gte, lt: spaceEnd('c'), limit: STEP })
    for (const { key, value } of entries) {
      const record = intact(() => readCommitment(key, value))
      if (record === undefined) continue
      const height = BigInt(`0x${heightOfSsz(record.ssz, OFFSETS.blockNumber).subarray(1).toString('hex') || '0'}`)
      if (at !== undefined && height > at + 1n) loose.push(`heights ${at + 1n} to ${height - 1n} are not there`)
      else if (at !== undefined && !below.has(hex(record.ssz.subarray(OFFSETS.parentPreconfirmationHash, OFFSETS.parentPreconfirmationHash + 32)))) {
        loose.push(`${height} does not link to what is below it`)
      }
      if (isHandover(record.ssz)) { below.add(hex(record.hash)); continue }
      below = new Set([hex(record.hash)])
      at = height
    }
    const last = entries.at(-1)
    if (last === undefined || entries.length < STEP) break
    gte = keyAfter(last.key)
  }
  return loose
}
