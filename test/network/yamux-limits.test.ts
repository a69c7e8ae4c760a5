import { yamux } from '@chainsafe/libp2p-yamux'
import type { StreamMuxer, StreamMuxerFactory } from '@libp2p/interface'
import { expect } from 'chai'
import { protocolsOf } from '../../src/protocol/index.js'
import { describeTransports } from '../support/transport.js'
import { until } from '../support/until.js'
import { CHAIN, WITHIN, commitment, failures, frame, headRequest, meshed, startNode, stopAll } from './harness.js'
import type { TestNode } from './harness.js'
import { collect, rawPeer, stopRawPeers, topics } from './raw-peer.js'
import type { RawPeer } from './raw-peer.js'

const protocols = protocolsOf(CHAIN)
const line = (text: string): Buffer => Buffer.concat([Buffer.from([text.length + 1]), Buffer.from(`${text}\n`)])
const HEADER = line('/multistream/1.0.0')
const figures = (node: TestNode) => node.network.figures(WITHIN)
const violations = (node: TestNode) => node.events.received.flatMap(event => event.type === 'violation' ? [event.code] : [])

const DATA = 0, WINDOW = 1, PING = 2
const SYN = 1, RST = 8
function yamuxFrame(type: number, flag: number, id: number, length: number, body = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(12)
  header.writeUInt8(type, 1)
  header.writeUInt16BE(flag, 2)
  header.writeUInt32BE(id, 4)
  header.writeUInt32BE(length, 8)
  return Buffer.concat([header, body])
}

/** A peer that can send any frame. */
async function framer(transport: 'memory' | 'tcp', listen = false): Promise<{ readonly peer: RawPeer; readonly send: (...frames: Buffer[]) => void }> {
  let muxer: StreamMuxer | undefined
  const capturing = (): StreamMuxerFactory => {
    const factory = yamux()()
    const create = factory.createStreamMuxer.bind(factory)
    factory.createStreamMuxer = connection => (muxer = create(connection))
    return factory
  }
  const peer = await rawPeer(transport, { listen, muxer: capturing })
  const send = (...frames: Buffer[]): void => {
    const all = Buffer.concat(frames)
    // in pieces as large as noise takes them; what comes after the other side has closed goes nowhere
    for (let at = 0; at < all.length; at += 60_000) try { (muxer as unknown as { send(bytes: Buffer): void }).send(all.subarray(at, at + 60_000)) } catch { return }
  }
  return { peer, send }
}

describeTransports('network: yamux frames', transport => {
  afterEach(async () => { await stopAll(); await stopRawPeers() })

  const attacks: Readonly<Record<string, { readonly frames: Buffer[]; readonly refusal: 'frame_length' | 'frame_rate' }>> = {
    'H63: a new stream with a body of 4 GiB': { frames: [yamuxFrame(DATA, SYN, 10_001, 0xffffffff, Buffer.alloc(1_000))], refusal: 'frame_length' },
    'H63: one byte more than a new stream may send': { frames: [yamuxFrame(WINDOW, SYN, 10_001, 0), yamuxFrame(DATA, 0, 10_001, 262_145)], refusal: 'frame_length' },
    'H63: a stream that there is not': { frames: [yamuxFrame(DATA, 0, 77_777, 2 * 1_024 * 1_024 + 1)], refusal: 'frame_length' },
    'H65: streams opened and reset': { frames: Array.from({ length: 1_000 }, (_, n) => [yamuxFrame(WINDOW, SYN, 10_001 + 2 * n, 0), yamuxFrame(WINDOW, RST, 10_001 + 2 * n, 0)]).flat(), refusal: 'frame_rate' },
    'H65: pings': { frames: Array.from({ length: 5_000 }, (_, n) => yamuxFrame(PING, SYN, 0, n)), refusal: 'frame_rate' },
    'H65: window updates of no stream': { frames: Array.from({ length: 5_000 }, () => yamuxFrame(WINDOW, 0, 77_777, 1)), refusal: 'frame_rate' },
    'H65: empty data': { frames: [yamuxFrame(WINDOW, SYN, 10_001, 0), ...Array.from({ length: 5_000 }, () => yamuxFrame(DATA, 0, 10_001, 0))], refusal: 'frame_rate' },
    'H65: data of one byte': { frames: [yamuxFrame(DATA, SYN, 10_001, 25, Buffer.concat([HEADER, Buffer.from('\x04/x/1')])), ...Array.from({ length: 5_000 }, () => yamuxFrame(DATA, 0, 77_777, 1, Buffer.from([1])))], refusal: 'frame_rate' },
    'H65: data that nobody takes': { frames: Array.from({ length: 100 }, () => yamuxFrame(DATA, 0, 77_777, 60_000, Buffer.alloc(60_000))), refusal: 'frame_rate' },
  }
  for (const [title, { frames, refusal }] of Object.entries(attacks)) {
    it(`${title}: the connection is closed, and its peer blamed`, async () => {
      const node = await startNode(transport)
      const { peer, send } = await framer(transport)
      const connection = await peer.dial(node.address)
      await until(() => peer.identified() === 1, 'identified')
      send(...frames)
      await until(() => connection.status !== 'open', 'closed')
      await until(async () => (await figures(node)).now.connections === 0, 'closed by us')
      expect(violations(node)).to.deep.equal([refusal])
      expect((await figures(node)).handshake[refusal]).to.equal(1)
      expect(failures(node, peer.peerId)).to.equal(4)
    })
  }

  it('H41: a connection that we have dialled, and close at once for its frames, is no refusal', async () => {
    const node = await startNode(transport)
    const { peer, send } = await framer(transport, true)
    peer.node.addEventListener('connection:open', () => { send(yamuxFrame(DATA, SYN, 10_002, 0xffffffff, Buffer.alloc(1_000))) })
    await node.network.dial(peer.address, WITHIN).catch(() => undefined)
    await until(async () => (await figures(node)).handshake.frame_length === 1 && (await figures(node)).now.connections === 0, 'closed by us')
    expect((await figures(node)).connections.refused).to.equal(0)
    expect((await node.network.peers(WITHIN)).filter(({ refused }) => refused)).to.deep.equal([])
  })

  it('H63: as much as a stream may receive is taken', async () => {
    const node = await startNode(transport)
    const { peer, send } = await framer(transport)
    const connection = await peer.dial(node.address)
    await until(() => peer.identified() === 1, 'identified')
    const proposals = Buffer.concat([HEADER, line(protocols.head)])
    send(yamuxFrame(DATA, SYN, 10_001, 262_144, Buffer.concat([proposals, Buffer.from(frame(headRequest)), Buffer.alloc(262_144 - proposals.length - frame(headRequest).length)])))
    await until(() => node.chain.received.some(({ type }) => type === 'serveHead'), 'the request is served')
    expect(connection.status).to.equal('open')
    expect(violations(node)).to.deep.equal([])
  })

  it('H64: too many proposals on a stream: it is reset, and its peer blamed; the connection stays', async () => {
    const node = await startNode(transport)
    const { peer, send } = await framer(transport)
    const connection = await peer.dial(node.address)
    await until(() => peer.identified() === 1, 'identified')
    const body = Buffer.concat([HEADER, Buffer.alloc(15_000, '\x02x\n')])
    send(yamuxFrame(DATA, SYN, 10_001, body.length, body))
    await until(async () => (await figures(node)).handshake.negotiation === 1, 'counted')
    expect(violations(node)).to.deep.equal(['negotiation'])
    expect(connection.status).to.equal('open')
    const stream = await peer.open(node.peerId, protocols.head)
    stream.send(frame(headRequest))
    await until(() => node.chain.received.some(({ type }) => type === 'serveHead'), 'served all the same')
  })

  it('H65: who asks a lot, and is answered, is held to no rate of frames', async () => {
    const node = await startNode(transport, { handshake: { framesAtOnce: 120, framesPerSecond: 0 }, serving: { perWindow: 1_000 } })
    const peer = await rawPeer(transport, { gossip: true })
    const connection = await peer.dial(node.address)
    await meshed(node, peer)
    for (let n = 0; n < 60; n++) {
      const stream = await connection.newStream(protocols.head)
      const { ended } = collect(stream)
      stream.send(frame(headRequest))
      void stream.close()
      const asked = await until(() => node.chain.received.filter(message => message.type === 'serveHead')[n], `request ${n}`)
      void node.network.answer((asked as unknown as { request: number }).request, new Uint8Array(64))
      await ended
    }
    for (let n = 0; n < 60; n++) await peer.pubsub?.publish(topics.commitments, commitment(n))
    await until(() => node.got('commitments').length === 60, 'its gossip')
    // one after the other: plain yamux answers each with a window update
    for (let n = 1; n <= 200; n++) {
      await node.network.publish('commitments', commitment(100 + n), WITHIN)
      await until(() => peer.got.length === n, `ours, ${n}`)
    }
    expect(connection.status).to.equal('open')
    expect(violations(node)).to.deep.equal([])
  })
})
