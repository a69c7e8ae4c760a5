import { expect } from 'chai'
import { seconds } from '../../src/actors/kernel/index.js'
import { chainOf, heightsOf, peer, simulate } from './sim.js'
import type { Sim } from './sim.js'

const chain = chainOf(1n, 3_000n)
const upTo = (height: number): bigint[] => Array.from({ length: height }, (_, at) => BigInt(at + 1))

describe('sync: faults', () => {
  let sim: Sim
  afterEach(() => sim.kit.stop())

  for (const at of [30, 150, 300, 700]) {
    it(`H26 peers vanish after ${at} ms: the others finish it`, async () => {
      sim = await simulate(['a', 'b', 'c', 'd'].map(name => peer(name, chain, { latencyMs: 100 })))
      const done = sim.sync.sync(seconds(300))
      await sim.kit.advance(at)
      sim.leave('a')
      sim.leave('b')
      await sim.kit.advance(seconds(30))
      expect((await done).outcome).to.equal('caught_up')
      expect(heightsOf(sim.chain)).to.deep.equal(upTo(3_000))
      expect(sim.failures()).to.deep.equal({})
    })
  }

  it('H26 all peers vanish: the run ends, and the next peer takes it from where it was', async () => {
    sim = await simulate([peer('a', chain, { latencyMs: 200 })])
    const done = sim.sync.sync(seconds(300))
    await sim.kit.advance(600)
    sim.leave('a')
    await sim.kit.advance(seconds(30))
    expect((await done).outcome).to.be.oneOf(['caught_up', 'no_peers'])
    const had = heightsOf(sim.chain).length
    expect(had).to.be.within(1, 2_999)
    sim.join(peer('b', chain))
    await sim.kit.advance(seconds(20))
    expect(heightsOf(sim.chain)).to.deep.equal(upTo(3_000))
    const starts = sim.peers.get('b')?.requests.filter(({ kind }) => kind === 'commitments').map(({ start }) => start) ?? []
    expect(starts.every(start => start > BigInt(had) - 1n)).to.equal(true)
  })

  it('a restart in the middle goes on where chain is', async () => {
    sim = await simulate([peer('a', chain, { latencyMs: 100 }), peer('b', chain, { latencyMs: 100 })])
    await sim.kit.advance(330)
    const had = heightsOf(sim.chain).length
    expect(had).to.be.within(1, 2_999)
    sim.crash()
    await sim.kit.advance(seconds(40))
    expect(heightsOf(sim.chain)).to.deep.equal(upTo(3_000))
    expect(sim.kit.tree.describe().children.find(({ path }) => path.endsWith('sync'))?.restarts).to.equal(1)
  })

  it('a page that the validator lost is handed over again', async () => {
    sim = await simulate([peer('a', chain)])
    sim.chain.deaf = true
    const done = sim.sync.sync(seconds(300))
    await sim.kit.advance(seconds(10))
    expect(heightsOf(sim.chain)).to.have.length(0)
    sim.chain.deaf = false
    await sim.kit.advance(seconds(40))
    expect((await done).outcome).to.equal('caught_up')
    expect(heightsOf(sim.chain)).to.deep.equal(upTo(3_000))
    expect(sim.failures()).to.deep.equal({})
  })

  it('a validator that never answers fails the run with its reason, and no peer is blamed', async () => {
    sim = await simulate([peer('a', chain)])
    sim.chain.deaf = true
    const result = await sim.catchUp()
    expect(result).to.include({ outcome: 'incomplete', code: 'not_judged' })
    expect(sim.events.expect('syncFailed')).to.include({ code: 'not_judged', at: 1n })
    expect(sim.failures()).to.deep.equal({})
  })

  it('while nothing becomes durable only so much goes to chain, and the rest follows when it does', async () => {
    sim = await simulate([peer('a', chain)])
    sim.chain.holdDurable = true
    const done = sim.sync.sync(seconds(300))
    sim.chain.unstored = 1
    await sim.kit.advance(seconds(20))
    // 8 pages not durable, and up to 2 more that were in the validator by then
    expect(heightsOf(sim.chain).length).to.be.within(8 * 256, 10 * 256)
    sim.chain.holdDurable = false
    sim.chain.unstored = 0
    await sim.kit.advance(seconds(20))
    expect((await done).outcome).to.equal('caught_up')
    expect(heightsOf(sim.chain)).to.deep.equal(upTo(3_000))
  })

  it('pauses while chain waits for the store, and hands over again what chain passed over', async () => {
    sim = await simulate([peer('a', chain), peer('b', chain)])
    sim.chain.rule = () => sim.chain.unstored > 0 ? { verdict: 'ignore', reason: 'store_behind', penalty: false } : undefined
    await sim.kit.advance(60)
    sim.chain.unstored = 4_096
    await sim.kit.advance(seconds(20))
    const had = heightsOf(sim.chain).length
    expect(had).to.be.lessThan(3_000)
    const pages = sim.chain.pages.length
    await sim.kit.advance(seconds(10))
    expect(sim.chain.pages.length).to.equal(pages)
    sim.chain.unstored = 0
    await sim.kit.advance(seconds(20))
    expect(heightsOf(sim.chain)).to.deep.equal(upTo(3_000))
    expect(sim.failures()).to.deep.equal({})
  })

  it('H05 what cannot be judged yet ends the run, blames nobody, and is tried again in the next round', async () => {
    sim = await simulate([peer('a', chain), peer('b', chain), peer('c', chain)])
    let known = false
    sim.chain.rule = () => known ? undefined : { verdict: 'ignore', reason: 'schedule_unknown', penalty: false }
    const result = await sim.catchUp()
    expect(result).to.include({ outcome: 'incomplete', code: 'not_adopted' })
    expect(sim.failures()).to.deep.equal({})
    known = true
    await sim.kit.advance(seconds(40))
    expect(heightsOf(sim.chain)).to.deep.equal(upTo(3_000))
  })

  it('a peer that fails now and then is asked again, after a while', async () => {
    let calls = 0
    const shaky = peer('shaky', chain, { onRequest: kind => { if (kind === 'commitments' && ++calls % 3 === 0) throw Object.assign(new Error('reset'), { code: 'remote_closed' }) } })
    sim = await simulate([shaky], { config: { failuresPerRun: 20 } })
    const result = await sim.catchUp()
    expect(result.outcome).to.equal('caught_up')
    expect(heightsOf(sim.chain)).to.deep.equal(upTo(3_000))
    expect(sim.failures()).to.deep.equal({ shaky: 1 })
  })

  it('the chain that supersedes ours, a little below, is found by stepping back', async () => {
    sim = await simulate([peer('a', chain), peer('b', chain), peer('c', chain)], { config: { roundEvery: seconds(10_000) } })
    await sim.catchUp()
    const other = chainOf(1n, 2_996n)
    const fork = [...other, ...chainOf(2_997n, 3_020n, { parent: sim.hashAt(2_996n), fork: 3 })]
    for (const name of ['a', 'b', 'c']) { sim.leave(name); sim.join(peer(`${name}2`, fork)) }
    sim.chain.supersedes = true
    await sim.kit.advance(seconds(10))
    await sim.catchUp()
    expect(sim.chain.next).to.equal(3_021n)
    expect(sim.failures()).to.deep.equal({})
  })
})
