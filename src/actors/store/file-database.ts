import { KeyValueDatabase } from './key-value-database.js'
import type { DatabaseOptions } from './key-value-database.js'
import { openLevel } from './level.js'
import type { Repair } from './level.js'
import { newToken } from './token.js'

export interface FileDatabaseOptions extends DatabaseOptions {
  /** The node's data directory, made where missing; the database is in `store` below it. */
  readonly dataDir: string
  /** Names the opener within this process. Default: a new one each time. */
  readonly token?: string
  /** See `LevelOptions`. */
  readonly repair?: Repair
}

/** The database on disk, in the thread that calls. A node has it in a thread of its own: see `store`. */
export function fileDatabase({ dataDir, token = newToken(), repair, ...options }: FileDatabaseOptions): KeyValueDatabase {
  return new KeyValueDatabase(() => openLevel({ dataDir, token, repair }), options)
}
