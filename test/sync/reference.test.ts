import { expect } from 'chai'
import { seededRandom, seconds } from '../../src/actors/kernel/index.js'
import type { RequestKind } from '../../src/actors/network/ingress.js'
import { chainOf, fromOn, heightsOf, peer, simulate } from './sim.js'
import type { PeerModel, Sim } from './sim.js'
import { headRequest, pageRequest } from '../../src/protocol/index.js'
import { VirtualDriver } from './virtual-driver.js'

/**
 * A server as SPEC §10 describes the reference's: it bans for good, over connections, on the ninth request on one protocol within a
 * fixed window of 10 s, on a stream that is given up after its request was there, and on a connection that is closed under an answer.
 */
class Reference {
  why: string | undefined
  cutByUs = false
  readonly counts: Record<RequestKind, number> = { head: 0, commitments: 0, txList: 0 }
  readonly #windows = new Map<string, { since: number; count: number }>()
  readonly model: PeerModel

  constructor(name: string, chain: readonly Uint8Array[], options: Partial<PeerModel> = {}) {
    this.model = peer(name, chain, {
      agent: 'rust-libp2p/0.44.0', page: fromOn(chain), ...options,
      onRequest: (kind, at) => { this.#take(kind, at) },
      onAborted: kind => { this.#ban(`a ${kind} stream was aborted`) },
      onLeft: unanswered => { if (unanswered > 0 && !this.cutByUs) this.#ban('the connection closed under an answer') },
    })
  }

  #take(kind: RequestKind, at: number): void {
    if (this.why !== undefined) throw Object.assign(new Error('banned'), { code: 'banned' })
    const window = this.#windows.get(kind)
    if (window === undefined || at - window.since >= 10_000) this.#windows.set(kind, { since: at, count: 1 })
    else if (++window.count > 8) {
      this.#ban(`the ninth ${kind} request within 10 s`)
      throw Object.assign(new Error('banned'), { code: 'banned' })
    }
    this.counts[kind]++
  }

  #ban(why: string): void { this.why ??= why }
}

describe('sync: a server with the manners of the reference', () => {
  let sim: Sim
  afterEach(() => sim.kit.stop())

  for (const seed of [1, 2, 3]) {
    it(`H07 H40 30 minutes of catch-up, cancelled, restarted, hung up on and asked by others as well: never tripped (${seed})`, async () => {
      const chain = chainOf(1n, 6_000n)
      const random = seededRandom(seed)
      const servers = [new Reference('near', chain, { latencyMs: 5 }), new Reference('far', chain, { latencyMs: 800 }), new Reference('slow', chain, { latencyMs: 6_000 })]
      sim = await simulate(servers.map(({ model }) => model), { seed, config: { pageSize: 8, roundEvery: seconds(30) } })
      const { kit } = sim
      const ask = (signal?: AbortSignal): void => {
        const { model: { name } } = servers[Math.floor(random() * servers.length)] as Reference
        const kind = random() < 0.5 ? 'head' : 'commitments'
        const body = kind === 'head' ? headRequest() : pageRequest(BigInt(Math.floor(random() * 6_000)), 8)
        sim.driver.request(kind, body, { peer: name, signal }).catch(() => undefined)
      }
      const disturb: (() => void)[] = [
        () => { void sim.sync.cancel() },
        () => { sim.crash() },
        () => { void sim.sync.sync(seconds(60)).catch(() => undefined) },
        () => {
          const caller = new AbortController()
          void sim.sync.sync(caller.signal).catch(() => undefined)
          kit.clock.setTimeout(() => { caller.abort() }, 2_000 * random())
        },
        () => { for (let at = 0; at < 5; at++) ask() },
        () => {
          const caller = new AbortController()
          for (let at = 0; at < 5; at++) ask(caller.signal)
          kit.clock.setTimeout(() => { caller.abort() }, 3_000 * random())
        },
        () => {
          const { model } = servers[Math.floor(random() * servers.length)] as Reference
          void sim.driver.hangUp(model.name).then(() => { kit.clock.setTimeout(() => { sim.join(model) }, 3_000 * random()) })
        },
        () => {
          void sim.restartDriver().then(() => { for (const { model } of servers) sim.join(model) })
        },
      ]
      let next = 0
      for (let passed = 0; passed < seconds(1_800); passed += 1_000) {
        if (passed >= next) {
          (disturb[Math.floor(random() * disturb.length)] as () => void)()
          next = passed + 1_000 + 14_000 * random()
        }
        await kit.advance(1_000)
        // it may be that a driver stops while a hang-up waits to dial again
        for (const { model } of servers) if (!sim.driver.peers.includes(model.name) && random() < 0.05) sim.join(model)
        expect(servers.map(({ why }) => why)).to.deep.equal([undefined, undefined, undefined])
      }
      const heights = heightsOf(sim.chain)
      expect(heights.length).to.be.greaterThan(2_000)
      for (const { counts } of servers) expect(counts.commitments).to.be.greaterThan(100)
    })
  }

  it('H07 with the driver itself: 6.5 requests in 10 s and more for five minutes, and no ban', async () => {
    const chain = chainOf(1n, 4_000n)
    const server = new Reference('reference', chain, { latencyMs: 40 })
    sim = await simulate([server.model], { config: { pageSize: 16 } })
    await sim.kit.advance(seconds(300))
    expect(server.why).to.equal(undefined)
    expect(server.counts.commitments / 30).to.be.at.least(6.5)
  })

  it('H07 one that claims to be of this software and bans is asked like others when it comes back, and not provoked again', async () => {
    const chain = chainOf(1n, 600n)
    const liar = new Reference('liar', chain, { agent: 'preconfirmation-p2p/0.1.0', latencyMs: 20 })
    sim = await simulate([liar.model], { config: { pageSize: 8 } })
    await sim.kit.advance(seconds(20))
    expect(liar.why).to.equal('the ninth commitments request within 10 s')
    const again = new Reference('liar', chain, { agent: 'preconfirmation-p2p/0.1.0', latencyMs: 20 })
    sim.join(again.model)
    await sim.kit.advance(seconds(300))
    expect(again.why).to.equal(undefined)
    expect(again.counts.commitments).to.be.greaterThan(60)
  })

  it('H07 a process that starts again asks other peers only when what the one before asked is forgotten, however often it crashes', async () => {
    const chain = chainOf(1n, 4_000n)
    const server = new Reference('reference', chain, { latencyMs: 10 })
    sim = await simulate([], {})
    for (let start = 0; start < 20; start++) {
      const driver = new VirtualDriver(sim.kit.clock, {}, () => undefined, { cautiousMs: start === 0 ? 0 : 10_050 })
      driver.connect({
        name: 'reference', agent: 'rust-libp2p/0.44.0', latencyMs: 10,
        answer: (kind, _body, at) => { server.model.onRequest?.(kind, at); return new Uint8Array([4, 0, 0, 0]) },
      })
      for (let at = 0; at < 12; at++) driver.request('commitments', pageRequest(BigInt(at), 1), { peer: 'reference' }).catch(() => undefined)
      // it crashes: nothing is finished, nothing is said
      await sim.kit.advance([10_300, 3_000, 15_000][start % 3] as number)
      driver.cut('reference')
      driver.client.stop()
    }
    expect(server.why).to.equal(undefined)
    expect(server.counts.commitments).to.be.greaterThan(40)
  })
})
