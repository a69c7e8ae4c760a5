import { expect } from 'chai'
import type { RuleAnswer, RuleInput } from '../../src/actors/chain/index.js'
import { seconds } from '../../src/actors/kernel/index.js'
import { MALLORY, build, chainOf } from '../support/chain-builder.js'
import { house, shown } from './harness.js'
import type { House, HouseOptions } from './harness.js'

const TIP = { blockNumber: 99n, preconfirmationHash: new Uint8Array(32) }

describe('chain: the application\'s rules (SPEC §6)', () => {
  let h: House
  const open = async (options: HouseOptions): Promise<void> => { h = await house({ ...options, config: { confirmedTip: TIP, ...options.config } }) }
  afterEach(() => h.kit.stop())
  const asked = (inputs: readonly RuleInput[]): string[] => inputs.map(({ commitment, parent }) => `${commitment.commitment.preconf.blockNumber}${parent === undefined ? '' : ` on ${parent.commitment.preconf.blockNumber}`}`)

  it('are asked about what the elected signer signed only, with the parent where it is known', async () => {
    const inputs: RuleInput[] = []
    await open({ rules: input => { inputs.push(input); return 'accept' } })
    const blocks = chainOf(100, 101)
    await h.gossip(build({ number: 100, signer: MALLORY }))
    for (const block of blocks) expect(await h.gossip(block)).to.equal('accept')
    expect(asked(inputs)).to.deep.equal(['100', '101 on 100'])
    expect(inputs[0]).to.deep.include({ hash: blocks[0]!.hash, signer: blocks[0]!.signer })
  })

  it('H85 refuse with their own reason: its author\'s fault, or nobody\'s; never a relay\'s', async () => {
    const answers: RuleAnswer[] = [{ verdict: 'reject', reason: 'gas limit' }, { verdict: 'ignore', reason: 'from the future' }]
    await open({ rules: () => answers.shift()! })
    expect(await h.gossip(build({ number: 100 }))).to.equal('ignore')
    expect(h.reason()).to.equal('rules: gas limit')
    expect(await h.gossip(build({ number: 100, salt: 1 }))).to.equal('ignore')
    expect(h.verdicts.received.map(({ ofAuthor }) => ofAuthor)).to.deep.equal([true, false])
    expect(h.outcomes.received.length).to.equal(0)
    h.events.expectNone('commitment')
  })

  it('that throw, answer nonsense or nothing in time: Ignore, no penalty', async () => {
    const answers = [() => { throw new Error('broken') }, () => 42 as never, () => Promise.reject(new Error('broken')), () => new Promise<never>(() => undefined)]
    const signals: AbortSignal[] = []
    await open({ rules: (_input, { signal }) => { signals.push(signal); return answers.shift()!() } })
    for (let salt = 0; salt < 3; salt++) expect(await h.gossip(build({ number: 100, salt }))).to.equal('ignore')
    expect(await h.gossip(build({ number: 100, salt: 3 }))).to.equal(undefined)
    await h.kit.advance(seconds(5))
    expect(h.verdicts.received.map(({ verdict }) => verdict)).to.deep.equal(new Array(4).fill('ignore'))
    expect(h.reason()).to.equal('rules_failed')
    expect(signals[3]?.aborted).to.equal(true)
    expect(h.outcomes.received).to.deep.equal([])
  })

  it('that take time hold nobody up, and a child that overtakes its parent does not ask for it', async () => {
    const resolvers: (() => void)[] = []
    await open({ rules: ({ commitment }) => commitment.commitment.preconf.blockNumber === 100n ? new Promise(resolve => resolvers.push(() => resolve('accept'))) : 'accept' })
    const blocks = chainOf(100, 102)
    expect(await h.gossip(blocks[0]!)).to.equal(undefined)
    expect(await h.gossip(blocks[1]!)).to.equal('accept')
    expect(await h.gossip(blocks[2]!)).to.equal('accept')
    h.gaps.expectNone('missingParent')
    resolvers[0]!()
    expect(await h.canonical()).to.deep.equal(shown(blocks))
  })

  it('a parent that they refuse after all is missing for its children', async () => {
    const resolvers: (() => void)[] = []
    await open({ rules: ({ commitment }) => commitment.commitment.preconf.blockNumber === 100n ? new Promise(resolve => resolvers.push(() => resolve({ verdict: 'ignore', reason: 'no' }))) : 'accept' })
    const blocks = chainOf(100, 101)
    await h.gossip(blocks[0]!)
    await h.gossip(blocks[1]!)
    resolvers[0]!()
    await h.kit.settle()
    h.gaps.expect('missingParent', { hash: blocks[0]!.hash })
  })

  it('are asked again when a pending commitment\'s parent is there, and may refuse it then', async () => {
    const inputs: RuleInput[] = []
    await open({ rules: input => { inputs.push(input); return input.parent !== undefined && input.commitment.commitment.preconf.blockNumber === 102n ? { verdict: 'reject', reason: 'gas limit' } : 'accept' } })
    const blocks = chainOf(100, 103)
    await h.gossip(blocks[0]!)
    expect(await h.gossip(blocks[2]!)).to.equal('accept')
    expect(await h.gossip(blocks[1]!)).to.equal('accept')
    expect(asked(inputs)).to.deep.equal(['100', '102', '101 on 100', '102 on 101'])
    expect(await h.canonical()).to.deep.equal(shown(blocks.slice(0, 2)))
    expect((await h.standing()).pendingParents).to.equal(0)
    expect(h.reason()).to.equal('rules: gas limit')
  })

  it('of a page are asked with parents from the page, all at once; it is placed in order', async () => {
    const inputs: RuleInput[] = []
    const resolvers: (() => void)[] = []
    await open({ rules: input => { inputs.push(input); return new Promise(resolve => resolvers.push(() => resolve('accept'))) } })
    const blocks = chainOf(100, 102)
    void h.page(blocks)
    await h.kit.settle()
    expect(asked(inputs)).to.deep.equal(['100', '101 on 100', '102 on 101'])
    for (const resolve of resolvers.reverse()) { h.judged.expectNone(); resolve(); await h.kit.settle() }
    expect(h.judged.expect('judged').results.map(({ reason }) => reason)).to.deep.equal(['accepted', 'accepted', 'accepted'])
    expect(await h.canonical()).to.deep.equal(shown(blocks))
  })

  it('H22 their queue is bounded: Ignore when it is full', async () => {
    await open({ rules: () => new Promise(() => undefined), config: { rulesConcurrent: 2, rulesQueue: 3 } })
    for (let number = 100; number < 110; number++) void h.gossip(build({ number, parent: new Uint8Array(32).fill(number) }))
    await h.kit.settle()
    expect(h.verdicts.received.length).to.equal(5)
    expect(h.reason()).to.equal('rules_overloaded')
  })
})
