import { expect } from 'chai'
import fc from 'fast-check'
import { seededRandom } from '../../src/actors/kernel/index.js'
import { ManualClock } from '../../src/actors/kernel/testing/index.js'
import type { Authorship } from '../../src/actors/network/gossip/authors.js'
import { RpcBudget } from '../../src/actors/network/gossip/rpc-budget.js'
import type { GossipsubInternals, Rpc } from '../../src/actors/network/gossip/gossipsub-internals.js'
import { defaultGossip } from '../../src/actors/network/index.js'
import { encodeFrame } from '../../src/protocol/index.js'
import { every } from '../support/every.js'
import { describeTransports } from '../support/transport.js'
import { until } from '../support/until.js'
import { WITHIN, commitment, connect, failures, meshed, pass, passUntil, passing, startNode, stopAll } from './harness.js'
import type { TestNode } from './harness.js'
import { collect, rawPeer, stopRawPeers, topics } from './raw-peer.js'
import type { RawPeer } from './raw-peer.js'

const MIB = 1024 * 1024
const message = (size = 382) => ({ topic: topics.commitments, data: new Uint8Array(size) })
const rpc = (count: number, size?: number): Rpc => ({ messages: Array.from({ length: count }, () => message(size)) })
const controls = (count: number): Rpc => ({ messages: [], subscriptions: Array.from({ length: count }, () => ({})) })

const guaranteedOnly = { ...defaultGossip, surplusShare: 0 }

interface Asked { isKnown?: () => boolean; isProven?: (peer: string) => boolean; authorship?: () => Authorship }
function setUp(limits = guaranteedOnly, { isKnown = () => false, isProven = () => true, authorship = () => 'own' }: Asked = {}) {
  const clock = new ManualClock()
  return { budget: new RpcBudget(limits, clock, seededRandom(1), { isKnown, isProven, authorship }), clock }
}

describe('network: gossip budget', () => {
  it('lets 600 messages through in any 10 s, and leaves the rest out of their RPC', () => {
    const { budget, clock } = setUp()
    const admitted = budget.admit('p', { ...rpc(700), control: { graft: [{}] } })
    expect(admitted.rpc.messages.length).to.equal(600)
    expect(admitted.rpc.control).to.deep.equal({ graft: [{}] })
    expect(admitted.refused.length).to.equal(100)
    clock.advance(9_999)
    expect(budget.admit('p', rpc(1)).refused.length).to.equal(1)
    expect(budget.admit('q', rpc(1)).refused.length).to.equal(0)
    clock.advance(1)
    expect(budget.admit('p', rpc(600)).refused.length).to.equal(0)
  })

  it('lets 64 MiB through in any 10 s: 32 full txlists at once', () => {
    const { budget } = setUp()
    expect(budget.admit('p', rpc(32, 2 * MIB + 36)).refused.length).to.equal(0)
    expect(budget.admit('p', rpc(1, 2 * MIB + 36)).refused.length).to.equal(1)
    // what is small still fits
    expect(budget.admit('p', rpc(1)).refused.length).to.equal(0)
  })

  it('beyond that divides a surplus of the thread among those who bring more', () => {
    const { budget, clock } = setUp(defaultGossip)
    const passed: Record<string, number> = {}
    const seconds = (count: number, rates: Readonly<Record<string, number>>) => {
      for (let ms = 0; ms < count * 1_000; ms += 20) {
        clock.advance(20)
        for (const [peer, perSecond] of Object.entries(rates)) {
          for (let n = 0; n < perSecond / 50; n++) passed[peer] = (passed[peer] ?? 0) + budget.admit(peer, rpc(1)).rpc.messages.length
        }
      }
    }
    // an honest burst far above what the network makes
    seconds(10, { honest: 150 })
    expect(passed['honest']).to.equal(1_500)
    // a flood takes what is left, and no more
    seconds(10, { honest: 150, flood: 2_000 })
    expect(passed['honest']).to.be.at.least(2_990)
    expect(passed['flood']).to.be.within(1_500, 5_000)
    expect(budget.sweep().concat(budget.sweep())).to.deep.equal([])
    // of two floods none takes the other's part
    const before = { ...passed }
    seconds(10, { flood: 2_000, other: 4_000, honest: 150 })
    expect((passed['other'] ?? 0) / ((passed['flood'] ?? 0) - (before['flood'] ?? 0))).to.be.within(0.5, 1.7)
    expect(passed['honest']).to.be.at.least(4_400)
  })

  it('guarantees nothing to an identity that is new: all of them together get as much as one that is proven', () => {
    const { budget, clock } = setUp(guaranteedOnly, { isProven: peer => peer === 'friend' })
    const passed: number[] = []
    for (let fifth = 0; fifth < 50; fifth++) {
      let count = 0
      for (let n = 0; n < 50; n++) count += budget.admit(`new ${n}`, rpc(100)).rpc.messages.length
      passed.push(count)
      clock.advance(200)
    }
    // as much in ten seconds, and not all of it at once
    expect(passed).to.deep.equal(Array.from({ length: 50 }, () => 12))
    expect(budget.admit('friend', rpc(600)).refused.length).to.equal(0)
  })

  it('guarantees no more to new identities than to one that is proven, however little that is', () => {
    const { budget, clock } = setUp({ ...guaranteedOnly, budgetMessages: 2 }, { isProven: () => false })
    let passed = 0
    for (let ms = 0; ms < 20_000; ms += 100) { passed += budget.admit(`new ${ms}`, rpc(1)).rpc.messages.length; clock.advance(100) }
    expect(passed).to.equal(4)
  })

  it('with a surplus one more identity has its part beside 40 that flood', () => {
    const { budget: shared, clock } = setUp(defaultGossip, { isProven: () => false })
    for (let ms = 0; ms < 5_000; ms += 10) { clock.advance(10); for (let n = 0; n < 40; n++) shared.admit(`sybil ${n}`, rpc(1)) }
    let honest = 0
    for (let ms = 0; ms < 10_000; ms += 10) {
      clock.advance(10)
      for (let n = 0; n < 40; n++) shared.admit(`sybil ${n}`, rpc(1))
      if (ms % 500 === 0) honest += shared.admit('honest', rpc(1)).rpc.messages.length
    }
    expect(honest, 'of 20, one each half second').to.be.at.least(18)
    expect([...shared.sweep(), ...shared.sweep()]).to.deep.equal([])
  })

  it('names who floods every other sweep too, later', () => {
    const { budget, clock } = setUp()
    const named: number[] = []
    for (let sweep = 1; sweep <= 8; sweep++) {
      if (sweep % 2 === 1) budget.admit('p', rpc(1_300))
      clock.advance(10_000)
      if (budget.sweep().length > 0) named.push(sweep)
    }
    expect(named).to.deep.equal([5, 7])
  })

  it('guarantees no more to all proven peers together than to eight', () => {
    const { budget } = setUp()
    let passed = 0
    for (let n = 0; n < 50; n++) passed += budget.admit(`proven ${n}`, rpc(300)).rpc.messages.length
    expect(passed).to.equal(8 * 600)
  })

  it('copies of what is known take little of it', () => {
    const { budget, clock } = setUp(defaultGossip, { isKnown: () => true })
    let passed = 0
    for (let ms = 0; ms < 5_000; ms++) { clock.advance(1); for (let n = 0; n < 3; n++) passed += budget.admit('p', rpc(1)).rpc.messages.length }
    expect(passed).to.equal(15_000)
  })

  it('H18: counts subscriptions and control messages, and RPCs of nothing', () => {
    const { budget } = setUp()
    for (let i = 0; i < 9; i++) expect(budget.admit('p', controls(64)).refusedControls).to.equal(false)
    const over = budget.admit('p', { ...controls(64), messages: [message()], control: { ihave: [{}] } })
    expect(over.refusedControls).to.equal(true)
    expect(over.rpc).to.deep.equal({ messages: [message()] })
    for (let i = 0; i < 24; i++) expect(budget.admit('p', controls(0)).refusedControls).to.equal(false)
    expect(budget.admit('p', controls(0)).refusedControls).to.equal(true)
  })

  it('names who is over it in two sweeps of 10 s in a row, for as long as that goes on', () => {
    const { budget, clock } = setUp()
    const named: string[][] = []
    const seconds = (count: number, perSecond: number) => {
      for (let i = 0; i < count; i++) { for (let n = 0; n < perSecond; n++) budget.admit('flood', rpc(1)); clock.advance(1_000) }
      named.push(budget.sweep())
    }
    seconds(10, 2_000)
    seconds(10, 2_000)
    seconds(10, 61)
    seconds(10, 10)
    seconds(10, 2_000)
    expect(named, 'a little too much is no flood; who goes on after a pause is known').to.deep.equal([[], ['flood'], [], [], ['flood']])
  })

  it('property: an honest peer at the highest honest rate, with bursts and stalls, is never over it', () => {
    // one commitment and one full txlist every 2 s for each of up to three preconfers at a hand-over; what stalled comes at once
    fc.assert(fc.property(fc.array(fc.record({ stallSeconds: fc.integer({ min: 0, max: 20 }), makers: fc.integer({ min: 1, max: 3 }) }), { maxLength: 30 }), parts => {
      const { budget, clock } = setUp()
      let sinceSweep = 0
      const wait = (ms: number) => { clock.advance(ms); sinceSweep += ms; if (sinceSweep >= 10_000) { sinceSweep = 0; if (budget.sweep().length > 0) throw new Error('named') } }
      for (const { makers, stallSeconds } of parts) {
        wait(stallSeconds * 1_000)
        for (let i = 0; i <= stallSeconds / 2; i++) {
          for (let m = 0; m < (i === 0 ? makers : 1); m++) {
            if (budget.admit('p', rpc(1)).refused.length + budget.admit('p', rpc(1, 2 * MIB)).refused.length > 0) return false
          }
        }
        for (let beat = 0; beat < 4; beat++) { if (budget.admit('p', { messages: [], control: { ihave: [{}, {}], iwant: [{}] } }).refusedControls) return false; wait(500) }
      }
      return true
    }), { numRuns: 30 })
  })

  it('H22: keeps accounts over a reconnection, forgets them when nothing counts any more, and keeps 4,096 at most', () => {
    const { budget, clock } = setUp()
    for (let i = 0; i < 5_000; i++) budget.admit(`p${i}`, rpc(1))
    expect(budget.size).to.equal(4_096)
    clock.advance(10_000)
    budget.sweep()
    expect(budget.size).to.equal(0)
  })
})

const internals = ({ pubsub }: RawPeer) => pubsub as unknown as GossipsubInternals
const figures = (node: TestNode) => node.network.figures(WITHIN)

/** Signed messages of a raw peer, to be sent when and as often as the test likes. */
async function signed(peer: RawPeer, first: number, count: number): Promise<Rpc['messages']> {
  const gossipsub = internals(peer)
  const send = gossipsub.sendRpc.bind(gossipsub)
  const taken: Rpc['messages'] = []
  gossipsub.sendRpc = (to, each) => { taken.push(...each.messages); return each.messages.length > 0 || send(to, each) }
  for (let n = 0; n < count; n++) await peer.pubsub?.publish(topics.commitments, commitment(first + n))
  gossipsub.sendRpc = send
  return taken
}

describeTransports('network: gossip over budget', transport => {
  afterEach(async () => { await stopAll(); await stopRawPeers() })

  it('is ignored before its author\'s signature is looked at; honest messages arrive in full', async () => {
    const [a, mallory] = await Promise.all([startNode(transport), rawPeer(transport, { gossip: true })])
    // no time passes, and the budget is for 10 s
    const b = await startNode(transport, { clock: new ManualClock(), gossip: { budgetMessages: 50, surplusShare: 0 }, standing: { appScore: () => 1 } })
    await Promise.all([connect(a, b), mallory.dial(b.address).then(() => meshed(b, mallory))])
    const flood = await signed(mallory, 1, 200)
    internals(mallory).sendRpc(b.peerId, { subscriptions: [], messages: flood })
    for (let n = 0; n < 20; n++) await a.network.publish('commitments', commitment(10_000 + n), WITHIN)
    await until(async () => (await figures(b)).gossip.refused.commitments.over_budget === 150, 'left out')
    await until(() => b.got('commitments').length === 70, 'those within the budget, and the honest ones')
    b.events.expect('refused', { topic: 'commitments', from: mallory.peerId, reason: 'over_budget', penalty: false })
    expect(failures(b, mallory.peerId)).to.equal(0)
    expect((await b.network.peers(WITHIN)).find(({ peer }) => peer === mallory.peerId)?.score).to.be.at.least(0)
    // messages with no or another author's signature cost no more
    internals(mallory).sendRpc(b.peerId, { subscriptions: [], messages: flood.map(({ data, topic }) => ({ topic, ...(data !== undefined && { data }) })) })
    await until(async () => (await figures(b)).gossip.refused.commitments.over_budget === 350, 'left out too')
    expect((await figures(b)).gossip.refused.commitments.bad_author).to.equal(0)
  })

  it('reports what is rejected at the door, each time, and not only at the rate of the events', async () => {
    const b = await startNode(transport, { noticesPerSecond: 1 })
    const mallory = await rawPeer(transport, { gossip: true })
    await mallory.dial(b.address)
    await meshed(b, mallory)
    const [good] = await signed(mallory, 1, 1)
    const bad = (n: number) => ({ ...good, topic: topics.commitments, data: commitment(n) })
    internals(mallory).sendRpc(b.peerId, { subscriptions: [], messages: [1_001, 1_002, 1_003].map(bad) })
    await until(async () => (await figures(b)).gossip.refused.commitments.bad_author === 3, 'another author\'s signature')
    internals(mallory).sendRpc(b.peerId, { subscriptions: [], messages: [{ topic: topics.commitments, data: new Uint8Array(1) }] })
    await until(async () => (await figures(b)).gossip.refused.commitments.undecodable === 1, 'no commitment')
    expect(failures(b, mallory.peerId)).to.equal(4)
    const stream = await mallory.open(b.peerId, '/meshsub/1.1.0')
    stream.send(encodeFrame(new Uint8Array(100).fill(0xff)))
    await until(() => failures(b, mallory.peerId) === 5, 'an RPC that is none')
    expect((await figures(b)).violations.gossip_rpc).to.equal(1)
  })
})

describe('network: gossip over budget for long', () => {
  afterEach(async () => { await stopAll(); await stopRawPeers() })

  it('counts as failures with each sweep when it goes on, also of a peer that is graylisted already', async () => {
    const thinks = { score: 0 }
    const clock = new ManualClock()
    const b = await startNode('memory', { clock, gossip: { budgetMessages: 1, surplusShare: 0 }, standing: { appScore: () => thinks.score }, sweepEveryMs: 2_000 })
    const mallory = await rawPeer('memory', { gossip: true })
    await mallory.dial(b.address)
    await meshed(b, mallory)
    const messages = await signed(mallory, 1, 2)
    const stop = every(20, () => { internals(mallory).sendRpc(b.peerId, { subscriptions: [], messages }) })
    try {
      await until(() => { clock.advance(20); return failures(b, mallory.peerId) === 4 }, 'all that count at once')
      thinks.score = -9
      await until(() => { clock.advance(20); return failures(b, mallory.peerId) === 8 }, 'and again')
      b.events.expect('violation', { peer: mallory.peerId, violation: 'gossip_flood' })
    } finally {
      stop()
    }
  })
})

/** The start of a frame that declares `length` bytes, and `size` of them. */
function begun(length: number, size: number): Uint8Array {
  const whole = encodeFrame(new Uint8Array(length))
  return whole.subarray(0, whole.length - length + size)
}

describeTransports('network: gossip RPCs that do not end', transport => {
  afterEach(async () => { await stopAll(); await stopRawPeers() })

  it('H34: one that is not there in time ends its connection; a slow one that is stays', async () => {
    const clock = new ManualClock()
    const b = await startNode(transport, { clock, gossip: { partialWithinMs: 1_500 } })
    const [slow, mallory] = await Promise.all([rawPeer(transport), rawPeer(transport)])
    await Promise.all([slow.dial(b.address), mallory.dial(b.address)])
    const [good, bad] = await Promise.all([slow.open(b.peerId, '/meshsub/1.1.0'), mallory.open(b.peerId, '/meshsub/1.1.0')])
    const { ended } = collect(bad)
    bad.send(begun(100_000, 5_000))
    const frame = encodeFrame(new Uint8Array([10, 0]))
    good.send(frame.subarray(0, 2))
    await until(async () => (await figures(b)).now.partialGossipBytes === 5_005, 'begun')
    await pass(clock, 800)
    // a byte now and then does not make it longer
    bad.send(new Uint8Array(1))
    good.send(frame.subarray(2))
    await until(async () => (await figures(b)).now.partialGossipBytes === 5_004, 'a byte more, and the whole of the slow one')
    await pass(clock, 650)
    expect(mallory.node.getConnections().length).to.equal(1)
    await passing(clock, ended)
    await passUntil(clock, () => mallory.node.getConnections().length === 0, 'hung up')
    b.events.expect('violation', { peer: mallory.peerId, kind: 'gossip', violation: 'gossip_partial', code: 'too_slow' })
    expect(failures(b, mallory.peerId)).to.equal(1)
    expect((await figures(b)).now.partialGossipBytes).to.equal(0)
    expect(slow.node.getConnections().length).to.equal(1)
    expect(good.status).to.equal('open')
  })

  it('H18, H22: all together hold no more than the bound; who holds most for longest goes, and honest messages arrive', async () => {
    const b = await startNode(transport, { gossip: { maxPartialBytes: 3 * MIB } })
    const a = await startNode(transport)
    await connect(a, b)
    const attackers = await Promise.all([1, 2, 3, 4].map(() => rawPeer(transport)))
    let most = 0
    const stop = every(20, async () => { most = Math.max(most, (await figures(b)).now.partialGossipBytes) })
    try {
      for (const attacker of attackers) {
        await attacker.dial(b.address)
        const stream = await attacker.open(b.peerId, '/meshsub/1.1.0')
        collect(stream)
        stream.maxWriteBufferLength = 20 * MIB
        stream.send(begun(10 * MIB, 1.5 * MIB))
      }
      await until(async () => (await figures(b)).violations.gossip_partial >= 3, 'three were one too many')
      for (let n = 1; n <= 5; n++) await a.network.publish('commitments', commitment(n), WITHIN)
      await until(() => b.got('commitments').length === 5, 'the honest ones')
      b.events.expect('violation', { violation: 'gossip_partial', code: 'too_much' })
      expect(most).to.be.at.most(3 * MIB)
      expect((await b.network.peers(WITHIN)).some(({ peer }) => peer === a.peerId)).to.equal(true)
    } finally {
      stop()
    }
  })

  it('counts nothing for what is there in full, and forgets a stream that closes', async () => {
    const b = await startNode(transport)
    const [a, quits] = await Promise.all([startNode(transport), rawPeer(transport)])
    await connect(a, b)
    await quits.dial(b.address)
    const stream = await quits.open(b.peerId, '/meshsub/1.1.0')
    stream.send(begun(MIB, 300_000))
    await until(async () => (await figures(b)).now.partialGossipBytes === 300_003, 'begun')
    for (let n = 1; n <= 20; n++) await a.network.publish('commitments', commitment(n), WITHIN)
    await until(() => b.got('commitments').length === 20, 'all there')
    expect((await figures(b)).now.partialGossipBytes).to.equal(300_003)
    await quits.node.stop()
    await until(async () => (await figures(b)).now.partialGossipBytes === 0, 'forgotten')
  })
})
