import { connect as connectTo } from 'node:net'
import type { Socket } from 'node:net'
import { yamux } from '@chainsafe/libp2p-yamux'
import type { MultiaddrConnection, StreamMuxer, StreamMuxerFactory } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { expect } from 'chai'
import { ManualClock } from '../../src/actors/kernel/testing/index.js'
import { silentLogger } from '../../src/actors/kernel/index.js'
import { originOf } from '../../src/actors/network/addresses.js'
import { newCounters } from '../../src/actors/network/figures.js'
import { Handshake } from '../../src/actors/network/handshake/handshake.js'
import { defaultHandshake } from '../../src/actors/network/handshake/limits.js'
import { limitNegotiation } from '../../src/actors/network/handshake/negotiation.js'
import { PendingUpgrades } from '../../src/actors/network/handshake/pending-upgrades.js'
import type { Admission } from '../../src/actors/network/handshake/pending-upgrades.js'
import { networkConfig } from '../../src/actors/network/index.js'
import { protocolsOf } from '../../src/protocol/index.js'
import { describeTransports, itOverTcp } from '../support/transport.js'
import { until } from '../support/until.js'
import { CHAIN, WITHIN, commitment, failures, frame, headRequest, meshed, startNode, stopAll } from './harness.js'
import type { TestNode } from './harness.js'
import { collect, rawPeer, stopRawPeers, topics } from './raw-peer.js'
import type { RawPeer } from './raw-peer.js'

const protocols = protocolsOf(CHAIN)
const line = (text: string): Buffer => Buffer.concat([Buffer.from([text.length + 1]), Buffer.from(`${text}\n`)])
const HEADER = line('/multistream/1.0.0')
const portOf = (node: TestNode): number => Number(/tcp\/(\d+)/.exec(node.address)?.[1])
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
async function framer(transport: 'memory' | 'tcp'): Promise<{ readonly peer: RawPeer; readonly send: (...frames: Buffer[]) => void }> {
  let muxer: StreamMuxer | undefined
  const capturing = (): StreamMuxerFactory => {
    const factory = yamux()()
    const create = factory.createStreamMuxer.bind(factory)
    factory.createStreamMuxer = connection => (muxer = create(connection))
    return factory
  }
  const peer = await rawPeer(transport, { listen: false, muxer: capturing })
  const send = (...frames: Buffer[]): void => {
    const all = Buffer.concat(frames)
    // in pieces as large as noise takes them; what comes after the other side has closed goes nowhere
    for (let at = 0; at < all.length; at += 60_000) try { (muxer as unknown as { send(bytes: Buffer): void }).send(all.subarray(at, at + 60_000)) } catch { return }
  }
  return { peer, send }
}

/** A muxer's stream, or a connection, that only shows what reached its reader. */
function bareStream() {
  const stream = {
    got: Buffer.alloc(0), aborted: false,
    onData(data: Uint8Array) { stream.got = Buffer.concat([stream.got, data]) },
    abort() { stream.aborted = true },
  }
  return stream
}

describe('network: proposals of protocols', () => {
  const open = (known: readonly string[] = ['/a/1', '/b/1']) => {
    const stream = bareStream()
    let exceeded = 0
    limitNegotiation(stream, { limits: defaultHandshake, protocols: () => known, exceeded: () => { exceeded++ } })
    return { stream, exceeded: () => exceeded }
  }

  it('H64: ten rounds pass, one more ends the stream before it is answered', () => {
    const { exceeded, stream } = open()
    stream.onData(Buffer.concat([HEADER, ...Array.from({ length: 9 }, () => line('x'))]))
    expect([stream.aborted, stream.got.length]).to.deep.equal([false, 20 + 9 * 3])
    stream.onData(line('x'))
    expect([stream.aborted, exceeded(), stream.got.length]).to.deep.equal([true, 1, 20 + 9 * 3])
  })

  it('H64: whatever is proposed: unknown names, `ls`, the header again, empty lines, and what comes byte by byte', () => {
    for (const unit of [line('x'), line('ls'), HEADER, Buffer.from([0]), Buffer.from([0x80, 0x80, 0x01])]) {
      const whole = open()
      whole.stream.onData(Buffer.concat([HEADER, ...Array.from({ length: 4_000 }, () => unit)]))
      expect([whole.stream.aborted, whole.stream.got.length], unit.toString('hex')).to.deep.equal([true, 0])
      const bytes = open()
      for (const byte of Buffer.concat([HEADER, ...Array.from({ length: 400 }, () => unit)])) if (!bytes.stream.aborted) bytes.stream.onData(Buffer.from([byte]))
      expect([bytes.stream.aborted, bytes.exceeded()], unit.toString('hex')).to.deep.equal([true, 1])
      expect(bytes.stream.got.length, unit.toString('hex')).to.be.at.most(unit[0] === 0x80 ? 1_024 : 20 + 10 * unit.length + unit.length)
    }
  })

  it('H64: a kilobyte, however few the rounds', () => {
    const { stream } = open()
    const long = Buffer.concat([Buffer.from([0xff, 0x03]), Buffer.alloc(510, 'x'), Buffer.from('\n')])
    stream.onData(long)
    expect(stream.aborted).to.equal(false)
    stream.onData(long.subarray(0, 511))
    expect(stream.aborted).to.equal(false)
    stream.onData(Buffer.alloc(1))
    expect(stream.aborted).to.equal(true)
  })

  it('H64: what follows the protocol that is chosen is not counted', () => {
    const { exceeded, stream } = open()
    const payload = Buffer.alloc(100_000, 1)
    stream.onData(Buffer.concat([HEADER, line('/c/1'), line('/b/1'), payload]))
    stream.onData(payload)
    expect([stream.aborted, exceeded(), stream.got.length]).to.deep.equal([false, 0, 20 + 2 * 6 + 200_000])
  })

  it('H64: what was there before the limit counts too', () => {
    const stream = Object.assign(bareStream(), { readBuffer: Buffer.concat(Array.from({ length: 20 }, () => line('x'))) })
    limitNegotiation(stream, { limits: defaultHandshake, protocols: () => [], exceeded: () => undefined })
    expect(stream.aborted).to.equal(true)
  })
})

describe('network: what counts as one address', () => {
  const of = (address: string) => originOf(multiaddr(address))

  it('H70: a /32 in its /24, a /64 in its /48', () => {
    expect(of('/ip4/10.1.2.3/tcp/1')).to.deep.equal({ address: '10.1.2.3', subnet: '10.1.2.0/24' })
    expect(of('/ip6/2001:db8:1:2:3:4:5:6/tcp/1')).to.deep.equal({ address: '2001:db8:1:2::/64', subnet: '2001:db8:1::/48' })
    expect(of('/ip6/2001:db8::1/tcp/1')).to.deep.equal({ address: '2001:db8:0:0::/64', subnet: '2001:db8:0::/48' })
    expect(of('/ip6/::1/tcp/1')).to.deep.equal({ address: '0:0:0:0::/64', subnet: '0:0:0::/48' })
    expect(of('/ip6/::ffff:10.1.2.3/tcp/1')).to.deep.equal(of('/ip4/10.1.2.3/tcp/1'))
    expect(of('/memory/x')).to.equal(undefined)
  })

  it('H70: what is exempt is checked at the start', () => {
    for (const wrong of ['10.0.0.0/33', '10.0.0', 'x', '10.0.0.0/8/8', '::/129', '/8', '']) {
      expect(() => networkConfig({ exemptSubnets: [wrong] }), wrong).to.throw().that.includes({ code: 'bad_config', value: wrong })
    }
    networkConfig({ exemptSubnets: ['10.0.0.0/8', '::1', '2001:db8::/32', '127.0.0.1'] })
  })
})

describe('network: pending upgrades', () => {
  const place = (name: string) => ({ name, aborted: false, abort() { this.aborted = true } })
  const asker = (pending: PendingUpgrades) => (connection: ReturnType<typeof place>, origin: { readonly address: string; readonly subnet: string }) => {
    const asked = { connection, admission: undefined as Admission | undefined }
    pending.ask(connection, origin, admission => { asked.admission = admission })
    return asked
  }
  const from = (a: number, b: number) => ({ address: `10.0.${a}.${b}`, subnet: `10.0.${a}.0/24` })

  it('H70: four of an address, sixteen of its subnet', () => {
    const pending = new PendingUpgrades(defaultHandshake, 40)
    const ask = asker(pending)
    const first = Array.from({ length: 4 }, (_, n) => ask(place(`${n}`), from(1, 1)))
    expect(first.map(({ admission }) => admission)).to.deep.equal([{}, {}, {}, {}])
    // a few more wait, and those beyond are refused
    const more = Array.from({ length: 14 }, (_, n) => ask(place(`w${n}`), from(1, 1)))
    expect(more.filter(({ admission }) => admission === undefined).length).to.equal(12)
    expect(more.slice(12).map(({ admission }) => admission)).to.deep.equal([{ refused: 'pending_of_address' }, { refused: 'pending_of_address' }])
    expect([pending.size, pending.waiting]).to.deep.equal([4, 12])
    const others = Array.from({ length: 20 }, (_, n) => ask(place(`${n}`), from(1, 2 + n)))
    expect(others.filter(({ admission }) => admission !== undefined).length).to.equal(12)
    expect(ask(place('elsewhere'), from(2, 1)).admission).to.deep.equal({})
    // a place that is free again is for the one that has waited longest, and who has gone waits no more
    pending.done(more[0]!.connection)
    pending.done(first[2]!.connection)
    expect(more.slice(0, 3).map(({ admission }) => admission)).to.deep.equal([undefined, {}, undefined])
    expect(pending.size).to.equal(17)
  })

  it('H70: when all places are taken the oldest of the busiest address gives way', () => {
    const pending = new PendingUpgrades(defaultHandshake, 5)
    const [a, b1, b2, b3, c] = ['a', 'b1', 'b2', 'b3', 'c'].map(place) as [ReturnType<typeof place>, ...Array<ReturnType<typeof place>>]
    const ask = asker(pending)
    for (const [each, origin] of [[a, from(1, 1)], [b1, from(2, 1)], [b2, from(2, 1)], [b3, from(2, 1)], [c, from(3, 1)]] as const) ask(each!, origin)
    expect(ask(place('d'), from(4, 1)).admission?.displaced).to.equal(b1)
    expect(ask(place('e'), from(5, 1)).admission?.displaced).to.equal(b2)
    // all have one: the oldest of them
    expect(ask(place('f'), from(6, 1)).admission?.displaced).to.equal(a)
    expect(pending.size).to.equal(5)
    expect([pending.done(c!), pending.done(c!)]).to.deep.equal([true, false])
  })
})

describe('network: the room in front of everything', () => {
  function setUp(exemptSubnets: readonly string[] = []) {
    const clock = new ManualClock()
    const counters = newCounters()
    const handshake = new Handshake({
      limits: defaultHandshake, pendingInbound: 40, inboundPerSecond: 16, exemptSubnets, clock, log: silentLogger, counters, requestProtocols: [], violated: () => undefined,
    })
    const gate = handshake.gate({})
    const come = async (ip: string) => {
      const closing: Array<() => void> = []
      const stream = Object.assign(bareStream(), {
        remoteAddr: multiaddr(`/ip4/${ip}/tcp/1`),
        addEventListener: (_: string, listener: () => void) => { closing.push(listener) },
        close: () => { for (const listener of closing) listener() },
      })
      stream.abort = () => { stream.aborted = true; stream.close() }
      const isDenied = await gate.denyInboundConnection!(stream as unknown as MultiaddrConnection)
      return { stream, isDenied }
    }
    const offend = async (ip: string) => {
      const { stream } = await come(ip)
      stream.onData(Buffer.alloc(65_536, 'x'))
      return stream.aborted
    }
    return { clock, come, counters, handshake, offend }
  }

  it('H64: an address that keeps offending is refused, and let in again after a minute; another one is not touched', async () => {
    const { clock, come, counters, handshake, offend } = setUp()
    for (let n = 0; n < 4; n++) expect(await offend('10.0.0.1')).to.equal(true)
    expect((await come('10.0.0.1')).isDenied).to.equal(true)
    expect(counters.handshake).to.include({ negotiation: 4, address_refused: 1 })
    expect(handshake.offenders).to.deep.equal([{ address: '10.0.0.1', offences: 4, refusedForMs: 60_000 }])
    expect((await come('10.0.0.2')).isDenied).to.equal(false)
    clock.advance(59_999)
    expect((await come('10.0.0.1')).isDenied).to.equal(true)
    clock.advance(1)
    expect((await come('10.0.0.1')).isDenied).to.equal(false)
    handshake.sweep()
    expect(handshake.offenders).to.deep.equal([])
  })

  it('H64: offences far apart are forgotten', async () => {
    const { clock, come, offend } = setUp()
    for (let n = 0; n < 8; n++) { await offend('10.0.0.1'); clock.advance(25_000) }
    expect((await come('10.0.0.1')).isDenied).to.equal(false)
  })

  it('H70: exempt addresses are held to no limit of one address', async () => {
    const { come, handshake, offend } = setUp(['10.0.0.0/8'])
    for (let n = 0; n < 30; n++) expect((await come('10.0.0.1')).isDenied).to.equal(false)
    for (let n = 0; n < 6; n++) await offend('10.0.0.1')
    expect((await come('10.0.0.1')).isDenied).to.equal(false)
    expect(handshake.offenders).to.deep.equal([])
  })

  it('H70: new connections of one address have a rate; a place is free again when its connection has closed', async () => {
    const { clock, come, counters, handshake } = setUp()
    for (let n = 0; n < 16; n++) (await come('10.0.0.1')).stream.close()
    expect(handshake.pending).to.equal(0)
    expect((await come('10.0.0.1')).isDenied).to.equal(true)
    expect(counters.handshake).to.include({ address_rate: 1, upgrade_failed: 16 })
    clock.advance(1_000)
    expect((await come('10.0.0.1')).isDenied).to.equal(false)
  })
})

describe('network: from raw sockets', () => {
  afterEach(async () => { await stopAll(); await stopRawPeers() })
  const sockets: Socket[] = []
  afterEach(() => { for (const socket of sockets.splice(0)) socket.destroy() })
  const raw = (node: TestNode) => {
    const socket = connectTo(portOf(node), '127.0.0.1')
    sockets.push(socket)
    socket.on('error', () => undefined)
    const state = { socket, got: 0, closed: false }
    socket.on('data', data => { state.got += data.length })
    socket.on('close', () => { state.closed = true })
    return state
  }

  itOverTcp('H64: 64 KiB of proposals are answered by a closed socket', async () => {
    const node = await startNode('tcp', { exemptSubnets: [] })
    const state = raw(node)
    state.socket.write(Buffer.concat([HEADER, Buffer.alloc(65_535, '\x02x\n')]))
    await until(() => state.closed, 'closed')
    expect(state.got).to.be.at.most(11 * 20)
    const { handshake, now } = await figures(node)
    expect(handshake.negotiation).to.equal(1)
    expect(now.offenders).to.deep.equal([{ address: '127.0.0.1', offences: 1, refusedForMs: 0 }])
  })

  itOverTcp('H70: a dozen honest nodes behind one address come in together', async () => {
    const node = await startNode('tcp', { exemptSubnets: [] })
    const guests = await Promise.all(Array.from({ length: 12 }, () => rawPeer('tcp', { listen: false })))
    await Promise.all(guests.map(guest => guest.dial(node.address)))
    await until(async () => (await figures(node)).now.peers === 12, 'all twelve')
  })

  itOverTcp('H70: silent sockets of one address hold four places, for three seconds, whether there or waiting', async () => {
    const node = await startNode('tcp', { exemptSubnets: [], connections: { inboundPerSecond: 100 } })
    const silent = Array.from({ length: 24 }, () => raw(node))
    await until(() => silent.filter(({ closed }) => closed).length >= 8, 'eight are turned away')
    expect((await figures(node)).now.pendingInbound).to.be.at.most(4)
    await until(() => silent.every(({ closed }) => closed), 'the others, when their time is over')
    expect((await figures(node)).handshake).to.include({ pending_of_address: 8, upgrade_failed: 16 })
    const guest = await rawPeer('tcp')
    await guest.dial(node.address)
    await until(async () => (await figures(node)).now.pendingInbound === 0, 'let in')
  })
})

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
    await meshed(node, peer.peerId)
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
    for (let n = 100; n < 160; n++) await node.network.publish('commitments', commitment(n), WITHIN)
    await until(() => peer.got.length === 60, 'ours')
    expect(connection.status).to.equal('open')
    expect(violations(node)).to.deep.equal([])
  })
})
