import { expect } from 'chai'
import { seconds } from '../../src/actors/kernel/index.js'
import { Finding } from '../../src/protocol/index.js'
import { ALICE, BOB, MALLORY, WINDOW, build, chainOf } from '../support/chain-builder.js'
import type { Built } from '../support/chain-builder.js'
import { house, shown } from './harness.js'
import type { House, HouseOptions } from './harness.js'

const TIP = { blockNumber: 99n, preconfirmationHash: new Uint8Array(32) }

describe('chain: the verdict table of SPEC §6', () => {
  let h: House
  const open = async (options: HouseOptions = {}): Promise<void> => { h = await house({ ...options, config: { confirmedTip: TIP, ...options.config } }) }
  afterEach(() => h.kit.stop())
  const chain = async (from: number, to: number): Promise<Built[]> => {
    const blocks = chainOf(from, to)
    for (const block of blocks) expect(await h.gossip(block)).to.equal('accept')
    return blocks
  }
  const punished = (): number => h.outcomes.received.filter(({ outcome }) => outcome === 'failure').length
  const rewarded = (): number => h.outcomes.received.filter(({ outcome }) => outcome === 'accepted').length

  for (const [what, finding] of [
    ['undecodable', Finding.undecodable], ['bad signature', Finding.bad_signature], ['bad v', Finding.bad_v],
    ['non-EOP with zero hash', Finding.zero_tx_list_hash],
  ] as const) {
    it(`${what}: Reject, with penalty`, async () => {
      await open()
      expect(await h.gossip(build({ number: 100 }), { finding })).to.equal('reject')
      expect(punished()).to.equal(1)
      expect(await h.canonical()).to.deep.equal([])
    })
  }

  it('not judged for a failure of our own: Ignore, no penalty', async () => {
    await open()
    expect(await h.gossip(build({ number: 100 }), { finding: Finding.unjudged })).to.equal('ignore')
    expect(punished()).to.equal(0)
  })

  it('H85 another slasher than ours: Ignore, its author\'s fault and nobody else\'s', async () => {
    await open()
    expect(await h.gossip(build({ number: 100 }), { finding: Finding.wrong_slasher })).to.equal('ignore')
    expect(h.verdicts.expect('verdict', { reason: 'wrong_slasher' }).ofAuthor).to.equal(true)
    expect(punished()).to.equal(0)
  })

  it('H01 H85 signer is not the elected one: Ignore, its author\'s fault and no relay\'s; nothing is stored, emitted or rewarded', async () => {
    await open()
    expect(await h.gossip(build({ number: 100, signer: MALLORY }))).to.equal('ignore')
    expect(h.verdicts.expect('verdict', { reason: 'not_elected' }).ofAuthor).to.equal(true)
    expect(punished()).to.equal(0)
    expect(rewarded()).to.equal(0)
    h.events.expectNone('commitment')
    expect(h.store.writes.filter(({ batch }) => batch.commitments !== undefined)).to.deep.equal([])
  })

  it('H85 not a slot end: Ignore, its author\'s fault and no relay\'s', async () => {
    await open({ schedule: () => 'not_slot_end' })
    expect(await h.gossip(build({ number: 100 }))).to.equal('ignore')
    expect(h.verdicts.expect('verdict', { reason: 'not_slot_end' }).ofAuthor).to.equal(true)
    expect(punished()).to.equal(0)
  })

  it('H85 what is no fault of anybody\'s is not its author\'s either', async () => {
    await open()
    await h.gossip(build({ number: 100 }), { finding: Finding.high_s })
    await h.gossip(build({ number: 100, signer: MALLORY }), { finding: Finding.bad_signature })
    expect(h.verdicts.received.map(({ ofAuthor }) => ofAuthor)).to.deep.equal([false, false])
  })

  it('H88 a page that holds a foreign block costs who serves it nothing', async () => {
    await open()
    expect(await h.page([build({ number: 100, signer: MALLORY })])).to.deep.equal(['ignore not_elected'])
    expect(h.judged.expect('judged').results[0]).to.include({ penalty: false, ofAuthor: true })
    expect(punished()).to.equal(0)
  })

  it('H09 parent known and number is not parent + 1: Ignore, not adopted, misbehaviour event, no penalty', async () => {
    await open()
    const [first] = await chain(100, 100)
    const wrong = build({ number: 105, parent: first! })
    expect(await h.gossip(wrong)).to.equal('ignore')
    const event = h.events.expect('misbehaviour', { reason: 'misnumbered', blockNumber: 105n })
    expect(event.evidence).to.deep.equal([first!.ssz, wrong.ssz])
    expect(punished()).to.equal(0)
    expect(await h.canonical()).to.deep.equal(shown([first!]))
  })

  it('the same where the parent is the confirmed tip itself', async () => {
    await open()
    expect(await h.gossip(build({ number: 101 }))).to.equal('ignore')
    expect(h.reason()).to.equal('misnumbered')
  })

  it('H11 high-S signature: Ignore, no penalty', async () => {
    await open()
    const block = build({ number: 100 })
    expect(await h.gossip(block, { finding: Finding.high_s })).to.equal('ignore')
    expect(punished()).to.equal(0)
    h.events.expectNone('commitment')
    expect(await h.gossip(block)).to.equal('accept')
  })

  it('H11 high-S signature in a page: normalised and taken', async () => {
    await open()
    const original = build({ number: 100 })
    const mangled = { ...original, ssz: original.ssz.slice() }
    mangled.ssz.fill(0xfe, 349, 381)
    expect(await h.page([mangled], { finding: Finding.high_s })).to.deep.equal(['accept accepted'])
    const event = h.events.expect('commitment', { blockNumber: 100n })
    expect(event.ssz[349]).to.be.lessThan(0x80)
    expect(event.ssz[381]).to.equal(1)
  })

  it('schedule not known yet: held, and judged when it arrives', async () => {
    let answer: 'unknown' | { signer: Uint8Array } = 'unknown'
    await open({ schedule: () => answer })
    const good = build({ number: 100 })
    const forged = build({ number: 101, parent: good, signer: MALLORY })
    expect(await h.gossip(good)).to.equal(undefined)
    expect(await h.gossip(forged)).to.equal(undefined)
    expect((await h.standing()).pendingSchedule).to.equal(2)
    answer = { signer: ALICE }
    await h.kit.advance(seconds(1))
    expect(h.verdicts.received.map(({ verdict }) => verdict)).to.deep.equal(['accept', 'ignore'])
    expect(await h.canonical()).to.deep.equal(shown([good]))
  })

  it('H05 schedule not known in time: Ignore, never a penalty; valid data is stored and emitted all the same', async () => {
    let answer: 'unknown' | { signer: Uint8Array } = 'unknown'
    await open({ schedule: () => answer })
    const block = build({ number: 100 })
    const forged = build({ number: 100, signer: MALLORY })
    void h.gossip(block)
    void h.gossip(forged)
    await h.kit.advance(seconds(7))
    expect(h.verdicts.received.map(({ verdict }) => verdict)).to.deep.equal(['ignore', 'ignore'])
    h.events.expectNone('commitment')
    answer = { signer: ALICE }
    await h.kit.advance(seconds(10))
    h.events.expect('commitment', { blockNumber: 100n })
    expect(h.verdicts.received.length).to.equal(2)
    expect(punished()).to.equal(0)
    expect(await h.canonical()).to.deep.equal(shown([block]))
  })

  it('H05 schedule lookup failed or timed out: held, tried again, then Ignore, no penalty', async () => {
    let calls = 0
    await open({ schedule: () => { calls++; throw new Error('no schedule here') } })
    void h.gossip(build({ number: 100, signer: MALLORY }))
    await h.kit.advance(seconds(61))
    expect(calls).to.be.within(5, 20)
    expect(h.verdicts.received.map(({ verdict }) => verdict)).to.deep.equal(['ignore'])
    expect(punished()).to.equal(0)
    h.events.expect('scheduleFailed', { submissionWindowEnd: WINDOW })
    expect((await h.standing()).pendingSchedule).to.equal(0)
  })

  it('H05 an answer that is no answer counts as a failed lookup', async () => {
    await open({ schedule: (() => ({ signer: '0x6003' })) as never })
    void h.gossip(build({ number: 100 }))
    await h.kit.advance(seconds(7))
    expect(h.events.expect('scheduleFailed').error).to.include({ code: 'bad_schedule_answer' })
    expect(punished()).to.equal(0)
  })

  it('H05 nobody is refused by an old answer: it is looked up again first', async () => {
    let signer = ALICE
    let fails = false
    await open({ schedule: () => { if (fails) throw new Error('gone'); return { signer } } })
    const [first] = await chain(100, 100)
    signer = BOB
    await h.kit.advance(seconds(13))
    expect(await h.gossip(build({ number: 101, parent: first!, signer: BOB }))).to.equal('accept')
    fails = true
    await h.kit.advance(seconds(13))
    expect(await h.gossip(build({ number: 102, signer: MALLORY }))).to.equal(undefined)
    await h.kit.advance(seconds(7))
    expect(punished()).to.equal(0)
  })

  it('parent unknown by hash: Accept, stored as pending, the gap is asked for, judged when the parent arrives', async () => {
    await open()
    const blocks = chainOf(100, 102)
    await h.gossip(blocks[0]!)
    expect(await h.gossip(blocks[2]!)).to.equal('accept')
    expect(await h.canonical()).to.deep.equal(shown(blocks.slice(0, 1)))
    expect((await h.standing()).pendingParents).to.equal(1)
    h.gaps.expect('missingParent', { hash: blocks[1]!.hash, height: 101n, from: 'peer' })
    expect([...await h.store.database.beside(10)].map(({ hash }) => hash)).to.deep.equal([blocks[2]!.hash])
    expect(await h.gossip(blocks[1]!)).to.equal('accept')
    expect(await h.canonical()).to.deep.equal(shown(blocks))
    expect((await h.standing()).pendingParents).to.equal(0)
  })

  it('the same when another commitment holds height n − 1', async () => {
    await open({ schedule: () => ({ signers: [ALICE, BOB] }) })
    await chain(100, 101)
    const other = build({ number: 101, signer: BOB, salt: 7 })
    expect(await h.gossip(build({ number: 102, parent: other, signer: BOB }))).to.equal('accept')
    h.gaps.expect('missingParent', { hash: other.hash })
    expect((await h.standing()).pendingParents).to.equal(1)
  })

  it('H09 a pending child whose number does not follow its parent is dropped when that arrives', async () => {
    await open()
    const first = build({ number: 100 })
    const child = build({ number: 103, parent: first })
    expect(await h.gossip(child)).to.equal('accept')
    expect(await h.gossip(first)).to.equal('accept')
    h.events.expect('misbehaviour', { reason: 'misnumbered', blockNumber: 103n })
    expect((await h.standing()).pendingParents).to.equal(0)
    expect(await h.canonical()).to.deep.equal(shown([first]))
    expect(await h.store.database.commitmentByHash(child.hash)).to.equal(undefined)
  })

  it('already have this one: Ignore, no penalty', async () => {
    await open()
    const [first] = await chain(100, 100)
    expect(await h.gossip(first!, { peer: 'another' })).to.equal('ignore')
    expect(h.reason()).to.equal('duplicate')
    expect(punished()).to.equal(0)
  })

  it('H10 second, different commitment for the same window and height: Ignore, and both as evidence; the first stays', async () => {
    await open()
    const [first] = await chain(100, 100)
    const second = build({ number: 100, salt: 1 })
    expect(await h.gossip(second)).to.equal('ignore')
    const event = h.events.expect('equivocation', { blockNumber: 100n, signer: ALICE })
    expect([event.first, event.second]).to.deep.equal([first!.ssz, second.ssz])
    expect(punished()).to.equal(0)
    expect(await h.canonical()).to.deep.equal(shown([first!]))
    const [kept] = await h.store.database.evidence(0, 10)
    expect(kept?.messages).to.deep.equal([first!.ssz, second.ssz])
    await h.gossip(second, { peer: 'another' })
    h.events.expectNone('equivocation')
  })

  it('H10 the same under another slasher address is evidence too', async () => {
    await open()
    await chain(100, 100)
    expect(await h.gossip(build({ number: 100, slasher: 1 }))).to.equal('ignore')
    h.events.expect('equivocation')
  })

  it('same commitment bytes under another signature: Ignore, duplicate, no evidence', async () => {
    await open()
    await chain(100, 100)
    expect(await h.gossip(build({ number: 100, signature: 9 }))).to.equal('ignore')
    expect(h.reason()).to.equal('duplicate')
    h.events.expectNone('equivocation')
    expect(punished()).to.equal(0)
  })

  it('non-EOP of the same signer and window above its EOP: Ignore, misbehaviour event, no penalty', async () => {
    await open()
    const blocks = await chain(100, 100)
    const end = build({ number: 101, parent: blocks[0]!, eop: true })
    expect(await h.gossip(end)).to.equal('accept')
    const after = build({ number: 102, parent: end })
    expect(await h.gossip(after)).to.equal('ignore')
    expect(h.events.expect('misbehaviour', { reason: 'after_eop' }).evidence).to.deep.equal([end.ssz, after.ssz])
    expect(punished()).to.equal(0)
  })

  it('the order of the chain counts there, not that of arrival', async () => {
    await open()
    const blocks = [...chainOf(100, 102)]
    const end = build({ number: 103, parent: blocks[2]!, eop: true })
    for (const block of [blocks[0]!, end, blocks[2]!, blocks[1]!]) expect(await h.gossip(block)).to.equal('accept')
    expect(await h.canonical()).to.deep.equal(shown([...blocks, end]))
    h.events.expectNone('misbehaviour')
  })

  it('at or below the confirmed tip: Ignore, no penalty', async () => {
    await open({ config: { confirmedTip: { blockNumber: 100n } } })
    for (const number of [99, 100]) {
      expect(await h.gossip(build({ number }))).to.equal('ignore')
      expect(h.reason()).to.equal('below_confirmed_tip')
    }
    expect(await h.gossip(build({ number: 100, signer: MALLORY }))).to.equal('ignore')
    expect(punished()).to.equal(0)
  })

  it('H02 H15 one huge block number does not move the head, and nothing unauthenticated changes what is stored', async () => {
    await open()
    const blocks = await chain(100, 101)
    await h.gossip(build({ number: 2n ** 255n, parent: new Uint8Array(32).fill(1) }))
    await h.gossip(build({ number: 102, parent: blocks[1]!, signer: MALLORY, window: 2n ** 200n }))
    expect((await h.standing()).head).to.deep.equal({ blockNumber: 101n, submissionWindowEnd: WINDOW })
    expect(await h.canonical()).to.deep.equal(shown(blocks))
    const next = build({ number: 102, parent: blocks[1]! })
    expect(await h.gossip(next)).to.equal('accept')
    expect((await h.standing()).head.blockNumber).to.equal(102n)
  })

  it('H02 a forged commitment that names a stored txlist leaves it alone', async () => {
    await open()
    const [block] = chainOf(100, 100)
    await h.gossipTxList(block!.txList)
    await h.gossip({ ...block!, ssz: build({ number: 100, salt: 3 }).ssz, signer: MALLORY })
    expect(await h.store.database.txList(block!.txListHash)).to.deep.equal(block!.txList)
    expect(h.store.writes.some(({ batch }) => batch.forgetTxLists !== undefined)).to.equal(false)
  })

  it('without a tip the first accepted commitment is the root, and nothing below it is asked for', async () => {
    await open({ config: { confirmedTip: undefined } })
    const root = build({ number: 500, parent: new Uint8Array(32).fill(9) })
    expect(await h.gossip(root)).to.equal('accept')
    expect((await h.standing()).head.blockNumber).to.equal(500n)
    expect(await h.gossip(build({ number: 400, salt: 1 }))).to.equal('accept')
    h.gaps.expectNone('missingParent')
    expect((await h.standing()).next).to.equal(501n)
  })

  it('a tip without a hash: tip + 1 is taken without a check of its parent', async () => {
    await open({ config: { confirmedTip: { blockNumber: 99n } } })
    const block = build({ number: 100, parent: new Uint8Array(32).fill(3) })
    expect(await h.gossip(block)).to.equal('accept')
    expect(await h.canonical()).to.deep.equal(shown([block]))
  })
})
