import type { Database, Discarded } from './database.js'
import { StoreError } from './errors.js'

/** Damaged records that one read gets past: more are a database that is not to be read at all. */
const MOST = 4_096

/**
 * A database whose damaged records do not stop anybody (H60): what a read finds damaged is taken out and told, and the read is made again.
 * What was lost so is fetched again by who misses it.
 */
export function healing(database: Database, told: (discarded: readonly Discarded[]) => void): Database {
  const read = async <T>(reading: () => Promise<T>, waiting = false): Promise<T> => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await reading()
      } catch (error) {
        if (!(error instanceof StoreError) || error.code !== 'damaged' || typeof error.value !== 'string' || attempt > MOST) throw error
        const discarded = await database.discard(error.value, waiting)
        if (discarded.length === 0) throw error
        told(discarded)
      }
    }
  }
  return {
    open: options => database.open(options),
    async commit(batch) {
      const discarded = await database.commit(batch)
      if (discarded.length > 0) told(discarded)
      return discarded
    },
    discard: (damaged, waiting) => database.discard(damaged, waiting),
    recordSigned: record => read(() => database.recordSigned(record)),
    ownSigned: (signer, window) => read(() => database.ownSigned(signer, window)),
    canonicalRange: (start, max) => read(() => database.canonicalRange(start, max)),
    scan: (from, max, after) => read(() => database.scan(from, max, after)),
    // These two are what chain resumes with: what stands on a block that is gone has to wait for it.
    tail: count => read(() => database.tail(count), true),
    beside: max => read(() => database.beside(max), true),
    blockAt: height => read(() => database.blockAt(height)),
    chainRecord: () => read(() => database.chainRecord()),
    rewinds: (after, store) => database.rewinds(after, store),
    commitmentByHash: hash => read(() => database.commitmentByHash(hash)),
    txList: hash => read(() => database.txList(hash)),
    hasTxLists: hashes => database.hasTxLists(hashes),
    missingTxLists: (from, max) => read(() => database.missingTxLists(from, max)),
    evidence: (from, max) => read(() => database.evidence(from, max)),
    meta: name => database.meta(name),
    stats: () => database.stats(),
    close: () => database.close(),
  }
}
