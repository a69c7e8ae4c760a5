import { expect } from 'chai'
import fc from 'fast-check'
import type { CommitmentPut, Standing, WriteBatch } from '../../src/actors/store/database.js'
import { fileDatabase } from '../../src/actors/store/file-database.js'
import { MemoryGround } from '../../src/actors/store/memory.js'
import { commitment, hex, inFolder } from './fixtures.js'

const STANDINGS: readonly Standing[] = ['canonical', 'pending', 'demoted']
const standing = fc.constantFrom(...STANDINGS)
/** Few heights and variants, so that they meet. */
const fields = fc.record({
  height: fc.bigInt(0n, 12n), variant: fc.nat(2), window: fc.constantFrom(500n, 1_000n), handover: fc.boolean(), standing,
})
const known = fields.map(one => commitment(one).hash)

const batch: fc.Arbitrary<WriteBatch> = fc.record({
  rewindTo: fc.bigInt(0n, 13n),
  forget: fc.array(known, { maxLength: 2 }),
  commitments: fc.array(fields.map(one => commitment(one)), { maxLength: 8 }),
  standings: fc.array(fc.record({ hash: known, standing }), { maxLength: 4 }),
}, { requiredKeys: [] })

interface Described { readonly height: bigint; readonly window: bigint; readonly handover: boolean }
interface Kept extends Described { readonly put: CommitmentPut; standing: Standing }

/** The rules of `WriteBatch`, in the plainest form. */
class Model {
  readonly kept = new Map<string, Kept>()

  apply({ rewindTo, forget = [], commitments = [], standings = [] }: WriteBatch): void {
    if (rewindTo !== undefined) for (const one of this.canonical()) if (one.height > rewindTo) one.standing = 'demoted'
    for (const hash of forget) this.kept.delete(hex(hash))
    for (const put of commitments) {
      if (!this.kept.has(hex(put.hash))) this.kept.set(hex(put.hash), { put, ...described(put), standing: 'demoted' })
      this.restand(put.hash, put.standing)
    }
    for (const { hash, standing } of standings) this.restand(hash, standing)
  }

  restand(hash: Uint8Array, standing: Standing): void {
    const one = this.kept.get(hex(hash))
    if (one === undefined) return
    if (standing === 'canonical' && !one.handover && one.standing !== 'canonical') {
      for (const other of this.canonical()) if (!other.handover && other.height === one.height) other.standing = 'demoted'
    }
    one.standing = standing
  }

  canonical(): Kept[] {
    const order = ({ height, handover, window, put }: Kept) =>
      [height.toString().padStart(80), handover ? '0' : '1', window.toString().padStart(80), hex(put.hash)].join()
    return [...this.kept.values()].filter(({ standing }) => standing === 'canonical').sort((a, b) => order(a) < order(b) ? -1 : 1)
  }
}

function described({ ssz }: CommitmentPut): Described {
  const number = (at: number) => BigInt(`0x${hex(ssz.slice(at, at + 32).reverse())}`)
  return { height: number(1), window: number(213), handover: ssz[0] === 1 && ssz.slice(149, 181).every(byte => byte === 0) }
}

const show = (records: Iterable<{ hash: Uint8Array; standing: Standing }>) =>
  [...records].map(({ hash, standing }) => `${hex(hash).slice(0, 8)} ${standing}`)

describe('the database against its rules in the plainest form', () => {
  const check = async (batches: readonly WriteBatch[], together: boolean, dataDir?: string) => {
    const ground = new MemoryGround()
    const make = () => dataDir === undefined ? ground.database() : fileDatabase({ dataDir })
    let db = make()
    const model = new Model()
    await db.open()
    // Together: group commit puts several into one transaction.
    if (together) await Promise.all(batches.map(one => db.commit(one)))
    else for (const one of batches) await db.commit(one)
    for (const one of batches) model.apply(one)
    for (let look = 0; look < 2; look++) {
      const canonical = model.canonical()
      const expected = canonical.map(({ put, standing }) => ({ hash: put.hash, standing }))
      expect(show(await db.scan(0n, 4_096))).to.deep.equal(show(expected))
      const blocks = canonical.filter(({ handover }) => !handover)
      expect(await db.stats()).to.include({
        commitments: model.kept.size, canonical: canonical.length, highest: blocks.at(-1)?.height, lowest: blocks[0]?.height,
      })
      for (const { put, standing } of model.kept.values()) {
        expect((await db.commitmentByHash(put.hash))?.standing).to.equal(standing)
      }
      await db.close()
      db = make()
      await db.open()
    }
    await db.close()
  }

  it('in memory, one by one and grouped', async () => {
    await fc.assert(fc.asyncProperty(fc.array(batch, { maxLength: 12 }), fc.boolean(), (batches, together) =>
      check(batches, together)), { numRuns: 300 })
  })

  it('on disk', async () => {
    await fc.assert(fc.asyncProperty(fc.array(batch, { maxLength: 8 }), fc.boolean(), (batches, together) =>
      inFolder(folder => check(batches, together, folder))), { numRuns: 25 })
  })

  /** As chain writes them: nobody moves what is not there. */
  const wellFormed = (batches: readonly WriteBatch[]): readonly WriteBatch[] => {
    const there = new Set<string>()
    return batches.map(({ standings, ...rest }) => {
      for (const hash of rest.forget ?? []) there.delete(hex(hash))
      for (const { hash } of rest.commitments ?? []) there.add(hex(hash))
      return { ...rest, ...(standings !== undefined && { standings: standings.filter(({ hash }) => there.has(hex(hash))) }) }
    })
  }

  it('batches applied again from any one on lead to the same', async () => {
    await fc.assert(fc.asyncProperty(fc.array(batch, { minLength: 1, maxLength: 8 }).map(wellFormed), fc.nat(), async (batches, from) => {
      const [once, again] = [new MemoryGround().database(), new MemoryGround().database()]
      await Promise.all([once.open(), again.open()])
      for (const one of batches) await once.commit(one)
      for (const one of [...batches, ...batches.slice(from % batches.length)]) await again.commit(one)
      expect(show(await again.scan(0n, 4_096))).to.deep.equal(show(await once.scan(0n, 4_096)))
    }), { numRuns: 200 })
  })
})
