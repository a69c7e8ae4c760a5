import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Database, DatabaseLimits } from '../../src/actors/store/database.js'
import { fileDatabase } from '../../src/actors/store/file-database.js'
import { MemoryGround } from '../../src/actors/store/memory.js'
import { databaseContract } from './contract.js'

const onDisk = (make: (dataDir: string, limits: Partial<DatabaseLimits>) => Database) => async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'store-'))
  return {
    durable: true,
    make: (limits: Partial<DatabaseLimits> = {}) => make(dataDir, limits),
    remove: () => rm(dataDir, { recursive: true, force: true }),
  }
}

databaseContract('in memory', async () => {
  const ground = new MemoryGround()
  const make = (limits: Partial<DatabaseLimits> = {}) => ground.database({ limits })
  return { durable: false, make, remove: async () => undefined }
})
databaseContract('on disk', onDisk((dataDir, limits) => fileDatabase({ dataDir, limits })))
