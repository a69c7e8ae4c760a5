import { firstHole, waitAbove } from './commitments.js'
import type { Discarded, Loss, LossKind } from './database.js'
import { StoreError, storeErrorOf } from './errors.js'
import { inspect } from './inspect.js'
import type { Inspection } from './inspect.js'
import { numbered, putOpening, readHead, readRoot, readTip } from './ledger.js'
import { migrate } from './migrate.js'
import { COUNTERS_KEY, SCHEMA_KEY, SCHEMA_VERSION, nameKey } from './schema.js'
import { checkSchema } from './schema-record.js'
import { OPEN_MARK, closeSigning, readMark } from './signed-records.js'
import { freshCounters, loadState, parseCounters, putCounters } from './state.js'
import type { Storage } from './storage.js'
import { Transaction } from './transaction.js'

/** A submission window that ends later than this from now is signed for by nobody (SPEC §6, Values out of reach), s. */
const HORIZON = 3_600n
/** Damaged records that are told one by one. */
const MOST_TOLD = 256

/** The last window for which something may have been signed by now. @param now ms since the epoch */
export const horizonAfter = (now: number): bigint => BigInt(Math.floor(now / 1_000)) + HORIZON

export interface BeginOptions {
  readonly chainId: bigint | undefined
  /** Wall time, ms. */
  readonly now: number
  /** Looks at every record, also where nothing is known to be wrong. */
  readonly inspect: boolean
}

export interface Begun {
  /** It was made just now, or the first start was cut short before anything was in it. */
  readonly created: boolean
  /** The schema that it had, where that was an older one. */
  readonly migratedFrom: number | undefined
  readonly loss: Loss | undefined
  readonly discarded: readonly Discarded[]
}

/**
 * What happens to a database before it is used:
 * 1. where its files cannot be read, what is left of them is put together;
 * 2. its record says what it is, or it is new;
 * 3. where something is missing or cannot be counted on, every record is looked at, what is damaged goes, and what stood on it waits;
 * 4. where records may be missing that were said to be stored, nothing is signed for windows that may have been open (SPEC §7).
 * What follows from it is one write.
 * @throws StoreError `schema_newer`, `foreign`, `damaged`
 */
export async function begin(storage: Storage, how: BeginOptions): Promise<Begun> {
  try {
    return await beginOn(storage, how)
  } catch (error) {
    const failure = storeErrorOf(error, 'open')
    // A record that is damaged has a name.
    if (failure.code !== 'damaged' || failure.value !== undefined || storage.repaired) throw failure
    await storage.repair()
    return beginOn(storage, how)
  }
}

async function beginOn(storage: Storage, { chainId, now, inspect: all }: BeginOptions): Promise<Begun> {
  const counted = await storage.get(COUNTERS_KEY)
  const counters = counted === undefined ? undefined : parseCounters(counted)
  const empty = counted === undefined && await isEmpty(storage)
  const missing = lossOf(storage, counters?.commits ?? 0)
  const schema = checkSchema(await storage.get(SCHEMA_KEY), {
    empty, lost: missing !== undefined, ours: counters !== undefined || storage.witnessed !== undefined,
  }, chainId)
  const discarded: Discarded[] = counted !== undefined && counters === undefined ? [{ kind: 'counters', hash: undefined, blockNumber: undefined }] : []

  const txn = new Transaction(storage)
  const looked = !empty && (all || storage.repaired || counters === undefined) ? await inspect(storage) : undefined
  if (looked !== undefined) {
    for (const { key, value } of looked.writes) if (value === undefined) txn.remove(key); else txn.put(key, value)
    discarded.push(...toldOf(looked))
  }
  for (const [name, read] of SETTINGS) {
    if (await isReadable(() => read(storage))) continue
    txn.remove(nameKey('a', name))
    discarded.push({ kind: name, hash: undefined, blockNumber: undefined })
  }
  const mark = await readMark(storage)
  const what = missing ?? (looked?.signedLost === true || mark === undefined ? 'signed' : undefined)
  const marked = { signing: mark ?? OPEN_MARK }
  if (what !== undefined) {
    closeSigning(txn, marked, horizonAfter(now), { what, at: now })
  }
  await putOpening(txn, what !== undefined)
  if (empty || looked !== undefined || what !== undefined) {
    const all = looked?.counters ?? counters ?? freshCounters()
    putCounters(txn, { counters: { ...all, commits: Math.max(all.commits, storage.witnessed ?? 0) + (what === undefined ? 0 : 1) } })
  }
  // A new one says what it is in its first write: a start that is cut short leaves one in order, or nothing.
  const isOlder = schema.write !== undefined && schema.was !== undefined
  if (schema.write !== undefined && !isOlder) txn.put(SCHEMA_KEY, schema.write)
  await storage.write(txn.writes)
  if (what !== undefined || isOlder) await follow(storage, schema, what !== undefined, discarded)
  return { created: empty, migratedFrom: schema.was === SCHEMA_VERSION ? undefined : schema.was, loss: what === undefined ? undefined : marked.signing.loss, discarded }
}

/** What follows for the chain: what stood on a block that is gone waits, and an older database is brought to the present schema. */
async function follow(storage: Storage, schema: ReturnType<typeof checkSchema>, lost: boolean, discarded: Discarded[]): Promise<void> {
  const state = await loadState(storage)
  const txn = new Transaction(storage)
  if (lost) await waitAboveHole(txn, state, storage, discarded)
  if (schema.write !== undefined) {
    await migrate(txn, state, schema.was)
    txn.put(SCHEMA_KEY, schema.write)
  }
  putCounters(txn, state)
  await storage.write(txn.writes)
  discarded.push(...state.discarded)
}

/** What the application sets anew. */
const SETTINGS = [['confirmedTip', readTip], ['headOverride', readHead], ['root', readRoot]] as const

async function isReadable(read: () => Promise<unknown>): Promise<boolean> {
  try {
    await read()
    return true
  } catch (error) {
    if (error instanceof StoreError && error.code === 'damaged' && error.value !== undefined) return false
    throw error
  }
}

/** Whether something is missing that was said to be stored. */
function lossOf({ repaired, droppedBytes, witnessed = 0 }: Storage, commits: number): LossKind | undefined {
  return repaired ? 'table' : droppedBytes > 0 ? 'log' : commits < witnessed ? 'acknowledged' : undefined
}

const isEmpty = async (storage: Storage): Promise<boolean> => (await storage.range({ gte: Buffer.from([0]), lt: Buffer.from([0xff]), limit: 1 })).length === 0

/** A block is missing in the middle of the chain: what is above it stands on nothing until it has come again. */
async function waitAboveHole(txn: Transaction, state: Parameters<typeof waitAbove>[1], storage: Storage, discarded: Discarded[]): Promise<void> {
  const hole = await firstHole(txn, (await readTip(storage))?.blockNumber)
  if (hole === undefined) return
  await numbered(txn, state, async () => waitAbove(txn, state, hole - 1n))
  discarded.push({ kind: 'commitment', hash: undefined, blockNumber: hole })
}

const KINDS: ReadonlySet<string> = new Set(['commitment', 'txList', 'evidence', 'signed'] satisfies Discarded['kind'][])

const toldOf = ({ problems }: Inspection): readonly Discarded[] => problems
  .filter(({ kind }) => KINDS.has(kind)).slice(0, MOST_TOLD)
  .map(({ kind }) => ({ kind: kind as Discarded['kind'], hash: undefined, blockNumber: undefined }))
