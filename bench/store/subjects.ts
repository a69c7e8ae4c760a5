import { Worker } from 'node:worker_threads'
import { transfer, wrap } from 'comlink'
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs'
import { supervisor } from '../../src/actors/kernel/index.js'
import type { CommitmentPut, WriteBatch } from '../../src/actors/store/database.js'
import { Store, store } from '../../src/actors/store/index.js'
import type { StorePorts } from '../../src/actors/store/index.js'
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
    const done = new Map<number, () => void>()
    let sequence = 0
    const root = supervisor('bench')
    const chain: StorePorts['chain'] = {
      send: message => {
        if (message.type === 'durable') { done.get(message.sequence)?.(); done.delete(message.sequence) }
        return 'ok'
      },
    }
    const nowhere = { send: () => 'ok' as const }
    const db = new Store(root.child('store', store({ chain, answers: nowhere, events: nowhere }, { dataDir: folder })))
    await root.start()
    const commit = (batch: WriteBatch) => new Promise<void>(resolve => {
      const after = [...done.keys()].at(-1)
      done.set(++sequence, resolve)
      void db.write(sequence, after, batch)
    })
    return {
      commit: (_first, packed) => commit({ commitments: commitmentsIn(packed) }),
      putTxLists(packed, bytes) {
        const txLists = []
        for (let at = 0, blockNumber = 1n; at < packed.length; at += HASH_BYTES + bytes, blockNumber++) {
          const list = packed.subarray(at + HASH_BYTES, at + HASH_BYTES + bytes)
          txLists.push({ hash: packed.subarray(at, at + HASH_BYTES), bytes: list, blockNumber })
        }
        return commit({ txLists })
      },
      scan: (first, count) => db.page(BigInt(first), count, WITHIN),
      txList: hash => db.txList(hash, WITHIN),
      close: () => root.stop(),
    }
  },
}

/** No read of the measurement takes so long, ms. */
const WITHIN = 60_000

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

/** Behind Comlink: one call a batch, bytes transferred. */
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
