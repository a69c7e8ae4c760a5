import { expect } from 'chai'
import { ALICE, BOB, WINDOW, build, chainOf } from '../support/chain-builder.js'
import { house, shown } from './harness.js'
import type { House, HouseOptions } from './harness.js'

const TIP = { blockNumber: 99n, preconfirmationHash: new Uint8Array(32) }

describe('chain: H22 what is keyed by what others send is bounded', () => {
  let h: House
  const open = async (options: HouseOptions = {}): Promise<void> => { h = await house({ ...options, config: { confirmedTip: TIP, ...options.config } }) }
  afterEach(() => h.kit.stop())

  it('H22 1,024 pending parents: an overflow drops the oldest, which can be fetched again', async () => {
    await open()
    const oldest = build({ number: 500, parent: new Uint8Array(32).fill(1) })
    const child = build({ number: 501, parent: oldest })
    await h.gossip(oldest)
    for (let number = 1_000; number < 2_024; number++) void h.gossip(build({ number, parent: new Uint8Array(32).fill(2) }))
    await h.kit.settle()
    expect((await h.standing()).pendingParents).to.equal(1_024)
    expect(await h.store.database.commitmentByHash(oldest.hash)).to.equal(undefined)
    expect((await h.store.database.stats()).commitments).to.equal(1_024)
    await h.gossip(child)
    h.gaps.expect('missingParent', { hash: oldest.hash })
    expect(await h.gossip(oldest)).to.equal('accept')
  })

  it('H22 commitments beside the chain are bounded, in the store too', async () => {
    await open({ schedule: () => ({ signers: [ALICE, BOB] }), config: { maxAside: 50 } })
    const [block] = chainOf(100, 100, { window: WINDOW + 1_000n })
    await h.gossip(block!)
    for (let at = 0; at < 120; at++) await h.gossip(build({ number: 100, window: WINDOW + BigInt(at), signer: BOB }))
    expect((await h.store.database.stats()).commitments).to.equal(51)
    expect(await h.canonical()).to.deep.equal(shown([block!]))
  })

  it('a long chain does not become objects: memory follows the head', async () => {
    await open({ config: { memoryBlocks: 200 } })
    const blocks = chainOf(100, 3_100)
    for (let at = 0; at < blocks.length; at += 250) await h.page(blocks.slice(at, at + 250))
    expect((await h.standing()).head.blockNumber).to.equal(3_100n)
    expect(await h.gossip(blocks[2_700]!)).to.equal('ignore')
    expect(h.reason()).to.equal('too_old')
    expect(await h.gossip(blocks[2_900]!)).to.equal('ignore')
    expect(h.reason()).to.equal('duplicate')
  })

  it('a start with a full store reads its tail only', async () => {
    await open({ config: { memoryBlocks: 200 } })
    const blocks = chainOf(100, 1_100)
    for (let at = 0; at < blocks.length; at += 250) await h.page(blocks.slice(at, at + 250))
    h = await h.restart()
    expect(await h.standing()).to.deep.include({ next: 1_101n, head: { blockNumber: 1_100n, submissionWindowEnd: WINDOW } })
    expect(await h.gossip(blocks[500]!)).to.equal('ignore')
    expect(h.reason()).to.equal('too_old')
    const next = build({ number: 1_101, parent: blocks.at(-1)! })
    expect(await h.gossip(next)).to.equal('accept')
    expect((await h.standing()).head.blockNumber).to.equal(1_101n)
  })

  const EDGES = [0n, 2n ** 63n, 2n ** 64n - 2n, 2n ** 64n - 1n, 2n ** 200n, 2n ** 256n - 1n]

  it('H45 heights above 2^64 − 2 are Ignored without penalty, kept nowhere, and cost nothing; all others are heights like any', async () => {
    for (const confirmedTip of [TIP, undefined]) {
      await open({ config: { confirmedTip } })
      const out = EDGES.filter(number => number > 2n ** 64n - 2n)
      for (const number of out) {
        for (const handoverOnly of [false, true]) {
          const absurd = build({ number, handoverOnly, eop: true, parent: new Uint8Array(32).fill(4) })
          expect(await h.gossip(absurd)).to.equal('ignore')
          expect(h.reason()).to.equal('height_out_of_range')
          expect(await h.page([absurd])).to.deep.equal(['ignore height_out_of_range'])
          expect(await h.own(absurd)).to.include({ verdict: 'ignore', reason: 'height_out_of_range' })
        }
      }
      expect((await h.store.database.stats()).commitments).to.equal(0)
      expect(h.outcomes.received).to.deep.equal([])
      expect(await h.gossip(build({ number: 2n ** 64n - 2n, parent: new Uint8Array(32).fill(4) }))).to.equal('accept')
      for (const number of EDGES.slice(0, 3)) await h.gossip(build({ number, eop: true, window: WINDOW + 12n }))
      await h.gossip(build({ number: 100, eop: true, window: WINDOW + 24n }))
      expect((await h.standing()).head.blockNumber).to.equal(confirmedTip === undefined ? 2n ** 64n - 2n : 100n)
      h = await h.restart()
      expect((await h.standing()).head.blockNumber).to.equal(confirmedTip === undefined ? 2n ** 64n - 2n : 100n)
      if (confirmedTip !== undefined) await h.kit.stop()
    }
  })

  it('H45 H46 of what an earlier version kept, only what is out of reach is dropped', async () => {
    await open()
    const chain = chainOf(100, 102)
    for (const block of chain) await h.gossip(block)
    const records = [
      ...EDGES.map(number => build({ number, window: WINDOW + 12n })), ...[2n ** 64n - 1n, 2n ** 64n, 2n ** 256n - 1n].map(window => build({ number: 200, window })),
    ].map(({ hash, signer, ssz, number }) => ({ hash, signer, ssz, standing: number > 2n ** 64n ? 'canonical' as const : 'pending' as const }))
    await h.store.database.commit({ commitments: records })
    h = await h.restart()
    expect(await h.canonical()).to.deep.equal(shown(chain))
    expect((await h.standing()).head.blockNumber).to.equal(102n)
    const kept = await Promise.all(records.map(async ({ hash }) => await h.store.database.commitmentByHash(hash) !== undefined))
    expect(kept).to.deep.equal([true, true, true, false, false, false, true, false, false])
    expect(await h.gossip(build({ number: 103, parent: chain[2]! }))).to.equal('accept')
    expect((await h.standing()).head.blockNumber).to.equal(103n)
  })
})
