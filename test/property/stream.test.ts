import { expect } from 'chai'
import fc from 'fast-check'
import { blocks } from '../../src/actors/service/blocks.js'
import { Wake } from '../../src/actors/service/wake.js'
import type { ChainStatus } from '../../src/actors/chain/ingress.js'
import { testKit } from '../../src/actors/kernel/testing/index.js'
import { storeOver } from '../../src/actors/store/actor.js'
import type { CommitmentPut, WriteBatch } from '../../src/actors/store/database.js'
import { Store } from '../../src/actors/store/ingress.js'
import { memoryDatabase } from '../../src/actors/store/memory.js'
import { OFFSETS, toHex } from '../../src/protocol/index.js'
import { commitment, hashOf } from '../store/fixtures.js'

/** What happens to the chain, and what its reader does meanwhile. */
const stepOf = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('extend' as const), by: fc.integer({ min: 1, max: 90 }) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('rewind' as const), by: fc.integer({ min: 0, max: 40 }) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('supersede' as const), by: fc.integer({ min: 1, max: 40 }) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('read' as const), by: fc.integer({ min: 1, max: 120 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('resume' as const), by: fc.constant(0) }) },
)

describe('property: the ordered stream', () => {
  it('whatever happens to the chain, and at whatever pace it is read, what was read is the canonical chain, each block once and in order', async () => {
    await fc.assert(fc.asyncProperty(fc.array(stepOf, { minLength: 1, maxLength: 40 }), async steps => {
      const kit = testKit()
      const chain = { standing: async () => ({ confirmedTip: { blockNumber: 0n } } as ChainStatus) }
      const reading = new Store(await kit.spawn(storeOver(() => memoryDatabase(), { chain: kit.probe(), answers: kit.probe(), events: kit.probe() })))
      const news = new Wake()
      let sequence = 0
      const write = async (batch: WriteBatch): Promise<void> => {
        void reading.write(++sequence, undefined, batch)
        await kit.settle()
        news.wake()
      }

      let salt = 0
      const canonical: CommitmentPut[] = []
      const grow = (count: number): CommitmentPut[] => {
        const made: CommitmentPut[] = []
        for (let at = 0; at < count; at++) {
          const put = commitment({ height: BigInt(canonical.length + 1), variant: salt++ % 200 })
          const ssz = put.ssz.slice()
          ssz.set(canonical.at(-1)?.hash ?? new Uint8Array(32), OFFSETS.parentPreconfirmationHash)
          const linked = { ...put, ssz, hash: hashOf(ssz, String(salt)) }
          canonical.push(linked)
          made.push(linked)
        }
        return made
      }

      // The reader: what it has, as an application would keep it.
      const have: string[] = []
      let cursor: bigint | string = 1n
      let left = new AbortController()
      let stream = blocks({ store: reading, chain, news, clock: kit.clock }, { from: cursor, signal: left.signal })
      const resume = async (): Promise<void> => {
        left.abort()
        await kit.settle()
        left = new AbortController()
        stream = blocks({ store: reading, chain, news, clock: kit.clock }, { from: cursor, signal: left.signal })
      }
      const read = async (count: number): Promise<void> => {
        for (let at = 0; at < count; at++) {
          let item: Awaited<ReturnType<typeof stream.next>> | undefined
          void stream.next().then(next => { item = next }, () => undefined)
          for (let tries = 0; tries < 4 && item === undefined; tries++) await kit.settle()
          // It waits for news: leave, and come back to the cursor another time.
          if (item === undefined) { await resume(); return }
          if (item.done === true) return
          const { value } = item
          if (value.kind === 'block') {
            expect(value.blockNumber, 'in order, none left out, none twice').to.equal(BigInt(have.length + 1))
            have.push(toHex(value.hash))
            ;({ cursor } = value)
          } else if (value.kind === 'rewind') {
            expect(value.to < BigInt(have.length), 'a rewind goes back').to.equal(true)
            have.length = Number(value.to)
            cursor = value.cursor ?? value.to + 1n
          } else expect.fail(`${value.kind} does not belong here`)
        }
      }

      for (const { do: what, by } of steps) {
        const to = Math.max(0, canonical.length - by)
        if (what === 'extend') await write({ commitments: grow(by) })
        else if (what === 'read') await read(by)
        else if (what === 'resume') await resume()
        else {
          canonical.length = to
          await write({ rewindTo: BigInt(to) })
          if (what === 'supersede') await write({ commitments: grow(Math.ceil(by / 2)) })
        }
      }
      await read(canonical.length + 200)
      expect(have).to.deep.equal(canonical.map(({ hash }) => toHex(hash)))
      left.abort()
      await kit.stop()
    }), { numRuns: Number(process.env['STREAM_RUNS'] ?? 50) })
  })
})
