import type { LossKind } from './database.js'
import { storeErrorOf } from './errors.js'
import { fileDatabase } from './file-database.js'
import { inspect, looseLinks } from './inspect.js'
import { openLevel, storeFolder } from './level.js'
import { damagedLogs } from './logs.js'
import { COUNTERS_KEY } from './schema.js'
import { parseCounters } from './state.js'
import { damagedTables } from './tables.js'
import { newToken } from './token.js'

/** What a look at a data directory has found. */
export interface StoreReport {
  /** What `store repair` would put right, or a start takes out by itself. None: the store is as it was written. */
  readonly problems: readonly string[]
  /** What may be so by right: gaps in the chain, blocks that do not link to what is below them. */
  readonly notes: readonly string[]
}

/** What a repair came to. */
export interface RepairReport {
  readonly problems: readonly string[]
  /** What was lost of what had been said to be stored; nothing is signed for windows that end at or before `signingClosedUpTo`. */
  readonly lost: { readonly what: LossKind; readonly signingClosedUpTo: bigint } | undefined
}

const MOST_NOTES = 64

/**
 * Looks at the store of a node that is not running, and changes nothing: files first, without the database (which drops what it cannot read of its
 * logs when it opens), then, where those are whole, every record.
 * @throws StoreError `locked`, `foreign`, `schema_newer`, `io`, `disk_full`
 */
export async function checkStore(dataDir: string): Promise<StoreReport> {
  const folder = await storeFolder(dataDir)
  const files = [
    ...(await damagedTables(folder)).map(file => `${file}: a part of it is not what was written`),
    ...(await damagedLogs(folder)).map(file => `${file}: a part of it is not what was written`),
  ]
  if (files.length > 0) return { problems: files, notes: [] }
  try {
    return await checkRecords(dataDir)
  } catch (error) {
    const failure = storeErrorOf(error, 'check')
    if (failure.code !== 'damaged') throw failure
    return { problems: [failure.message], notes: [] }
  }
}

async function checkRecords(dataDir: string): Promise<StoreReport> {
  const storage = await openLevel({ dataDir, token: newToken(), repair: 'never' })
  try {
    const { problems } = await inspect(storage)
    const value = await storage.get(COUNTERS_KEY)
    const commits = value === undefined ? 0 : parseCounters(value)?.commits ?? 0
    const behind = commits < (storage.witnessed ?? 0)
      ? [`it has ${commits} transactions, and ${storage.witnessed ?? 0} were said to be stored: the end of its log is gone, or an older copy was put back`]
      : []
    return { problems: [...behind, ...problems.map(({ message }) => message)], notes: await looseLinks(storage, MOST_NOTES) }
  } finally {
    await storage.close()
  }
}

/**
 * Puts right what can be: what is damaged goes (its files to `lost`, nothing is deleted), indexes and counters are made anew. After a loss nothing
 * is signed for windows that may have been open (SPEC §7).
 * @throws StoreError as `checkStore`
 */
export async function repairStore(dataDir: string): Promise<RepairReport> {
  const { problems } = await checkStore(dataDir)
  if (problems.length === 0) return { problems, lost: undefined }
  const database = fileDatabase({ dataDir, repair: 'always' })
  const { loss } = await database.open({ inspect: true })
  await database.close()
  return { problems, lost: loss === undefined ? undefined : { what: loss.what, signingClosedUpTo: loss.closedUpTo } }
}
