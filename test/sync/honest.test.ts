import { expect } from 'chai'
import { seconds } from '../../src/actors/kernel/index.js'
import { SignedCommitmentCodec } from '../../src/protocol/index.js'
import { block, chainOf, fromOn, hashOf, heightOf, heightsOf, inRange, peer, simulate } from './sim.js'
import type { Sim } from './sim.js'

const chain = chainOf(1n, 1_200n)
const upTo = (height: number): bigint[] => Array.from({ length: height }, (_, at) => BigInt(at + 1))

describe('sync: honest but odd peers are not blamed', () => {
  let sim: Sim
  afterEach(() => sim.kit.stop())

  const expectAll = (): void => {
    expect(heightsOf(sim.chain)).to.deep.equal(upTo(1_200))
    expect(sim.failures()).to.deep.equal({})
  }

  it('one that came late and has nothing below its own anchor', async () => {
    const late = chain.slice(800)
    sim = await simulate([peer('late', late), peer('late-reference', late, { page: fromOn(late), agent: 'rust-libp2p/0.44' }), peer('full', chain)])
    await sim.catchUp()
    expectAll()
    expect(sim.peers.get('late')?.requests.some(({ kind, start }) => kind === 'commitments' && start > 800n)).to.equal(true)
  })

  it('one that misses single blocks', async () => {
    const holes = chain.filter(each => heightOf(each) % 100n !== 50n)
    sim = await simulate([peer('holes', holes, { page: fromOn(holes) }), peer('strict-holes', holes), peer('full', chain)])
    await sim.catchUp()
    expectAll()
  })

  it('one that is behind the others', async () => {
    sim = await simulate([peer('behind', chain.slice(0, 300)), peer('ahead', chain), peer('also-behind', chain.slice(0, 10))])
    await sim.catchUp()
    expectAll()
  })

  it('one whose head is set by its application, above what it stores', async () => {
    sim = await simulate([peer('set', chain, { head: () => 1_190n, page: inRange(chain.slice(0, 1_195)) }), peer('full', chain)])
    await sim.catchUp()
    expectAll()
  })

  it('one that has grown since it announced its head', async () => {
    sim = await simulate([peer('a', chain, { head: () => 900n }), peer('b', chain, { head: () => 1_200n })])
    await sim.catchUp()
    expectAll()
  })

  it('one that answers late now and then: another is asked as well, and its own answer is not lost on it', async () => {
    const slowOnce = peer('slow-once', chain)
    let calls = 0
    slowOnce.onRequest = kind => { if (kind === 'commitments') slowOnce.latencyMs = ++calls === 2 ? 6_000 : 20 }
    sim = await simulate([slowOnce, peer('b', chain)])
    const result = await sim.catchUp()
    expect(result.ms).to.be.lessThan(seconds(5))
    expectAll()
  })

  it('mangled high-S copies of a reference node are one block with the original', async () => {
    const mangled = chain.map(each => {
      const value = SignedCommitmentCodec.decode(each)
      const signature = value.signature.slice()
      signature[40] = 9
      return SignedCommitmentCodec.encode({ ...value, signature })
    })
    sim = await simulate([peer('a', mangled), peer('b', chain), peer('c', mangled), peer('d', chain)])
    await sim.catchUp()
    expectAll()
  })

  it('all of them lack a block: what lies before it is taken, and the gap is told', async () => {
    const holes = chain.filter(each => heightOf(each) !== 600n)
    sim = await simulate(['a', 'b'].map(name => peer(name, holes, { page: fromOn(holes) })))
    const result = await sim.catchUp()
    expect(result).to.include({ outcome: 'incomplete', code: 'not_delivered', to: 599n })
    expect(sim.failures()).to.deep.equal({})
    expect(sim.events.expect('syncFailed')).to.include({ code: 'not_delivered', at: 600n })
  })

  it('gossip that comes during the run costs nothing', async () => {
    sim = await simulate([peer('a', chain, { latencyMs: 80 }), peer('b', chain, { latencyMs: 80 })])
    await sim.kit.advance(200)
    for (const each of chain.slice(0, 900)) sim.chain.judge(each)
    await sim.kit.advance(seconds(10))
    expectAll()
  })

  it('a minority on another fork that elected signers signed is not asked, and blamed once in ten minutes at most', async () => {
    const fork = [...chain.slice(0, 1_000), ...chainOf(1_001n, 1_200n, { parent: hashOf(chain[999] as Uint8Array), fork: 5 })]
    sim = await simulate([peer('minority', fork), peer('b', chain), peer('c', chain)])
    await sim.catchUp()
    expect(heightsOf(sim.chain)).to.deep.equal(upTo(1_200))
    expect(sim.chain.headHash).to.deep.equal(hashOf(chain.at(-1) as Uint8Array))
    await sim.kit.advance(seconds(500))
    expect(sim.failures()).to.deep.equal({ minority: 1 })
  })
})

describe('sync: far behind', () => {
  it('H26 100,000 behind, from two peers and one that lies', async () => {
    const HEIGHT = 100_000n
    const serve = (start: bigint, max: number): Uint8Array[] =>
      Array.from({ length: Math.max(0, Math.min(max, Number(HEIGHT - start) + 1)) }, (_, at) => made(start + BigInt(at)))
    const template = block(1n)
    const made = (height: bigint): Uint8Array => {
      const bytes = template.slice()
      new DataView(bytes.buffer).setBigUint64(1, height, true)
      return bytes
    }
    const head = (): bigint => HEIGHT
    const sim = await simulate([
      peer('a', [], { head, page: serve }), peer('b', [], { head, page: serve }), peer('liar', [], { head, page: (start, max) => serve(start, max).slice(0, 100) }),
    ])
    sim.chain.byNumber = true
    const result = await sim.catchUp()
    expect(result).to.include({ outcome: 'caught_up', to: HEIGHT, blocks: 100_000 })
    expect(sim.failures()).to.deep.equal({ liar: 1 })
    await sim.kit.stop()
  })
})

describe('sync: heads compared', () => {
  it('H42 peers that are ahead round after round while nothing comes by gossip are told of, and no more once it does', async () => {
    let height = 100
    const grown = (): bigint => BigInt(height)
    const long = chainOf(1n, 600n)
    const sim = await simulate([peer('a', [], { head: grown, page: inRangeOf(() => long.slice(0, height)) }), peer('b', [], { head: grown, page: inRangeOf(() => long.slice(0, height)) })])
    await sim.kit.advance(seconds(10))
    for (let round = 0; round < 4; round++) {
      for (let step = 0; step < 15; step++) { height++; await sim.kit.advance(seconds(2)) }
    }
    expect(sim.events.expect('unheard').peers).to.deep.equal(['a', 'b'])
    expect((await sim.sync.standing(seconds(1))).unheard).to.deep.equal(['a', 'b'])
    expect(heightsOf(sim.chain).length).to.be.greaterThan(130)
    // gossip is back: every block comes at once
    for (let round = 0; round < 4; round++) {
      for (let step = 0; step < 15; step++) { height++; for (const each of long.slice(0, height)) sim.chain.judge(each); await sim.kit.advance(seconds(2)) }
    }
    expect(sim.events.expect('unheard').peers).to.deep.equal([])
    expect((await sim.sync.standing(seconds(1))).unheard).to.deep.equal([])
    await sim.kit.stop()
  })

  it('H42 a healthy network is never told of, nor is a liar', async () => {
    let height = 100
    const long = chainOf(1n, 400n)
    const page = inRangeOf(() => long.slice(0, height))
    const sim = await simulate([peer('a', [], { head: () => BigInt(height), page }), peer('b', [], { head: () => BigInt(height), page }), peer('liar', [], { head: () => BigInt(height + 5_000), page })])
    await sim.kit.advance(seconds(10))
    for (let step = 0; step < 100; step++) {
      height++
      for (const each of long.slice(0, height - 1)) sim.chain.judge(each)
      await sim.kit.advance(seconds(2))
    }
    sim.events.expectNone('unheard')
    await sim.kit.stop()
  })
})

function inRangeOf(now: () => readonly Uint8Array[]): (start: bigint, max: number) => readonly Uint8Array[] {
  return (start, max) => now().filter(each => heightOf(each) >= start && heightOf(each) < start + BigInt(max)).slice(0, max)
}
