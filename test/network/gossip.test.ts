import { expect } from 'chai'
import { newPrivateKey } from '../../src/actors/network/index.js'
import type { GossipsubInternals, Rpc } from '../../src/actors/network/gossip/gossipsub-internals.js'
import { encodeFrame } from '../../src/protocol/index.js'
import { describeTransports } from '../support/transport.js'
import { until } from '../support/until.js'
import { WITHIN, commitment, connect, equal, meshed, startNode, stopAll, txList } from './harness.js'
import type { TestNode } from './harness.js'
import { collect, rawPeer, stopRawPeers, topics } from './raw-peer.js'
import type { RawPeer } from './raw-peer.js'

const figures = async (node: TestNode) => (await node.network.figures(WITHIN)).gossip
const scoreOf = async (node: TestNode, peer: string) => (await node.network.peers(WITHIN)).find(each => each.peer === peer)?.score
const internals = ({ pubsub }: RawPeer) => pubsub as unknown as GossipsubInternals

/** A line of three in which the outer ones do not know each other. */
async function line(transport: 'memory' | 'tcp', middle: Parameters<typeof startNode>[1] = {}): Promise<[TestNode, TestNode, TestNode]> {
  const [a, b, c] = await Promise.all([startNode(transport), startNode(transport, middle), startNode(transport)])
  await Promise.all([connect(a, b), connect(c, b)])
  return [a, b, c]
}

describeTransports('network: gossip', transport => {
  afterEach(async () => { await stopAll(); await stopRawPeers() })

  it('brings a commitment and a txlist to the validator, with where they came from', async () => {
    const [a, b] = await Promise.all([startNode(transport), startNode(transport)])
    await connect(a, b)
    expect(await a.network.publish('txLists', txList(1, 100_000), WITHIN)).to.deep.equal({ recipients: 1 })
    expect(await a.network.publish('commitments', commitment(1), WITHIN)).to.deep.equal({ recipients: 1 })
    await until(() => b.validator.received.length === 2, 'both at b')
    const first = b.validator.expect('txList')
    expect(equal(first.bytes, txList(1, 100_000))).to.equal(true)
    expect(first.origin).to.include({ kind: 'gossip', peer: a.peerId })
    expect(equal(b.validator.expect('commitment').bytes, commitment(1))).to.equal(true)
    await until(async () => (await figures(b)).verdicts.commitments.accept === 1, 'accepted')
    expect(await figures(b)).to.deep.include({ received: { commitments: 1, txLists: 1 }, receivedBytes: { commitments: 382, txLists: 100_036 } })
    expect((await figures(a)).published).to.deep.equal({ commitments: 1, txLists: 1 })
  })

  it('forwards what is accepted, and neither what is rejected nor what is ignored', async () => {
    const [a, b, c] = await line(transport, { decide: message => ('bytes' in message && message.bytes[1] === 2 ? 'reject' : 'bytes' in message && message.bytes[1] === 3 ? 'ignore' : 'accept') })
    for (const n of [2, 3, 4]) await a.network.publish('commitments', commitment(n), WITHIN)
    await until(() => c.got('commitments').length > 0, 'the accepted one at c')
    expect(c.got('commitments').map(bytes => bytes[1])).to.deep.equal([4])
    expect((await figures(b)).verdicts.commitments).to.deep.equal({ accept: 1, reject: 1, ignore: 1 })
  })

  it('penalises the sender of what is rejected, and nobody for what is ignored', async () => {
    const [a, b] = await Promise.all([startNode(transport), startNode(transport, { decide: () => 'ignore' })])
    await connect(a, b)
    await a.network.publish('commitments', commitment(1), WITHIN)
    await until(async () => (await figures(b)).verdicts.commitments.ignore === 1, 'ignored')
    expect(await scoreOf(b, a.peerId)).to.equal(0)
    b.decide = () => 'reject'
    await a.network.publish('commitments', commitment(2), WITHIN)
    // the library keeps a score for one heartbeat
    await until(async () => await scoreOf(b, a.peerId) === -2, 'penalised')
  })

  it('ignores what has no verdict in time, and a verdict after that', async () => {
    const [a, b, c] = await line(transport, { decide: () => 'nothing', gossip: { verdictWithinMs: 50 } })
    await a.network.publish('commitments', commitment(1), WITHIN)
    await until(async () => (await figures(b)).refused.commitments.no_verdict === 1, 'given up')
    const { origin } = b.validator.expect('commitment')
    if (origin.kind !== 'gossip') throw new Error('not from gossip')
    void b.network.verdict(origin.messageId, origin.peer, 'accept')
    await until(async () => (await figures(b)).verdictsUnknown === 1, 'counted')
    b.decide = () => 'accept'
    await a.network.publish('commitments', commitment(2), WITHIN)
    await until(() => c.got('commitments').length > 0, 'the second at c')
    expect(c.got('commitments').map(bytes => bytes[1])).to.deep.equal([2])
    expect((await figures(b)).verdicts.commitments).to.deep.equal({ accept: 1, reject: 0, ignore: 1 })
    expect((await b.network.figures(WITHIN)).now.verdictsPending).to.equal(0)
  })

  it('ignores at once what the validator has no room for, and counts it by topic', async () => {
    const [a, b] = await Promise.all([startNode(transport), startNode(transport)])
    await connect(a, b)
    b.validator.feedback = 'rejected'
    await a.network.publish('commitments', commitment(1), WITHIN)
    await a.network.publish('txLists', txList(1, 100), WITHIN)
    await until(async () => (await figures(b)).refused.txLists.overloaded === 1, 'refused')
    expect((await figures(b)).refused.commitments.overloaded).to.equal(1)
    expect((await figures(b)).received).to.deep.equal({ commitments: 0, txLists: 0 })
    b.events.expect('refused', { topic: 'commitments', from: a.peerId, reason: 'overloaded', penalty: false })
    expect(await scoreOf(b, a.peerId)).to.equal(0)
  })

  it('ignores at once what is more than it keeps verdicts open for', async () => {
    const [a, b] = await Promise.all([startNode(transport), startNode(transport, { decide: () => 'nothing', gossip: { maxPending: 2 } })])
    await connect(a, b)
    for (const n of [1, 2, 3]) await a.network.publish('commitments', commitment(n), WITHIN)
    await until(async () => (await figures(b)).refused.commitments.overloaded === 1, 'refused')
    expect((await b.network.figures(WITHIN)).now.verdictsPending).to.equal(2)
  })

  it('tells what cannot be published at once', async () => {
    const a = await startNode(transport)
    const failed = async (promise: Promise<unknown>) => promise.then(() => undefined, (error: { code: string; value: unknown; limit?: number }) => [error.code, error.value, error.limit])
    expect(await failed(a.network.publish('commitments', new Uint8Array(383), WITHIN))).to.deep.equal(['too_large', 383, 382])
    expect(await failed(a.network.publish('txLists', new Uint8Array(2_097_189), WITHIN))).to.deep.equal(['too_large', 2_097_189, 2_097_188])
    expect(await a.network.publish('commitments', commitment(1), WITHIN)).to.deep.equal({ recipients: 0 })
    expect((await failed(a.network.publish('commitments', commitment(1), WITHIN)))?.[0]).to.equal('duplicate')
  })

  it('H03: honest bytes sent on the other topic first do not burn their id', async () => {
    const [a, b] = await Promise.all([startNode(transport), startNode(transport)])
    const mallory = await rawPeer(transport, { gossip: true })
    await Promise.all([connect(a, b), mallory.dial(b.address).then(() => meshed(b, mallory))])
    await mallory.pubsub?.publish(topics.txLists, commitment(1))
    await until(async () => (await figures(b)).refused.txLists.undecodable === 1, 'refused')
    b.events.expect('refused', { topic: 'txLists', from: mallory.peerId, reason: 'undecodable', penalty: true })
    await a.network.publish('commitments', commitment(1), WITHIN)
    await until(() => b.got('commitments').length === 1, 'the honest one')
    await until(async () => (await scoreOf(b, mallory.peerId) ?? 0) < 0, 'penalised')
  })

  it('goes on after garbage, impossible sizes, unknown topics and unsigned messages', async () => {
    const [a, b] = await Promise.all([startNode(transport), startNode(transport)])
    const mallory = await rawPeer(transport, { gossip: true })
    await Promise.all([connect(a, b), mallory.dial(b.address).then(() => meshed(b, mallory))])
    await mallory.pubsub?.publish(topics.commitments, new Uint8Array(381))
    await mallory.pubsub?.publish(topics.commitments, new Uint8Array(0))
    internals(mallory).sendRpc(b.peerId, { subscriptions: [], messages: [{ topic: '/somewhere/else', data: commitment(7) }] })
    internals(mallory).sendRpc(b.peerId, { subscriptions: [], messages: [{ topic: topics.commitments, data: commitment(8) }] })
    await until(async () => (await figures(b)).refused.other.unknown_topic === 1, 'refused by topic')
    b.events.expect('refused', { topic: '/somewhere/else', from: mallory.peerId, reason: 'unknown_topic' })
    await until(async () => (await figures(b)).refused.commitments.undecodable === 2, 'refused by form')
    await a.network.publish('commitments', commitment(9), WITHIN)
    await until(() => b.got('commitments').length === 1, 'the honest one')
    expect(b.got('commitments')[0]?.[1]).to.equal(9)
  })

  it('H18: takes an RPC at its decode limits, drops one above them, and goes on', async () => {
    const b = await startNode(transport, { gossip: { budgetMessages: Infinity } })
    const mallory = await rawPeer(transport, { gossip: true })
    await mallory.dial(b.address)
    await meshed(b, mallory)
    const flood = (count: number): Rpc => ({ messages: [], subscriptions: Array.from({ length: count }, (_, i) => ({ subscribe: true, topic: `t${i}` })) })
    internals(mallory).sendRpc(b.peerId, flood(64))
    internals(mallory).sendRpc(b.peerId, flood(65))
    internals(mallory).sendRpc(b.peerId, flood(100_000))
    await until(async () => (await figures(b)).malformedRpcs === 2, 'dropped')
    internals(mallory).sendRpc(b.peerId, { subscriptions: [], messages: Array.from({ length: 1_024 }, () => ({ topic: 'x' })) })
    await until(async () => (await figures(b)).refused.other.unknown_topic === 1_024, 'taken at the limit')
    internals(mallory).sendRpc(b.peerId, { subscriptions: [], messages: Array.from({ length: 1_025 }, () => ({ topic: 'x' })) })
    await until(async () => (await figures(b)).malformedRpcs === 3, 'dropped above it')
    // told at a limited rate, counted in full
    expect(b.events.received.filter(({ type }) => type === 'refused').length).to.be.at.most(150)
    await mallory.pubsub?.publish(topics.commitments, commitment(1))
    await until(() => b.got('commitments').length === 1, 'the honest one')
  })

  it('counts bytes that are no RPC, and hangs up on a frame above its cap', async () => {
    const b = await startNode(transport)
    const mallory = await rawPeer(transport)
    await mallory.dial(b.address)
    const stream = await mallory.open(b.peerId, '/meshsub/1.1.0')
    const { ended } = collect(stream)
    stream.send(encodeFrame(new Uint8Array(1_000).fill(0xff)))
    await until(async () => (await figures(b)).malformedRpcs === 1, 'counted')
    stream.send(new Uint8Array([0xff, 0xff, 0xff, 0xff, 0x0f]))
    await until(async () => (await b.network.figures(WITHIN)).violations.gossip_frame === 1, 'a violation')
    await ended
    await until(() => mallory.node.getConnections().length === 0, 'hung up')
    b.events.expect('violation', { peer: mallory.peerId, kind: 'gossip', violation: 'gossip_frame' })
  })

  it('ignores its own messages when they come back', async () => {
    const privateKey = newPrivateKey()
    const mirror = await rawPeer(transport, { gossip: true })
    const kept: Rpc[] = []
    const receive = internals(mirror).handleReceivedRpc.bind(mirror.pubsub)
    internals(mirror).handleReceivedRpc = async (from, rpc) => { if (rpc.messages.length > 0) kept.push(rpc); return receive(from, rpc) }
    const before = await startNode(transport, { privateKey })
    await before.network.dial(mirror.address, WITHIN)
    await meshed(before, mirror)
    await before.network.publish('commitments', commitment(1), WITHIN)
    await until(() => kept.length === 1, 'at the mirror')
    await before.stop()
    const after = await startNode(transport, { privateKey })
    await after.network.dial(mirror.address, WITHIN)
    await meshed(after, mirror)
    internals(mirror).sendRpc(after.peerId, kept[0] as Rpc)
    await until(async () => (await figures(after)).refused.commitments.own_message === 1, 'ignored')
    expect(after.validator.received).to.deep.equal([])
    expect(await scoreOf(after, mirror.peerId)).to.equal(0)
  })

  it('has nothing to do with a node of another chain but a connection', async () => {
    const [ours, theirs] = await Promise.all([startNode(transport), startNode(transport, { chainId: 1n })])
    await theirs.network.dial(ours.address, WITHIN)
    await until(async () => (await ours.network.peers(WITHIN)).some(({ protocols }) => protocols.length > 0), 'identified')
    ours.events.expectNone('peerReady')
    const failed = await ours.network.request('head', new Uint8Array([4, 0, 0, 0]), { peer: theirs.peerId }, WITHIN).catch((error: { code: string }) => error.code)
    expect(failed).to.equal('unsupported')
    expect(await ours.network.publish('commitments', commitment(1), WITHIN)).to.deep.equal({ recipients: 0 })
  })

  it('H35: a peer that does not read neither holds publishing up nor loses its stream', async () => {
    const [a, b] = await Promise.all([startNode(transport), startNode(transport)])
    const slow = await rawPeer(transport, { gossip: true })
    await Promise.all([connect(a, b), slow.dial(a.address).then(() => meshed(a, slow))])
    const stream = slow.node.getConnections()[0]?.streams.find(({ direction, protocol }) => direction === 'inbound' && protocol.startsWith('/meshsub/'))
    if (stream === undefined) throw new Error('no gossip stream')
    stream.maxReadBufferLength = 64 * 1024 * 1024
    stream.pause()
    const sent = Array.from({ length: 12 }, (_, n) => txList(n, 2_097_152))
    for (const bytes of sent) await a.network.publish('txLists', bytes, WITHIN)
    await until(() => b.got('txLists').length === 12, 'all at the one who reads')
    const { gossip, now } = await a.network.figures(WITHIN)
    expect(gossip.sendsHeldBack).to.be.above(0)
    expect(now.largestGossipBuffer).to.be.within(4_194_304, 4_194_304 + 2_200_000)
    expect(stream.status).to.equal('open')
    stream.resume()
    await until(() => slow.got.length >= 2, 'what was buffered, at the slow one')
    await until(async () => (await a.network.figures(WITHIN)).now.largestGossipBuffer < 100_000, 'drained')
    await a.network.publish('commitments', commitment(1), WITHIN)
    await until(() => slow.got.some(({ topic }) => topic === topics.commitments), 'the next one, at the slow one')
    expect((await figures(a)).streamsReopened).to.equal(0)
  })

  it('delivers a burst of full txlists, each in an RPC of its own', async () => {
    const [a, b] = await Promise.all([startNode(transport), startNode(transport)])
    await connect(a, b)
    const sent = Array.from({ length: 8 }, (_, n) => txList(n, 2_097_152))
    await Promise.all(sent.map(bytes => a.network.publish('txLists', bytes, WITHIN)))
    await until(() => b.got('txLists').length === 8, 'all at b')
    expect(b.got('txLists').every((bytes, i) => equal(bytes, sent[i] as Uint8Array))).to.equal(true)
  })
})
