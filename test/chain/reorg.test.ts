import { expect } from 'chai'
import { ALICE, BOB, CAROL, WINDOW, build, chainOf } from '../support/chain-builder.js'
import type { Built } from '../support/chain-builder.js'
import { house, shown } from './harness.js'
import type { House, HouseOptions } from './harness.js'

const TIP = { blockNumber: 99n, preconfirmationHash: new Uint8Array(32) }
const LATER = WINDOW + 384n
const everyone = () => ({ signers: [ALICE, BOB, CAROL] })

describe('chain: supersession, rewind and the confirmed tip (SPEC §7)', () => {
  let h: House
  const open = async (options: HouseOptions = {}): Promise<void> => { h = await house({ schedule: everyone, ...options, config: { confirmedTip: TIP, ...options.config } }) }
  afterEach(() => h.kit.stop())
  const take = async (blocks: readonly Built[], verdict = 'accept'): Promise<void> => { for (const block of blocks) expect(await h.gossip(block)).to.equal(verdict) }
  const within = async (done: Promise<unknown>): Promise<unknown> => { const outcome = done.then(() => 'done', (error: unknown) => error); await h.kit.settle(); return outcome }

  it('a later window supersedes from its height on; what it replaces is demoted', async () => {
    await open()
    const old = chainOf(100, 105)
    await take(old)
    const fresh = chainOf(103, 106, { parent: old[2]!, signer: BOB, window: LATER })
    await take(fresh)
    expect(await h.canonical()).to.deep.equal(shown([...old.slice(0, 3), ...fresh]))
    h.events.expect('rewind', { to: 102n, reason: 'supersession' })
    expect((await h.store.database.commitmentByHash(old[4]!.hash))?.standing).to.equal('demoted')
    expect((await h.standing()).head).to.deep.equal({ blockNumber: 106n, submissionWindowEnd: LATER })
  })

  it('an earlier window, or the same, does not: the first stays', async () => {
    await open()
    const old = chainOf(100, 103, { window: LATER })
    await take(old)
    await take([build({ number: 102, parent: old[1]!, signer: BOB, window: WINDOW }), build({ number: 102, parent: old[1]!, signer: BOB, window: LATER })])
    expect(await h.canonical()).to.deep.equal(shown(old))
    h.events.expectNone('rewind')
  })

  it('a later window whose parent does not link to the canonical chain does not', async () => {
    await open()
    const old = chainOf(100, 103)
    await take(old)
    const aside = build({ number: 101, parent: old[0]!, signer: BOB, window: WINDOW - 384n })
    await take([aside, build({ number: 102, parent: aside, signer: CAROL, window: LATER })])
    expect(await h.canonical()).to.deep.equal(shown(old))
  })

  it('H10 deeper than maxReorgDepth is an event, and the application decides', async () => {
    await open()
    const old = chainOf(100, 170)
    await take(old)
    const deep = build({ number: 106, parent: old[5]!, signer: BOB, window: LATER })
    const reachable = build({ number: 107, parent: old[6]!, signer: BOB, window: LATER })
    await take([deep])
    h.events.expect('deepReorg', { hash: deep.hash, blockNumber: 106n, head: 170n })
    expect(await h.canonical()).to.deep.equal(shown(old))
    expect(await within(h.chain.reinstate(deep.hash, 1_000))).to.equal('done')
    expect(await h.canonical()).to.deep.equal(shown([...old.slice(0, 6), deep]))
    await h.kit.stop()
    await open()
    await take([...old, reachable])
    expect(await h.canonical()).to.deep.equal(shown([...old.slice(0, 7), reachable]))
  })

  it('rewind(n) demotes everything above n; what was demoted returns only if it is named', async () => {
    await open()
    const old = chainOf(100, 105)
    await take(old)
    expect(await within(h.chain.rewind(102n, 1_000))).to.equal('done')
    h.events.expect('rewind', { to: 102n, reason: 'application' })
    expect(await h.canonical()).to.deep.equal(shown(old.slice(0, 3)))
    expect(await h.gossip(old[3]!, { peer: 'other' })).to.equal('ignore')
    expect(h.reason()).to.equal('demoted')
    expect(await h.page(old.slice(3))).to.deep.equal(['ignore demoted', 'ignore demoted', 'ignore demoted'])
    expect(await h.canonical()).to.deep.equal(shown(old.slice(0, 3)))
    const fresh = chainOf(103, 104, { parent: old[2]!, signer: BOB, window: LATER })
    await take(fresh)
    expect(await h.canonical()).to.deep.equal(shown([...old.slice(0, 3), ...fresh]))
    expect(await within(h.chain.reinstate(old[3]!.hash, 1_000))).to.equal('done')
    expect(await within(h.chain.reinstate(old[4]!.hash, 1_000))).to.equal('done')
    expect(await h.canonical()).to.deep.equal(shown(old.slice(0, 5)))
  })

  it('also over a restart, and for what memory never held', async () => {
    await open({ config: { memoryBlocks: 130 } })
    const old = chainOf(100, 400)
    for (let at = 0; at < old.length; at += 100) await h.page(old.slice(at, at + 100))
    expect(await within(h.chain.rewind(150n, 1_000))).to.equal('done')
    expect(await h.canonical()).to.deep.equal(shown(old.slice(0, 51)))
    expect((await h.standing()).head.blockNumber).to.equal(150n)
    expect(await h.page(old.slice(51, 60))).to.deep.equal(new Array(9).fill('ignore demoted'))
    h = await h.restart()
    expect(await h.page(old.slice(51, 60))).to.deep.equal(new Array(9).fill('ignore demoted'))
    const fresh = chainOf(151, 152, { parent: old[50]!, signer: BOB })
    await take(fresh)
    expect(await h.canonical()).to.deep.equal(shown([...old.slice(0, 51), ...fresh]))
    expect(await within(h.chain.reinstate(old[51]!.hash, 1_000))).to.equal('done')
    expect(await h.canonical()).to.deep.equal(shown(old.slice(0, 52)))
  })

  it('a rewind has its bounds, told by code', async () => {
    await open()
    await take(chainOf(100, 102))
    expect(await within(h.chain.rewind(98n, 1_000))).to.deep.include({ code: 'below_confirmed_tip', value: 98n, limit: 99n })
    expect(await within(h.chain.rewind(-1n, 1_000))).to.include({ code: 'invalid_value' })
    expect(await within(h.chain.rewind(500n, 1_000))).to.equal('done')
    expect(await within(h.chain.reinstate(new Uint8Array(32).fill(4), 1_000))).to.include({ code: 'unknown_block' })
    expect((await h.standing()).head.blockNumber).to.equal(102n)
  })

  it('confirm moves the tip; lower is an error; nothing is superseded at or below it', async () => {
    await open()
    const old = chainOf(100, 105)
    await take(old)
    expect(await within(h.chain.confirm({ blockNumber: 103n, preconfirmationHash: old[3]!.hash }, 1_000))).to.equal('done')
    expect(await within(h.chain.confirm({ blockNumber: 102n }, 1_000))).to.include({ code: 'tip_below_present' })
    expect(await h.gossip(build({ number: 103, parent: old[2]!, signer: BOB, window: LATER }))).to.equal('ignore')
    expect(h.reason()).to.equal('below_confirmed_tip')
    expect(await h.canonical()).to.deep.equal(shown(old))
    await take(chainOf(104, 104, { parent: old[3]!, signer: BOB, window: LATER }))
    expect((await h.standing()).head.blockNumber).to.equal(104n)
  })

  it('a tip above the head jumps there; what waits above it follows', async () => {
    await open()
    const blocks = chainOf(100, 110)
    await take(blocks.slice(0, 3))
    await take(blocks.slice(8))
    expect((await h.standing()).head.blockNumber).to.equal(102n)
    expect(await within(h.chain.confirm({ blockNumber: 107n, preconfirmationHash: blocks[7]!.hash }, 1_000))).to.equal('done')
    expect((await h.standing()).head.blockNumber).to.equal(110n)
    h = await h.restart()
    expect(await h.standing()).to.deep.include({ next: 111n, confirmedTip: { blockNumber: 107n, preconfirmationHash: blocks[7]!.hash } })
  })

  it('a tip below the root: what is above waits for what is missing, and follows', async () => {
    await open({ config: { confirmedTip: undefined } })
    const blocks = chainOf(100, 108)
    await take(blocks.slice(4))
    expect((await h.standing()).head.blockNumber).to.equal(108n)
    expect(await within(h.chain.confirm({ blockNumber: 101n }, 1_000))).to.equal('done')
    h.gaps.expect('missingParent', { hash: blocks[3]!.hash, height: 103n })
    expect(await h.standing()).to.deep.include({ next: 102n, pendingParents: 5 })
    h = await h.restart()
    expect(await h.standing()).to.deep.include({ next: 102n, pendingParents: 5 })
    await take(blocks.slice(2, 4))
    expect(await h.canonical()).to.deep.equal(shown(blocks.slice(2)))
    expect((await h.standing()).head.blockNumber).to.equal(108n)
  })

  it('a tip on another block than ours demotes ours from there on', async () => {
    await open()
    const ours = chainOf(100, 105)
    await take(ours)
    const theirs = build({ number: 103, parent: ours[2]!, signer: BOB, window: WINDOW - 384n })
    const above = build({ number: 104, parent: theirs, signer: BOB, window: LATER })
    await take([theirs, above])
    expect(await h.canonical()).to.deep.equal(shown(ours))
    expect(await within(h.chain.confirm({ blockNumber: 103n, preconfirmationHash: theirs.hash }, 1_000))).to.equal('done')
    expect((await h.canonical()).slice(0, 4)).to.deep.equal(shown([...ours.slice(0, 3), theirs]))
    expect(await h.gossip(build({ number: 104, parent: theirs, signer: CAROL, window: LATER + 384n }))).to.equal('accept')
    expect((await h.standing()).head.blockNumber).to.equal(104n)
  })

  it('a tip buried below what is in memory keeps the chain above it, if it is ours', async () => {
    await open({ config: { memoryBlocks: 130 } })
    const blocks = chainOf(100, 400)
    for (let at = 0; at < blocks.length; at += 100) await h.page(blocks.slice(at, at + 100))
    expect(await within(h.chain.confirm({ blockNumber: 150n, preconfirmationHash: blocks[50]!.hash }, 1_000))).to.equal('done')
    expect((await h.standing()).head.blockNumber).to.equal(400n)
    expect(await within(h.chain.confirm({ blockNumber: 160n }, 1_000))).to.equal('done')
    expect((await h.standing()).head.blockNumber).to.equal(400n)
    expect(await within(h.chain.confirm({ blockNumber: 170n, preconfirmationHash: new Uint8Array(32).fill(5) }, 1_000))).to.equal('done')
    expect(await h.standing()).to.deep.include({ next: 171n })
  })

  it('whatever is too old for memory is Ignored', async () => {
    await open({ config: { memoryBlocks: 130 } })
    const blocks = chainOf(100, 400)
    for (let at = 0; at < blocks.length; at += 100) await h.page(blocks.slice(at, at + 100))
    expect(await h.gossip(blocks[10]!)).to.equal('ignore')
    expect(h.reason()).to.equal('too_old')
  })

  it('a restart resumes with the same head, pending ones and override', async () => {
    await open()
    const blocks = chainOf(100, 110)
    await take([...blocks.slice(0, 5), blocks[6]!])
    void h.chain.updateHead({ blockNumber: 7n, submissionWindowEnd: 8n })
    await h.kit.settle()
    h = await h.restart()
    expect(await h.standing()).to.deep.include({ head: { blockNumber: 104n, submissionWindowEnd: WINDOW }, next: 105n, pendingParents: 1 })
    h.gaps.expect('missingParent', { hash: blocks[5]!.hash, height: 105n })
    await take([blocks[5]!])
    expect(await h.canonical()).to.deep.equal(shown(blocks.slice(0, 7)))
    void h.chain.serveHead(1)
    await h.kit.settle()
    expect(h.answers.expect('answer', { request: 1 }).body[0]).to.equal(7)
    void h.chain.updateHead(undefined)
    void h.chain.serveHead(2)
    await h.kit.settle()
    expect(h.answers.expect('answer', { request: 2 }).body[0]).to.equal(106)
  })
})
