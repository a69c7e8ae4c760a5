import { expect } from 'chai'
import { seconds } from '../../src/actors/kernel/index.js'
import { chainOf, hashOf, heightOf, heightsOf, peer, simulate } from './sim.js'
import type { PeerModel, Sim } from './sim.js'

const chain = chainOf(1n, 400n)
const at = (height: bigint): Uint8Array => chain[Number(height) - 1] as Uint8Array
/** Peers whose heads say that they know nothing more than we: what they have beyond must be asked for by gap fill. */
const quiet = (name: string, height: bigint, options: Partial<PeerModel> = {}): PeerModel => peer(name, chain, { head: () => height, ...options })

describe('sync: live gaps', () => {
  let sim: Sim
  afterEach(() => sim.kit.stop())

  async function upTo(height: bigint, peers: readonly PeerModel[]): Promise<void> {
    sim = await simulate(peers, { has: chain.slice(0, Number(height)), config: { roundEvery: seconds(100_000) } })
    await sim.kit.advance(seconds(5))
    for (const model of peers) model.requests.length = 0
  }

  /** A live block comes before its parent, as chain sees it. */
  function orphan(height: bigint, from: string | undefined): void {
    sim.chain.judge(at(height))
    void sim.ref.send({ type: 'missingParent', hash: hashOf(at(height - 1n)), height: height - 1n, from })
  }

  it('H25 a missing parent is asked for after 300 ms, of the peer that brought the child', async () => {
    await upTo(100n, [quiet('a', 100n), quiet('b', 100n), quiet('c', 100n)])
    orphan(103n, 'b')
    await sim.kit.advance(299)
    expect(sim.peers.get('b')?.requests).to.have.length(0)
    await sim.kit.advance(200)
    expect(heightsOf(sim.chain).at(-1)).to.equal(103n)
    expect(sim.peers.get('b')?.requests.map(({ start }) => start)).to.deep.equal([101n])
    expect(sim.peers.get('a')?.requests).to.have.length(0)
    expect((await sim.sync.standing(seconds(1))).gaps).to.equal(0)
    expect(sim.failures()).to.deep.equal({})
  })

  it('H25 gaps of one range are one request', async () => {
    await upTo(100n, [quiet('a', 100n)])
    for (const height of [110n, 105n, 120n]) orphan(height, 'a')
    await sim.kit.advance(500)
    expect(heightsOf(sim.chain).at(-1)).to.equal(120n)
    expect(sim.peers.get('a')?.requests.filter(({ kind }) => kind === 'commitments')).to.have.length(1)
  })

  it('H25 a gap larger than a page is a catch-up', async () => {
    await upTo(100n, [quiet('a', 100n), quiet('b', 100n)])
    orphan(400n, 'a')
    await sim.kit.advance(seconds(2))
    expect(heightsOf(sim.chain).at(-1)).to.equal(400n)
    expect(sim.events.expectWhere(event => event.type === 'syncStarted' && event.reason === 'gap')).to.include({ from: 101n })
  })

  it('H25 who does not have it is no liar: the next one is asked', async () => {
    const nothing = (start: bigint, max: number): readonly Uint8Array[] => chain.slice(0, 100).filter(each => heightOf(each) >= start).slice(0, max)
    await upTo(100n, [quiet('a', 100n, { page: nothing }), quiet('b', 100n, { page: nothing }), quiet('c', 100n)])
    orphan(102n, 'a')
    await sim.kit.advance(seconds(2))
    expect(heightsOf(sim.chain).at(-1)).to.equal(102n)
    expect(sim.failures()).to.deep.equal({})
  })

  it('H12 a lie in answer to a gap costs reputation, and the next one is asked', async () => {
    await upTo(100n, [quiet('a', 100n, { page: (start, max) => [...chain].slice(Number(start) - 1, Number(start) - 1 + max).reverse() }), quiet('b', 100n)])
    orphan(103n, 'a')
    await sim.kit.advance(seconds(2))
    expect(heightsOf(sim.chain).at(-1)).to.equal(103n)
    expect(sim.failures()).to.deep.equal({ a: 1 })
  })

  it('a parent that comes by itself within 300 ms is not asked for', async () => {
    await upTo(100n, [quiet('a', 100n)])
    orphan(102n, 'a')
    await sim.kit.advance(200)
    sim.chain.judge(at(101n))
    await sim.kit.advance(seconds(2))
    expect(heightsOf(sim.chain).at(-1)).to.equal(102n)
    expect(sim.peers.get('a')?.requests).to.have.length(0)
    expect((await sim.sync.standing(seconds(1))).gaps).to.equal(0)
  })

  it('three peers in vain: chain is told that nobody has it', async () => {
    await upTo(100n, ['a', 'b', 'c', 'd'].map(name => quiet(name, 100n, { page: () => [] })))
    orphan(102n, 'a')
    await sim.kit.advance(seconds(3))
    expect(sim.chain.unavailable).to.deep.equal([{ hash: hashOf(at(101n)), peers: 3 }])
    expect(sim.events.expect('gapFailed')).to.include({ height: 101n, asked: 3 })
    expect(sim.failures()).to.deep.equal({})
  })

  it('a parent beside our chain is asked for where it stands', async () => {
    await upTo(100n, [quiet('a', 100n)])
    const other = chainOf(1n, 96n)
    const fork = [...other, ...chainOf(97n, 99n, { parent: hashOf(at(96n)), fork: 4 })]
    sim.leave('a')
    sim.join(peer('f', fork, { head: () => 100n }))
    await sim.kit.advance(seconds(5))
    sim.chain.waiting = 1
    void sim.ref.send({ type: 'missingParent', hash: hashOf(fork[98] as Uint8Array), height: 99n, from: 'f' })
    await sim.kit.advance(seconds(1))
    expect(sim.chain.byHash.has(Buffer.from(hashOf(fork[98] as Uint8Array)).toString('hex'))).to.equal(true)
    expect((await sim.sync.standing(seconds(1))).gaps).to.equal(0)
  })

  it('nothing below the anchor, and nothing without one, is ever filled', async () => {
    sim = await simulate([quiet('a', 100n)], { tip: 100n, tipHash: hashOf(at(100n)), config: { roundEvery: seconds(100_000) } })
    await sim.kit.advance(seconds(5))
    const before = sim.peers.get('a')?.requests.length
    void sim.ref.send({ type: 'missingParent', hash: hashOf(at(50n)), height: 50n, from: 'a' })
    await sim.kit.advance(seconds(2))
    expect(sim.peers.get('a')?.requests).to.have.length(before ?? 0)
    expect((await sim.sync.standing(seconds(1))).gaps).to.equal(0)
  })

  it('H22 gaps are bounded, the oldest leaves first and is counted', async () => {
    await upTo(100n, [])
    for (let more = 0; more < 1_100; more++) void sim.ref.send({ type: 'missingParent', hash: new Uint8Array(32).fill(more & 255, 0, 1).fill(more >> 8, 1, 2), height: 200n, from: 'x' })
    await sim.kit.settle()
    const { gaps, counters } = await sim.sync.standing(seconds(1))
    expect(gaps).to.equal(1_024)
    expect(counters).to.include({ gapsDropped: 76 })
  })
})
