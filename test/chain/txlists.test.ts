import { expect } from 'chai'
import { minutes } from '../../src/actors/kernel/index.js'
import { Finding } from '../../src/protocol/index.js'
import { memoryDatabase } from '../../src/actors/store/memory.js'
import { ALICE, BOB, MALLORY, WINDOW, build, checkedTxList, chainOf, txListHashOf } from '../support/chain-builder.js'
import type { Built } from '../support/chain-builder.js'
import { FakeStore, house } from './harness.js'
import type { House, HouseOptions } from './harness.js'

const TIP = { blockNumber: 99n, preconfirmationHash: new Uint8Array(32) }
const MiB = 1_048_576
const large = (seed: number): Uint8Array => new Uint8Array(2 * MiB).fill(seed)

describe('chain: txlists (SPEC §6)', () => {
  let h: House
  const open = async (options: HouseOptions = {}): Promise<void> => { h = await house({ ...options, config: { confirmedTip: TIP, ...options.config } }) }
  afterEach(() => h.kit.stop())
  const outcomes = (peer: string): string[] => h.outcomes.received.filter(each => each.peer === peer).map(({ outcome }) => outcome)

  for (const [what, finding] of [['mismatch', Finding.hash_mismatch], ['oversize', Finding.oversize], ['undecodable', Finding.undecodable]] as const) {
    it(`${what}: Reject, with penalty`, async () => {
      await open()
      expect(await h.gossipTxList(new Uint8Array(10), { peer: 'bad', finding })).to.equal('reject')
      expect(outcomes('bad')).to.deep.equal(['failure'])
      h.events.expectNone('txList')
    })
  }

  it('before its commitment: Accept, no reputation; its commitment rewards who brought it', async () => {
    await open()
    const block = build({ number: 100 })
    expect(await h.gossipTxList(block.txList, { peer: 'bringer' })).to.equal('accept')
    h.events.expect('txList', { hash: block.txListHash, txList: block.txList, from: 'bringer' })
    expect(outcomes('bringer')).to.deep.equal([])
    await h.gossip(block, { peer: 'teller' })
    expect(outcomes('bringer')).to.deep.equal(['accepted'])
    h.gaps.expectNone('missingTxList')
    expect((await h.store.database.stats()).unreferencedBytes).to.equal(0)
  })

  it('after its commitment: asked for, then Accept, rewarded', async () => {
    await open()
    const block = build({ number: 100 })
    await h.gossip(block, { peer: 'teller' })
    h.gaps.expect('missingTxList', { hash: block.txListHash, height: 100n, from: 'teller' })
    expect(await h.gossipTxList(block.txList, { peer: 'bringer' })).to.equal('accept')
    expect(outcomes('bringer')).to.deep.equal(['accepted'])
    h.gaps.expect('haveTxList', { hash: block.txListHash })
    h.events.expect('stored', { kind: 'txList', hash: block.txListHash, blockNumber: 100n })
  })

  it('known hash: Ignore, no penalty', async () => {
    await open()
    const block = build({ number: 100 })
    await h.gossipTxList(block.txList)
    expect(await h.gossipTxList(block.txList, { peer: 'again' })).to.equal('ignore')
    await h.gossip(block)
    expect(await h.gossipTxList(block.txList, { peer: 'again' })).to.equal('ignore')
    expect(outcomes('again')).to.deep.equal([])
  })

  it('a txlist that only a forged commitment names stays unnamed', async () => {
    await open()
    const block = build({ number: 100, signer: MALLORY })
    await h.gossip(block)
    h.gaps.expectNone('missingTxList')
    await h.gossipTxList(block.txList, { peer: 'bringer' })
    expect(outcomes('bringer')).to.deep.equal([])
    expect((await h.store.database.stats()).unreferencedBytes).to.be.greaterThan(0)
  })

  it('H13 a flood of self-consistent txlists does not evict the honest ones that came before their commitment: 8 MiB a peer', async () => {
    await open()
    const block = build({ number: 100 })
    await h.gossipTxList(block.txList, { peer: 'honest' })
    const verdicts = []
    for (let seed = 0; seed < 6; seed++) verdicts.push(await h.gossipTxList(large(seed), { peer: 'flood' }))
    expect(verdicts).to.deep.equal(['accept', 'accept', 'accept', 'accept', 'ignore', 'ignore'])
    expect(h.reason()).to.equal('no_room')
    expect(outcomes('flood')).to.deep.equal([])
    expect(await h.store.database.hasTxLists([0, 1, 2, 3].map(seed => txListHashOf(large(seed))))).to.deep.equal([true, true, true, true])
    expect(await h.gossipTxList(build({ number: 101 }).txList, { peer: 'honest' })).to.equal('accept')
    await h.gossip(block)
    expect(outcomes('honest')).to.deep.equal(['accepted'])
    expect(await h.store.database.txList(block.txListHash)).to.deep.equal(block.txList)
  })

  it('H13 and 64 MiB in all; what a commitment names is taken all the same', async () => {
    await open()
    let accepted = 0
    for (let seed = 0; seed < 36; seed++) if (await h.gossipTxList(large(seed), { peer: `flood-${seed >> 1}` }) === 'accept') accepted++
    expect(accepted).to.equal(32)
    const block = build({ number: 100 })
    expect(await h.gossipTxList(block.txList, { peer: 'honest' })).to.equal('ignore')
    await h.gossip(block)
    expect(await h.gossipTxList(block.txList, { peer: 'honest' })).to.equal('accept')
  })

  it('H13 tiny ones are bounded too', async () => {
    await open()
    let accepted = 0
    for (let seed = 0; seed < 2_100; seed++) if (await h.gossipTxList(Uint8Array.of(seed, seed >> 8), { peer: 'flood' }) === 'accept') accepted++
    expect(accepted).to.equal(2_048)
  })

  it('H22 unnamed ones make room after a while', async () => {
    await open()
    for (let seed = 0; seed < 5; seed++) await h.gossipTxList(large(seed), { peer: 'flood' })
    expect(await h.gossipTxList(large(9), { peer: 'flood' })).to.equal('ignore')
    await h.kit.advance(minutes(11))
    expect((await h.store.database.stats()).unreferencedBytes).to.equal(0)
    expect(await h.gossipTxList(large(9), { peer: 'flood' })).to.equal('accept')
  })

  it('our own count to nobody\'s share', async () => {
    await open()
    for (let seed = 0; seed < 36; seed++) await h.gossipTxList(large(seed), { peer: `flood-${seed >> 1}` })
    void h.chain.txLists([checkedTxList(build({ number: 100 }).txList, { kind: 'own', ticket: 7 })])
    await h.kit.settle()
    expect(h.ownJudged.expect('judged', { ticket: 7 }).results[0]).to.include({ verdict: 'accept' })
    h.ownJudged.expect('durable', { ticket: 7 })
  })

  it('what sync asked for is named, also where the commitment has left the memory', async () => {
    await open({ config: { memoryBlocks: 130 } })
    const blocks = chainOf(100, 400)
    for (let at = 0; at < blocks.length; at += 100) await h.page(blocks.slice(at, at + 100))
    const { txList, txListHash } = blocks[3]!
    void h.chain.txLists([checkedTxList(txList, { kind: 'sync', peer: 'server', ticket: 9 })])
    await h.kit.settle()
    expect(h.judged.expect('judged', { ticket: 9 }).results).to.deep.equal([{ verdict: 'accept', reason: 'accepted', penalty: false, hash: txListHashOf(txList) }])
    h.judged.expect('durable', { ticket: 9 })
    h.events.expect('stored', { kind: 'txList', hash: txListHash, blockNumber: 103n })
  })

  it('a response that says "not found": Ignore, no penalty', async () => {
    await open()
    void h.chain.txLists([checkedTxList(new Uint8Array(), { kind: 'sync', peer: 'server', ticket: 9 }, Finding.not_found)])
    await h.kit.settle()
    expect(h.judged.expect('judged').results[0]).to.include({ verdict: 'ignore', penalty: false, reason: 'not_found' })
  })

  it('H50 only canonical blocks name a txlist: commitments that wait, at whatever height, push out nobody\'s', async () => {
    const db = memoryDatabase({ limits: { referencedTxListBytes: 2_000 } })
    await db.open()
    await open({ store: new FakeStore(db), schedule: () => ({ signers: [ALICE, BOB] }), config: { maxPendingParents: 64 } })
    const real = chainOf(100, 110)
    for (const block of real) { await h.gossipTxList(block.txList); await h.gossip(block) }
    const there = async (blocks: readonly Built[]): Promise<number> => (await db.hasTxLists(blocks.map(({ txListHash }) => txListHash))).filter(Boolean).length
    const absurd = Array.from({ length: 60 }, (_, at) => build({ number: 2n ** 63n + BigInt(at) * 2n, parent: new Uint8Array(32).fill(at + 1), signer: BOB, window: WINDOW + 384n }))
    for (const block of absurd) { await h.gossip(block); await h.gossipTxList(block.txList) }
    h.gaps.expectNone('missingTxList')
    expect(await there(real)).to.equal(11)
    await h.kit.advance(minutes(11))
    expect(await there(absurd)).to.equal(0)
    const more = chainOf(111, 130, { parent: real.at(-1)! })
    for (const block of more) { await h.gossipTxList(block.txList); await h.gossip(block) }
    expect(await there(more)).to.equal(20)
  })

  it('H51 a block\'s txlist is wanted once the block is canonical, with its signer, and no more when it is not', async () => {
    await open({ schedule: () => ({ signers: [ALICE, BOB] }) })
    const [first, second] = chainOf(100, 101)
    await h.gossip(second!)
    h.gaps.expectNone('missingTxList')
    await h.gossip(first!)
    for (const block of [first!, second!]) h.gaps.expect('missingTxList', { hash: block.txListHash, height: block.number, signer: ALICE })
    const other = build({ number: 101, parent: first!, signer: BOB, window: WINDOW + 384n })
    await h.gossip(other)
    h.gaps.expect('haveTxList', { hash: second!.txListHash })
    h.gaps.expect('missingTxList', { hash: other.txListHash, signer: BOB })
  })
})
