import { expect } from 'chai'
import { seconds } from '../../src/actors/kernel/index.js'
import { chainOf, fromOn, hashOf, heightsOf, inRange, peer, simulate } from './sim.js'
import type { Sim } from './sim.js'

const upTo = (height: number): bigint[] => Array.from({ length: height }, (_, at) => BigInt(at + 1))
const requestsFor = (sim: Sim, name: string, kind: string) => (sim.peers.get(name)?.requests ?? []).filter(each => each.kind === kind)

describe('sync: catch-up', () => {
  let sim: Sim
  afterEach(() => sim.kit.stop())

  for (const behind of [0, 1, 255, 256, 257, 1_000]) {
    it(`H26 ${behind} behind: all of it, in order, and nobody is blamed`, async () => {
      const chain = chainOf(1n, BigInt(behind))
      sim = await simulate([peer('a', chain), peer('b', chain)])
      await sim.catchUp()
      expect(heightsOf(sim.chain)).to.deep.equal(upTo(behind))
      expect(sim.failures()).to.deep.equal({})
      const result = await sim.catchUp()
      expect(result).to.include({ outcome: 'caught_up', blocks: 0, code: undefined })
    })
  }

  it('H26 no peers at start is an ordinary case, and the first peer that comes is used', async () => {
    sim = await simulate([])
    const result = await sim.catchUp()
    expect(result).to.include({ outcome: 'no_peers', blocks: 0 })
    const chain = chainOf(1n, 300n)
    sim.join(peer('late', chain))
    await sim.kit.advance(seconds(5))
    expect(heightsOf(sim.chain)).to.deep.equal(upTo(300))
    expect(sim.events.expect('syncDone')).to.include({ blocks: 0 })
    expect(sim.events.expect('syncDone')).to.include({ from: 1n, to: 300n, blocks: 300 })
  })

  it('H26 peers that know nothing are an ordinary case', async () => {
    sim = await simulate([peer('a', []), peer('b', [])])
    const result = await sim.catchUp()
    expect(result).to.include({ outcome: 'caught_up', blocks: 0 })
    expect(sim.failures()).to.deep.equal({})
  })

  it('H26 several peers share the work', async () => {
    const chain = chainOf(1n, 2_560n)
    sim = await simulate(['a', 'b', 'c'].map(name => peer(name, chain)))
    await sim.catchUp()
    expect(heightsOf(sim.chain)).to.have.length(2_560)
    for (const name of ['a', 'b', 'c']) expect(requestsFor(sim, name, 'commitments').length, name).to.be.within(3, 6)
  })

  it('unknown heads (zeros) are paged until empty', async () => {
    const chain = chainOf(1n, 600n)
    sim = await simulate([peer('reference', chain, { head: () => undefined, agent: 'rust-libp2p/0.44', page: fromOn(chain) })])
    const result = await sim.catchUp()
    expect(result.outcome).to.equal('caught_up')
    expect(heightsOf(sim.chain)).to.deep.equal(upTo(600))
    expect(sim.failures()).to.deep.equal({})
  })

  it('a hand-over stands beside its height, also at the end of a page and at the tip', async () => {
    const chain = chainOf(1n, 700n, { handovers: [1n, 40n, 256n, 257n, 512n] })
    const handedOver = [...chain, ...chainOf(701n, 701n, { handovers: [701n], parent: hashOf(chain.at(-1) as Uint8Array) }).slice(0, 1)]
    sim = await simulate([peer('a', handedOver)])
    const result = await sim.catchUp()
    expect(result.outcome).to.equal('caught_up')
    expect(sim.chain.canonical).to.deep.equal(handedOver)
    expect(sim.failures()).to.deep.equal({})
  })

  it('H42 every 30 s it asks for heads again, and takes what is new', async () => {
    const chain = chainOf(1n, 900n)
    let height = 300
    const grows = (): Uint8Array[] => chain.slice(0, height)
    sim = await simulate([peer('a', [], { head: () => BigInt(height), page: (start, max) => fromOn(grows())(start, max) })])
    await sim.kit.advance(seconds(5))
    expect(heightsOf(sim.chain)).to.have.length(300)
    height = 900
    await sim.kit.advance(seconds(30))
    expect(heightsOf(sim.chain)).to.deep.equal(upTo(900))
  })

  it('tells how far it is, how fast it goes and how long it will take', async () => {
    const chain = chainOf(1n, 5_000n)
    sim = await simulate([peer('a', chain, { agent: 'rust-libp2p/0.44' }), peer('b', chain, { agent: 'rust-libp2p/0.44' })])
    await sim.catchUp()
    const seen = sim.events.received.filter(({ type }) => type === 'syncProgress')
    expect(seen.length).to.be.greaterThan(3)
    const middle = sim.events.expectWhere(event => event.type === 'syncProgress' && event.at > 1_000n)
    expect(middle).to.deep.include({ from: 1n, to: 5_000n, peers: 2 })
    if (middle.type !== 'syncProgress') throw new Error('no progress')
    expect(middle.perSecond).to.be.greaterThan(100)
    expect(middle.etaMs).to.be.within(1, 60_000)
  })

  it('is cancelled at once; requests under way are let finish', async () => {
    const chain = chainOf(1n, 5_000n)
    sim = await simulate([peer('a', chain, { latencyMs: 500 })])
    const under = sim.sync.sync(seconds(60))
    await sim.kit.advance(1_200)
    void sim.sync.cancel()
    await sim.kit.settle()
    expect(await under).to.include({ outcome: 'cancelled' })
    await sim.kit.advance(500)
    const asked = requestsFor(sim, 'a', 'commitments').length
    await sim.kit.advance(seconds(5))
    expect(requestsFor(sim, 'a', 'commitments')).to.have.length(asked)
    expect(sim.events.expect('syncFailed')).to.include({ code: 'cancelled' })
    expect((await sim.sync.standing(seconds(1))).running).to.equal(undefined)
  })

  it('a run that was started for a caller ends when that caller gives up; one that runs anyway does not', async () => {
    const chain = chainOf(1n, 5_000n)
    sim = await simulate([peer('a', chain, { latencyMs: 500 })], { config: { roundEvery: seconds(1_000) } })
    const joined = new AbortController()
    const first = sim.sync.sync(joined.signal).catch((error: unknown) => error)
    await sim.kit.advance(1_200)
    joined.abort()
    await sim.kit.advance(seconds(60))
    expect(await first).to.include({ code: 'cancelled' })
    expect(heightsOf(sim.chain)).to.have.length(5_000)

    sim.leave('a')
    sim.join(peer('b', chainOf(1n, 10_000n), { latencyMs: 500, head: () => 5_000n }))
    await sim.kit.advance(seconds(10))
    const model = sim.peers.get('b')
    if (model !== undefined) model.head = () => 10_000n
    const alone = new AbortController()
    const second = sim.sync.sync(alone.signal).catch((error: unknown) => error)
    await sim.kit.advance(1_700)
    alone.abort()
    await sim.kit.advance(seconds(30))
    expect(await second).to.include({ code: 'cancelled' })
    expect(heightsOf(sim.chain).length).to.be.lessThan(10_000)
  })

  it('callers that ask for the same join one run', async () => {
    const chain = chainOf(1n, 1_000n)
    sim = await simulate([peer('a', chain)])
    const both = [sim.sync.sync(seconds(60)), sim.sync.sync(seconds(60))]
    await sim.kit.advance(seconds(5))
    const [first, second] = await Promise.all(both)
    expect(first).to.equal(second)
    expect(requestsFor(sim, 'a', 'commitments').filter(({ start }) => start === 1n)).to.have.length(1)
  })

  it('what reputation does not let us ask is not asked', async () => {
    const chain = chainOf(1n, 600n)
    sim = await simulate([peer('good', chain), peer('pruned', chain)], { choosable: name => name !== 'pruned' })
    await sim.catchUp()
    expect(heightsOf(sim.chain)).to.have.length(600)
    expect(requestsFor(sim, 'pruned', 'commitments')).to.have.length(0)
    expect(requestsFor(sim, 'pruned', 'head')).to.have.length(0)
  })

  it('H75 a run is incomplete, and the node behind, when at least half of the peers asked announce more than it could get', async () => {
    const chain = chainOf(1n, 600n)
    const behind = async () => (await sim.sync.standing(seconds(1))).behind
    const short = (name: string) => peer(name, chain.slice(0, 300), { head: () => 600n })
    sim = await simulate([short('only')])
    expect(await sim.catchUp()).to.include({ outcome: 'incomplete', code: 'not_delivered', to: 300n })
    expect(await behind()).to.deep.equal({ known: 600n, by: 'announced' })
    expect((await sim.sync.standing(seconds(1))).failedRuns).to.be.greaterThan(0)
    for (const name of ['a', 'b']) sim.join(peer(name, chain.slice(0, 300)))
    await sim.kit.advance(seconds(35))
    expect(await behind(), 'one of three').to.equal(undefined)
    expect((await sim.sync.standing(seconds(1))).failedRuns).to.equal(0)
    sim.join(peer('whole', chain))
    await sim.kit.advance(seconds(35))
    expect(await behind()).to.equal(undefined)
    expect(sim.chain.next).to.equal(601n)
  })

  it('H75 also when a block of an elected signer waited above the head all along', async () => {
    const chain = chainOf(1n, 300n)
    sim = await simulate([peer('a', chain)])
    await sim.catchUp()
    sim.chain.highest = 360n
    expect(await sim.catchUp()).to.include({ outcome: 'incomplete', code: 'not_delivered', to: 300n })
    expect((await sim.sync.standing(seconds(1))).behind).to.deep.equal({ known: 360n, by: 'signed' })
    sim.chain.highest = 300n
    expect(await sim.catchUp()).to.include({ outcome: 'caught_up' })
    expect((await sim.sync.standing(seconds(1))).behind).to.equal(undefined)
  })

  describe('without an anchor', () => {
    it('a young chain is taken from its beginning', async () => {
      const chain = chainOf(5n, 700n)
      sim = await simulate([peer('a', chain), peer('b', chain)], { tip: undefined })
      await sim.catchUp()
      expect(heightsOf(sim.chain)[0]).to.equal(5n)
      expect(heightsOf(sim.chain)).to.have.length(696)
    })

    it('H52 of peers that answer with the first they have, the lowest block that most of them have is the beginning', async () => {
      const chain = chainOf(4_000n, 5_000n)
      const rust = { agent: 'rust-libp2p/0.44', head: () => undefined }
      sim = await simulate([
        peer('a', chain, { ...rust, page: fromOn(chain.slice(500)) }), peer('b', chain, { ...rust, page: fromOn(chain) }), peer('c', chain, { ...rust, page: fromOn(chain.slice(900)) }),
      ], { tip: undefined })
      await sim.catchUp()
      expect(heightsOf(sim.chain)[0]).to.equal(4_500n)
      expect(heightsOf(sim.chain)).to.have.length(501)
      expect(sim.failures()).to.deep.equal({})
    })

    for (const [how, serve] of [['first they have', fromOn], ['range', inRange]] as const) {
      it(`H52 one peer with an old piece of the chain is not where it begins (${how})`, async () => {
        const whole = chainOf(1n, 3_000n)
        const models = Array.from({ length: 4 }, (_, at) => peer(`honest-${at}`, whole.slice(1_999), { page: serve(whole.slice(1_999)) }))
        sim = await simulate([peer('old', whole.slice(0, 300), { page: serve(whole.slice(0, 300)) }), ...models], { tip: undefined })
        expect(await sim.catchUp()).to.include({ outcome: 'caught_up' })
        expect(heightsOf(sim.chain)[0]).to.equal(serve === fromOn ? 2_000n : 2_745n)
        expect(sim.chain.next).to.equal(3_001n)
        expect(sim.failures()).to.deep.equal({})
      })

      it(`H52 a root that leads to nobody's head is left again (${how})`, async () => {
        const whole = chainOf(1n, 3_000n)
        const old = peer('old', whole.slice(0, 300), { page: serve(whole.slice(0, 300)) })
        sim = await simulate([old], { tip: undefined })
        await sim.catchUp()
        expect(sim.chain.next).to.equal(301n)
        for (let at = 0; at < 3; at++) sim.join(peer(`honest-${at}`, whole.slice(1_999), { page: serve(whole.slice(1_999)) }))
        for (let round = 0; round < 3 && sim.chain.next !== 3_001n; round++) { await sim.catchUp(); await sim.kit.advance(seconds(30)) }
        expect(sim.chain.next).to.equal(3_001n)
        expect(sim.chain.root).to.equal(serve === fromOn ? 2_000n : 2_745n)
      })
    }

    it('H52 a block that was gossiped before anybody was asked is not where it begins, unless nobody has more', async () => {
      const whole = chainOf(1n, 3_000n)
      const honest = Array.from({ length: 3 }, (_, at) => peer(`honest-${at}`, whole.slice(1_999), { page: fromOn(whole.slice(1_999)) }))
      sim = await simulate(honest, { tip: undefined, has: whole.slice(2_995) })
      expect(await sim.catchUp()).to.include({ outcome: 'caught_up' })
      expect(sim.chain.root).to.equal(2_000n)
      expect(heightsOf(sim.chain)).to.have.length(1_001)
      const before = requestsFor(sim, 'honest-0', 'commitments').length
      await sim.catchUp()
      expect(requestsFor(sim, 'honest-0', 'commitments').slice(before).filter(({ start }) => start < 3_001n), 'it is not asked again').to.deep.equal([])
      await sim.kit.stop()
      sim = await simulate([peer('empty', [])], { tip: undefined, has: whole.slice(2_995) })
      expect(await sim.catchUp()).to.include({ outcome: 'caught_up' })
      expect(heightsOf(sim.chain)).to.deep.equal([2_996n, 2_997n, 2_998n, 2_999n, 3_000n])
      expect(sim.chain.next).to.equal(3_001n)
    })

    it('of peers that serve strictly what is asked, the page below the highest head is the beginning', async () => {
      const chain = chainOf(1_000_000n, 1_002_000n)
      sim = await simulate(['a', 'b'].map(name => peer(name, chain, { page: inRange(chain) })), { tip: undefined })
      await sim.catchUp()
      expect(heightsOf(sim.chain)[0]).to.equal(1_001_745n)
      expect(heightsOf(sim.chain).at(-1)).to.equal(1_002_000n)
    })
  })
})

