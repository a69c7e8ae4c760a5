import { Worker } from 'node:worker_threads'
import { expect } from 'chai'
import { threadDatabase } from '../../src/actors/store/client.js'
import type { ThreadDatabase, ThreadDatabaseOptions } from '../../src/actors/store/client.js'
import { StoreError } from '../../src/actors/store/errors.js'
import { until } from '../support/until.js'
import { blocks, commitment, concat, failureOf, hex, inFolder } from './fixtures.js'

/** Hands the thread out, for a test to end it as a native crash or a lack of memory would. */
function withWorker(
  dataDir: string, options: Partial<ThreadDatabaseOptions> = {},
): { readonly db: ThreadDatabase; readonly worker: () => Worker } {
  let started: Worker | undefined
  const startThread = (entry: URL): Worker => started = new Worker(entry)
  const db = threadDatabase({ dataDir, startThread, ...options })
  return { db, worker: () => { if (started === undefined) throw new Error('not started'); return started } }
}

describe('the database in its thread', () => {
  it('H33: the thread ends in the middle of commits: typed errors, a new thread, nothing durable lost', () => inFolder(async dataDir => {
    const deaths: StoreError[] = []
    const { db, worker } = withWorker(dataDir, { died: error => { deaths.push(error) } })
    await db.open()
    const durable: bigint[] = []
    let next = 1n
    for (let round = 0; round < 5; round++) {
      const begin = (count: number): Promise<void>[] => blocks(next, count).map(async one => {
        const height = next++
        await db.commit({ commitments: [one] })
        durable.push(height)
      })
      const commits = begin(40)
      // from the second round on when some are durable, and more have just begun
      if (round > 0) {
        await commits[(round - 1) * 8]
        commits.push(...begin(40))
      }
      const settled = Promise.allSettled(commits)
      await worker().terminate()
      const failures = (await settled).filter(outcome => outcome.status === 'rejected').map(({ reason }) => reason as unknown)
      for (const failure of failures) expect(failure).to.be.instanceOf(StoreError).and.include({ code: 'thread_died' })
      await until(() => deaths.length === round + 1, 'its death is known')
      expect(await failureOf(db.canonicalRange(1n, 10)), 'until it is opened again').to.include({ code: 'thread_died' })
      const opened = await db.open()
      expect(opened.created).to.equal(false)
    }
    expect(durable.length, 'some were stored').to.be.greaterThan(0)
    for (const height of durable) expect(hex(await db.canonicalRange(height, 1))).to.equal(concat(blocks(height, 1)))
    await db.close()
    expect(deaths.length, 'closing is not dying').to.equal(5)
  }))

  it('errors keep code, value and limit across the thread', () => inFolder(async dataDir => {
    const db = threadDatabase({ dataDir })
    await db.open()
    const error = await failureOf(db.commit({ commitments: [{ ...commitment({ height: 1n }), ssz: new Uint8Array(5) }] }))
    expect(error).to.be.instanceOf(StoreError).and.include({ name: 'StoreError', code: 'invalid', value: 5, limit: 382 })
    await db.close()
  }))

  it('gives nothing of the caller away: what it is handed stays usable', () => inFolder(async dataDir => {
    const db = threadDatabase({ dataDir })
    await db.open()
    const [one] = blocks(1n, 1)
    const hashes = [one!.hash]
    await db.commit({ commitments: [one!], txLists: [{ hash: one!.hash, bytes: one!.ssz }] })
    await Promise.all([db.hasTxLists(hashes), db.commitmentByHash(one!.hash), db.txList(one!.hash)])
    expect([one!.ssz.length, one!.hash.length]).to.deep.equal([382, 32])
    await db.close()
  }))

  it('closes within its deadline though the thread does not answer, and lets the directory go', () => inFolder(async dataDir => {
    const startThread = () => new Worker(new URL('./blocking-thread.js', import.meta.url))
    const db = threadDatabase({ dataDir, closeWithin: 100, startThread })
    await db.open()
    void db.meta('block')
    await db.close()
    const again = threadDatabase({ dataDir })
    await again.open()
    await again.close()
  }))

  it('a thread that throws outside of a call has died, and says why', () => inFolder(async dataDir => {
    const startThread = () => new Worker(new URL('./blocking-thread.js', import.meta.url))
    const db = threadDatabase({ dataDir, startThread })
    await db.open()
    const error = await failureOf(db.meta('throw'))
    expect(error).to.include({ code: 'thread_died' })
    expect(String(error)).to.contain('out of the blue')
    await db.open()
    await db.close()
  }))

  it('a sequenced batch is stored with all before it: none passes one that has failed', () => inFolder(async dataDir => {
    let worker: Worker | undefined
    const startThread = () => worker = new Worker(new URL('./blocking-thread.js', import.meta.url))
    const db = threadDatabase({ dataDir, startThread })
    await db.open()
    const batch = (sequence: number) => ({ sequence, commitments: blocks(BigInt(sequence), 1) })
    await db.commit(batch(1))
    const blocked = failureOf(db.meta('block'))
    const lost = failureOf(db.commit(batch(2)))
    await worker?.terminate()
    expect(await blocked).to.include({ code: 'thread_died' })
    expect(await lost).to.include({ code: 'thread_died' })
    await db.open()
    expect(await failureOf(db.commit(batch(3)))).to.include({ code: 'thread_died' })
    await db.commit({ meta: [{ name: 'unsequenced', value: 'passes' }] })
    await db.commit(batch(2))
    expect(await failureOf(db.commit(batch(4))), '3 was refused and has not come again').to.include({ code: 'thread_died' })
    await Promise.all([db.commit(batch(3)), db.commit(batch(4)), db.commit(batch(5))])
    expect((await db.stats()).canonical).to.equal(5)
    await db.close()
  }))
})
