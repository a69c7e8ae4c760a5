import { crc32 } from 'node:zlib'
import type { DatabaseLimits, TxListPut } from './database.js'
import { StoreError } from './errors.js'
import { decodeHeight, encodeHeight, heightInKey, join, keyAfter, keyOfText, keyText, sequenceKey, spaceEnd } from './schema.js'
import type { Key } from './schema.js'
import { floorKey } from './state.js'
import type { State } from './state.js'
import type { Transaction } from './transaction.js'
import { CHARGE, unnamedValue } from './unreferenced.js'
import type { Unnamed } from './unreferenced.js'

/** What is known of a txlist, under its hash. */
export interface TxListInfo {
  readonly crc: number
  readonly size: number
  readonly sequence: number
  /** Of the highest commitment that names it; `undefined` while none does. As in keys. */
  readonly height: Buffer | undefined
  /** Who sent it, while none does; empty for ourselves. */
  readonly peer: string
}

const REFERENCED = 1

function writeInfo({ crc, size, sequence, height, peer }: TxListInfo): Uint8Array {
  const head = Buffer.allocUnsafe(15)
  head.writeUInt32BE(crc, 0)
  head.writeUInt32BE(size, 4)
  head.writeUIntBE(sequence, 8, 6)
  head[14] = height === undefined ? 0 : REFERENCED
  return Buffer.concat([head, height ?? Buffer.from(peer, 'utf8')])
}

/** @throws StoreError `damaged` */
export function readInfo(value: Uint8Array): TxListInfo {
  const bytes = Buffer.from(value)
  const referenced = bytes[14] === REFERENCED
  if (bytes.length < 15 || (referenced && bytes.length !== 16 + (bytes[15] ?? 0))) throw new StoreError('damaged', 'what is known of a txlist cannot be read')
  return {
    crc: bytes.readUInt32BE(0),
    size: bytes.readUInt32BE(4),
    sequence: bytes.readUIntBE(8, 6),
    height: referenced ? bytes.subarray(15) : undefined,
    peer: referenced ? '' : bytes.toString('utf8', 15),
  }
}

/** The bytes themselves, checked. @throws StoreError `damaged` naming the hash */
export function checkTxList(hash: Uint8Array, { crc, size }: TxListInfo, bytes: Uint8Array | undefined): Uint8Array {
  if (bytes?.length !== size || crc32(bytes) !== crc) {
    throw new StoreError('damaged', `the txlist ${Buffer.from(hash).toString('hex')} is not what was written`, { value: infoKey(hash).toString('hex') })
  }
  return bytes
}

const infoKey = (hash: Uint8Array): Key => join('i', hash)

export async function prefetchTxLists(txn: Transaction, hashes: readonly Uint8Array[]): Promise<void> {
  await txn.prefetch(hashes.map(infoKey))
}

export async function putTxList(txn: Transaction, state: State, put: TxListPut): Promise<void> {
  const { hash, bytes, blockNumber, peer = '' } = put
  const there = await infoAt(txn, hash)
  if (there !== undefined) {
    if (blockNumber !== undefined) reference(txn, state, hash, there, encodeHeight(blockNumber))
    return
  }
  const sequence = state.counters.nextTxList++
  txn.put(sequenceKey('t', sequence), bytes)
  const info = { crc: crc32(bytes), size: bytes.length, sequence }
  state.counters.txLists++
  if (blockNumber !== undefined) {
    name(txn, state, hash, { ...info, height: encodeHeight(blockNumber), peer: '' })
  } else {
    const entry = { sequence, hash: Uint8Array.from(hash), cost: bytes.length + CHARGE, peer }
    txn.put(infoKey(hash), writeInfo({ ...info, height: undefined, peer }))
    txn.put(sequenceKey('u', sequence), unnamedValue(entry))
    state.unreferenced.add(entry)
  }
}

/** An accepted commitment names it now; a txlist that is not there is passed over. */
export async function referenceTxList(txn: Transaction, state: State, hash: Uint8Array, blockNumber: bigint): Promise<void> {
  const there = await infoAt(txn, hash)
  if (there !== undefined) reference(txn, state, hash, there, encodeHeight(blockNumber))
}

export async function forgetTxList(txn: Transaction, state: State, hash: Uint8Array): Promise<void> {
  const there = await infoAt(txn, hash)
  if (there !== undefined) drop(txn, state, hash, there)
  else txn.remove(infoKey(hash))
}

/** Where it cannot be read it is as if the txlist was not there: it comes again, and `store repair` clears away what is left of it. */
async function infoAt(txn: Transaction, hash: Uint8Array): Promise<TxListInfo | undefined> {
  const value = await txn.get(infoKey(hash))
  try {
    return value === undefined ? undefined : readInfo(value)
  } catch (error) {
    if (error instanceof StoreError && error.code === 'damaged') return undefined
    throw error
  }
}

/** A txlist that several heights name (an empty block's, say) counts to the highest. */
function reference(txn: Transaction, state: State, hash: Uint8Array, info: TxListInfo, height: Buffer): void {
  if (info.height !== undefined && Buffer.compare(info.height, height) >= 0) return
  unlist(txn, state, hash, info)
  name(txn, state, hash, { ...info, height, peer: '' })
}

function name(txn: Transaction, state: State, hash: Uint8Array, info: TxListInfo & { readonly height: Buffer }): void {
  txn.put(infoKey(hash), writeInfo(info))
  const size = Buffer.allocUnsafe(4)
  size.writeUInt32BE(info.size)
  txn.put(join('r', info.height, hash), size)
  state.counters.referencedBytes += info.size
  const text = keyText(info.height)
  if (text < state.lowestReferenced) state.lowestReferenced = text
}

/** Takes it out of the order of eviction that it stands in. */
function unlist(txn: Transaction, state: State, hash: Uint8Array, { height, size, sequence, peer }: TxListInfo): void {
  if (height === undefined) {
    txn.remove(sequenceKey('u', sequence))
    state.unreferenced.remove(peer, sequence)
  } else {
    txn.remove(join('r', height, hash))
    state.counters.referencedBytes -= size
  }
}

function drop(txn: Transaction, state: State, hash: Uint8Array, info: TxListInfo): void {
  unlist(txn, state, hash, info)
  txn.remove(infoKey(hash))
  txn.remove(sequenceKey('t', info.sequence))
  state.counters.txLists--
}

/** Keeps to the shares of each sender of this batch, then to the budget of all (H13). */
export async function evictUnreferenced(
  txn: Transaction, state: State, peers: Iterable<string>, limits: DatabaseLimits,
): Promise<void> {
  const { unreferenced } = state
  const leave = async (entry: Unnamed | undefined): Promise<void> => {
    if (entry === undefined) return
    state.counters.evictedUnreferenced++
    unreferenced.remove(entry.peer, entry.sequence)
    await forgetTxList(txn, state, entry.hash)
  }
  for (const peer of peers) {
    if (peer === '') continue
    while (unreferenced.costOf(peer) > limits.unreferencedTxListBytesPerPeer) await leave(unreferenced.oldestOf(peer))
  }
  while (unreferenced.cost > limits.unreferencedTxListBytes) await leave(unreferenced.next())
}

/** Keeps to the budget: the lowest heights leave first, the highest txlist stays. */
export async function evictReferenced(txn: Transaction, state: State, limits: DatabaseLimits): Promise<void> {
  const { counters } = state
  while (counters.referencedBytes > limits.referencedTxListBytes) {
    const lowest = await txn.range({ gte: join('r', keyOfText(state.lowestReferenced)), lt: spaceEnd('r'), limit: 65 })
    if (lowest.length < 2) return
    for (const { key } of lowest.slice(0, -1)) {
      if (counters.referencedBytes <= limits.referencedTxListBytes) return
      const height = heightInKey(key)
      await leaveReferenced(txn, state, key)
      state.lowestReferenced = keyText(height)
      raiseFloor(state, encodeHeight(decodeHeight(height, 0) + 1n))
    }
  }
}

/** The txlists of heights whose commitments were evicted go with them. */
export async function evictOrphans(txn: Transaction, state: State): Promise<void> {
  const lt = floorKey(state, 'r')
  for (let gte = join('r', keyOfText(state.lowestReferenced)); Buffer.compare(gte, lt) < 0;) {
    const orphans = await txn.range({ gte, lt, limit: 256 })
    for (const { key } of orphans) await leaveReferenced(txn, state, key)
    const last = orphans.at(-1)
    if (last === undefined || orphans.length < 256) break
    gte = keyAfter(last.key)
  }
  if (state.lowestReferenced < keyText(lt.subarray(1))) state.lowestReferenced = keyText(lt.subarray(1))
}

async function leaveReferenced(txn: Transaction, state: State, key: Key): Promise<void> {
  state.counters.evictedTxLists++
  await forgetTxList(txn, state, key.subarray(1 + heightInKey(key).length))
}

function raiseFloor(state: State, height: Buffer): void {
  const { counters } = state
  if (Buffer.compare(height, Buffer.from(counters.txListFloor, 'hex')) > 0) counters.txListFloor = height.toString('hex')
}
