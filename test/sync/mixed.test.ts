import { expect } from 'chai'
import { seconds } from '../../src/actors/kernel/index.js'
import { block, chainOf, fromOn, hashOf, heightOf, heightsOf, inRange, peer, simulate } from './sim.js'
import type { PeerModel, Serve, Sim } from './sim.js'

const chain = chainOf(1n, 300n)
const upTo = (height: number): bigint[] => Array.from({ length: height }, (_, at) => BigInt(at + 1))

/** As the reference's nodes are: their head is unknown, and their pages hold the first so many that they have. */
const rust = (name: string, page: Serve, options: Partial<PeerModel> = {}): PeerModel =>
  peer(name, chain, { agent: 'rust-libp2p/0.44.0', head: () => undefined, page, ...options })

/** A store in which a foreign signer's block stands at this height, over the good one: last write wins. */
const foreign = block(50n, { parent: hashOf(chain[48] as Uint8Array), fork: 9 })
const overwritten = chain.map(each => heightOf(each) === 50n ? foreign : each)
const isForeign = (commitment: Uint8Array): boolean => Buffer.compare(commitment, foreign) === 0

describe('sync: mixed with reference nodes', () => {
  let sim: Sim
  afterEach(() => sim.kit.stop())

  const notElected = (): void => {
    sim.chain.rule = commitment => isForeign(commitment) ? { verdict: 'ignore', reason: 'not_elected', penalty: false, ofAuthor: true } : undefined
  }
  const standing = async () => {
    const asked = sim.sync.standing(seconds(1))
    await sim.kit.settle()
    return asked
  }

  it('H86 what the only peer lacked when it had just started is asked of it again with the next round', async () => {
    let has = chain.slice(100)
    sim = await simulate([rust('rust', (start, max) => fromOn(has)(start, max))])
    await sim.kit.advance(seconds(10))
    expect(sim.chain.next).to.equal(1n)
    expect((await standing()).behind, 'what it had is signed, and waits').to.deep.equal({ known: 256n, by: 'signed' })
    has = chain
    await sim.kit.advance(seconds(40))
    expect(heightsOf(sim.chain)).to.deep.equal(upTo(300))
    expect((await standing()).behind).to.equal(undefined)
    expect(sim.failures()).to.deep.equal({})
  })

  it('H86 at once by a command, and by a new head', async () => {
    let has = chain.slice(100)
    let head: bigint | undefined = 300n
    const model = rust('rust', (start, max) => fromOn(has)(start, max), { head: () => head })
    sim = await simulate([model])
    expect(await sim.catchUp()).to.include({ outcome: 'incomplete', code: 'not_delivered' })
    has = chain
    expect(await sim.catchUp()).to.include({ outcome: 'caught_up', to: 300n })
    has = chainOf(301n, 400n, { parent: hashOf(chain[299] as Uint8Array) }).slice(50)
    const longer = [...chain, ...chainOf(301n, 400n, { parent: hashOf(chain[299] as Uint8Array) })]
    head = 400n
    await sim.catchUp()
    expect(sim.chain.next).to.equal(301n)
    has = longer
    head = 401n
    await sim.catchUp()
    expect(sim.chain.next).to.equal(401n)
  })

  it('H86 also within a long run: it is asked again after 30 s', async () => {
    let has = chain.slice(100)
    sim = await simulate([rust('rust', (start, max) => fromOn(has)(start, max))], { config: { roundEvery: seconds(3_600) } })
    await sim.kit.advance(seconds(5))
    const state = (await standing()).peers[0]
    expect(state?.discounted).to.equal(false)
    has = chain
    await sim.kit.advance(seconds(30))
    void sim.sync.cancel()
    expect(await sim.catchUp()).to.include({ to: 300n })
  })

  it('H88 a store with a foreign block over the good one is charged nothing, the height is asked of others, and taken', async () => {
    sim = await simulate([rust('rust', fromOn(overwritten)), peer('whole', chain, { latencyMs: 400 })])
    notElected()
    await sim.catchUp()
    expect(heightsOf(sim.chain)).to.deep.equal(upTo(300))
    expect(sim.failures()).to.deep.equal({})
    expect((await standing()).behind).to.equal(undefined)
  })

  it('H88 where nobody else has it, the run says incomplete and the node behind, round after round, and nobody pays', async () => {
    const model = rust('rust', fromOn(overwritten))
    sim = await simulate([model])
    notElected()
    expect(await sim.catchUp()).to.include({ outcome: 'incomplete', code: 'not_delivered', to: 49n })
    expect((await standing()).behind).to.deep.equal({ known: 256n, by: 'signed' })
    for (let round = 0; round < 20; round++) await sim.kit.advance(seconds(30))
    sim.chain.highest = 300n
    expect(await sim.catchUp()).to.include({ outcome: 'incomplete' })
    expect((await standing()).behind).to.deep.equal({ known: 300n, by: 'signed' })
    expect(sim.failures()).to.deep.equal({})
    // as soon as the good one is there, all is
    model.page = fromOn(chain)
    sim.chain.highest = undefined
    expect(await sim.catchUp()).to.include({ outcome: 'caught_up', to: 300n })
  })

  it('H88 who announces a head above it is not reported as caught up with either', async () => {
    sim = await simulate([rust('rust', fromOn(overwritten), { head: () => 300n })])
    notElected()
    expect(await sim.catchUp()).to.include({ outcome: 'incomplete', code: 'not_delivered', to: 49n })
    expect((await standing()).behind).to.include({ by: 'signed' })
    expect(sim.failures()).to.deep.equal({})
  })

  it('H88 of three stores each of which lacks every third block, and holds a foreign one there, the chain is put together in one run', async () => {
    const strangers = new Map(chain.map((each, at) => [at, block(heightOf(each), { parent: hashOf(each), fork: 9 })]))
    const isStranger = new Set([...strangers.values()].map(each => Buffer.from(each).toString('hex')))
    const stores = [0, 1, 2].map(which => chain.map((each, at) => at % 3 === which ? strangers.get(at) as Uint8Array : each))
    sim = await simulate(stores.map((held, at) => rust(`rust-${at}`, fromOn(held.slice(0, 60)))))
    sim.chain.rule = commitment => isStranger.has(Buffer.from(commitment).toString('hex')) ? { verdict: 'ignore', reason: 'not_elected', penalty: false, ofAuthor: true } : undefined
    expect(await sim.catchUp()).to.include({ to: 60n })
    expect(sim.failures()).to.deep.equal({})
  })

  for (const [what, has] of Object.entries({ holes: 'nothing', 'foreign blocks': 'foreign', both: 'both', 'holes, and heads that are old': 'old' })) {
    it(`H88 three stores that lack every sixth block each (${what}) are put together at once, within their quota`, async () => {
      const strangers = chain.map(each => block(heightOf(each), { parent: hashOf(each), fork: 9 }))
      const names = new Set(strangers.map(each => Buffer.from(each).toString('hex')))
      const stores = [0, 1, 2].map(which => chain.flatMap((each, at) => at % 6 !== which ? [each] : has === 'foreign' || (has === 'both' && at % 4 < 2) ? [strangers[at] as Uint8Array] : []))
      const models = stores.map((held, at) => rust(`rust-${at}`, fromOn(held), { head: () => has === 'old' && at > 0 ? 10n : undefined }))
      sim = await simulate(models)
      sim.chain.rule = commitment => names.has(Buffer.from(commitment).toString('hex')) ? { verdict: 'ignore', reason: 'not_elected', penalty: false, ofAuthor: true } : undefined
      expect(await sim.catchUp()).to.include({ outcome: 'caught_up', to: 300n })
      for (const { requests } of models) expect(requests.filter(({ kind }) => kind === 'commitments').length).to.be.at.most(7)
      expect(sim.failures()).to.deep.equal({})
    })
  }

  it('H88 whose head is old is asked as well, once a block is known to wait that others cannot lead up to', async () => {
    // two whose application has set a head long ago, and one that says nothing and lacks what they have
    const old = ['a', 'b'].map(name => rust(name, fromOn(chain), { head: () => 40n }))
    sim = await simulate([...old, rust('overwritten', fromOn(overwritten))])
    notElected()
    expect(await sim.catchUp()).to.include({ outcome: 'caught_up', to: 300n })
    expect(sim.failures()).to.deep.equal({})
  })

  it('H88 a foreign block above everything that there is leaves nobody behind', async () => {
    const onTop = block(301n, { parent: hashOf(chain[299] as Uint8Array), fork: 9 })
    sim = await simulate([rust('rust', fromOn([...chain, onTop]))])
    sim.chain.rule = commitment => Buffer.compare(commitment, onTop) === 0 ? { verdict: 'ignore', reason: 'not_elected', penalty: false, ofAuthor: true } : undefined
    expect(await sim.catchUp()).to.include({ outcome: 'caught_up', to: 300n })
    for (let round = 0; round < 10; round++) await sim.kit.advance(seconds(30))
    expect(await standing()).to.include({ behind: undefined, failedRuns: 0 })
    expect(sim.failures()).to.deep.equal({})
  })

  it('H88 a foreign block where peers are compared before a catch-up is no fork of its holder', async () => {
    const long = chainOf(1n, 316n)
    const at300 = block(300n, { parent: hashOf(long[298] as Uint8Array), fork: 9 })
    const other = long.map(each => heightOf(each) === 300n ? at300 : each)
    sim = await simulate([peer('overwritten', other), peer('b', long), peer('c', long)])
    sim.chain.rule = commitment => Buffer.compare(commitment, at300) === 0 ? { verdict: 'ignore', reason: 'not_elected', penalty: false, ofAuthor: true } : undefined
    await sim.catchUp()
    await sim.kit.advance(seconds(1))
    expect(heightsOf(sim.chain)).to.deep.equal(upTo(316))
    expect(sim.failures()).to.deep.equal({})
  })

  it('H89 a page is the first so many that its sender has: it may begin and end anywhere at or above what was asked', async () => {
    const sparse = chain.filter(each => heightOf(each) % 2n === 0n)
    sim = await simulate([rust('evens', fromOn(sparse)), peer('strict', chain, { page: inRange(chain) })])
    await sim.catchUp()
    expect(heightsOf(sim.chain)).to.deep.equal(upTo(300))
    expect(sim.failures()).to.deep.equal({})
  })
})
