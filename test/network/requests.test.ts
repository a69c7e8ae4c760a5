import type { Connection, Stream } from '@libp2p/interface'
import { expect } from 'chai'
import { ManualClock } from '../../src/actors/kernel/testing/index.js'
import { RequestError, checkMaxCount } from '../../src/actors/network/index.js'
import type { RequestKind } from '../../src/actors/network/index.js'
import { encodeFrame, protocolsOf } from '../../src/protocol/index.js'
import { describeTransports } from '../support/transport.js'
import { until } from '../support/until.js'
import { CHAIN, WITHIN, commitmentsRequest, connect, equal, headRequest, pass, passing, startNode, stopAll, txList } from './harness.js'
import type { TestNode } from './harness.js'
import { rawPeer, stopRawPeers } from './raw-peer.js'
import type { RawPeer } from './raw-peer.js'

const protocols = protocolsOf(CHAIN)
const head = new Uint8Array(64).fill(7)

interface Failure { readonly code: string; readonly value: unknown; readonly limit: number | undefined }

async function failure(promise: Promise<unknown>): Promise<Failure> {
  try { await promise } catch (error) {
    if (error instanceof RequestError) return { code: error.code, value: error.value, limit: error.limit }
    throw error
  }
  throw new Error('it was answered')
}

/** A server of another make. It gets the stream once a whole request is there, half-closed. */
async function serve(peer: RawPeer, kind: RequestKind, answer: (stream: Stream, request: Buffer, connection: Connection) => void, now = () => 0): Promise<{ seen: number[]; ends: Array<'closed' | 'reset'> }> {
  const log = { seen: [] as number[], ends: [] as Array<'closed' | 'reset'> }
  await peer.node.handle(protocols[kind], (stream, connection) => {
    const chunks: Buffer[] = []
    stream.addEventListener('message', ({ data }) => { chunks.push(Buffer.from(data.subarray())) })
    stream.addEventListener('close', ({ error }) => { log.ends.push(error === undefined ? 'closed' : 'reset') })
    const whole = (): void => { log.seen.push(now()); answer(stream, Buffer.concat(chunks), connection) }
    if (stream.remoteWriteStatus === 'closed') setImmediate(whole)
    else stream.addEventListener('remoteCloseWrite', whole, { once: true })
  }, { maxInboundStreams: 256 })
  return log
}

const send = (stream: Stream, bytes: Uint8Array): void => { stream.send(bytes); void stream.close() }

async function known(node: TestNode, peer: RawPeer): Promise<void> {
  await node.network.dial(peer.address, WITHIN)
  await until(async () => (await node.network.peers(WITHIN)).some(each => each.peer === peer.peerId && each.protocols.length > 0), 'identified')
}

describeTransports('network: requests', transport => {
  afterEach(async () => { await stopAll(); await stopRawPeers() })

  it('asks another node of ours, all three kinds, both ways', async () => {
    const [a, b] = await Promise.all([startNode(transport), startNode(transport)])
    await connect(a, b)
    for (const [from, to] of [[a, b], [b, a]] as const) {
      const asked = Promise.all([
        from.network.request('head', headRequest, {}, WITHIN),
        from.network.request('commitments', commitmentsRequest(1_000, 256), { peer: to.peerId }, WITHIN),
        from.network.request('txList', new Uint8Array(32).fill(9), {}, WITHIN),
      ])
      const serveHead = await until(() => to.chain.received.find(message => message.type === 'serveHead'), 'head asked')
      const serveCommitments = await until(() => to.store.received.find(message => message.type === 'serveCommitments'), 'commitments asked')
      const serveTxList = await until(() => to.store.received.find(message => message.type === 'serveTxList'), 'txlist asked')
      expect(serveCommitments).to.deep.include({ start: 1_000n, max: 256 })
      expect(equal(serveTxList.hash, new Uint8Array(32).fill(9))).to.equal(true)
      const page = new Uint8Array(4 + 382 * 256)
      page[0] = 4
      const list = txList(1, 2_097_152)
      void to.network.answer(serveHead.request, head)
      void to.network.answer(serveCommitments.request, page)
      void to.network.answer(serveTxList.request, list)
      const answers = await asked
      expect(answers.map(({ peer }) => peer)).to.deep.equal([to.peerId, to.peerId, to.peerId])
      expect([head, page, list].every((bytes, i) => equal(answers[i]?.body as Uint8Array, bytes))).to.equal(true)
    }
    await until(async () => (await b.network.figures(WITHIN)).serving.served.txList === 1, 'counted')
    expect((await b.network.figures(WITHIN)).serving.served).to.deep.equal({ head: 1, commitments: 1, txList: 1 })
    b.events.expect('served', { kind: 'txList', peer: a.peerId, bytes: 2_097_188 })
  })

  it('H28: a bad argument is an error at once', async () => {
    // no time passes
    const a = await startNode(transport, { clock: new ManualClock() })
    const ask = (kind: RequestKind, body: Uint8Array) => failure(a.network.request(kind, body, {}, WITHIN))
    expect(await ask('commitments', commitmentsRequest(5, 300))).to.deep.equal({ code: 'max_count_exceeded', value: 300, limit: 256 })
    expect(await ask('commitments', commitmentsRequest(5, 0))).to.deep.equal({ code: 'empty_range', value: 0, limit: undefined })
    expect(await ask('commitments', new Uint8Array(35))).to.deep.equal({ code: 'malformed_request', value: 35, limit: undefined })
    expect(await ask('txList', new Uint8Array(31))).to.deep.equal({ code: 'malformed_request', value: 31, limit: undefined })
    expect(await ask('head', new Uint8Array(5))).to.deep.equal({ code: 'malformed_request', value: 5, limit: undefined })
    expect(() => { checkMaxCount(257) }).to.throw(RequestError).with.property('limit', 256)
    expect((await a.network.figures(WITHIN)).requests.failed).to.deep.equal({ max_count_exceeded: 1, empty_range: 1, malformed_request: 3 })
  })

  it('says at once that there is nobody to ask', async () => {
    const [a, peer] = await Promise.all([startNode(transport, { clock: new ManualClock() }), rawPeer(transport)])
    expect((await failure(a.network.request('head', headRequest, {}, WITHIN))).code).to.equal('no_peer')
    expect((await failure(a.network.request('head', headRequest, { peer: peer.peerId }, WITHIN))).code).to.equal('not_connected')
    await known(a, peer)
    expect((await failure(a.network.request('head', headRequest, {}, WITHIN))).code).to.equal('no_peer')
    expect(await failure(a.network.request('head', headRequest, { peer: peer.peerId }, WITHIN))).to.deep.include({ code: 'unsupported', value: protocols.head })
  })

  it('H27: rotates over the peers, without the excluded ones', async () => {
    const [a, ...peers] = await Promise.all([startNode(transport), rawPeer(transport), rawPeer(transport), rawPeer(transport)])
    for (const peer of peers) {
      await serve(peer, 'head', stream => { send(stream, encodeFrame(head)) })
      await known(a, peer)
    }
    const turns: string[] = []
    for (let i = 0; i < 6; i++) turns.push((await a.network.request('head', headRequest, {}, WITHIN)).peer)
    expect(new Set(turns.slice(0, 3)).size).to.equal(3)
    expect(turns.slice(3)).to.deep.equal(turns.slice(0, 3))
    const [first, second, third] = turns as [string, string, string]
    expect((await a.network.request('head', headRequest, { exclude: [first, second] }, WITHIN)).peer).to.equal(third)
  })

  it('asks nobody whose standing is too low, unless it is named', async () => {
    const low = new Set<string>()
    const [a, peer] = await Promise.all([startNode(transport, { standing: { appScore: () => 0, mayAsk: each => !low.has(each) } }), rawPeer(transport)])
    await serve(peer, 'head', stream => { send(stream, encodeFrame(head)) })
    await known(a, peer)
    low.add(peer.peerId)
    expect((await failure(a.network.request('head', headRequest, {}, WITHIN))).code).to.equal('no_peer')
    expect((await a.network.request('head', headRequest, { peer: peer.peerId }, WITHIN)).peer).to.equal(peer.peerId)
  })

  it('tells by code what is wrong with an answer, and goes on', async () => {
    const [a, peer] = await Promise.all([startNode(transport), rawPeer(transport)])
    let answer: (stream: Stream) => void = () => undefined
    const log = await serve(peer, 'head', stream => { answer(stream) })
    await known(a, peer)
    const ask = () => failure(a.network.request('head', headRequest, { peer: peer.peerId }, WITHIN))
    answer = stream => { void stream.close() }
    expect((await ask()).code).to.equal('remote_closed')
    answer = stream => { stream.abort(new Error('no')) }
    expect((await ask()).code).to.equal('remote_closed')
    answer = stream => { send(stream, new Uint8Array([0xff, 0xff, 0x7f])) }
    expect(await ask()).to.deep.include({ code: 'oversize', limit: 65_536 })
    answer = stream => { send(stream, encodeFrame(head).subarray(0, 20)) }
    expect((await ask()).code).to.equal('malformed_frame')
    answer = stream => { send(stream, new Uint8Array([0x81, 0x00, 1])) }
    expect((await ask()).code).to.equal('malformed_frame')
    answer = stream => { send(stream, Buffer.concat([encodeFrame(head), Buffer.from('what follows is ignored')])) }
    expect(equal((await a.network.request('head', headRequest, { peer: peer.peerId }, WITHIN)).body, head)).to.equal(true)
    expect((await a.network.figures(WITHIN)).violations.bad_answer).to.equal(3)
    a.events.expect('violation', { peer: peer.peerId, kind: 'head', violation: 'bad_answer', code: 'frame_too_long' })
    await until(() => log.ends.length === 6, 'every stream has ended')
    expect(log.ends.at(-1)).to.equal('closed')
  })

  it('reads an answer that comes a byte at a time', async () => {
    const [a, peer] = await Promise.all([startNode(transport), rawPeer(transport)])
    await serve(peer, 'head', stream => {
      const bytes = encodeFrame(head)
      let at = 0
      const next = (): void => {
        if (at === bytes.length) { void stream.close(); return }
        stream.send(bytes.subarray(at, ++at))
        setImmediate(next)
      }
      next()
    })
    await known(a, peer)
    expect(equal((await a.network.request('head', headRequest, {}, WITHIN)).body, head)).to.equal(true)
  })

  it('gives up at its deadline, and only then ends the stream', async () => {
    const clock = new ManualClock()
    const [a, peer] = await Promise.all([startNode(transport, { clock, requests: { withinMs: 150 } }), rawPeer(transport)])
    const log = await serve(peer, 'head', () => undefined)
    await known(a, peer)
    const asked = failure(a.network.request('head', headRequest, {}, WITHIN))
    await until(() => log.seen.length === 1, 'asked')
    clock.advance(149)
    expect(log.ends).to.deep.equal([])
    clock.advance(1)
    expect(await asked).to.deep.include({ code: 'timeout', value: 150 })
    await until(() => log.ends.length === 1, 'ended')
    expect(log.ends).to.deep.equal(['reset'])
    expect((await a.network.figures(WITHIN)).requests.failed).to.deep.equal({ timeout: 1 })
  })

  it('says that the peer has gone when its connection closes in the middle', async () => {
    const [a, peer] = await Promise.all([startNode(transport), rawPeer(transport)])
    await serve(peer, 'head', (_, __, connection) => { connection.abort(new Error('gone')) })
    await known(a, peer)
    expect((await failure(a.network.request('head', headRequest, {}, WITHIN))).code).to.equal('remote_closed')
    expect((await a.network.figures(WITHIN)).now.requestsInFlight).to.equal(0)
  })

  it('H40: cancelling does not abort what is under way', async () => {
    const [a, peer] = await Promise.all([startNode(transport), rawPeer(transport)])
    const waiting: Stream[] = []
    const log = await serve(peer, 'head', stream => { waiting.push(stream) })
    await known(a, peer)
    const gone = new AbortController()
    const asked = a.network.request('head', headRequest, {}, { ms: WITHIN, signal: gone.signal }).catch((error: { code: string }) => error.code)
    const stream = await until(() => waiting[0], 'asked')
    gone.abort()
    expect(await asked).to.equal('cancelled')
    expect((await a.network.figures(WITHIN)).now.requestsInFlight).to.equal(1)
    send(stream, encodeFrame(head))
    await until(() => log.ends.length === 1, 'the exchange is over')
    expect(log.ends).to.deep.equal(['closed'])
    await until(async () => (await a.network.figures(WITHIN)).requests.answered.head === 1, 'the answer was read')
  })

  it('H40: stopping and hanging up wait for what is under way, and take nothing more on', async () => {
    for (const how of ['stop', 'hangUp'] as const) {
      const clock = new ManualClock()
      const [a, peer] = await Promise.all([startNode(transport, { clock }), rawPeer(transport)])
      const waiting: Stream[] = []
      const log = await serve(peer, 'head', stream => { waiting.push(stream) })
      await known(a, peer)
      const asked = a.network.request('head', headRequest, {}, WITHIN)
      const stream = await until(() => waiting[0], 'asked')
      let over = false
      const ended = (how === 'stop' ? a.stop() : a.network.hangUp(peer.peerId, WITHIN)).then(() => { over = true })
      await pass(clock, 3_000)
      expect(over).to.equal(false)
      expect(peer.node.getConnections().length).to.equal(1)
      if (how === 'hangUp') expect((await failure(a.network.request('head', headRequest, { peer: peer.peerId }, WITHIN))).code).to.equal('not_connected')
      send(stream, encodeFrame(head))
      if (how === 'hangUp') expect(equal((await asked).body, head)).to.equal(true)
      else await asked.catch(() => undefined)
      await passing(clock, ended)
      await until(() => peer.node.getConnections().length === 0, 'closed')
      expect(log.ends).to.deep.equal(['closed'])
    }
  })

  it('H07: waits for the quota: a server sees at most 7 in any window, and every request is answered', async () => {
    const clock = new ManualClock()
    const [a, peer] = await Promise.all([startNode(transport, { clock, requests: { windowMs: 400 } }), rawPeer(transport)])
    const log = await serve(peer, 'head', stream => { send(stream, encodeFrame(head)) }, () => clock.monotonic())
    await known(a, peer)
    const asked = Promise.all(Array.from({ length: 20 }, () => a.network.request('head', headRequest, {}, WITHIN)))
    // time stands while anything is on its way, so that what is sent at a moment comes at that moment
    for (let seen = 0; seen < 20; seen = log.seen.length) {
      await until(async () => (await a.network.figures(WITHIN)).now.requestsInFlight === 0, 'answered')
      clock.advance(10)
    }
    expect((await asked).length).to.equal(20)
    for (const first of log.seen) expect(log.seen.filter(at => at >= first && at < first + 390).length).to.be.at.most(7)
  })

  it('asks more at once of peers that say to be this software', async () => {
    const [a, peer] = await Promise.all([startNode(transport), rawPeer(transport, { agent: 'preconfirmation-p2p/9.9.9' })])
    const log = await serve(peer, 'head', stream => { send(stream, encodeFrame(head)) })
    await known(a, peer)
    await Promise.all(Array.from({ length: 32 }, () => a.network.request('head', headRequest, {}, WITHIN)))
    expect(log.seen.length).to.equal(32)
  })

  it('bounds what waits for the quota, in number and in time, and lets the caller take it back', async () => {
    const clock = new ManualClock()
    const [a, peer] = await Promise.all([startNode(transport, { clock, requests: { perWindow: 1, quotaWithinMs: 200, maxWaiting: 2 } }), rawPeer(transport)])
    await serve(peer, 'head', stream => { send(stream, encodeFrame(head)) })
    await known(a, peer)
    await a.network.request('head', headRequest, {}, WITHIN)
    const gone = new AbortController()
    const taken = failure(a.network.request('head', headRequest, {}, WITHIN))
    const back = a.network.request('head', headRequest, {}, { ms: WITHIN, signal: gone.signal }).catch((error: { code: string }) => error.code)
    await until(async () => (await a.network.figures(WITHIN)).now.requestsWaiting === 2, 'two wait')
    expect(await failure(a.network.request('head', headRequest, {}, WITHIN))).to.deep.include({ code: 'queue_full', limit: 2 })
    gone.abort()
    expect(await back).to.equal('cancelled')
    clock.advance(200)
    expect(await taken).to.deep.include({ code: 'timeout', value: 200 })
    expect((await a.network.figures(WITHIN)).now.requestsWaiting).to.equal(0)
  })

  it('tells who waits that its peer has gone', async () => {
    const [a, peer] = await Promise.all([startNode(transport, { clock: new ManualClock(), requests: { perWindow: 1 } }), rawPeer(transport)])
    await serve(peer, 'head', stream => { send(stream, encodeFrame(head)) })
    await known(a, peer)
    await a.network.request('head', headRequest, {}, WITHIN)
    const named = failure(a.network.request('head', headRequest, { peer: peer.peerId }, WITHIN))
    const any = failure(a.network.request('head', headRequest, {}, WITHIN))
    await peer.node.stop()
    expect([(await named).code, (await any).code]).to.deep.equal(['not_connected', 'no_peer'])
  })
})
