import { expect } from 'chai'
import { seconds } from '../../src/actors/kernel/index.js'
import { ALICE, BOB, WINDOW, build, chainOf } from '../support/chain-builder.js'
import type { Built } from '../support/chain-builder.js'
import { house, shown } from './harness.js'
import type { House, HouseOptions } from './harness.js'

const TIP = { blockNumber: 99n, preconfirmationHash: new Uint8Array(32) }
const LATER = WINDOW + 384n

describe('chain: hand-overs (SPEC §6, EOP)', () => {
  let h: House
  const open = async (options: HouseOptions = {}): Promise<void> => {
    h = await house({ schedule: () => ({ signers: [ALICE, BOB] }), ...options, config: { confirmedTip: TIP, ...options.config } })
  }
  afterEach(() => h.kit.stop())
  const take = async (blocks: readonly Built[]): Promise<void> => { for (const block of blocks) expect(await h.gossip(block)).to.equal('accept') }

  it('with a block: a block, then a hand-over event', async () => {
    await open()
    const end = build({ number: 100, eop: true })
    await take([end])
    h.events.expect('handover', { hash: end.hash, blockNumber: 100n, withBlock: true, signer: ALICE })
    expect(await h.canonical()).to.deep.equal(shown([end]))
  })

  it('without a block: occupies no height; the next block keeps the number and may link to it', async () => {
    await open()
    const blocks = chainOf(100, 101)
    const handover = build({ number: 102, parent: blocks[1]!, handoverOnly: true })
    const next = build({ number: 102, parent: handover, signer: BOB, window: LATER })
    await take([...blocks, handover])
    h.events.expect('handover', { blockNumber: 102n, withBlock: false })
    expect(await h.standing()).to.deep.include({ next: 102n, head: { blockNumber: 101n, submissionWindowEnd: WINDOW } })
    await take([next])
    expect(await h.canonical()).to.deep.equal(shown([...blocks, handover, next]))
    h.gaps.expectNone('missingParent')
  })

  it('the next block may also link to the last block, and the hand-over may come late', async () => {
    await open()
    const blocks = chainOf(100, 101)
    const next = build({ number: 102, parent: blocks[1]!, signer: BOB, window: LATER })
    const handover = build({ number: 102, parent: blocks[1]!, handoverOnly: true })
    await take([...blocks, next, handover])
    expect(await h.canonical()).to.deep.equal(shown([...blocks, handover, next]))
    h.events.expect('handover', { withBlock: false })
  })

  it('it enters no equivocation key, and one that follows another keeps the number', async () => {
    await open()
    const [block] = chainOf(100, 100)
    const first = build({ number: 101, parent: block!, handoverOnly: true })
    const second = build({ number: 101, parent: first, handoverOnly: true, signer: BOB, window: LATER })
    const third = build({ number: 101, parent: block!, handoverOnly: true, salt: 1 })
    const next = build({ number: 101, parent: second, signer: BOB, window: LATER + 384n })
    await take([block!, first, second, third, next])
    h.events.expectNone('equivocation')
    expect((await h.standing()).head.blockNumber).to.equal(101n)
  })

  it('a block above it in the same window is out, also one that takes its very height', async () => {
    await open()
    const [block] = chainOf(100, 100)
    const handover = build({ number: 101, parent: block!, handoverOnly: true })
    await take([block!, handover])
    expect(await h.gossip(build({ number: 101, parent: handover }))).to.equal('ignore')
    h.events.expect('misbehaviour', { reason: 'after_eop' })
  })

  it('a parent that is right below the anchor can only be a hand-over: that is what is asked for', async () => {
    await open()
    const handover = build({ number: 100, handoverOnly: true })
    const next = build({ number: 100, parent: handover, signer: BOB })
    await take([next])
    h.gaps.expect('missingParent', { hash: handover.hash, height: 100n })
    await take([handover])
    expect(await h.canonical()).to.deep.equal(shown([handover, next]))
  })

  for (const how of ['10 s', 'three peers'] as const) {
    it(`a block that links to a hand-over which ${how} failed to supply is adopted on its signer's word`, async () => {
      await open()
      const blocks = chainOf(100, 101)
      const lost = build({ number: 102, parent: blocks[1]!, handoverOnly: true })
      const next = build({ number: 102, parent: lost, signer: BOB, window: LATER })
      await take([...blocks, next])
      if (how === '10 s') {
        await h.kit.advance(seconds(9))
        expect((await h.standing()).head.blockNumber).to.equal(101n)
        await h.kit.advance(seconds(2))
      } else {
        void h.chain.parentUnavailable(lost.hash, 2)
        expect((await h.standing()).head.blockNumber).to.equal(101n)
        void h.chain.parentUnavailable(lost.hash, 3)
      }
      expect(await h.canonical()).to.deep.equal(shown([...blocks, next]))
      await take(chainOf(103, 104, { parent: next, signer: BOB, window: LATER }))
      expect((await h.standing()).head.blockNumber).to.equal(104n)
      await take([lost])
      expect((await h.standing()).head.blockNumber).to.equal(104n)
    })
  }

  it('but not a block of the same window as the head: its parent is another block', async () => {
    await open()
    const blocks = chainOf(100, 101)
    const elsewhere = build({ number: 101, parent: blocks[0]!, signer: BOB, salt: 5 })
    await take([...blocks, build({ number: 102, parent: elsewhere, signer: BOB })])
    await h.kit.advance(seconds(30))
    expect((await h.standing()).head.blockNumber).to.equal(101n)
  })

  it('when the parent turns out to be another block after all, the link counts', async () => {
    await open()
    const blocks = chainOf(100, 101)
    const other = build({ number: 101, parent: blocks[0]!, signer: BOB, window: WINDOW + 100n })
    const next = build({ number: 102, parent: other, signer: BOB, window: LATER })
    await take([...blocks, next])
    await h.kit.advance(seconds(11))
    expect(await h.canonical()).to.deep.equal(shown([...blocks, next]))
    await take([other])
    expect(await h.canonical()).to.deep.equal(shown([blocks[0]!, other, next]))
    await h.kit.stop()
    await open()
    const earlier = build({ number: 101, parent: blocks[0]!, signer: BOB, window: WINDOW - 100n })
    const onEarlier = build({ number: 102, parent: earlier, signer: BOB, window: LATER })
    await take([...blocks, onEarlier])
    await h.kit.advance(seconds(11))
    await take([earlier])
    expect(await h.canonical()).to.deep.equal(shown(blocks))
  })

  it('H22 hand-overs beside one height are bounded', async () => {
    await open({ config: { maxHandoversPerHeight: 4 } })
    for (let salt = 0; salt < 10; salt++) await h.gossip(build({ number: 100, handoverOnly: true, salt }))
    expect((await h.canonical()).length).to.equal(4)
    expect(h.reason()).to.equal('too_many_handovers')
  })
})
