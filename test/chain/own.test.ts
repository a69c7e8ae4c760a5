import { expect } from 'chai'
import type { RuleAnswer } from '../../src/actors/chain/index.js'
import { SETTLED } from '../../src/actors/chain/slashing-protection.js'
import { Finding } from '../../src/protocol/index.js'
import { ALICE, BOB, WINDOW, build, chainOf } from '../support/chain-builder.js'
import type { Built } from '../support/chain-builder.js'
import { house, shown } from './harness.js'
import type { House, HouseOptions } from './harness.js'

const TIP = { blockNumber: 99n, preconfirmationHash: new Uint8Array(32) }
const LATER = WINDOW + 384n

describe('chain: our own messages, and slashing protection (SPEC §7)', () => {
  let h: House
  const open = async (options: HouseOptions = {}): Promise<void> => { h = await house({ ...options, config: { confirmedTip: TIP, ...options.config } }) }
  afterEach(() => h.kit.stop())
  const reserve = async (block: Built, length = 317): Promise<unknown> => {
    const done = h.chain.reserve({ signer: block.signer, hash: block.hash, ssz: block.ssz.subarray(0, length) }, 1_000).then(() => 'recorded', (error: unknown) => error)
    await h.kit.settle()
    return done
  }
  const rewind = async (to: bigint): Promise<void> => { const done = h.chain.rewind(to, 1_000); await h.kit.settle(); await done }

  it('H24 published = validated, stored, served: judged, then durable', async () => {
    await open()
    h.store.automatic = false
    const blocks = chainOf(100, 101)
    expect(await h.own(blocks[0]!)).to.include({ verdict: 'accept', reason: 'accepted' })
    h.ownJudged.expectNone('durable')
    await h.store.acknowledge()
    await h.kit.settle()
    h.ownJudged.expect('durable')
    h.events.expect('stored', { kind: 'commitment', hash: blocks[0]!.hash })
    expect(await h.canonical()).to.deep.equal(shown(blocks.slice(0, 1)))
    h.verdicts.expectNone()
    h.outcomes.expectNone()
  })

  it('H24 the same rules: what is not ours to sign is refused to the publisher', async () => {
    await open()
    expect(await h.own(build({ number: 100, signer: BOB }))).to.include({ verdict: 'ignore', reason: 'not_elected' })
  })

  it('the same again is no error: it is there, and may be sent again', async () => {
    await open()
    const block = build({ number: 100 })
    await h.own(block)
    expect(await h.own(block)).to.include({ verdict: 'accept', reason: 'duplicate' })
    expect(h.ownJudged.received.filter(({ type }) => type === 'durable').length).to.equal(2)
  })

  it('it is recorded as signed before the publisher hears of it', async () => {
    await open()
    const block = build({ number: 100 })
    await h.own(block)
    expect((await h.store.ownSigned(block.signer, WINDOW)).map(({ hash }) => hash)).to.deep.equal([block.hash])
  })

  it('in a window that is known it is recorded in the write that stores it: both or neither', async () => {
    await open()
    const blocks = chainOf(100, 102)
    await h.own(blocks[0]!)
    const before = h.store.writes.length
    await h.own(blocks[1]!)
    expect(h.store.writes.slice(before).map(({ batch: { signed, commitments } }) => [signed?.map(({ hash }) => hash), commitments?.map(({ hash }) => hash)]))
      .to.deep.equal([[[blocks[1]!.hash], [blocks[1]!.hash]]])
    expect((await h.store.ownSigned(blocks[1]!.signer, WINDOW)).map(({ hash }) => hash)).to.deep.equal(blocks.slice(0, 2).map(({ hash }) => hash))
  })

  it('what its turn records does not hold on to the batch in which it was checked', async () => {
    await open()
    const blocks = chainOf(100, 101)
    for (const block of blocks) await h.own(block)
    const [{ ssz, hash, signer }] = h.store.writes.at(-1)!.batch.signed as [Built]
    for (const [kept, checked] of [[ssz, blocks[1]!.ssz], [hash, blocks[1]!.hash], [signer, blocks[1]!.signer]] as const) {
      expect(kept).to.deep.equal(checked)
      expect(kept.buffer === checked.buffer).to.equal(false)
    }
  })

  it('what its turn records counts before it is stored', async () => {
    await open()
    const blocks = chainOf(100, 101)
    await h.own(blocks[0]!)
    h.store.automatic = false
    await h.own(blocks[1]!)
    expect(await h.own(build({ number: 101, parent: blocks[0]!, salt: 1 }))).to.include({ verdict: 'ignore', reason: 'conflicting_commitment' })
    expect(await reserve(build({ number: 101, parent: blocks[0]!, salt: 1 }))).to.include({ code: 'conflicting_commitment' })
  })

  it('a conflicting commitment for the same window and height is refused, without evidence against ourselves', async () => {
    await open()
    await h.own(build({ number: 100 }))
    expect(await h.own(build({ number: 100, salt: 1 }))).to.include({ verdict: 'ignore', reason: 'conflicting_commitment' })
    h.events.expectNone('equivocation')
    expect(await h.store.database.evidence(0, 9)).to.deep.equal([])
  })

  it('also across a restart and a rewind', async () => {
    await open()
    const blocks = chainOf(100, 102)
    for (const block of blocks) await h.own(block)
    await rewind(100n)
    h = await h.restart()
    expect(await h.own(build({ number: 101, parent: blocks[0]!, salt: 1 }))).to.include({ verdict: 'ignore', reason: 'conflicting_commitment' })
    expect(await h.own(build({ number: 101, parent: blocks[0]!, window: LATER, salt: 1 }))).to.include({ verdict: 'accept' })
  })

  it('after our own EOP nothing more in this window, also across a restart and a rewind', async () => {
    await open()
    const [block] = chainOf(100, 100)
    const end = build({ number: 101, parent: block!, handoverOnly: true })
    await h.own(block!)
    await h.own(end)
    expect(await h.own(build({ number: 101, parent: end }))).to.include({ verdict: 'ignore', reason: 'after_own_eop' })
    await rewind(99n)
    h = await h.restart()
    expect(await h.own(build({ number: 102, parent: new Uint8Array(32).fill(3) }))).to.include({ verdict: 'ignore', reason: 'after_own_eop' })
    expect(await h.own(build({ number: 100, eop: true, salt: 4 }))).to.include({ reason: 'conflicting_commitment' })
  })

  it('before signing: reserve records, and refuses with a typed error', async () => {
    await open()
    const [first, second] = chainOf(100, 101)
    expect(await reserve(first!)).to.equal('recorded')
    expect(await reserve(first!)).to.equal('recorded')
    expect(await reserve(build({ number: 100, salt: 1 }))).to.include({ name: 'ChainError', code: 'conflicting_commitment', value: 100n })
    expect(await reserve(build({ number: 102, parent: second!, eop: true }), 382)).to.equal('recorded')
    expect(await reserve(build({ number: 103 }))).to.include({ code: 'after_own_eop', value: 103n, limit: 103n })
    expect(await reserve(build({ number: 90, handoverOnly: true }))).to.include({ code: 'eop_below_own_block' })
    expect(await reserve(second!)).to.equal('recorded')
    expect(await h.own(first!)).to.include({ verdict: 'accept' })
  })

  it('two that conflict and are under way at once: one of them is refused', async () => {
    await open()
    const outcomes = await Promise.all([reserve(build({ number: 100, eop: true })), reserve(build({ number: 101 }))])
    expect(outcomes[0]).to.equal('recorded')
    expect(outcomes[1]).to.include({ code: 'after_own_eop' })
  })

  it('what cannot be recorded does not leave', async () => {
    await open()
    h.store.failing = true
    expect(await reserve(build({ number: 100 }))).to.include({ code: 'not_recorded' })
    expect(await h.own(build({ number: 100 }))).to.include({ verdict: 'ignore', reason: 'not_recorded' })
    expect(await h.canonical()).to.deep.equal([])
  })

  // ---- what others show of our key

  it('H55 what bears our key counts, whoever brings it: by gossip, in a page, above our own end of turn', async () => {
    await open()
    const [first, second, third] = chainOf(100, 102)
    await h.gossip(first!)
    await h.page([second!])
    expect(await reserve(build({ number: 100, salt: 1 }))).to.include({ code: 'conflicting_commitment' })
    expect(await reserve(build({ number: 101, parent: first!, salt: 1 }))).to.include({ code: 'conflicting_commitment' })
    expect(await h.own(build({ number: 101, parent: first!, salt: 1 }))).to.include({ verdict: 'ignore', reason: 'conflicting_commitment' })
    expect(await reserve(third!)).to.equal('recorded')
    await h.gossip(build({ number: 102, parent: second!, eop: true, window: LATER }))
    expect(await reserve(build({ number: 103, window: LATER }))).to.include({ code: 'after_own_eop' })
  })

  it('H55 also what is refused, or comes mangled: it is signed all the same', async () => {
    await open({ schedule: () => ({ signer: BOB }) })
    const notElected = build({ number: 100 })
    expect(await h.gossip(notElected)).to.equal('ignore')
    const mangled = build({ number: 101, window: LATER })
    expect(await h.gossip(mangled, { finding: Finding.high_s })).to.equal('ignore')
    const settled = build({ number: 90, window: LATER })
    await h.gossip(settled)
    h = await h.restart({ schedule: () => ({ signer: ALICE }) })
    for (const shown of [notElected, mangled, settled]) {
      expect(await reserve(build({ number: shown.number, window: shown.window, salt: 1 })), `${shown.number}`).to.include({ code: 'conflicting_commitment' })
    }
  })

  it('H55 also what was shown before a restart, and demoted since', async () => {
    for (const [by, rewound] of [['gossip', true], ['gossip', false], ['page', true], ['page', false]] as const) {
      await open()
      const [a100, a101] = chainOf(100, 101)
      await h.gossip(a100!)
      if (by === 'gossip') await h.gossip(a101!)
      else await h.page([a101!])
      if (rewound) await rewind(100n)
      h = await h.restart()
      expect(await reserve(build({ number: 101, parent: a100!, salt: 2 }))).to.include({ code: 'conflicting_commitment' })
      expect(await h.own(build({ number: 101, parent: a100!, salt: 2 }))).to.include({ verdict: 'ignore', reason: 'conflicting_commitment' })
      await h.kit.stop()
    }
    await open()
  })

  it('H55 also what a directory of an earlier version has of ours, which recorded only what it signed itself', async () => {
    await open({ config: { ownAddresses: [] } })
    const [a100, a101] = chainOf(100, 101)
    await h.gossip(a100!)
    await h.gossip(a101!)
    expect(await h.store.ownSigned(ALICE, WINDOW)).to.have.length(0)
    h = await h.restart({ config: { confirmedTip: TIP } })
    await rewind(100n)
    h = await h.restart({ config: { confirmedTip: TIP } })
    expect(await reserve(build({ number: 101, parent: a100!, salt: 1 }))).to.include({ code: 'conflicting_commitment' })
  })

  it('of others nothing is recorded as ours', async () => {
    await open()
    await h.gossip(build({ number: 100, signer: BOB }))
    expect(await h.store.ownSigned(BOB, WINDOW)).to.have.length(0)
  })

  // ---- judged first

  it('H56 what our rules, or the schedule, refuse is not recorded: its height is free for the corrected block', async () => {
    let asked = 0
    await open({ rules: ({ commitment }) => { asked++; return commitment.commitment.preconf.timestamp === 0n ? { verdict: 'reject', reason: 'timestamp' } : 'accept' } })
    expect(await reserve(build({ number: 100 }))).to.include({ name: 'ChainError', code: 'refused', value: 'rules: timestamp' })
    expect(await h.own(build({ number: 100 }))).to.include({ reason: 'rules: timestamp' })
    expect(await reserve(build({ number: 100, salt: 5, signer: BOB }))).to.include({ code: 'refused', value: 'not_elected' })
    expect(await reserve(build({ number: 99, salt: 5 }))).to.include({ code: 'refused', value: 'below_confirmed_tip' })
    expect(await h.store.ownSigned(ALICE, WINDOW)).to.have.length(0)
    const corrected = build({ number: 100, salt: 5 })
    expect(await reserve(corrected)).to.equal('recorded')
    const before = asked
    expect(await h.own(corrected)).to.include({ verdict: 'accept' })
    expect(asked, 'they are asked once, before it is signed').to.equal(before)
    expect(await h.canonical()).to.deep.equal(shown([corrected]))
  })

  it('H56 rules that take their time, fail, or change their mind after the signature cost no height either', async () => {
    const answers: ((answer: RuleAnswer) => void)[] = []
    await open({ rules: () => new Promise<RuleAnswer>(resolve => { answers.push(resolve) }) })
    const first = h.chain.reserve(build({ number: 100 }), 60_000).then(() => 'recorded', (error: unknown) => error)
    await h.kit.settle()
    expect(await h.store.ownSigned(ALICE, WINDOW)).to.have.length(0)
    await h.kit.advance(10_000)
    expect(await first).to.include({ code: 'refused', value: 'rules_failed' })
    const second = h.chain.reserve(build({ number: 100, salt: 1 }), 60_000).then(() => 'recorded', (error: unknown) => error)
    await h.kit.settle()
    answers.at(-1)!('accept')
    await h.kit.settle()
    expect(await second).to.equal('recorded')
    const asked = answers.length
    expect(await h.own(build({ number: 100, salt: 1 }))).to.include({ verdict: 'accept' })
    expect(answers.length).to.equal(asked)
  })

  it('H56 what is reserved is durable before the asker hears of it', async () => {
    await open()
    h.store.automatic = false
    let done = false
    const reserving = h.chain.reserve(build({ number: 100 }), 60_000).then(() => { done = true })
    await h.kit.settle()
    expect(done).to.equal(false)
    await h.store.acknowledge()
    await h.kit.settle()
    await reserving
    expect(await h.store.ownSigned(ALICE, WINDOW)).to.have.length(1)
  })

  // ---- the mark

  it('H62 records are pruned 14 days after their window, and nothing is signed for it any more; a clock that ran ahead closes nothing else', async () => {
    await open()
    expect(await reserve(build({ number: 100 }))).to.equal('recorded')
    h.kit.clock.jump(Number(WINDOW) * 1_000 + 13 * 86_400_000 - h.kit.clock.now())
    await h.kit.advance(3_600_000)
    expect(await h.store.ownSigned(ALICE, WINDOW), 'not before').to.have.length(1)
    h.kit.clock.jump(2 * 86_400_000)
    await h.kit.advance(3_600_000)
    expect(await h.store.ownSigned(ALICE, WINDOW)).to.have.length(0)
    h = await h.restart()
    expect(await reserve(build({ number: 100, salt: 1 }))).to.include({ code: 'window_closed', value: WINDOW, limit: WINDOW })
    expect(await h.own(build({ number: 100, salt: 1 }))).to.include({ reason: 'window_closed' })
    expect(await reserve(build({ number: 100, window: LATER, salt: 1 })), 'in which nothing was signed').to.equal('recorded')
  })

  it('H76 an equivocation of our own key is told and stays in sight, across a restart too, until it is pruned', async () => {
    await open()
    await h.own(build({ number: 100 }))
    await h.gossip(build({ number: 100, salt: 1 }))
    h.events.expect('ownEquivocation', { blockNumber: 100n, submissionWindowEnd: WINDOW })
    expect((await h.standing()).ownEquivocation).to.deep.equal({ blockNumber: 100n, submissionWindowEnd: WINDOW })
    h = await h.restart()
    expect((await h.standing()).ownEquivocation).to.deep.equal({ blockNumber: 100n, submissionWindowEnd: WINDOW })
    h.kit.clock.jump(15 * 86_400_000)
    await h.kit.advance(3_600_000)
    h = await h.restart()
    expect((await h.standing()).ownEquivocation).to.equal(undefined)
  })

  it('H75 our own is refused while blocks of elected signers wait above our head, unless it is asked for; one that supersedes is not', async () => {
    await open()
    const chain = chainOf(100, 110)
    for (const block of [...chain.slice(0, 3), ...chain.slice(8)]) await h.gossip(block)
    const later = { window: WINDOW + 384n, salt: 1 }
    const stale = build({ number: 103, parent: chain[2]!, ...later })
    expect(await h.own(stale)).to.include({ verdict: 'ignore', reason: 'behind' })
    expect(await h.own(build({ number: 102, parent: chain[1]!, ...later })), 'it supersedes').to.include({ verdict: 'accept' })
    expect(await h.own(build({ number: 200, parent: new Uint8Array(32).fill(9), ...later })), 'nothing is known above it').to.include({ verdict: 'accept' })
    expect(await h.own(chain[7]!), 'the block that they wait for').to.include({ verdict: 'accept' })
    expect(await h.own(stale)).to.include({ reason: 'behind' })
    expect(await h.own(stale, { behind: true })).to.include({ verdict: 'accept' })
  })

  for (const restarted of [false, true]) {
    it(`H75 our own that come out of order do not refuse each other${restarted ? ', nor after a restart; what others show of ours does' : ''}`, async () => {
      await open()
      const chain = chainOf(100, 107)
      for (const block of chain.slice(2, 4).reverse()) expect(await h.own(block)).to.include({ verdict: 'accept' })
      if (restarted) h = await h.restart()
      expect((await h.standing()).highest).to.equal(undefined)
      for (const block of chain.slice(0, 2).reverse()) expect(await h.own(block)).to.include({ verdict: 'accept' })
      expect(await h.canonical()).to.deep.equal(shown(chain.slice(0, 4)))
      await h.gossip(chain[7]!)
      expect(await h.own(chain[4]!)).to.include({ reason: 'behind' })
    })
  }

  describe('in a directory in which no catch-up has ended', () => {
    /** As it was made just now. */
    const openNew = async (): Promise<void> => {
      await open()
      await h.store.database.commit({ meta: [{ name: SETTLED, value: null }] })
      h = await h.restart()
    }
    const caughtUp = async (): Promise<void> => { const done = h.chain.caughtUp(1_000); await h.kit.settle(); await done }

    it('H76 what peers show of our key closes the windows that were open, for good', async () => {
      await openNew()
      const [a100] = chainOf(100, 100)
      await h.page([a100!])
      h.events.expect('recordsLost', { what: 'directory' })
      await caughtUp()
      expect(await reserve(build({ number: 101, parent: a100! }))).to.include({ code: 'window_closed' })
      expect(await reserve(build({ number: 101, parent: a100!, window: LATER }))).to.include({ code: 'window_closed' })
      h = await h.restart()
      expect(await reserve(build({ number: 101, parent: a100!, window: LATER }))).to.include({ code: 'window_closed' })
      await h.kit.advance(3_700_000)
      expect(await reserve(build({ number: 101, parent: a100!, window: BigInt(Math.floor(h.kit.clock.now() / 1_000)) + 600n }))).to.equal('recorded')
    })

    it('H76 the catch-up has not ended before what it showed has been looked at', async () => {
      await openNew()
      const read = h.store.signedWindow.bind(h.store)
      let release = (): void => undefined
      h.store.signedWindow = async (signer, window) => { await new Promise<void>(resolve => { release = resolve }); return read(signer, window) }
      await h.page(chainOf(100, 100))
      let done = false
      const ending = h.chain.caughtUp(60_000).then(() => { done = true })
      await h.kit.settle()
      expect(done).to.equal(false)
      release()
      await h.kit.settle()
      await ending
      h.events.expect('recordsLost', { what: 'directory' })
    })

    it('where the records were brought along (an import) nothing is lost; once a catch-up has ended, a standby goes on', async () => {
      await openNew()
      const [a100, a101] = chainOf(100, 101)
      await h.store.database.recordSigned(a100!)
      await h.page([a100!])
      await caughtUp()
      expect(await reserve(a101!)).to.equal('recorded')
      await h.gossip(build({ number: 100, window: LATER }))
      h.events.expectNone('recordsLost')
      expect(await reserve(build({ number: 101, parent: a100!, window: LATER }))).to.equal('recorded')
    })
  })
})
