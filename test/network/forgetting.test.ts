import type { PeerId } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { expect } from 'chai'
import { silentLogger, systemClock } from '../../src/actors/kernel/index.js'
import { ConnectionManager } from '../../src/actors/network/connections/connection-manager.js'
import { newCounters } from '../../src/actors/network/figures.js'
import type { GossipsubInternals, PeerStats } from '../../src/actors/network/gossip/gossipsub-internals.js'
import { NetworkError, networkConfig, neutralStanding, newPrivateKey, peerKeyOf } from '../../src/actors/network/index.js'
import type { DriverEvent } from '../../src/actors/network/index.js'
import { createNode } from '../../src/actors/network/node.js'
import type { ConnectionQuestion } from '../../src/actors/reputation/ingress.js'
import { Notices } from '../../src/actors/network/notices.js'
import { InFlightExchanges } from '../../src/actors/network/reqresp/in-flight.js'
import { GossipStreamKeeper, REOPEN_ATTEMPTS } from '../../src/actors/network/workarounds/reopen-gossip-stream.js'
import { forgetDeparted, keepScores } from '../../src/actors/network/workarounds/score-over-reconnection.js'
import { ManualClock } from '../../src/actors/kernel/testing/index.js'
import { describeTransports, itOverTcp, listenOn } from '../support/transport.js'
import { until } from '../support/until.js'
import { WITHIN, connect, handshakeOf, meshed, startNode, stopAll } from './harness.js'
import { heartbeats, rawPeer, stopRawPeers, topics } from './raw-peer.js'

describeTransports('network: what is kept of peers that have left', transport => {
  afterEach(async () => { await stopAll(); await stopRawPeers() })

  it('a bad score survives reconnection', async () => {
    const node = await startNode(transport, { decide: () => 'reject' })
    const mallory = await rawPeer(transport, { gossip: true })
    await mallory.dial(node.address)
    await meshed(node, mallory)
    await mallory.pubsub?.publish(topics.commitments, new Uint8Array(382))
    const score = async () => (await node.network.peers(WITHIN))[0]?.score
    await until(async () => await score() === -2, 'penalised')
    await node.network.hangUp(mallory.peerId, WITHIN)
    await until(() => mallory.node.getConnections().length === 0, 'gone')
    await mallory.dial(node.address)
    await until(async () => (await node.network.peers(WITHIN))[0]?.protocols.some(protocol => protocol.startsWith('/meshsub/')), 'back')
    await heartbeats(mallory, 2)
    expect(await score()).to.equal(-2)
  })

  it('the plain library still forgets it: once this fails the work-around can go', async () => {
    const [plain, mallory] = await Promise.all([rawPeer(transport, { gossip: { scoreParams: scoring, scoreThresholds: {} } }), rawPeer(transport, { gossip: true })])
    const internals = plain.pubsub as unknown as GossipsubInternals
    await mallory.dial(plain.address)
    await until(() => internals.peers.has(mallory.peerId), 'known')
    internals.score.rejectInvalidMessage(mallory.peerId, topics.commitments)
    await until(() => internals.getScore(mallory.peerId) < 0, 'penalised')
    await mallory.node.hangUp(plain.node.peerId)
    await until(() => !internals.peers.has(mallory.peerId), 'gone')
    await mallory.dial(plain.address)
    await until(() => internals.peers.has(mallory.peerId), 'back')
    await heartbeats(mallory, 2)
    expect(internals.getScore(mallory.peerId)).to.equal(0)
  })

  it('H22: libp2p keeps nothing of them after a sweep', async () => {
    const config = networkConfig({ transport, listen: listenOn(transport) })
    const counters = newCounters()
    const connections = new ConnectionManager({
      config, counters, standing: neutralStanding, refusals: undefined, clock: systemClock, random: () => 0.5, log: silentLogger, exchanges: new InFlightExchanges(), changed: () => undefined, guarded: listener => listener,
      notices: new Notices({ send: () => 'ok' }, systemClock, 10),
    })
    const node = await createNode(config, { topics, gater: connections.gater.hooks(), handshake: handshakeOf(config), appScore: () => 0 })
    connections.watch(node)
    await node.start()
    const stays = await rawPeer(transport)
    await stays.dial(node.getMultiaddrs()[0]?.toString() ?? '')
    for (let i = 0; i < 5; i++) {
      const guest = await rawPeer(transport)
      await guest.dial(node.getMultiaddrs()[0]?.toString() ?? '')
      await until(() => guest.identified() > 0, 'identified')
      await guest.node.stop()
    }
    await until(() => connections.book.size === 1, 'gone')
    expect((await node.peerStore.all()).length).to.equal(6)
    connections.sweep()
    await until(async () => (await node.peerStore.all()).length === 1, 'only who is here')
    await node.stop()
  })
})

const scoring = {
  appSpecificScore: () => 0,
  topics: {
    [topics.commitments]: {
      topicWeight: 1, timeInMeshWeight: 0, timeInMeshQuantum: 1_000, timeInMeshCap: 1, firstMessageDeliveriesWeight: 0, firstMessageDeliveriesDecay: 0.5,
      firstMessageDeliveriesCap: 1, meshMessageDeliveriesWeight: 0, meshMessageDeliveriesDecay: 0.5, meshMessageDeliveriesCap: 1,
      meshMessageDeliveriesThreshold: 1, meshMessageDeliveriesWindow: 1, meshMessageDeliveriesActivation: 1_000, meshFailurePenaltyWeight: 0,
      meshFailurePenaltyDecay: 0.5, invalidMessageDeliveriesWeight: -2, invalidMessageDeliveriesDecay: 0.99,
    },
  },
}

/** As much of gossipsub's scores as is looked at. */
function scores(entries: Record<string, Partial<PeerStats> & { invalid?: number }>): GossipsubInternals {
  const peerStats = new Map(Object.entries(entries).map(([peer, { invalid = 0, ...stats }]) => [peer, {
    connected: false, expire: 0, behaviourPenalty: 0, knownIPs: new Set(['10.0.0.1']),
    topics: { t: { invalidMessageDeliveries: invalid, meshFailurePenalty: 0 } }, ...stats,
  }]))
  const score = {
    peerStats, scoreCache: new Map(Object.keys(entries).map(peer => [peer, 0])), rejectInvalidMessage: () => undefined,
    addPeer: (peer: string) => { peerStats.set(peer, { connected: true, expire: 0, behaviourPenalty: 0, knownIPs: new Set(), topics: {} }) },
    removeIP: (peer: string, ip: string) => { peerStats.get(peer)?.knownIPs.delete(ip) },
  }
  return { score } as unknown as GossipsubInternals
}

describe('network: scores of peers that have left', () => {
  it('H22: are forgotten where there is no blame, and bounded where there is', () => {
    const gossipsub = scores({
      here: { connected: true }, blameless: {}, invalid: { invalid: 1, expire: 30 }, rude: { behaviourPenalty: 1, expire: 10 }, older: { invalid: 1, expire: 20 },
    })
    forgetDeparted(gossipsub)
    expect([...gossipsub.score.peerStats.keys()]).to.deep.equal(['here', 'invalid', 'rude', 'older'])
    forgetDeparted(gossipsub, 2)
    expect([...gossipsub.score.peerStats.keys()]).to.deep.equal(['here', 'invalid', 'older'])
    expect([...gossipsub.score.scoreCache.keys()]).to.deep.equal(['here', 'invalid', 'older'])
  })

  it('are put back for who returns, and nobody else', () => {
    const gossipsub = scores({ bad: { invalid: 3, behaviourPenalty: 2 } })
    keepScores(gossipsub)
    gossipsub.score.addPeer('bad')
    gossipsub.score.addPeer('new')
    expect(gossipsub.score.peerStats.get('bad')).to.deep.include({ connected: true, behaviourPenalty: 2, topics: { t: { invalidMessageDeliveries: 3, meshFailurePenalty: 0 } } })
    expect(gossipsub.score.peerStats.get('new')).to.deep.include({ behaviourPenalty: 0, topics: {} })
  })
})

describe('network: gossip streams', () => {
  it('H35: a stream that does not come back in time counts as lost, once', () => {
    const peer = { toString: () => 'p' } as PeerId
    const log: string[] = []
    const streams = new Map<string, never>()
    const keeper = new GossipStreamKeeper({
      gossipsub: { streamsOutbound: streams, peers: new Map([['p', peer]]), outboundInflightQueue: { push: () => log.push('push') } } as unknown as GossipsubInternals,
      connectionTo: () => ({}) as never,
      speakers: () => [peer],
      reopened: () => undefined,
      lost: () => { log.push('lost') },
    })
    keeper.heartbeat()
    expect(log).to.deep.equal([])
    for (let i = 1; i < REOPEN_ATTEMPTS; i++) keeper.heartbeat()
    expect(log).to.deep.equal(Array(REOPEN_ATTEMPTS - 1).fill('push'))
    keeper.heartbeat()
    expect(log.at(-1)).to.equal('lost')
    streams.set('p', { rawStream: { status: 'open' } } as never)
    log.length = 0
    for (let i = 0; i < 20; i++) keeper.heartbeat()
    expect(log).to.deep.equal([])
    // one that is dead, and still listed
    streams.set('p', { rawStream: { status: 'reset' } } as never)
    keeper.heartbeat()
    keeper.heartbeat()
    expect(log).to.deep.equal(['push'])
    expect(streams.size).to.equal(0)
  })
})

describe('network: notices', () => {
  it('are told at a limited rate where remotes cause them, each kind by itself', () => {
    const clock = new ManualClock()
    const told: DriverEvent[] = []
    const notices = new Notices({ send: event => { told.push(event); return 'ok' } }, clock, 3)
    for (let i = 0; i < 10; i++) notices.refused('t', 'p', 'unknown_topic', false)
    for (let i = 0; i < 10; i++) notices.violation('p', 'head', 'oversize', 'frame_too_long')
    for (let i = 0; i < 10; i++) notices.served('p', 'head', 64)
    expect(told.map(({ type }) => type)).to.deep.equal([...Array<string>(3).fill('refused'), ...Array<string>(3).fill('violation'), ...Array<string>(3).fill('served')])
    clock.advance(1_000)
    notices.refused('t', 'p', 'unknown_topic', false)
    expect(told.length).to.equal(10)
  })
})

describe('network: host names', () => {
  afterEach(stopAll)

  itOverTcp('H17: are resolved before the gate is asked about the address', async () => {
    const asked: string[] = []
    const [a, b] = await Promise.all([startNode('tcp', { gate: ({ address }) => { if (address !== undefined) asked.push(address); return undefined } }), startNode('tcp')])
    await connect(a, b)
    await a.network.hangUp(b.peerId, WITHIN)
    asked.length = 0
    await a.network.dial(b.address.replace('/ip4/127.0.0.1/', '/dns4/localhost/'), WITHIN)
    expect(asked.length).to.be.above(0)
    expect(asked.every(address => address.startsWith('/ip4/127.0.0.1/tcp/'))).to.equal(true)
  })

  itOverTcp('H17: a name that leads to a listed address is not dialled, nor is one that leads there by way of another', async () => {
    const refuses = ({ address }: ConnectionQuestion) => address?.startsWith('/ip4/127.0.0.1/') === true ? 'blocked subnet' : undefined
    const [a, b] = await Promise.all([startNode('tcp', { standing: { refuses } }), startNode('tcp')])
    const port = /tcp\/(\d+)/.exec(b.address)?.[1] ?? ''
    for (const name of ['dns4', 'dns']) {
      const error = await a.network.dial(`/${name}/localhost/tcp/${port}/p2p/${b.peerId}`, WITHIN).catch((each: unknown) => each)
      expect(error, name).to.be.instanceOf(NetworkError).with.property('code', 'dial_denied')
    }
    expect((await a.network.figures(WITHIN)).connections.denied['blocked subnet']).to.be.at.least(2)
  })

  itOverTcp('H17: what a /dnsaddr leads to is asked by its addresses too', async () => {
    const asked: string[] = []
    const node = await createNode(networkConfig({ listen: [] }), {
      topics, appScore: () => 0, handshake: handshakeOf(), gater: { denyDialMultiaddr: address => { asked.push(address.toString()); return true } },
    })
    const { components } = node as unknown as { components: { dns: unknown } }
    const peer = peerKeyOf(newPrivateKey())
    components.dns = { query: async () => ({ Answer: [{ data: `"dnsaddr=/dns4/localhost/tcp/1/p2p/${peer}"` }] }) }
    await node.start()
    try {
      const error = await node.dial(multiaddr(`/dnsaddr/nodes.example/p2p/${peer}`)).catch((each: Error) => each.name)
      expect(error).to.equal('DialDeniedError')
      expect(asked).to.deep.equal([`/ip4/127.0.0.1/tcp/1/p2p/${peer}`])
    } finally {
      await node.stop()
    }
  })
})
