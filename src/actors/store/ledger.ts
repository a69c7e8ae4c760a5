import { createHash, randomBytes } from 'node:crypto'
import type { ChainRecord, DatabaseLimits, Evidence, EvidencePut, GapRecord, HeadRecord, RewindsSince, RootRecord, TipRecord } from './database.js'
import { StoreError } from './errors.js'
import { decodeHeight, encodeHeight, join, keyAfter, nameKey, sequenceKey, sequenceOf, spaceEnd, spaceStart } from './schema.js'
import type { Key } from './schema.js'
import { heightOfBlock } from './state.js'
import type { State } from './state.js'
import type { Entry, Storage } from './storage.js'
import type { Transaction } from './transaction.js'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const unhex = (text: unknown): Uint8Array => new Uint8Array(Buffer.from(String(text), 'hex'))

/** @throws StoreError `damaged` naming the key, where it is no JSON object or `read` cannot make sense of it */
function parse<T>(what: string, key: Key, value: Uint8Array, read: (fields: Readonly<Record<string, unknown>>) => T): T {
  try {
    return read({ ...JSON.parse(Buffer.from(value).toString('utf8')) as object })
  } catch (cause) {
    throw new StoreError('damaged', `${what} cannot be read`, { value: key.toString('hex') }, { cause })
  }
}

const json = (value: object): Uint8Array => Buffer.from(JSON.stringify(value))

// ---- evidence

export async function putEvidence(txn: Transaction, state: State, put: EvidencePut): Promise<void> {
  const digest = createHash('sha256').update(put.kind).update(put.reason)
  for (const message of put.messages) digest.update(message)
  const digestKey = join('d', digest.digest())
  if (await txn.get(digestKey) !== undefined) return
  const { counters } = state
  const key = sequenceKey('e', counters.nextEvidence++)
  txn.put(digestKey, key)
  txn.put(key, json({
    kind: put.kind, reason: put.reason, signer: hex(put.signer), blockNumber: put.blockNumber.toString(),
    submissionWindowEnd: put.submissionWindowEnd.toString(), messages: put.messages.map(hex), seenAt: put.seenAt,
    digest: digestKey.toString('hex'),
  }))
  counters.evidence++
}

export async function evictEvidence(txn: Transaction, state: State, limits: DatabaseLimits): Promise<void> {
  const { counters } = state
  if (counters.evidence <= limits.evidence) return
  const oldest = await txn.range({ gte: spaceStart('e'), lt: spaceEnd('e'), limit: counters.evidence - limits.evidence })
  for (const { key, value } of oldest) {
    dropEvidence(txn, state, key, value)
    counters.evictedEvidence++
  }
}

/** Where it cannot be read, its digest stays: the same evidence is not kept twice for that. */
export function dropEvidence(txn: Transaction, { counters }: State, key: Key, value: Uint8Array | undefined): void {
  txn.remove(key)
  counters.evidence--
  try {
    if (value !== undefined) txn.remove(Buffer.from(unhex(parse('evidence', key, value, ({ digest }) => digest))))
  } catch {
    // nothing says which
  }
}

/** @throws StoreError `damaged` naming the key */
export function readEvidence({ key, value }: Entry): Evidence {
  return parse('evidence', key, value, ({ kind, reason, signer, blockNumber, submissionWindowEnd, messages, seenAt }) => ({
    sequence: sequenceOf(key),
    kind: kind === 'equivocation' ? kind : 'misbehaviour',
    reason: String(reason),
    signer: unhex(signer),
    blockNumber: BigInt(String(blockNumber)),
    submissionWindowEnd: BigInt(String(submissionWindowEnd)),
    messages: Array.isArray(messages) ? messages.map(unhex) : [],
    seenAt: Number(seenAt),
  }))
}

// ---- what chain stands on, text of other rooms

const TIP = nameKey('a', 'confirmedTip')
const HEAD = nameKey('a', 'headOverride')
const ROOT = nameKey('a', 'root')
const MARK = nameKey('a', 'mark')
const OPENINGS = nameKey('a', 'openings')

export function putTip(txn: Transaction, tip: TipRecord | null): void {
  if (tip === null) return txn.remove(TIP)
  const { blockNumber, preconfirmationHash } = tip
  const hash = preconfirmationHash === undefined ? {} : { hash: hex(preconfirmationHash) }
  txn.put(TIP, json({ blockNumber: blockNumber.toString(), ...hash }))
}

export async function readTip(storage: Pick<Storage, 'get'>): Promise<TipRecord | undefined> {
  const value = await storage.get(TIP)
  if (value === undefined) return undefined
  return parse('the confirmed tip', TIP, value, ({ blockNumber, hash }) => ({
    blockNumber: BigInt(String(blockNumber)), ...(hash === undefined ? {} : { preconfirmationHash: unhex(hash) }),
  }))
}

export function putHead(txn: Transaction, head: HeadRecord | null): void {
  if (head === null) return txn.remove(HEAD)
  txn.put(HEAD, json({ blockNumber: head.blockNumber.toString(), submissionWindowEnd: head.submissionWindowEnd.toString() }))
}

export async function readHead(storage: Pick<Storage, 'get'>): Promise<HeadRecord | undefined> {
  const value = await storage.get(HEAD)
  if (value === undefined) return undefined
  return parse('the head override', HEAD, value, ({ blockNumber, submissionWindowEnd }) => ({
    blockNumber: BigInt(String(blockNumber)), submissionWindowEnd: BigInt(String(submissionWindowEnd)),
  }))
}

export function putRoot(txn: Transaction, root: RootRecord | null): void {
  if (root === null) return txn.remove(ROOT)
  const { first, parentHash } = root
  txn.put(ROOT, json({ first: first.toString(), ...parentHash === undefined ? {} : { parentHash: hex(parentHash) } }))
}

export async function readRoot(storage: Pick<Storage, 'get'>): Promise<RootRecord | undefined> {
  const value = await storage.get(ROOT)
  if (value === undefined) return undefined
  return parse('the root', ROOT, value, ({ first, parentHash }) => ({
    first: BigInt(String(first)), ...(parentHash === undefined ? {} : { parentHash: unhex(parentHash) }),
  }))
}

export const putMark = (txn: Transaction, mark: bigint): void => { txn.put(MARK, encodeHeight(mark)) }

export const putGap = (txn: Transaction, { blockNumber, hash }: GapRecord): void => { txn.put(join('g', encodeHeight(blockNumber)), hash) }

/** Forgets the blocks without a parent of heights in a range of encoded heights, or from one on. */
export async function forgetGaps(txn: Transaction, gte: Uint8Array, lt?: Uint8Array): Promise<void> {
  for (const { key } of await gapsIn(txn, join('g', gte), lt === undefined ? spaceEnd('g') : join('g', lt))) txn.remove(key)
}

async function gapsIn(storage: Pick<Storage, 'range'>, from: Key, lt: Key): Promise<readonly Entry[]> {
  const found: Entry[] = []
  for (let gte = from; ;) {
    const entries = await storage.range({ gte, lt, limit: 1_024 })
    found.push(...entries)
    const last = entries.at(-1)
    if (last === undefined || entries.length < 1_024) return found
    gte = keyAfter(last.key)
  }
}

export async function readChainRecord(storage: Pick<Storage, 'get' | 'range'>): Promise<ChainRecord> {
  const [confirmedTip, headOverride, root, mark, gaps] = await Promise.all([
    readTip(storage), readHead(storage), readRoot(storage), storage.get(MARK), gapsIn(storage, spaceStart('g'), spaceEnd('g')),
  ])
  return {
    confirmedTip, headOverride, root, mark: mark === undefined ? undefined : decodeHeight(mark, 0),
    gaps: gaps.map(({ key, value }) => ({ blockNumber: decodeHeight(key, 1), hash: Uint8Array.from(value) })),
  }
}

// ---- rewinds

/** Rewinds that are kept (SPEC §7), and openings whose cursors are understood. */
const KEPT_REWINDS = 4_096
const KEPT_OPENINGS = 256

/** An opening of the directory: its id, 16 hex digits, and the last rewind before it. */
type Opening = readonly [id: string, from: number]

/**
 * What is told of rewinds is told in the name of this opening. A cursor with a name that is not in the list was given by a directory of which this
 * is an older copy. @param lost rewinds may be missing: no cursor of before is believed
 */
export async function putOpening(txn: Transaction, lost: boolean): Promise<void> {
  const before = lost ? [] : await readOpenings(txn)
  const opening: Opening = [hex(randomBytes(8)), await lastRewind(txn)]
  txn.put(OPENINGS, json([...before.slice(1 - KEPT_OPENINGS), opening]))
}

/** None where they cannot be read: then every cursor is judged by its hash. */
async function readOpenings(storage: Pick<Storage, 'get'>): Promise<readonly Opening[]> {
  const value = await storage.get(OPENINGS)
  try {
    const list: unknown = value === undefined ? [] : JSON.parse(Buffer.from(value).toString('utf8'))
    const isOpening = (each: unknown): each is Opening => Array.isArray(each) && typeof each[0] === 'string' && Number.isSafeInteger(each[1])
    return Array.isArray(list) && list.every(isOpening) ? list : []
  } catch {
    return []
  }
}

/**
 * Applies a change of the commitments. Where it takes a canonical block away, or puts one at a height that readers have passed, they are to be
 * told: it is a rewind, numbered in the write that makes it.
 */
export async function numbered(txn: Transaction, state: State, change: () => Promise<void>): Promise<void> {
  state.rewound = undefined
  await change()
  const { rewound } = state
  if (rewound !== undefined) {
    const number = await lastRewind(txn) + 1
    txn.put(sequenceKey('w', number), encodeHeight(rewound))
    if (number > KEPT_REWINDS) txn.remove(sequenceKey('w', number - KEPT_REWINDS))
    state.told = rewound - 1n
  }
  const top = heightOfBlock(state.head)
  if (top > state.told) state.told = top
}

async function lastRewind(storage: Pick<Storage, 'range'>): Promise<number> {
  const [last] = await storage.range({ gte: spaceStart('w'), lt: spaceEnd('w'), limit: 1, reverse: true })
  return last === undefined ? 0 : sequenceOf(last.key)
}

/** @param store in whose name `after` was told; left out: that of this opening */
export async function readRewinds(storage: Storage, after: number, store?: string): Promise<RewindsSince> {
  // The last number first: one that is written meanwhile is then among those missed, and is never counted without being told.
  const [openings, present] = await Promise.all([readOpenings(storage), lastRewind(storage)])
  const missed = await storage.range({ gte: sequenceKey('w', after + 1), lt: spaceEnd('w'), limit: KEPT_REWINDS })
  let to: bigint | undefined
  for (const { value } of missed) {
    const below = decodeHeight(value, 0) - 1n
    if (to === undefined || below < to) to = below
  }
  const [first, newest] = [missed[0], missed.at(-1)]
  const last = newest === undefined ? present : sequenceOf(newest.key)
  const opened = store === undefined ? openings.length - 1 : openings.findIndex(([id]) => id === store)
  const until = openings[opened + 1]?.[1] ?? last
  return { store: openings.at(-1)?.[0] ?? '', last, to, known: opened >= 0 && after <= until && (first === undefined || sequenceOf(first.key) === after + 1) }
}

export function putMeta(txn: Transaction, name: string, value: string | null): void {
  const key = nameKey('m', name)
  if (value === null) txn.remove(key)
  else txn.put(key, Buffer.from(value, 'utf8'))
}

export async function readMeta(storage: Pick<Storage, 'get'>, name: string): Promise<string | undefined> {
  const value = await storage.get(nameKey('m', name))
  return value === undefined ? undefined : Buffer.from(value).toString('utf8')
}
