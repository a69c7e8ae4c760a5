import { expect } from 'chai'
import { seconds } from '../../src/actors/kernel/index.js'
import { chainOf, fromOn, heightsOf, keccak_256, peer, simulate } from './sim.js'
import type { PeerModel, Sim } from './sim.js'

/** A server with the reference's limits (SPEC §10): fixed windows of 10 s a protocol from its own first request; the ninth is a ban for good. */
class ReferenceServer {
  banned = false
  readonly served: { readonly kind: string; readonly at: number }[] = []
  readonly #windows = new Map<string, { since: number; count: number }>()

  take(kind: string, at: number): void {
    if (this.banned) throw Object.assign(new Error('banned'), { code: 'banned' })
    const window = this.#windows.get(kind)
    if (window === undefined || at - window.since >= 10_000) this.#windows.set(kind, { since: at, count: 1 })
    else if (++window.count > 8) { this.banned = true; throw Object.assign(new Error('banned'), { code: 'banned' }) }
    this.served.push({ kind, at })
  }

  /** The most of a kind in any window of 10 s. */
  most(kind: string): number {
    const times = this.served.filter(each => each.kind === kind).map(({ at }) => at)
    return Math.max(0, ...times.map(from => times.filter(at => at >= from && at < from + 10_000).length))
  }

  count(kind: string, from: number, to: number): number { return this.served.filter(each => each.kind === kind && each.at >= from && each.at < to).length }
}

function reference(name: string, chain: readonly Uint8Array[], options: Partial<PeerModel> = {}): { readonly model: PeerModel; readonly server: ReferenceServer } {
  const server = new ReferenceServer()
  return { server, model: peer(name, chain, { agent: 'rust-libp2p/0.44.0', page: fromOn(chain), onRequest: (kind, at) => { server.take(kind, at) }, ...options }) }
}

describe('sync: outbound quota', () => {
  let sim: Sim
  afterEach(() => sim.kit.stop())

  for (const [what, latencyMs] of [['a near', 5], ['a far', 900]] as const) {
    it(`H07 ${what} server that bans on the ninth request in 10 s is kept busy for five minutes and never provoked`, async () => {
      const chain = chainOf(1n, 4_000n)
      const { model, server } = reference('reference', chain, { latencyMs })
      // pages of 16 make the catch-up outlast the five minutes: 4,000 blocks at 16 × 7 in 10 s
      sim = await simulate([model], { config: { pageSize: 16 } })
      await sim.kit.advance(seconds(300))
      expect(server.banned).to.equal(false)
      expect(server.most('commitments')).to.be.at.most(7)
      expect(server.count('commitments', 0, seconds(300)) / 30).to.be.at.least(6.5)
      expect(heightsOf(sim.chain).length).to.be.greaterThan(3_000)
    })
  }

  it('H07 txlists by hash keep to the quota of their own protocol, heads to theirs', async () => {
    const lists = Array.from({ length: 500 }, (_, at) => new TextEncoder().encode(`txlist ${at}`))
    const byHash = new Map(lists.map(list => [Buffer.from(keccak_256(list)).toString('hex'), list]))
    const { model, server } = reference('reference', chainOf(1n, 10n), { txList: hash => byHash.get(hash) })
    sim = await simulate([])
    sim.store.missing = lists.map((list, at) => ({ hash: keccak_256(list), blockNumber: BigInt(at + 1) }))
    sim.crash()
    await sim.kit.settle()
    sim.join(model)
    await sim.kit.advance(seconds(300))
    expect(server.banned).to.equal(false)
    expect(server.most('txList')).to.be.at.most(7)
    expect(server.most('head')).to.be.at.most(7)
    expect(server.count('txList', 0, seconds(300)) / 30).to.be.at.least(6.5)
    expect(sim.txListsJudged.length).to.be.greaterThan(195)
  })

  it('peers of this software are asked as fast as they answer without delay', async () => {
    const chain = chainOf(1n, 4_000n)
    sim = await simulate([peer('sameClient', chain)], { config: { pageSize: 16 } })
    await sim.kit.advance(seconds(10))
    const times = sim.peers.get('sameClient')?.requests.filter(({ kind }) => kind === 'commitments').map(({ at }) => at) ?? []
    expect(times.length).to.equal(250)
    expect((times.at(-1) as number) - (times[0] as number)).to.be.lessThan(seconds(3))
  })

  it('is adaptive: a peer that delays its answers has fewer at once', async () => {
    const chain = chainOf(1n, 4_000n)
    let underWay = 0
    let most = 0
    const model = peer('sameClient', chain, { latencyMs: 20 })
    sim = await simulate([model], { config: { pageSize: 16 } })
    const watch = async (ms: number): Promise<number> => {
      most = 0
      for (let passed = 0; passed < ms; passed += 10) {
        await sim.kit.advance(10)
        const seen = (await sim.sync.standing(seconds(1))).peers.find(each => each.peer === 'sameClient')
        underWay = seen?.inFlight ?? 0
        most = Math.max(most, underWay)
      }
      return most
    }
    expect(await watch(300)).to.be.within(4, 8)
    model.latencyMs = 2_000
    await watch(4_200)
    expect(await watch(3_000)).to.be.at.most(2)
  })
})
