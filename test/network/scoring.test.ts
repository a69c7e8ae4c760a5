import { expect } from 'chai'
import { checkScoringActive, internalsOf } from '../../src/actors/network/gossip/gossipsub-internals.js'
import type { GossipsubInternals, Rpc } from '../../src/actors/network/gossip/gossipsub-internals.js'
import { NetworkError, networkConfig, neutralStanding } from '../../src/actors/network/index.js'
import { createNode } from '../../src/actors/network/node.js'
import { liveScores } from '../../src/actors/network/workarounds/live-scores.js'
import { konaScore, scorePreset, specScore } from '../../src/protocol/index.js'
import type { ScorePreset } from '../../src/protocol/index.js'
import { describeTransports, listenOn } from '../support/transport.js'
import { until } from '../support/until.js'
import { WITHIN, commitment, handshakeOf, meshed, startNode, stopAll } from './harness.js'
import type { TestNode } from './harness.js'
import { heartbeats, rawPeer, stopRawPeers, topics } from './raw-peer.js'
import type { RawPeer } from './raw-peer.js'

const internals = ({ pubsub }: RawPeer) => pubsub as unknown as GossipsubInternals
const infoOf = async (node: TestNode, peer: string) => (await node.network.peers(WITHIN)).find(each => each.peer === peer)
const scoreOf = async (node: TestNode, peer: string) => (await infoOf(node, peer))?.score ?? NaN
const pause = (ms: number) => new Promise(resolve => { setTimeout(resolve, ms) })
/** gossipsub's own time, which nobody can put forward: more than the second for which it keeps what it thinks of a peer. */
const KEPT_MS = 1_100

let unknown = 0
/** A message id that nobody has. */
const unknownId = () => new Uint8Array(20).fill(++unknown)

/** Everything that a raw peer is sent. */
function received(peer: RawPeer): Rpc[] {
  const rpcs: Rpc[] = []
  const receive = internals(peer).handleReceivedRpc.bind(peer.pubsub)
  internals(peer).handleReceivedRpc = async (from, rpc) => { rpcs.push(rpc); return receive(from, rpc) }
  return rpcs
}

describeTransports('network: scoring is live', transport => {
  afterEach(async () => { await stopAll(); await stopRawPeers() })

  for (const preset of [specScore, konaScore(2)] as ScorePreset[]) {
    const { gossip, graylist, publish } = preset.thresholds

    /** A node that thinks of the peer what the test says, and a peer in its meshes. */
    async function pair() {
      const standing = { score: 0 }
      const peer = await rawPeer(transport, { gossip: true })
      const node = await startNode(transport, { scoring: preset, standing: { appScore: each => each === peer.peerId ? standing.score : 0 } })
      await peer.dial(node.address)
      await meshed(node, peer)
      return { node, peer, standing }
    }

    it(`${preset.name}: below ${gossip} we neither ask the peer for messages nor tell it of any`, async () => {
      const { node, peer, standing } = await pair()
      const sent = received(peer)
      const asks = () => sent.filter(({ control }) => ((control as { iwant?: unknown[] } | undefined)?.iwant ?? []).length > 0).length
      const offer = () => internals(peer).sendRpc(node.peerId, {
        subscriptions: [], messages: [], control: { ihave: [{ topicID: topics.commitments, messageIDs: [unknownId()] }], iwant: [], graft: [], prune: [], idontwant: [] },
      })
      standing.score = gossip + 0.01
      await until(async () => Math.abs(await scoreOf(node, peer.peerId) - standing.score) < 0.001, 'just above it')
      offer()
      await until(() => asks() === 1, 'asked for what it has')
      standing.score = gossip - 0.01
      offer()
      await heartbeats(peer, 2)
      standing.score = gossip + 0.01
      offer()
      await until(() => asks() > 1, 'asked for what it has later')
      expect(asks()).to.equal(2)
      standing.score = gossip - 0.01
      // out of the meshes since it is below zero, so that only IHAVE could tell it of this one
      await until(async () => (await infoOf(node, peer.peerId))?.mesh.commitments === false, 'pruned')
      const other = await rawPeer(transport, { gossip: true })
      await other.dial(node.address)
      await meshed(node, other)
      standing.score = Math.min(gossip, publish) - 0.01
      sent.length = 0
      await node.network.publish('commitments', commitment(1), WITHIN)
      await until(() => other.got.length === 1, 'published')
      await heartbeats(peer, 3)
      expect(sent.filter(({ control }) => ((control as { ihave?: unknown[] } | undefined)?.ihave ?? []).length > 0).length).to.equal(0)
    })

    it(`${preset.name}: below ${publish} the peer gets nothing that we publish`, async () => {
      const { node, peer, standing } = await pair()
      standing.score = publish
      await until(async () => (await infoOf(node, peer.peerId))?.mesh.commitments === false, 'pruned')
      // at it: not in the mesh, but published to where the mesh is small
      expect((await node.network.publish('commitments', commitment(1), WITHIN)).recipients).to.equal(1)
      standing.score = publish - 0.01
      await heartbeats(peer, 3)
      expect((await node.network.publish('commitments', commitment(2), WITHIN)).recipients).to.equal(0)
    })

    it(`${preset.name}: below ${graylist}, by its own invalid messages, the peer is heard no more`, async () => {
      const { node, peer } = await pair()
      node.decide = () => 'reject'
      const enough = preset.name === 'spec' ? 2 : 1
      for (let n = 1; n <= enough; n++) await peer.pubsub?.publish(topics.commitments, commitment(n))
      await until(async () => await scoreOf(node, peer.peerId) < graylist, 'penalised')
      // gossipsub grants 128 messages within a second of a score that was fine
      await pause(KEPT_MS)
      const before = node.got('commitments').length
      for (let n = 10; n < 20; n++) internals(peer).sendRpc(node.peerId, { subscriptions: [], messages: await signedBy(peer, n) })
      await heartbeats(peer, 2)
      expect(node.got('commitments').length).to.equal(before)
      expect((await infoOf(node, peer.peerId))?.mesh).to.deep.equal({ commitments: false, txLists: false })
    })

    it(`${preset.name}: at ${graylist} the peer is still heard`, async () => {
      const { node, peer, standing } = await pair()
      standing.score = graylist
      await pause(KEPT_MS)
      internals(peer).sendRpc(node.peerId, { subscriptions: [], messages: await signedBy(peer, 1) })
      await until(() => node.got('commitments').length === 1, 'heard')
    })

    it(`${preset.name}: a mesh whose median is below ${preset.thresholds.opportunisticGraft} takes a better peer in`, async () => {
      const better = new Set<string>()
      const config = networkConfig({ chainId: 167_000n, transport, listen: listenOn(transport), scoring: preset })
      const node = await createNode(config, {
        topics, gater: {}, handshake: handshakeOf(config), appScore: peer => better.has(peer) ? preset.thresholds.opportunisticGraft + 1 : preset.thresholds.opportunisticGraft - 0.01,
      })
      await node.start()
      try {
        const gossipsub = internalsOf(node.services.pubsub)
        // the plain library keeps scores for a heartbeat
        liveScores(gossipsub, { appScore: () => better.size, greylisted: () => false })
        node.services.pubsub.subscribe(topics.commitments)
        const address = node.getMultiaddrs()[0]?.toString() ?? ''
        const guests = await Promise.all(Array.from({ length: 7 }, () => rawPeer(transport, { gossip: true, listen: false })))
        for (const guest of guests) await guest.dial(address)
        const mesh = () => gossipsub.getMeshPeers(topics.commitments)
        const ticks = gossipsub as unknown as { heartbeatTicks: number }
        await until(() => mesh().length === 7, 'a mesh')
        // one that grafts nobody by itself
        const outside = await rawPeer(transport, { listen: false, gossip: { D: 0, Dlo: 0, Dscore: 0, Dout: 0 } })
        await outside.dial(address)
        await until(() => gossipsub.streamsOutbound.has(outside.peerId), 'connected')
        better.add(outside.peerId)
        ticks.heartbeatTicks = 1
        await until(() => ticks.heartbeatTicks >= 4, 'three heartbeats')
        expect(mesh()).not.to.include(outside.peerId)
        // every sixtieth heartbeat
        ticks.heartbeatTicks = 58
        await until(() => mesh().includes(outside.peerId), 'taken in')
      } finally {
        await node.stop()
      }
    })
  }

  it('does not start where gossipsub does not count by what it was given', async () => {
    const config = networkConfig({ chainId: 167_000n, transport, listen: [] })
    const node = await createNode(config, { topics, gater: {}, handshake: handshakeOf(config), appScore: () => 0 })
    const gossipsub = internalsOf(node.services.pubsub)
    checkScoringActive(gossipsub, [topics.commitments, topics.txLists])
    expect(() => { checkScoringActive(gossipsub, ['/another']) }).to.throw(NetworkError).with.property('code', 'scoring_inactive')
  })

  it('the application\'s part counts at once, and that of the plain library only a heartbeat later: once that fails the work-around can go', async () => {
    const app = { score: 0 }
    const [plain, live] = await Promise.all([1, 2].map(() => createNode(networkConfig({ transport, listen: listenOn(transport) }), { topics, gater: {}, handshake: handshakeOf(), appScore: () => app.score })))
    if (plain === undefined || live === undefined) throw new Error('no nodes')
    await Promise.all([plain.start(), live.start()])
    try {
      liveScores(internalsOf(live.services.pubsub), { ...neutralStanding, appScore: () => app.score })
      const peer = await rawPeer(transport, { gossip: true })
      for (const node of [plain, live]) await peer.dial(node.getMultiaddrs()[0]?.toString() ?? '')
      const scores = () => [plain, live].map(node => internalsOf(node.services.pubsub).getScore(peer.peerId))
      await until(() => [plain, live].every(node => internalsOf(node.services.pubsub).peers.has(peer.peerId)), 'known')
      await until(async () => {
        app.score = 0
        await pause(KEPT_MS)
        scores()
        app.score = -3
        const [kept, fresh] = scores()
        expect(fresh).to.equal(-3)
        return kept === 0
      }, 'the library does not ask each time')
    } finally {
      await Promise.all([plain.stop(), live.stop()])
    }
  })
})

/** A message of a raw peer in the form of the wire, with its author's signature. */
async function signedBy(peer: RawPeer, n: number): Promise<Rpc['messages']> {
  const gossipsub = internals(peer)
  const send = gossipsub.sendRpc.bind(gossipsub)
  const taken: Rpc['messages'] = []
  gossipsub.sendRpc = (to, rpc) => {
    taken.push(...rpc.messages)
    return rpc.messages.length > 0 || send(to, rpc)
  }
  try { await peer.pubsub?.publish(topics.commitments, commitment(1_000 + n)) } finally { gossipsub.sendRpc = send }
  return taken.slice(0, 1)
}

describeTransports('network: greylisted peers', transport => {
  afterEach(async () => { await stopAll(); await stopRawPeers() })

  it('are taken out of our meshes whatever they earned, and taken in again when they are forgiven', async () => {
    const thinks = { reputation: 0 }
    const node = await startNode(transport, { standing: { appScore: () => thinks.reputation, greylisted: () => thinks.reputation <= -2 } })
    const peer = await rawPeer(transport, { gossip: true })
    await peer.dial(node.address)
    await meshed(node, peer)
    for (let n = 1; n <= 10; n++) await peer.pubsub?.publish(topics.commitments, commitment(n))
    await until(async () => await scoreOf(node, peer.peerId) > 4.9, 'half a point for each first delivery, less what decays meanwhile')
    const earned = await scoreOf(node, peer.peerId)
    thinks.reputation = -2
    expect(await scoreOf(node, peer.peerId)).to.equal(-2)
    await until(async () => (await infoOf(node, peer.peerId))?.mesh.commitments === false, 'out of the mesh')
    // it wants to come in again
    internals(peer).sendRpc(node.peerId, { subscriptions: [], messages: [], control: { graft: [{ topicID: topics.commitments }], ihave: [], iwant: [], prune: [], idontwant: [] } })
    await heartbeats(peer, 3)
    expect((await infoOf(node, peer.peerId))?.mesh.commitments).to.equal(false)
    thinks.reputation = 0
    expect(await scoreOf(node, peer.peerId)).to.be.closeTo(earned, 0.1)
  })

  it('a ban that is over drops gossipsub\'s score, of who is connected and of who has left', async () => {
    const node = await startNode(transport, { decide: () => 'reject' })
    const mallory = await rawPeer(transport, { gossip: true })
    await mallory.dial(node.address)
    await meshed(node, mallory)
    await mallory.pubsub?.publish(topics.commitments, commitment(1))
    await until(async () => await scoreOf(node, mallory.peerId) < -1.9, 'penalised')
    void node.network.forgetScore(mallory.peerId)
    expect(await scoreOf(node, mallory.peerId)).to.equal(0)
    await mallory.pubsub?.publish(topics.commitments, commitment(2))
    await until(async () => await scoreOf(node, mallory.peerId) < -1.9, 'penalised again')
    await node.network.hangUp(mallory.peerId, WITHIN)
    await until(() => mallory.node.getConnections().length === 0, 'gone')
    void node.network.forgetScore(mallory.peerId)
    await mallory.dial(node.address)
    await until(async () => (await infoOf(node, mallory.peerId))?.protocols.some(protocol => protocol.startsWith('/meshsub/')), 'back')
    expect(await scoreOf(node, mallory.peerId)).to.equal(0)
  })
})

describe('network: score presets', () => {
  it('are checked with the rest of the options', () => {
    expect(networkConfig({ scoring: scorePreset('spec', { thresholds: { gossip: -0.5 } }) }).scoring.thresholds.gossip).to.equal(-0.5)
    expect(() => networkConfig({ scoring: { ...specScore, decayToZero: 1 } })).to.throw(NetworkError, 'scoring.decayToZero').with.property('code', 'bad_config')
  })
})
