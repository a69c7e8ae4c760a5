import { Worker } from 'node:worker_threads'
import { transfer, wrap } from 'comlink'
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs'
import { threadDatabase } from '../../src/actors/store/client.js'
import type { CommitmentPut } from '../../src/actors/store/database.js'
import type { Engine, EngineName, Tuning } from './engine.js'
import { openEngine } from './engine.js'
import type { EngineThread } from './thread.js'
import { HASH_BYTES, RECORD_BYTES } from './work.js'

/** One way of keeping the records: ours, or a bare candidate in a thread or on the main thread. */
export interface Subject {
  readonly name: string
  open (folder: string): Promise<Engine>
}

/** The project's store as a node runs it: indexes, counters, checks, bounds, and a lock file. */
export const ourStore: Subject = {
  name: 'the store',
  async open(folder) {
    const db = threadDatabase({ dataDir: folder })
    await db.open()
    return {
      async commit(_first, packed) { await db.commit({ commitments: commitmentsIn(packed) }) },
      async putTxLists(packed, bytes) {
        const txLists = []
        for (let at = 0, blockNumber = 1n; at < packed.length; at += HASH_BYTES + bytes, blockNumber++) {
          const list = packed.subarray(at + HASH_BYTES, at + HASH_BYTES + bytes)
          txLists.push({ hash: packed.subarray(at, at + HASH_BYTES), bytes: list, blockNumber })
        }
        await db.commit({ txLists })
      },
      scan: (first, count) => db.canonicalRange(BigInt(first), count),
      txList: hash => db.txList(hash),
      close: () => db.close(),
    }
  },
}

function commitmentsIn(packed: Uint8Array): CommitmentPut[] {
  const all: CommitmentPut[] = []
  for (let at = 0; at < packed.length; at += RECORD_BYTES) {
    const record = packed.subarray(at, at + RECORD_BYTES)
    all.push({ hash: record.subarray(0, 32), signer: record.subarray(32, 52), ssz: record.subarray(52), standing: 'canonical' })
  }
  return all
}

export const onMainThread = (name: EngineName, tuning: Tuning = {}): Subject =>
  ({ name: `${name}, main thread`, open: folder => openEngine(name, folder, tuning) })

/** Behind Comlink, as ours is: one call a batch, bytes transferred. */
export const inThread = (name: EngineName, tuning: Tuning = {}): Subject => ({
  name: `${name}, own thread`,
  async open(folder) {
    const worker = new Worker(new URL('./thread.js', import.meta.url))
    const thread = wrap<EngineThread>(nodeEndpoint(worker))
    await thread.open(name, folder, tuning)
    const given = (packed: Uint8Array) => {
      const copy = Uint8Array.from(packed)
      return transfer(copy, [copy.buffer])
    }
    return {
      commit: (first, packed) => thread.commit(first, given(packed)),
      putTxLists: (packed, bytes) => thread.putTxLists(given(packed), bytes),
      scan: (first, count) => thread.scan(first, count),
      txList: hash => thread.txList(Uint8Array.from(hash)),
      async close() {
        await thread.close()
        await worker.terminate()
      },
    }
  },
})
