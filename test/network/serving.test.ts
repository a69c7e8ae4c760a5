import type { Stream } from '@libp2p/interface'
import { expect } from 'chai'
import { ManualClock } from '../../src/actors/kernel/testing/index.js'
import type { RequestKind, Violation } from '../../src/actors/network/index.js'
import { ANSWER_SIZES, encodeFrame, protocolsOf, readFrame } from '../../src/protocol/index.js'
import { every } from '../support/every.js'
import { describeTransports } from '../support/transport.js'
import type { TestTransport } from '../support/transport.js'
import { until } from '../support/until.js'
import { CHAIN, WITHIN, commitmentsRequest, equal, headRequest, pass, passUntil, passing, startNode, txList } from './harness.js'
import type { TestNode, TestNodeOptions } from './harness.js'
import { collect, rawPeer } from './raw-peer.js'
import type { RawPeer } from './raw-peer.js'

const protocols = protocolsOf(CHAIN)
const head = new Uint8Array(64).fill(7)
const figures = (node: TestNode) => node.network.figures(WITHIN)

async function pair(transport: TestTransport, options: TestNodeOptions = {}): Promise<[TestNode, RawPeer]> {
  const [node, peer] = await Promise.all([startNode(transport, options), rawPeer(transport)])
  await peer.dial(node.address)
  // A burst of streams before the other side has set up its own ends the connection.
  await until(() => peer.identified() > 0, 'identified')
  return [node, peer]
}

/** Writes bytes on a new stream, closes its own side unless told not to, and gives what comes back. */
async function ask(peer: RawPeer, node: TestNode, kind: RequestKind, bytes: Uint8Array, { close = true } = {}) {
  const stream = await peer.open(node.peerId, protocols[kind])
  const answer = collect(stream)
  if (bytes.length > 0) stream.send(bytes)
  if (close) void stream.close().catch(() => undefined)
  return { stream, ...answer }
}

/** Answers whatever the node is asked. */
function answering(node: TestNode, body: (kind: 'serveHead' | 'serveCommitments' | 'serveTxList') => Uint8Array): () => void {
  const done = new Set<object>()
  return every(2, () => {
    for (const message of [...node.chain.received, ...node.store.received]) {
      if (done.has(message) || !('request' in message)) continue
      done.add(message)
      void node.network.answer(message.request, body(message.type))
    }
  })
}

const unread = (stream: Stream): void => { stream.pause() }

describeTransports('network: serving', transport => {
  it('answers each kind with one frame and closes its side', async () => {
    const [node, peer] = await pair(transport)
    const stop = answering(node, kind => kind === 'serveTxList' ? txList(1, 500_000) : kind === 'serveHead' ? head : new Uint8Array([4, 0, 0, 0]))
    for (const [kind, request, expected] of [
      ['head', headRequest, head], ['commitments', commitmentsRequest(1, 2), new Uint8Array([4, 0, 0, 0])], ['txList', new Uint8Array(32), txList(1, 500_000)],
    ] as const) {
      const { bytes, ended } = await ask(peer, node, kind, encodeFrame(request))
      expect(await ended).to.equal('closed')
      expect(equal(readFrame(bytes(), 3_000_000), expected), kind).to.equal(true)
    }
    stop()
    expect((await figures(node)).serving.served).to.deep.equal({ head: 1, commitments: 1, txList: 1 })
  })

  it('answers before the asker has closed its side, and ignores what follows the request', async () => {
    const [node, peer] = await pair(transport)
    const stop = answering(node, () => head)
    const { bytes, ended } = await ask(peer, node, 'head', Buffer.concat([encodeFrame(headRequest), Buffer.from('more')]), { close: false })
    expect(await ended).to.equal('closed')
    stop()
    expect(equal(readFrame(bytes(), 100), head)).to.equal(true)
  })

  it('takes a request for more than 256 commitments as one for 256, and one for none as answered with none', async () => {
    const [node, peer] = await pair(transport)
    const { bytes, ended } = await ask(peer, node, 'commitments', encodeFrame(commitmentsRequest(7, 0)))
    expect(await ended).to.equal('closed')
    expect(equal(bytes(), new Uint8Array([4, 4, 0, 0, 0]))).to.equal(true)
    await ask(peer, node, 'commitments', encodeFrame(commitmentsRequest(7, 4_000_000_000)))
    const asked = await until(() => node.store.received.find(message => message.type === 'serveCommitments'), 'asked')
    expect(asked).to.deep.include({ start: 7n, max: 256 })
  })

  it('answers with nothing when the other rooms have no answer in time: nobody goes unanswered', async () => {
    const clock = new ManualClock()
    const [node, peer] = await pair(transport, { clock, serving: { answerWithinMs: 100 } })
    const hash = new Uint8Array(32).fill(5)
    const none = { head: new Uint8Array(64), commitments: new Uint8Array([4, 0, 0, 0]), txList: Buffer.concat([hash, new Uint8Array([36, 0, 0, 0])]) }
    for (const [kind, request] of [['head', headRequest], ['commitments', commitmentsRequest(1, 2)], ['txList', hash]] as const) {
      const { bytes, ended } = await ask(peer, node, kind, encodeFrame(request))
      let end: string | undefined
      void ended.then(how => { end = how })
      expect(await passUntil(clock, () => end, 'answered')).to.equal('closed')
      expect(equal(readFrame(bytes(), 1_000), none[kind]), kind).to.equal(true)
    }
    expect((await figures(node)).serving.empty).to.deep.equal({ head: 1, commitments: 1, txList: 1 })
    // an answer that comes after all is dropped
    const { request } = node.chain.expect('serveHead')
    void node.network.answer(request, head)
    node.chain.feedback = 'rejected'
    // no time passes any more
    const { ended } = await ask(peer, node, 'head', encodeFrame(headRequest))
    expect(await ended).to.equal('closed')
  })

  it('resets what is no request, counts it, and goes on', async () => {
    const [node, peer] = await pair(transport)
    const stop = answering(node, () => head)
    const hostile: Array<[RequestKind, Uint8Array, Violation]> = [
      ['head', new Uint8Array([0xff, 0xff, 0xff, 0x7f]), 'oversize'],
      ['head', encodeFrame(new Uint8Array(129)), 'oversize'],
      ['commitments', encodeFrame(new Uint8Array(513)), 'oversize'],
      ['txList', encodeFrame(new Uint8Array(257)), 'oversize'],
      ['commitments', encodeFrame(commitmentsRequest(1, 2)).subarray(0, 20), 'malformed_frame'],
      ['head', new Uint8Array([0x84, 0x00, 4, 0, 0, 0]), 'malformed_frame'],
      ['head', new Uint8Array(20).fill(0x80), 'malformed_frame'],
      ['head', encodeFrame(new Uint8Array([5, 0, 0, 0])), 'malformed_request'],
      ['commitments', encodeFrame(new Uint8Array(37)), 'malformed_request'],
      ['txList', encodeFrame(new Uint8Array(0)), 'malformed_request'],
    ]
    const expected: Partial<Record<Violation, number>> = {}
    for (const [kind, bytes, violation] of hostile) {
      const { ended } = await ask(peer, node, kind, bytes)
      expect(await ended, `${kind} ${violation}`).to.equal('reset')
      expected[violation] = (expected[violation] ?? 0) + 1
      node.events.expect('violation', { peer: peer.peerId, kind, violation })
    }
    expect((await figures(node)).violations).to.deep.include(expected)
    const { bytes, ended } = await ask(peer, node, 'head', encodeFrame(headRequest))
    expect(await ended).to.equal('closed')
    expect(equal(readFrame(bytes(), 100), head)).to.equal(true)
    stop()
    await until(async () => (await figures(node)).now.inboundStreams === 0, 'nothing open')
  })

  it('lets a stream that closes before a whole request go without a word', async () => {
    const [node, peer] = await pair(transport)
    const { ended } = await ask(peer, node, 'head', new Uint8Array(0))
    await ended
    await until(async () => (await figures(node)).now.inboundStreams === 0, 'nothing open')
    node.events.expectNone('violation')
  })

  it('H34: a slow sender has 5 s for its request, here 150 ms, and is then reset', async () => {
    const [node, peer] = await pair(transport, { serving: { readWithinMs: 150 } })
    const silent = await ask(peer, node, 'head', new Uint8Array(0), { close: false })
    const slow = await ask(peer, node, 'commitments', encodeFrame(commitmentsRequest(1, 2)).subarray(0, 5), { close: false })
    const stop = every(20, () => { if (slow.stream.status === 'open') slow.stream.send(new Uint8Array(1)) })
    expect(await Promise.all([silent.ended, slow.ended])).to.deep.equal(['reset', 'reset'])
    stop()
    expect((await figures(node)).violations.read_timeout).to.equal(2)
    await until(async () => (await figures(node)).now.inboundStreams === 0, 'nothing open')
  })

  it('H34: a slow reader has 10 s for its answer, here 150 ms, and is then reset', async () => {
    const clock = new ManualClock()
    const [node, peer] = await pair(transport, { clock, serving: { writeWithinMs: 150 } })
    const stop = answering(node, () => txList(1, 2_097_152))
    const { stream } = await ask(peer, node, 'txList', encodeFrame(new Uint8Array(32)))
    unread(stream)
    await passUntil(clock, async () => (await figures(node)).violations.write_timeout === 1, 'reset')
    stop()
    await until(async () => (await figures(node)).now.inboundStreams === 0, 'nothing open')
    expect((await figures(node)).now.servingBytes).to.equal(0)
    expect((await figures(node)).serving.served.txList).to.equal(0)
  })

  it('H34: who has its answer and never ends its own side has 10 s for that, here 150 ms, and is then reset', async () => {
    const clock = new ManualClock()
    const [node, peer] = await pair(transport, { clock, serving: { writeWithinMs: 150 } })
    const stop = answering(node, () => head)
    const { bytes, stream } = await ask(peer, node, 'head', encodeFrame(headRequest), { close: false })
    const enough = every(20, () => { if (stream.status === 'open') stream.send(new Uint8Array(100)) })
    await until(() => bytes().length > 0, 'answered')
    await passUntil(clock, () => stream.status !== 'open', 'reset')
    enough()
    stop()
    expect(equal(readFrame(bytes(), 100), head)).to.equal(true)
    expect(node.events.expect('violation')).to.include({ violation: 'read_timeout', code: 'never_ended' })
    expect((await figures(node)).serving.served.head).to.equal(1)
    await until(async () => (await figures(node)).now.inboundStreams === 0, 'nothing open')
  })

  it('H34: the number of open streams is bounded, for a peer and in all', async () => {
    const [node, first] = await pair(transport, { serving: { maxStreamsPerPeer: 3, maxStreams: 4 } })
    const second = await rawPeer(transport)
    await second.dial(node.address)
    const open = (peer: RawPeer, kind: RequestKind) => ask(peer, node, kind, new Uint8Array(0), { close: false })
    for (let i = 0; i < 3; i++) await open(first, 'head')
    await until(async () => (await figures(node)).now.inboundStreams === 3, 'three open')
    expect(await (await open(first, 'head')).ended).to.equal('reset')
    const last = await open(first, 'txList')
    await until(async () => (await figures(node)).now.inboundStreams === 4, 'four open')
    expect((await figures(node)).violations.too_many_streams).to.equal(1)
    last.stream.abort(new Error('enough'))
    await until(async () => (await figures(node)).now.inboundStreams === 3, 'room again')
    await open(second, 'head')
    await until(async () => (await figures(node)).now.inboundStreams === 4, 'taken')
  })

  it('H69: what others have filled is not held against who asks: the greediest makes room, and nobody is blamed', async () => {
    const [node, greedy] = await pair(transport, { serving: { maxStreamsPerPeer: 8, maxStreams: 6 } })
    const modest = await rawPeer(transport)
    await modest.dial(node.address)
    const stop = answering(node, () => head)
    const held = []
    for (let i = 0; i < 6; i++) held.push(await ask(greedy, node, i % 2 === 0 ? 'head' : 'txList', new Uint8Array(0), { close: false }))
    await until(async () => (await figures(node)).now.inboundStreams === 6, 'all are taken')
    const asked = await ask(modest, node, 'head', encodeFrame(headRequest))
    expect(await asked.ended).to.equal('closed')
    expect(asked.bytes().length).to.equal(65)
    expect(await held[0]!.ended).to.equal('reset')
    stop()
    const { now, violations } = await figures(node)
    expect([now.displacedStreams, violations.too_many_streams]).to.deep.equal([1, 0])
  })

  it('H08: answers over the rate limit are delayed, none is lost, and only overrunning the queue is a violation', async () => {
    const clock = new ManualClock()
    const [node, peer] = await pair(transport, { clock, serving: { perWindow: 4, maxDelayed: 4, delayWithinMs: 200, requestsPerSecond: 0 } })
    const stop = answering(node, () => head)
    const asked = await Promise.all(Array.from({ length: 9 }, () => ask(peer, node, 'head', encodeFrame(headRequest))))
    await until(async () => (await figures(node)).violations.rate_limit === 1, 'one too many')
    await passUntil(clock, async () => (await figures(node)).now.servingWaiting === 0, 'the delayed')
    const ends = await Promise.all(asked.map(({ ended }) => ended))
    stop()
    expect(ends.filter(end => end === 'closed').length).to.equal(8)
    expect(ends.filter(end => end === 'reset').length).to.equal(1)
    expect(asked.filter(({ bytes }) => bytes().length === 65).length).to.equal(8)
    const { serving, violations } = await figures(node)
    expect([serving.served.head, serving.delayed.head, violations.rate_limit]).to.deep.equal([8, 4, 1])
  })

  it('H08: over what is guaranteed it answers at once too, while nobody else needs its time', async () => {
    const [node, peer] = await pair(transport, { serving: { busyShare: 1_000 } })
    const stop = answering(node, () => head)
    for (let round = 0; round < 4; round++) {
      const asked = await Promise.all(Array.from({ length: 30 }, () => ask(peer, node, 'head', encodeFrame(headRequest))))
      for (const { ended } of asked) expect(await ended).to.equal('closed')
    }
    stop()
    const { serving, violations } = await figures(node)
    expect([serving.served.head, serving.delayed.head, violations.rate_limit]).to.deep.equal([120, 0, 0])
    expect(serving.busyMs).to.be.greaterThan(0)
  })

  it('H08: who asks within what is guaranteed is answered before all that others ask beyond it, though they came first and the room is slow', async () => {
    const [node, greedy] = await pair(transport, { serving: { perWindow: 4, maxDelayed: 64, delayWithinMs: 1, requestsPerSecond: 0, maxBytesPerPeer: 1e9, maxBytes: 1e9 } })
    const modest = await rawPeer(transport)
    await modest.dial(node.address)
    await until(() => modest.identified() > 0, 'identified')
    const mine = new Uint8Array(32).fill(7)
    const asked = () => node.store.received.filter(message => message.type === 'serveTxList')
    const theirs = await Promise.all(Array.from({ length: 40 }, () => ask(greedy, node, 'txList', encodeFrame(new Uint8Array(32)))))
    const atTheGate = (count: number) => until(async () => (await figures(node)).now.servingBytes === count * ANSWER_SIZES.txList, `${count} have room for their answers`)
    await atTheGate(40)
    const { bytes, ended } = await ask(modest, node, 'txList', encodeFrame(mine))
    await atTheGate(41)
    // The room gives one answer after the other.
    let given = 0
    for (; !asked().some(({ hash }) => equal(hash, mine)); given++) {
      await until(() => asked().length > given, 'the next question')
      void node.network.answer(asked()[given]!.request, txList(given, 100))
    }
    expect(given).to.be.at.most(5)
    const stop = answering(node, () => txList(1, 100))
    expect(await ended).to.equal('closed')
    expect(bytes().length).to.be.above(100)
    for (const each of theirs) expect(await each.ended).to.equal('closed')
    stop()
    expect((await figures(node)).serving.empty.txList).to.equal(0)
  })

  it('keeps answers under way within its budget: who does not read waits for itself', async () => {
    const [node, slow] = await pair(transport, { serving: { maxBytesPerPeer: 5_000_000 } })
    const quick = await rawPeer(transport)
    await quick.dial(node.address)
    const stop = answering(node, () => txList(1, 2_097_152))
    const streams = await Promise.all(Array.from({ length: 6 }, async () => {
      const asked = await ask(slow, node, 'txList', encodeFrame(new Uint8Array(32)))
      unread(asked.stream)
      return asked
    }))
    await until(async () => (await figures(node)).now.servingBytes > 4_000_000, 'two answers held')
    const { bytes, ended } = await ask(quick, node, 'txList', encodeFrame(new Uint8Array(32)))
    expect(await ended).to.equal('closed')
    expect(bytes().length).to.be.above(2_097_152)
    expect((await figures(node)).now.servingBytes).to.be.at.most(5_000_000)
    for (const { stream } of streams) stream.resume()
    await Promise.all(streams.map(each => each.ended))
    stop()
    await until(async () => (await figures(node)).now.servingBytes === 0, 'all given back')
  })

  it('H40: stopping answers who waits before it closes, with nothing where the answer is not there', async () => {
    const clock = new ManualClock()
    const [node, peer] = await pair(transport, { clock })
    const { bytes, ended } = await ask(peer, node, 'head', encodeFrame(headRequest))
    await until(() => node.chain.received.length === 1, 'asked')
    const stopped = node.stop()
    // no time has passed
    expect(await ended).to.equal('closed')
    expect(equal(readFrame(bytes(), 100), new Uint8Array(64))).to.equal(true)
    await passing(clock, stopped)
  })

  it('H32: who has not sent a whole request does not hold a stop up', async () => {
    const clock = new ManualClock()
    const [node, peer] = await pair(transport, { clock })
    await ask(peer, node, 'commitments', encodeFrame(commitmentsRequest(1, 2)).subarray(0, 5), { close: false })
    await until(async () => (await figures(node)).now.inboundStreams === 1, 'open')
    const stopped = node.stop()
    await pass(clock, 2_000)
    await stopped
  })

  it('H40: hanging up waits for the answer of another room', async () => {
    const clock = new ManualClock()
    const [node, peer] = await pair(transport, { clock })
    const { bytes, ended } = await ask(peer, node, 'head', encodeFrame(headRequest))
    const { request } = await until(() => node.chain.received.find(message => message.type === 'serveHead'), 'asked')
    const hungUp = node.network.hangUp(peer.peerId, WITHIN)
    await pass(clock, 3_000)
    expect(peer.node.getConnections().length).to.equal(1)
    void node.network.answer(request, head)
    await passing(clock, hungUp)
    expect(await ended).to.equal('closed')
    expect(equal(readFrame(bytes(), 100), head)).to.equal(true)
    await until(() => peer.node.getConnections().length === 0, 'closed')
  })
})
