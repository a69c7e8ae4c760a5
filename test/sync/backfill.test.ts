import { expect } from 'chai'
import { seconds } from '../../src/actors/kernel/index.js'
import { CommitmentView, toHex } from '../../src/protocol/index.js'
import { chainOf, heightOf, heightsOf, keccak_256, peer, simulate } from './sim.js'
import type { PeerModel, Sim } from './sim.js'

const lists = Array.from({ length: 60 }, (_, at) => new TextEncoder().encode(`txlist ${at}`))
const hashes = lists.map(list => keccak_256(list))
const byHash = new Map(lists.map((list, at) => [toHex(hashes[at] as Uint8Array), list]))
const has = (hash: string): Uint8Array | undefined => byHash.get(hash)
const asked = (model: PeerModel): number => model.requests.filter(({ kind }) => kind === 'txList').length

describe('sync: backfill of txlists', () => {
  let sim: Sim
  afterEach(() => sim.kit.stop())

  const missing = (at: number, from?: string): void => { void sim.ref.send({ type: 'missingTxList', hash: hashes[at] as Uint8Array, height: BigInt(at), from }) }
  const got = (): string[] => sim.txListsJudged.map(({ hash }) => hash)

  it('H25 what the store lacks at start is fetched by hash, a few at a time', async () => {
    let most = 0
    const model = peer('a', [], { txList: has, latencyMs: 50 })
    sim = await simulate([])
    sim.store.missing = hashes.map((hash, at) => ({ hash, blockNumber: BigInt(at) }))
    sim.crash()
    await sim.kit.advance(seconds(2))
    sim.join(model)
    for (let passed = 0; passed < 3_000; passed += 10) {
      await sim.kit.advance(10)
      most = Math.max(most, (await sim.sync.standing(seconds(1))).peers[0]?.inFlight ?? 0)
    }
    await sim.kit.advance(seconds(20))
    expect(new Set(got()).size).to.equal(60)
    expect(most).to.be.within(2, 9)
    expect(sim.failures()).to.deep.equal({})
  })

  it('H25 one that a live block names and that does not come is asked for, first of who brought the block', async () => {
    const models = ['a', 'b', 'c'].map(name => peer(name, [], { txList: has }))
    sim = await simulate(models)
    missing(7, 'b')
    await sim.kit.advance(280)
    expect(models.map(asked)).to.deep.equal([0, 0, 0])
    await sim.kit.advance(500)
    expect(models.map(asked)).to.deep.equal([0, 1, 0])
    expect(got()).to.deep.equal([toHex(hashes[7] as Uint8Array)])
    expect((await sim.sync.standing(seconds(1))).missingTxLists).to.equal(0)
  })

  it('far behind, commitments go first: a txlist now and then, all of them afterwards', async () => {
    const chain = chainOf(1n, 6_000n)
    const named = new Map(chain.map(each => [toHex(new CommitmentView(each).rawTxListHash), new TextEncoder().encode(`${heightOf(each)}/0`)]))
    const model = peer('sameClient', chain, { txList: hash => named.get(hash), latencyMs: 200 })
    sim = await simulate([model])
    sim.chain.rule = commitment => {
      const view = new CommitmentView(commitment)
      void sim.ref.send({ type: 'missingTxList', hash: view.rawTxListHash.slice(), height: view.blockNumber, from: undefined })
      return undefined
    }
    await sim.catchUp()
    const during = asked(model)
    expect(heightsOf(sim.chain)).to.have.length(6_000)
    expect(during).to.be.within(1, 60)
    await sim.kit.advance(seconds(10))
    expect(asked(model) - during).to.be.greaterThan(200)
  })

  it('one that comes by gossip within 300 ms is not asked for', async () => {
    const model = peer('a', [], { txList: has })
    sim = await simulate([model])
    missing(7, 'a')
    await sim.kit.advance(100)
    void sim.ref.send({ type: 'haveTxList', hash: hashes[7] as Uint8Array })
    await sim.kit.advance(seconds(5))
    expect(asked(model)).to.equal(0)
  })

  it('"not found" is no fault: it is asked of the others, and of all again after a while', async () => {
    const late = new Map<string, Uint8Array>()
    const models = [peer('a', [], {}), peer('b', [], {}), peer('c', [], { txList: hash => late.get(hash) })]
    sim = await simulate(models)
    missing(3, 'a')
    await sim.kit.advance(seconds(5))
    expect(models.map(asked)).to.deep.equal([1, 1, 1])
    late.set(toHex(hashes[3] as Uint8Array), lists[3] as Uint8Array)
    await sim.kit.advance(seconds(12))
    expect(got()).to.deep.equal([toHex(hashes[3] as Uint8Array)])
    expect(sim.failures()).to.deep.equal({})
  })

  it('H12 another hash than asked, another list than its hash, or no response at all: refused, penalty, another peer', async () => {
    const wrong = { ...peer('wrong', [], {}), txListBody: () => body(keccak_256(new Uint8Array(1)), lists[0] as Uint8Array) }
    const unfit = { ...peer('unfit', [], {}), txListBody: (hash: Uint8Array) => body(hash, new Uint8Array([1, 2, 3])) }
    const broken = { ...peer('broken', [], {}), txListBody: () => new Uint8Array(20) }
    for (const liar of [wrong, unfit, broken]) {
      sim = await simulate([liar, peer('honest', [], { txList: has })])
      missing(5, liar.name)
      await sim.kit.advance(seconds(5))
      expect(sim.failures(), liar.name).to.deep.equal({ [liar.name]: 1 })
      expect(got().at(-1)).to.equal(toHex(hashes[5] as Uint8Array))
      expect((await sim.sync.standing(seconds(1))).missingTxLists).to.equal(0)
      if (liar !== broken) await sim.kit.stop()
    }
  })

  it('H26 a silent peer does not hold the others up', async () => {
    const models = [peer('silent', [], { txList: () => 'silent' }), peer('b', [], { txList: has })]
    sim = await simulate(models)
    for (let at = 0; at < 20; at++) missing(at, 'silent')
    await sim.kit.advance(seconds(20))
    expect(new Set(got()).size).to.equal(20)
    expect(Object.keys(sim.failures())).to.deep.equal(['silent'])
  })

  it('H22 what is remembered is bounded; the rest stays with the store and is asked for when there is room', async () => {
    sim = await simulate([], { config: { txLists: 20 } })
    sim.store.missing = hashes.map((hash, at) => ({ hash, blockNumber: BigInt(at) }))
    for (let at = 0; at < 60; at++) missing(at)
    await sim.kit.settle()
    expect((await sim.sync.standing(seconds(1))).missingTxLists).to.equal(20)
    const model = peer('a', [], { txList: has })
    sim.join(model)
    for (let passed = 0; passed < 120; passed++) {
      await sim.kit.advance(seconds(1))
      const known = new Set(got())
      sim.store.missing = sim.store.missing.filter(({ hash }) => !known.has(toHex(hash)))
    }
    expect(new Set(got()).size).to.equal(60)
  })

  it('H51 signers share the list, in turn: blocks whose txlists nobody has starve neither those of others nor, for long, their own', async () => {
    const [attacker, honest] = [new Uint8Array(20).fill(6), new Uint8Array(20).fill(1)]
    const bogus = (at: number): Uint8Array => keccak_256(new TextEncoder().encode(`bogus ${at}`))
    const want = (hash: Uint8Array, height: number, signer: Uint8Array): void => {
      void sim.ref.send({ type: 'missingTxList', hash, height: BigInt(height), from: undefined, signer })
    }
    const models = ['a', 'b'].map(name => peer(name, [], { txList: has }))
    sim = await simulate(models, { config: { txLists: 400 } })
    for (let at = 0; at < 1_000; at++) want(bogus(at), 1_000 + at, attacker)
    want(hashes[3] as Uint8Array, 5_000, honest)
    want(hashes[4] as Uint8Array, 2_500, attacker)
    sim.store.missing = [{ hash: hashes[4] as Uint8Array, blockNumber: 2_500n, signer: attacker }]
    await sim.kit.settle()
    expect((await sim.sync.standing(seconds(1))).missingTxLists).to.equal(400)
    await sim.kit.advance(400)
    expect(got(), 'of another signer: at once').to.deep.equal([toHex(hashes[3] as Uint8Array)])
    await sim.kit.advance(seconds(900))
    expect(new Set(got())).to.deep.equal(new Set([3, 4].map(at => toHex(hashes[at] as Uint8Array))))
    expect((await sim.sync.standing(seconds(1))).counters['txListsGivenUp']).to.be.greaterThan(100)
  })
})

function body(hash: Uint8Array, list: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(36 + list.length)
  bytes.set(hash)
  bytes[32] = 36
  bytes.set(list, 36)
  return bytes
}
