import { open as openFile, readFile, readdir, realpath, rm, stat } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type * as Library from 'classic-level'
import { makeFolder } from '../../make-folder.js'
import { StoreError, storeErrorOf } from './errors.js'
import { lockedBy, readHolder, releaseLock, selfAsHolder, takeLock, writeLock } from './lock.js'
import type { Key } from './schema.js'
import type { Entry, Range, Storage, Write } from './storage.js'
import { damagedTables, putAside } from './tables.js'
import { Witness } from './witness.js'

// by `require`, since `import` first searches CommonJS for what it exports: 10 ms at each start
const { ClassicLevel } = createRequire(import.meta.url)('classic-level') as typeof Library
type Level = Library.ClassicLevel<Buffer, Buffer>

/** What LevelDB sorts in memory before it writes a table, and the size of a table: a large txlist is 2 MiB. */
const WRITE_BUFFER = 16 * 1024 * 1024
const TABLE_SIZE = 8 * 1024 * 1024
const CACHE = 16 * 1024 * 1024
const OPEN_FILES = 256
/** An iterator reads so many bytes ahead; a page of 256 commitments takes 112 KB. */
const READ_AHEAD = 1024 * 1024

/**
 * Tables are checked at each start up to so many bytes: a tenth of a second. After a crash all are (some seconds for 2 GiB): it may have been a
 * damaged one that ended the process.
 */
const CHECKED_AT_START = 64 * 1024 * 1024

const FOLDER = 'store'
const PROBE = 'probe'
/** Asked again while another process holds the database and has not yet said who it is. */
const HOLDER_TRIES = 5
const HOLDER_PAUSE_MS = 20

const ITS_FILES = /^(\d+\.(ldb|sst|log|dbtmp)|MANIFEST-\d+|CURRENT|LOCK|LOG|LOG\.old|lost|probe)$/
const ITS_DATA = /^\d+\.(ldb|sst|log)$/
/** What file systems and desktops leave anywhere. */
const HARMLESS = /^(\..*|lost\+found|desktop\.ini|Thumbs\.db)$/i

export interface LevelOptions {
  /** Absolute, or relative to the working directory; made where missing. */
  readonly dataDir: string
  /** Names the opener within its process: the same one may open again after its thread died. */
  readonly token: string
  /**
   * What is done about files that cannot be read. `tables` (default): damaged or missing ones are put aside, and what is left is put together.
   * `always`: also where nothing says which files belong to the database, which is a person's decision. `never`: `damaged`.
   */
  readonly repair?: Repair | undefined
}

export type Repair = 'never' | 'tables' | 'always'

/** The folder of the store in a data directory, which is there already. @throws StoreError `io` */
export async function storeFolder(dataDir: string): Promise<string> {
  try {
    return await realpath(join(dataDir, FOLDER))
  } catch (error) {
    throw new StoreError('io', `${dataDir} is no data directory: it has no store`, { value: dataDir }, { cause: error })
  }
}

/**
 * LevelDB in `dataDir/store`, by its real path (LevelDB and the system know a lock by its name, and by the process), with a lock file that
 * names who holds it. A table that is missing is told as `repaired`: the rest is put together.
 * @throws StoreError `locked`, `foreign`, `damaged`, `disk_full`, `io`
 */
export async function openLevel({ dataDir: named, token, repair = 'tables' }: LevelOptions): Promise<Storage> {
  try {
    await makeFolder(join(named, FOLDER))
    const dataDir = await realpath(named)
    const folder = await realpath(join(dataDir, FOLDER))
    const self = await selfAsHolder(token)
    const lock = await takeLock(dataDir, self)
    try {
      const { isNew, broken, unknownFiles } = await look(folder, repair)
      const witness = await Witness.open(dataDir)
      // Where the lock cannot be judged, the files may be in use.
      const damaged = lock === 'unsure' || repair === 'never' ? [] : await damagedTables(folder, lock === 'after_crash' || repair === 'always' ? Infinity : CHECKED_AT_START)
      const { db, repaired } = damaged.length > 0 || broken
        ? { db: await openWithout(folder, dataDir, damaged), repaired: true }
        : await openOrRepair(folder, dataDir, isNew, repair)
      const storage = new LevelStorage(db, folder, dataDir, token, { unknownFiles, witness, repaired, droppedBytes: await droppedBytes(folder) })
      if (lock === 'unsure') {
        await writeLock(dataDir, self).catch(async (error: unknown) => {
          await storage.close()
          throw error
        })
      }
      return storage
    } catch (error) {
      await releaseLock(dataDir, token)
      throw error
    }
  } catch (error) {
    throw storeErrorOf(error, `open ${join(named, FOLDER)}`)
  }
}

/**
 * LevelDB makes a new database where its CURRENT is missing, and deletes the tables that it finds: not with ours, and not among what is
 * another's. Where there is a database, its own record says whose it is, whatever else lies beside it.
 */
async function look(folder: string, repair: Repair): Promise<{ readonly isNew: boolean; readonly broken: boolean; readonly unknownFiles: readonly string[] }> {
  const files = await readdir(folder)
  const unknownFiles = files.filter(file => !ITS_FILES.test(file))
  if (files.includes('CURRENT')) return { isNew: false, broken: false, unknownFiles }
  const foreign = unknownFiles.find(file => !HARMLESS.test(file))
  if (foreign !== undefined) {
    throw new StoreError('foreign', `${folder} holds ${foreign}, which is not of a database of ours`, { value: foreign })
  }
  // A first start that was cut short leaves a manifest alone.
  if (files.some(file => ITS_DATA.test(file))) {
    if (repair === 'always') return { isNew: false, broken: true, unknownFiles }
    throw new StoreError('damaged', `${folder} has data and no CURRENT: see docs/operating-store.md`, { value: 'CURRENT' })
  }
  return { isNew: true, broken: false, unknownFiles }
}

/** What is left when these are put aside. Nothing is deleted. */
async function openWithout(folder: string, dataDir: string, tables: readonly string[]): Promise<Level> {
  await putAside(folder, tables)
  await ClassicLevel.repair(folder)
  return openDatabase(folder, dataDir, false)
}

/** LevelDB's words where its manifest names a table that is not there. */
const MISSING_TABLE = /\d+ missing files/

async function openOrRepair(folder: string, dataDir: string, createIfMissing: boolean, repair: Repair): Promise<{ readonly db: Level; readonly repaired: boolean }> {
  try {
    return { db: await openDatabase(folder, dataDir, createIfMissing), repaired: false }
  } catch (error) {
    const mayRepair = repair === 'always' || (repair === 'tables' && error instanceof StoreError && MISSING_TABLE.test(error.message))
    if (!(error instanceof StoreError) || error.code !== 'damaged' || !mayRepair) throw error
    return { db: await openWithout(folder, dataDir, await damagedTables(folder)), repaired: true }
  }
}

async function openDatabase(folder: string, dataDir: string, createIfMissing: boolean): Promise<Level> {
  const db: Level = new ClassicLevel(folder, {
    keyEncoding: 'buffer', valueEncoding: 'buffer',
    createIfMissing, writeBufferSize: WRITE_BUFFER, maxFileSize: TABLE_SIZE, cacheSize: CACHE, maxOpenFiles: OPEN_FILES,
  })
  try {
    await db.open()
    return db
  } catch (error) {
    const failure = storeErrorOf(error, `open ${folder}`)
    if (failure.code === 'locked') throw lockedBy(dataDir, await holderSoon(dataDir), error)
    // The manifest or CURRENT names what is not there.
    if (failure.code === 'io' && /No such file/.test(failure.message)) {
      throw new StoreError('damaged', failure.message, {}, { cause: error })
    }
    throw failure
  }
}

async function holderSoon(dataDir: string): ReturnType<typeof readHolder> {
  for (let attempt = 1; ; attempt++) {
    const holder = await readHolder(dataDir)
    if (holder !== undefined || attempt === HOLDER_TRIES) return holder
    await new Promise(resolve => setTimeout(resolve, HOLDER_PAUSE_MS))
  }
}

/** LevelDB passes over what it cannot read of its log, and says so only in its own text log, begun anew at each opening. */
async function droppedBytes(folder: string): Promise<number> {
  const log = await readFile(join(folder, 'LOG'), 'utf8').catch(() => '')
  let dropped = 0
  for (const [, bytes] of log.matchAll(/dropping (\d+) bytes/g)) dropped += Number(bytes)
  return dropped
}

class LevelStorage implements Storage {
  readonly durable = true
  /** Rejects while it could not be opened again. */
  #db: Promise<Level>

  readonly droppedBytes: number
  readonly unknownFiles: readonly string[]
  readonly #witness: Witness
  #repaired: boolean

  constructor(
    db: Level, readonly folder: string, readonly dataDir: string, readonly token: string,
    found: { readonly droppedBytes: number; readonly unknownFiles: readonly string[]; readonly witness: Witness; readonly repaired: boolean },
  ) {
    this.#db = Promise.resolve(db)
    this.#witness = found.witness
    this.#repaired = found.repaired
    this.droppedBytes = found.droppedBytes
    this.unknownFiles = found.unknownFiles
  }

  get repaired(): boolean { return this.#repaired }
  get witnessed(): number | undefined { return this.#witness.commits }
  acknowledged(commits: number): void { this.#witness.write(commits) }

  /** LevelDB's own repair, without tables of which a part is damaged: what is left is put together, the rest goes to `lost`. */
  async repair(): Promise<void> {
    this.#repaired = true
    await this.#reopened(async () => {
      await putAside(this.folder, await damagedTables(this.folder))
      await ClassicLevel.repair(this.folder)
    })
  }

  async get(key: Key): Promise<Uint8Array | undefined> { return (await this.#db).get(key) }

  async getMany(keys: readonly Key[]): Promise<readonly (Uint8Array | undefined)[]> {
    return keys.length === 0 ? [] : (await this.#db).getMany([...keys])
  }

  async range({ gte, lt, limit, reverse = false }: Range): Promise<readonly Entry[]> {
    const db = await this.#db
    const entries = await db.iterator({ gte, lt, limit, reverse, highWaterMarkBytes: READ_AHEAD }).all()
    return entries.map(([key, value]) => ({ key, value }))
  }

  /** One batch of LevelDB: whole or not at all, on disk (fdatasync) when it resolves. */
  async write(writes: Iterable<Write>): Promise<void> {
    const batch = (await this.#db).batch()
    for (const { key, value } of writes) {
      if (value === undefined) batch.del(key)
      else batch.put(key, Buffer.from(value.buffer, value.byteOffset, value.length))
    }
    await batch.write({ sync: true })
  }

  /**
   * A handle on which a write has failed is not written to again: LevelDB's log may end in half a record, it would take
   * further writes as if nothing was, and lose them at the next opening. So the database is opened anew, which begins a
   * new log; first a file of the same size is tried, since what is open can still be read.
   */
  async recover(): Promise<void> {
    await this.#probe()
    await this.#reopened(async () => undefined)
  }

  async #reopened(between: () => Promise<void>): Promise<void> {
    const before = this.#db
    this.#db = before.then(db => db.close()).catch(() => undefined).then(between).then(() => openDatabase(this.folder, this.dataDir, false))
    await this.#db.catch((error: unknown) => { throw storeErrorOf(error, `open ${this.folder} again`) })
  }

  /** Opening writes what the log holds to a table, and a new log. */
  async #probe(): Promise<void> {
    const path = join(this.folder, PROBE)
    try {
      let bytes = READ_AHEAD
      const logs = (await readdir(this.folder)).filter(file => file.endsWith('.log'))
      for (const log of logs) bytes += (await stat(join(this.folder, log))).size
      const probe = await openFile(path, 'w')
      try {
        for (let left = bytes; left > 0; left -= READ_AHEAD) await probe.writeFile(Buffer.alloc(Math.min(READ_AHEAD, left)))
        await probe.datasync()
      } finally {
        await probe.close()
      }
    } catch (error) {
      throw storeErrorOf(error, 'try the disk')
    } finally {
      await rm(path, { force: true })
    }
  }

  async close(): Promise<void> {
    await this.#db.then(db => db.close(), () => undefined)
    this.#witness.close()
    await releaseLock(this.dataDir, this.token)
  }
}
