import { HASH_SIZE, OFFSETS } from '../../protocol/layout.js'
import type { CommitmentPut, DatabaseLimits, Standing } from './database.js'
import { commitmentValue, keyOfCommitment, readCommitment, withStanding } from './commitment-value.js'
import { StoreError } from './errors.js'
import {
  decodeHeight, encodeHeight, heightInKey, heightOfSsz, isBlockKey, join, keyAfter, keyOfText, keyText, spaceEnd, spaceStart,
} from './schema.js'
import type { Key } from './schema.js'
import { forgetGaps } from './ledger.js'
import { blockKeyOf, floorKey, lastBlock } from './state.js'
import type { State } from './state.js'
import type { Entry } from './storage.js'
import type { Transaction } from './transaction.js'

/** Records looked at in one step of a rewind or an eviction. */
const STEP = 1_024
const MOST = (1n << 256n) - 1n

/** Reads at once what the commitments of a batch may meet: themselves, and who holds their height. */
export async function prefetchCommitments(txn: Transaction, state: State, puts: readonly CommitmentPut[]): Promise<void> {
  const keys: Key[] = []
  for (const { hash, ssz } of puts) {
    const height = heightOfSsz(ssz, OFFSETS.blockNumber)
    if (keyText(height) > state.top) continue
    keys.push(join('x', hash), blockKeyOf(height))
  }
  await txn.prefetch(keys)
}

export async function putCommitment(txn: Transaction, state: State, put: CommitmentPut): Promise<void> {
  const height = heightOfSsz(put.ssz, OFFSETS.blockNumber)
  const text = keyText(height)
  if (text <= state.top) {
    const there = await txn.get(join('x', put.hash))
    if (there !== undefined && await moveTo(txn, state, Buffer.from(there), put.hash, put.standing)) return
    await makeRoom(txn, state, put, height)
  } else {
    state.top = text
  }
  insert(txn, state, put, height)
}

/** Gives a record another standing; one that is not there is passed over. */
export async function restand(txn: Transaction, state: State, hash: Uint8Array, standing: Standing): Promise<void> {
  const there = await txn.get(join('x', hash))
  if (there !== undefined) await moveTo(txn, state, Buffer.from(there), hash, standing)
}

export async function forget(txn: Transaction, state: State, hash: Uint8Array): Promise<void> {
  const there = await txn.get(join('x', hash))
  if (there === undefined) return
  changed(state, Buffer.from(there))
  drop(txn, state, Buffer.from(there), hash)
  await findHead(txn, state)
}

/** Takes every canonical record above a height from the chain. @param standing what they become */
export async function rewind(txn: Transaction, state: State, to: bigint, standing: 'demoted' | 'retired' | 'pending'): Promise<void> {
  if (to >= MOST) return
  for (let gte = to < 0n ? spaceStart('c') : join('c', encodeHeight(to + 1n)); ;) {
    const entries = await txn.range({ gte, lt: spaceEnd('c'), limit: STEP })
    for (const { key, value } of entries) {
      const record = intact(txn, state, key, value)
      if (record !== undefined) move(txn, state, key, record, standing)
    }
    const last = entries.at(-1)
    if (last === undefined || entries.length < STEP) break
    gte = keyAfter(last.key)
  }
  await forgetGaps(txn, encodeHeight(to + 1n))
  await findHead(txn, state)
}

/** Records that chain takes up again while they wait for their parent. */
const MOST_WAITING = 1_024

/** What stands on a block that is gone waits for it to come again; where that is more than chain would take up, it is all fetched again. */
export async function waitAbove(txn: Transaction, state: State, to: bigint): Promise<void> {
  const above = await txn.range({ gte: join('c', encodeHeight(to + 1n)), lt: spaceEnd('c'), limit: MOST_WAITING + 1 })
  await rewind(txn, state, to, above.length > MOST_WAITING ? 'demoted' : 'pending')
}

/** Takes a damaged record out. @param hash where anything still says it */
export async function dropCommitment(txn: Transaction, state: State, key: Key, hash: Uint8Array | undefined): Promise<void> {
  txn.remove(key)
  if (hash !== undefined) txn.remove(join('x', hash))
  count(state, key[0] === 0x63 ? 'canonical' : 'pending', -1)
  await findHead(txn, state)
}

/** The lowest height above `from` at which a block is missing below others; without `from` above the lowest block. */
export async function firstHole(storage: Pick<Transaction, 'range'>, from: bigint | undefined): Promise<bigint | undefined> {
  let next = from === undefined ? undefined : from + 1n
  for (let gte = next === undefined ? spaceStart('c') : join('c', encodeHeight(next)); ;) {
    const entries = await storage.range({ gte, lt: spaceEnd('c'), limit: STEP })
    for (const { key } of entries) {
      if (!isBlockKey(key)) continue
      const height = decodeHeight(key, 1)
      if (next !== undefined && height > next) return next
      next = height + 1n
    }
    const last = entries.at(-1)
    if (last === undefined || entries.length < STEP) return undefined
    gte = keyAfter(last.key)
  }
}

/** The record, where it is what was written; else it is taken out, and told. */
function intact(txn: Transaction, state: State, key: Key, value: Uint8Array): CommitmentPut | undefined {
  try {
    return readCommitment(key, value)
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== 'damaged') throw error
    const hash = key[0] === 0x70 ? Uint8Array.from(key.subarray(key.length - HASH_SIZE)) : undefined
    txn.remove(key)
    count(state, key[0] === 0x63 ? 'canonical' : 'pending', -1)
    state.discarded.push({ kind: 'commitment', hash, blockNumber: decodeHeight(key, 1) })
    return undefined
  }
}

/** Drops the lowest records above the bound; the head stays. Returns how many. */
export async function evictCommitments(txn: Transaction, state: State, limits: DatabaseLimits): Promise<number> {
  const { counters } = state
  let evicted = 0
  for (;;) {
    const excess = counters.canonical + counters.side - limits.commitments
    if (excess <= 0) break
    // One more than are to leave: the head may be among them.
    const limit = Math.min(excess, STEP) + 1
    const lowest = await lowestOf(txn, state, limit)
    const leaving = lowest.filter(({ key }) => keyText(key) !== state.head).slice(0, limit - 1)
    if (leaving.length === 0) break
    for (const { key, value } of leaving) {
      const record = intact(txn, state, key, value)
      if (record !== undefined) drop(txn, state, key, record.hash)
      counters.floor = heightInKey(key).toString('hex')
    }
    evicted += leaving.length
  }
  counters.evictedCommitments += evicted
  if (evicted > 0) await forgetGaps(txn, encodeHeight(0n), Buffer.from(counters.floor, 'hex'))
  return evicted
}

async function lowestOf(txn: Transaction, state: State, limit: number): Promise<readonly Entry[]> {
  const canonical = await txn.range({ gte: floorKey(state, 'c'), lt: spaceEnd('c'), limit })
  const side = await txn.range({ gte: floorKey(state, 'p'), lt: spaceEnd('p'), limit })
  return [...canonical, ...side].sort((a, b) => Buffer.compare(a.key.subarray(1), b.key.subarray(1))).slice(0, limit)
}

/** False where the index names a record that is not there: damage, which a put repairs and a change of standing passes over. */
async function moveTo(txn: Transaction, state: State, key: Key, hash: Uint8Array, standing: Standing): Promise<boolean> {
  const value = await txn.get(key)
  if (value === undefined) return false
  const commitment = intact(txn, state, key, value)
  if (commitment === undefined || Buffer.compare(commitment.hash, hash) !== 0) return false
  if (commitment.standing === standing) return true
  await makeRoom(txn, state, withStanding(commitment, standing), heightInKey(key))
  move(txn, state, key, commitment, standing)
  if (isBlockKey(key)) await findHead(txn, state)
  return true
}

/** A canonical block takes its height from who held it. */
async function makeRoom(txn: Transaction, state: State, coming: CommitmentPut, height: Buffer): Promise<void> {
  if (coming.standing !== 'canonical') return
  const key = keyOfCommitment(coming, height)
  if (!isBlockKey(key)) return
  const held = await txn.get(key)
  const holder = held === undefined ? undefined : intact(txn, state, key, held)
  if (holder !== undefined) move(txn, state, key, holder, 'demoted')
}

function move(txn: Transaction, state: State, from: Key, commitment: CommitmentPut, standing: Standing): void {
  if (standing !== 'canonical') changed(state, from)
  txn.remove(from)
  count(state, commitment.standing, -1)
  insert(txn, state, withStanding(commitment, standing), heightInKey(from))
}

/** A canonical block has lost its height, or taken one: readers who have passed it are to be told (SPEC §7, Rewinds are numbered). */
function changed(state: State, key: Key): void {
  if (!isBlockKey(key)) return
  const height = decodeHeight(key, 1)
  if (height <= state.told && (state.rewound === undefined || height < state.rewound)) state.rewound = height
}

function insert(txn: Transaction, state: State, commitment: CommitmentPut, height: Buffer): void {
  const key = keyOfCommitment(commitment, height)
  txn.put(key, commitmentValue(commitment))
  txn.put(join('x', commitment.hash), key)
  count(state, commitment.standing, 1)
  const text = keyText(key)
  changed(state, key)
  if (isBlockKey(key) && (state.head === undefined || text > state.head)) state.head = text
  if (keyText(height) < keyText(Buffer.from(state.counters.floor, 'hex'))) state.counters.floor = height.toString('hex')
}

function drop(txn: Transaction, state: State, key: Key, hash: Uint8Array): void {
  txn.remove(key)
  txn.remove(join('x', hash))
  count(state, key[0] === 0x63 ? 'canonical' : 'pending', -1)
}

function count(state: State, standing: Standing, by: number): void {
  if (standing === 'canonical') state.counters.canonical += by
  else state.counters.side += by
}

/** The head may have gone: the highest block that is still there takes its place. */
async function findHead(txn: Transaction, state: State): Promise<void> {
  if (state.head !== undefined && await txn.get(keyOfText(state.head)) !== undefined) return
  state.head = await lastBlock(txn)
}
