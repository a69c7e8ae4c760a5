import { crc32 } from 'node:zlib'
import { BLOCK, COUNTERS_KEY, decodeHeight, isBlockKey, heightInKey, join, keyOfText, keyText, spaceEnd, spaceStart } from './schema.js'
import type { Discarded, SigningMark } from './database.js'
import { StoreError } from './errors.js'
import { OPEN_MARK, readMark } from './signed-records.js'
import type { Storage } from './storage.js'
import type { Transaction } from './transaction.js'
import { Unreferenced } from './unreferenced.js'

/** What every commit rewrites beside its own records. Heights are as in keys, hexadecimal. */
export interface Counters {
  canonical: number
  /** Commitments that are not canonical. */
  side: number
  txLists: number
  referencedBytes: number
  nextTxList: number
  evidence: number
  nextEvidence: number
  /** No commitment is below this height. Ranges start here: what was evicted before is slow to pass over. */
  floor: string
  /** Referenced txlists below this height were evicted. */
  txListFloor: string
  evictedCommitments: number
  evictedTxLists: number
  evictedUnreferenced: number
  evictedEvidence: number
  /** Transactions that became durable, since the directory was made. */
  commits: number
}

const ZERO = '00'
export const freshCounters = (): Counters => ({
  canonical: 0, side: 0, txLists: 0, referencedBytes: 0, nextTxList: 1, evidence: 0, nextEvidence: 1,
  floor: ZERO, txListFloor: ZERO,
  evictedCommitments: 0, evictedTxLists: 0, evictedUnreferenced: 0, evictedEvidence: 0, commits: 0,
})

/**
 * What the database keeps in memory, beside its storage: counters, both ends of the heights, the unreferenced txlists.
 * A transaction changes it as it goes; when it fails, the state is loaded anew.
 */
export interface State {
  readonly counters: Counters
  /** Key of the highest canonical block. */
  head: string | undefined
  /** Not below any height that is stored, as in keys (latin1); a commitment above it cannot be there yet. */
  top: string
  /** No referenced txlist is below this height (as in keys, latin1); where the search for the lowest starts. */
  lowestReferenced: string
  readonly unreferenced: Unreferenced
  signing: SigningMark
  /** What a transaction met that was damaged, and took out. */
  discarded: Discarded[]
  /** Readers of the chain may have been told what follows on heights up to here: its highest block, or down to where it was rewound last. */
  told: bigint
  /** The lowest height up to there at which the change being applied takes a canonical block away, or puts one: see `numbered`. */
  rewound: bigint | undefined
}

/** @throws StoreError `damaged` where the counters cannot be read: `open` counts anew */
export async function loadState(storage: Storage): Promise<State> {
  const value = await storage.get(COUNTERS_KEY)
  const counters = value === undefined ? freshCounters() : parseCounters(value)
  if (counters === undefined) throw new StoreError('damaged', 'the counters cannot be read', { value: COUNTERS_KEY.toString('hex') })
  const [canonical] = await storage.range({ gte: spaceStart('c'), lt: spaceEnd('c'), limit: 1, reverse: true })
  const [side] = await storage.range({ gte: spaceStart('p'), lt: spaceEnd('p'), limit: 1, reverse: true })
  const [newest] = await storage.range({ gte: spaceStart('w'), lt: spaceEnd('w'), limit: 1, reverse: true })
  const head = await lastBlock(storage)
  const [block, rewind] = [heightOfBlock(head), newest === undefined ? -1n : decodeHeight(newest.value, 0) - 1n]
  const tops = [canonical, side].map(entry => entry === undefined ? '' : keyText(heightInKey(entry.key)))
  return {
    counters,
    head,
    top: tops.reduce((highest, top) => top > highest ? top : highest),
    lowestReferenced: '',
    unreferenced: await Unreferenced.load(storage),
    signing: await readMark(storage) ?? OPEN_MARK,
    discarded: [],
    told: rewind > block ? rewind : block,
    rewound: undefined,
  }
}

/** Of the key of a block; −1 where there is none. */
export const heightOfBlock = (key: string | undefined): bigint => key === undefined ? -1n : decodeHeight(keyOfText(key), 1)

/** Key of the highest canonical block, looked for from the top: hand-overs may stand above it. */
export async function lastBlock(from: Storage | Transaction): Promise<string | undefined> {
  let lt = spaceEnd('c')
  for (let limit = 4; ; limit = 64) {
    const entries = await from.range({ gte: spaceStart('c'), lt, limit, reverse: true })
    const block = entries.find(({ key }) => isBlockKey(key))
    if (block !== undefined) return keyText(block.key)
    const last = entries.at(-1)
    if (last === undefined || entries.length < limit) return undefined
    lt = last.key
  }
}

const BEFORE_CRC = Object.keys(freshCounters()).filter(name => name !== 'commits')

/** @returns undefined where they are not what was written: every one of a form that could have been */
export function parseCounters(value: Uint8Array): Counters | undefined {
  const counters = freshCounters()
  try {
    const { crc, ...parsed } = JSON.parse(Buffer.from(value).toString('utf8')) as Partial<Counters> & { readonly crc?: number }
    // An earlier version wrote none.
    if (crc === undefined ? !BEFORE_CRC.every(name => name in parsed) : crc !== crc32(JSON.stringify(parsed))) return undefined
    Object.assign(counters, parsed)
  } catch {
    return undefined
  }
  const { floor, txListFloor, ...counts } = counters
  const isHeight = (text: unknown): boolean => typeof text === 'string' && /^([0-9a-f]{2}){1,33}$/.test(text)
  const isCount = (count: unknown): boolean => Number.isSafeInteger(count) && (count as number) >= 0
  return isHeight(floor) && isHeight(txListFloor) && Object.values(counts).every(isCount) ? counters : undefined
}

export function putCounters(txn: Transaction, { counters }: Pick<State, 'counters'>): void {
  txn.put(COUNTERS_KEY, Buffer.from(JSON.stringify({ ...counters, crc: crc32(JSON.stringify(counters)) })))
}

export const floorKey = (state: State, space: 'c' | 'p' | 'r'): Buffer => join(space, Buffer.from(state.counters.floor, 'hex'))
export const blockKeyOf = (height: Uint8Array): Buffer => join('c', height, BLOCK)
