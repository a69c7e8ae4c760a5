import { multiaddr } from '@multiformats/multiaddr'
import { expect } from 'chai'
import type { GossipsubInternals } from '../../src/actors/network/gossip/gossipsub-internals.js'
import { ManualClock } from '../../src/actors/kernel/testing/index.js'
import { NetworkError, newPrivateKey, peerKeyOf } from '../../src/actors/network/index.js'
import type { GateQuestion } from '../../src/actors/network/index.js'
import { describeTransports } from '../support/transport.js'
import { until } from '../support/until.js'
import { WITHIN, commitment, connect, headRequest, meshed, pass, passUntil, startNode } from './harness.js'
import type { TestNode } from './harness.js'
import { rawPeer } from './raw-peer.js'
import type { RawPeer } from './raw-peer.js'

const nobody = peerKeyOf(newPrivateKey())

async function failure(promise: Promise<unknown>): Promise<{ code: string; value: unknown }> {
  try { await promise } catch (error) {
    if (error instanceof NetworkError) return { code: error.code, value: error.value }
    throw error
  }
  throw new Error('it succeeded')
}

const peersOf = (node: TestNode) => node.network.peers(WITHIN)
const figures = async (node: TestNode) => (await node.network.figures(WITHIN)).connections

/** Closes on a node each time that has connected. */
function bans(peer: RawPeer, nodes: readonly TestNode[]): void {
  let times = 0
  peer.node.addEventListener('connection:open', ({ detail }) => {
    const nth = ++times
    // Over when the connection is: a node may have closed it before it told of it.
    const told = () => (nodes[0]?.events.received.filter(({ type }) => type === 'peerConnected').length ?? 0) >= nth
    void until(() => detail.status !== 'open' || told(), 'connected').then(() => detail.close()).catch(() => undefined)
  })
}

describeTransports('network: connections', transport => {
  it('tells who connected, who can be asked, and who left', async () => {
    const [a, b] = await Promise.all([startNode(transport), startNode(transport)])
    expect(await a.network.dial(b.address, WITHIN)).to.equal(b.peerId)
    await until(() => a.events.received.some(({ type }) => type === 'peerReady'), 'ready')
    expect(a.events.expect('started').addresses).to.deep.equal([a.address])
    a.events.expect('peerConnected', { peer: b.peerId, direction: 'outbound', address: b.address })
    a.events.expect('peerReady', { peer: b.peerId, agent: 'preconfirmation-p2p/0.1.0' })
    await meshed(a, b)
    const [info] = await peersOf(a)
    expect(info).to.deep.include({ peer: b.peerId, direction: 'outbound', connections: 1, agent: 'preconfirmation-p2p/0.1.0', refused: false, score: 0 })
    expect(info?.protocols).to.include('/taiko/167000/preconf/1/get_head')
    await a.network.hangUp(b.peerId, WITHIN)
    await until(() => b.events.received.some(({ type }) => type === 'peerDisconnected'), 'gone')
    a.events.expect('peerDisconnected', { peer: b.peerId })
    expect(await peersOf(a)).to.deep.equal([])
    a.events.expectNone('peerRefused')
  })

  it('identifies itself by protocol string and agent', async () => {
    const [a, peer] = await Promise.all([startNode(transport, { agent: 'mine/1.2.3' }), rawPeer(transport)])
    const told = new Promise(resolve => { peer.node.addEventListener('peer:identify', ({ detail }) => { resolve([detail.protocolVersion, detail.agentVersion]) }) })
    await peer.dial(a.address)
    expect(await told).to.deep.equal(['preconf-p2p/0.1', 'mine/1.2.3'])
  })

  it('says by code why a dial came to nothing', async () => {
    const a = await startNode(transport, { connections: { dialTimeoutMs: 2_000 } })
    const dial = (address: string) => failure(a.network.dial(address, WITHIN))
    expect(await dial('nowhere')).to.deep.equal({ code: 'bad_address', value: 'nowhere' })
    expect(await dial('/ip4/127.0.0.1/tcp/1')).to.deep.equal({ code: 'peer_id_missing', value: '/ip4/127.0.0.1/tcp/1' })
    const absent = transport === 'tcp' ? `/ip4/127.0.0.1/tcp/1/p2p/${nobody}` : `/memory/nobody/p2p/${nobody}`
    expect((await dial(absent)).code).to.equal('dial_failed')
    const b = await startNode(transport)
    const other = b.address.replace(b.peerId, nobody)
    expect((await dial(other)).code).to.equal('dial_failed')
    expect(await figures(a)).to.include({ dials: 2, dialsFailed: 2 })
  })

  it('H17: a peer that is listed is expelled, and refused whoever dials; taken off the list it may come again', async () => {
    const blocked = new Set<string>()
    const standing = { refuses: ({ peer }: GateQuestion) => peer !== undefined && blocked.has(peer) ? 'blocked' : undefined }
    const [a, b] = await Promise.all([startNode(transport, { standing }), startNode(transport)])
    await connect(a, b)
    blocked.add(b.peerId)
    void a.network.reviewConnections()
    // b would take the connection that it still has for one to a
    await until(async () => [...await peersOf(a), ...await peersOf(b)].length === 0, 'dropped, on both sides')
    expect((await figures(a)).expelled).to.deep.equal({ blocked: 1 })
    expect(await failure(a.network.dial(b.address, WITHIN))).to.deep.equal({ code: 'dial_denied', value: 'blocked' })
    const before = (await figures(a)).denied['blocked'] ?? 0
    await b.network.dial(a.address, WITHIN).catch(() => undefined)
    await until(async () => ((await figures(a)).denied['blocked'] ?? 0) > before, 'denied inbound')
    expect(await peersOf(a)).to.deep.equal([])
    blocked.clear()
    await connect(a, b)
  })

  it('H17: a listed address is expelled by review, whatever peer is behind it', async () => {
    let listed = false
    const a = await startNode(transport, { standing: { refuses: ({ address }) => listed && address !== undefined ? 'blocked address' : undefined } })
    const b = await startNode(transport)
    await connect(a, b)
    listed = true
    void a.network.reviewConnections()
    await until(async () => (await peersOf(a)).length === 0, 'dropped')
    expect((await figures(a)).expelled).to.deep.equal({ 'blocked address': 1 })
    expect((await failure(a.network.dial(b.address, WITHIN))).code).to.equal('dial_denied')
  })

  it('expels a banned peer, once what is under way with it is over (H40)', async () => {
    const clock = new ManualClock()
    const [a, b] = await Promise.all([startNode(transport, { clock }), startNode(transport)])
    await connect(a, b)
    let answered: string | undefined
    const asked = a.network.request('head', headRequest, { peer: b.peerId }, WITHIN).then(() => { answered = 'answered' })
    await until(() => b.chain.received.length === 1, 'the question at b')
    void a.network.expel(b.peerId, 'ban')
    void a.network.expel(b.peerId, 'ban')
    await pass(clock, 3_000)
    expect((await peersOf(a)).length).to.equal(1)
    const question = b.chain.expect('serveHead')
    void b.network.answer(question.request, new Uint8Array(64))
    await asked
    expect(answered).to.equal('answered')
    await passUntil(clock, async () => (await peersOf(a)).length === 0, 'gone')
    expect((await figures(a)).expelled).to.deep.equal({ ban: 1 })
  })

  it('H17: the gate is asked on every way in and out, static peers included', async () => {
    const asked: GateQuestion[] = []
    const b = await startNode(transport)
    const gate = (question: GateQuestion) => { asked.push(question); return question.peer === undefined ? undefined : 'not this one' }
    const a = await startNode(transport, { gate, staticPeers: [b.address] })
    await until(async () => (await figures(a)).dialsFailed > 0, 'the static peer was denied')
    expect(await failure(a.network.dial(b.address, WITHIN))).to.deep.equal({ code: 'dial_denied', value: 'not this one' })
    await b.network.dial(a.address, WITHIN).catch(() => undefined)
    await until(() => asked.some(({ direction, peer }) => direction === 'inbound' && peer === b.peerId), 'asked inbound')
    expect(await peersOf(a)).to.deep.equal([])
    a.events.expectNone('peerConnected')
  })

  it('keeps to its connection limits', async () => {
    const hub = await startNode(transport, { connections: { inbound: 2 } })
    const guests = await Promise.all([1, 2, 3].map(() => rawPeer(transport)))
    for (const guest of guests) await guest.dial(hub.address).catch(() => undefined)
    await until(async () => ((await figures(hub)).denied['too_many_inbound'] ?? 0) > 0, 'the third was denied')
    expect((await hub.network.figures(WITHIN)).now.connections).to.equal(2)
  })

  it('H29: counts a peer with two connections once', async () => {
    const [a, peer] = await Promise.all([startNode(transport), rawPeer(transport)])
    await a.network.dial(peer.address, WITHIN)
    await peer.node.dial(multiaddr(a.address), { force: true })
    await until(async () => (await peersOf(a))[0]?.connections === 2, 'two connections')
    expect((await a.network.figures(WITHIN)).now).to.include({ peers: 1, connections: 2 })
    expect(a.events.received.filter(({ type }) => type === 'peerConnected').length).to.equal(1)
  })

  it('H29: static peers are dialled until they are there, and again when they have gone', async () => {
    const privateKey = newPrivateKey()
    const clock = new ManualClock()
    const first = await startNode(transport, { privateKey })
    const { address } = first
    await first.stop()
    const listen = address.slice(0, address.indexOf('/p2p/'))
    const a = await startNode(transport, { clock, staticPeers: [address], redial: { firstMs: 20, maxMs: 100 } })
    await passUntil(clock, async () => (await figures(a)).dialsFailed >= 3, 'three attempts')
    const second = await startNode(transport, { privateKey, listen })
    await passUntil(clock, async () => (await peersOf(a)).length === 1, 'connected')
    await meshed(a, second)
    // long enough not to have closed on us right after connecting
    await pass(clock, 1_050)
    await second.stop()
    await until(async () => (await peersOf(a)).length === 0, 'gone')
    await startNode(transport, { privateKey, listen })
    await passUntil(clock, async () => (await peersOf(a)).length === 1, 'connected again')
  })

  it('H41: a peer that closes right after connecting shows as refused and is left alone', async () => {
    const [banning, clock] = [await rawPeer(transport), new ManualClock()]
    const nodes: TestNode[] = []
    bans(banning, nodes)
    const a = await startNode(transport, { clock, staticPeers: [banning.address], redial: { firstMs: 20, maxMs: 100 } })
    nodes.push(a)
    await until(() => a.events.received.some(({ type }) => type === 'peerRefused'), 'refused')
    a.events.expect('peerRefused', { peer: banning.peerId })
    expect(await peersOf(a)).to.deep.equal([{
      peer: banning.peerId, addresses: [banning.address], direction: 'outbound', connections: 0, agent: '', protocols: [],
      mesh: { commitments: false, txLists: false }, score: 0, latencyMs: undefined, refused: true,
    }])
    const dials = (await figures(a)).dials
    await pass(clock, 10_000)
    expect((await figures(a)).dials).to.equal(dials)
    const denied = await failure(a.network.dial(banning.address, WITHIN))
    expect(denied.code).to.equal('dial_refused')
    expect(denied.value).to.equal(7_190_000)
    void a.network.forgive(banning.peerId)
    await until(async () => (await figures(a)).refused === 2, 'dialled again, and refused again')
    expect((await figures(a)).dials).to.equal(dials + 1)
  })

  it('H41: who has refused us is left alone after a restart too, and is dialled when that is taken back', async () => {
    const [banning, clock] = [await rawPeer(transport), new ManualClock()]
    const nodes: TestNode[] = []
    bans(banning, nodes)
    const kept: string[] = []
    const refusals = { load: async () => kept.at(-1), save: async (text: string) => { kept.push(text) } }
    const options = { clock, refusals, staticPeers: [banning.address], redial: { firstMs: 20, maxMs: 100 } }
    const before = await startNode(transport, options)
    nodes.push(before)
    await until(() => kept.length > 0, 'kept')
    await before.end()
    const after = await startNode(transport, options)
    expect((await peersOf(after)).map(({ peer, refused }) => [peer, refused])).to.deep.equal([[banning.peerId, true]])
    await pass(clock, 10_000)
    expect((await figures(after)).dials).to.equal(0)
    expect((await failure(after.network.dial(banning.address, WITHIN))).code).to.equal('dial_refused')
    void after.network.forgive(banning.peerId)
    await until(async () => (await figures(after)).dials === 1, 'dialled')
  })

  it('H41: starts where what was kept cannot be read', async () => {
    const a = await startNode(transport, { refusals: { load: async () => { throw new Error('no store') }, save: async () => { throw new Error('no store') } } })
    expect(await peersOf(a)).to.deep.equal([])
  })

  it('H35: a peer whose gossip stream does not come back is drained, closed and, as a static one, dialled again', async () => {
    const peer = await rawPeer(transport, { gossip: true })
    const a = await startNode(transport, { staticPeers: [peer.address], redial: { firstMs: 20, maxMs: 100 } })
    await meshed(a, peer)
    // from now on it takes no gossip stream of ours
    const gossipsub = peer.pubsub as unknown as GossipsubInternals
    const take = gossipsub.createInboundStream.bind(gossipsub)
    gossipsub.createInboundStream = (_, stream) => { stream.abort(new Error('no gossip')) }
    for (const { streams } of peer.node.getConnections()) {
      for (const stream of streams) if (stream.direction === 'inbound' && stream.protocol.startsWith('/meshsub/')) stream.abort(new Error('no gossip'))
    }
    await until(async () => (await a.network.figures(WITHIN)).gossip.streamsLost === 1, 'lost')
    gossipsub.createInboundStream = take
    expect((await a.network.figures(WITHIN)).gossip.streamsReopened).to.be.at.least(5)
    await until(() => a.events.received.filter(({ type }) => type === 'peerConnected').length === 2, 'dialled again')
    await meshed(a, peer)
    await a.network.publish('commitments', commitment(1), WITHIN)
    await until(() => peer.got.length === 1, 'heard again')
    a.events.expectNone('peerRefused')
  })

  it('tells the reputation gossipsub\'s score of everybody connected, now and then', async () => {
    const [a, b] = await Promise.all([startNode(transport, { standing: { appScore: () => 0.5 }, sweepEveryMs: 1_000 }), startNode(transport)])
    await connect(a, b)
    await until(() => a.reputation.received.some(({ type }) => type === 'gossipScores'), 'told')
    expect([...a.reputation.expect('gossipScores').scores]).to.deep.equal([[b.peerId, 0.5]])
  })

  it('counts what others think of a peer into its gossip score', async () => {
    const [a, b] = await Promise.all([startNode(transport, { standing: { appScore: () => -3 } }), startNode(transport)])
    await a.network.dial(b.address, WITHIN)
    await until(async () => (await peersOf(a))[0]?.score === -3, 'the score is live')
  })
})
