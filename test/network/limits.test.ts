import { createServer, connect as connectTo } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { expect } from 'chai'
import { multiaddr } from '@multiformats/multiaddr'
import { ManualClock } from '../../src/actors/kernel/testing/index.js'
import { defaultConnections, newPrivateKey, peerKeyOf } from '../../src/actors/network/index.js'
import { choosePruned } from '../../src/actors/network/connections/connection-pruner.js'
import type { PruneCandidate } from '../../src/actors/network/connections/connection-pruner.js'
import { every } from '../support/every.js'
import { describeTransports, itOverTcp } from '../support/transport.js'
import { until } from '../support/until.js'
import { WITHIN, pass, passUntil, startNode } from './harness.js'
import type { TestNode } from './harness.js'
import { rawPeer } from './raw-peer.js'
import type { RawPeer } from './raw-peer.js'

const figures = (node: TestNode) => node.network.figures(WITHIN)

async function guests(transport: 'memory' | 'tcp', count: number): Promise<RawPeer[]> {
  return Promise.all(Array.from({ length: count }, () => rawPeer(transport)))
}

describeTransports('network: limits on connections', transport => {
  it('inbound: holds under a crowd that comes at once', async () => {
    const hub = await startNode(transport, { connections: { inbound: 5, pendingInbound: 1_000 } })
    let most = 0
    const crowd = await guests(transport, 20)
    const stop = every(5, async () => { most = Math.max(most, (await figures(hub)).now.connections) })
    // Who is not in dials again: on a busy machine a dial may end for another reason.
    await until(async () => {
      await Promise.all(crowd.map(guest => guest.dial(hub.address).catch(() => undefined)))
      return ((await figures(hub)).connections.denied['too_many_inbound'] ?? 0) >= 15
    }, 'fifteen were too many')
    await until(async () => (await figures(hub)).now.connections === 5, 'five are in')
    stop()
    expect((await figures(hub)).now).to.include({ connections: 5, peers: 5 })
    // between its last hook and its opening a connection counts nowhere; it is closed in the same turn
    expect(most).to.be.at.most(6)
  })

  it('outbound, and in all', async () => {
    const others = await guests(transport, 4)
    const addresses = others.map(({ address }) => address)
    const codes = async (node: TestNode) => Promise.all(addresses.map(async address => node.network.dial(address, WITHIN).then(() => 'in', (error: { value: unknown }) => error.value)))
    const few = await startNode(transport, { connections: { outbound: 2 } })
    const out = await codes(few)
    expect(out.filter(each => each === 'in').length).to.be.at.least(2)
    await until(async () => (await figures(few)).now.connections === 2, 'two')
    expect((await codes(few)).filter(each => each === 'too_many_outbound').length).to.equal(2)
    const small = await startNode(transport, { connections: { total: 3 } })
    await codes(small)
    await until(async () => (await figures(small)).now.connections === 3, 'three')
    expect((await codes(small)).filter(each => each === 'too_many_connections').length).to.equal(1)
  })

  it('per peer: four, whoever dials', async () => {
    const [hub, [guest]] = await Promise.all([startNode(transport), guests(transport, 1)])
    for (let i = 0; i < 6; i++) await guest?.node.dial(multiaddr(hub.address), { force: true }).catch(() => undefined)
    await until(async () => ((await figures(hub)).connections.denied['too_many_of_peer'] ?? 0) >= 2, 'two too many')
    await until(async () => (await figures(hub)).now.connections === 4, 'four')
  })

  it('no second dial of a peer while one is under way', async () => {
    const [a, [b]] = await Promise.all([startNode(transport), guests(transport, 1)])
    const dial = () => a.network.dial(b?.address ?? '', WITHIN).then(() => 'in', (error: { value: unknown }) => error.value)
    expect(await Promise.all([dial(), dial()])).to.deep.equal(['in', 'already_dialling'])
    expect((await figures(a)).connections.denied).to.deep.equal({ already_dialling: 1 })
    expect(await dial()).to.equal('in')
  })

  it('redials of one peer', async () => {
    const a = await startNode(transport, { gater: { redials: 3 } })
    const nobody = peerKeyOf(newPrivateKey())
    const address = transport === 'tcp' ? `/ip4/127.0.0.1/tcp/1/p2p/${nobody}` : `/memory/nobody/p2p/${nobody}`
    const codes: unknown[] = []
    for (let i = 0; i < 4; i++) codes.push(await a.network.dial(address, WITHIN).catch((error: { code: string; value: unknown }) => error.code === 'dial_denied' ? error.value : error.code))
    expect(codes).to.deep.equal(['dial_failed', 'dial_failed', 'dial_failed', 'redial_limit'])
  })

  it('without the rule a dial needs no peer id', async () => {
    const [a, [b]] = await Promise.all([startNode(transport, { gater: { peerId: false } }), guests(transport, 1)])
    if (b === undefined) throw new Error('no guest')
    expect(await a.network.dial(b.address.slice(0, b.address.indexOf('/p2p/')), WITHIN)).to.equal(b.peerId)
  })

  it('makes room for a newcomer: who is of no use, and worst, is drained and closed, never who is protected', async () => {
    const scores = new Map<string, number>()
    const clock = new ManualClock()
    const hub = await startNode(transport, {
      connections: { inbound: 5, total: 10, softShare: 0.8, pruneAfterMs: 0 },
      standing: { appScore: peer => scores.get(peer) ?? 0, isProtected: peer => scores.get(peer) === -4 },
      clock, sweepEveryMs: 1_500,
    })
    const house = await guests(transport, 5)
    scores.set(house[0]?.peerId ?? '', -4)
    scores.set(house[1]?.peerId ?? '', -1)
    for (const guest of house) await guest.dial(hub.address)
    await until(async () => (await figures(hub)).now.connections === 5, 'all are in')
    await passUntil(clock, async () => (await figures(hub)).connections.pruned === 1, 'one makes room')
    await passUntil(clock, async () => (await figures(hub)).now.connections === 4, 'gone')
    const left = (await hub.network.peers(WITHIN)).map(({ peer }) => peer)
    expect(left).to.include(house[0]?.peerId).and.not.include(house[1]?.peerId)
    // it does not come back while there is little room; a newcomer comes in
    await until(() => house[1]?.node.getConnections().length === 0, 'gone on its side too')
    await house[1]?.dial(hub.address).catch(() => undefined)
    await until(async () => (await figures(hub)).connections.denied['pruned_recently'] === 1, 'kept out')
    const [newcomer] = await guests(transport, 1)
    await newcomer?.dial(hub.address)
    await until(async () => (await hub.network.peers(WITHIN)).some(({ peer }) => peer === newcomer?.peerId), 'the newcomer')
  })
})

describe('network: limits on what is not a connection yet', () => {
  itOverTcp('pending inbound: 40 that say nothing, and the next is closed; when they are gone all is well', async () => {
    const hub = await startNode('tcp', { handshake: { upgradeWithinMs: 60_000 } })
    const port = Number(/tcp\/(\d+)/.exec(hub.address)?.[1])
    const sockets: Socket[] = []
    let closed = 0
    const sayNothing = (): void => {
      const socket = connectTo(port, '127.0.0.1')
      socket.on('error', () => undefined)
      socket.on('close', () => { closed++ })
      sockets.push(socket)
    }
    for (let i = 0; i < 45; i++) sayNothing()
    await until(() => closed === 5, 'five were too many')
    // one more after all those: had another of them been too many, it would have been told before
    sayNothing()
    await until(() => closed > 5, 'one more is too many')
    expect(closed).to.equal(6)
    for (const socket of sockets) socket.destroy()
    const guest = await startNode('tcp')
    expect(await until(() => guest.network.dial(hub.address, WITHIN).catch(() => undefined), 'let in')).to.equal(hub.peerId)
  })

  itOverTcp('H34, H70: who says nothing after connecting is closed within 3 s', async () => {
    const hub = await startNode('tcp')
    const socket = connectTo(Number(/tcp\/(\d+)/.exec(hub.address)?.[1]), '127.0.0.1')
    socket.on('error', () => undefined)
    // by a timer of libp2p's
    await new Promise(resolve => { socket.on('close', resolve) })
  })

  itOverTcp('pending outbound: 40 at most, 16 of them at once', async () => {
    const held: Socket[] = []
    let most = 0
    const silent = createServer(socket => {
      held.push(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => { held.splice(held.indexOf(socket), 1) })
      most = Math.max(most, held.length)
    })
    await new Promise<void>(resolve => { silent.listen(0, '127.0.0.1', resolve) })
    try {
      const { port } = silent.address() as AddressInfo
      const clock = new ManualClock()
      const a = await startNode('tcp', { clock, connections: { dialTimeoutMs: 1_500 } })
      const dials = Promise.all(Array.from({ length: 45 }, () =>
        a.network.dial(`/ip4/127.0.0.1/tcp/${port}/p2p/${peerKeyOf(newPrivateKey())}`, WITHIN).catch((error: { code: string; value: unknown }) => error.code === 'dial_denied' ? error.value : error.code)))
      await until(() => held.length >= 16, 'under way')
      // one of our own, after all that it may have at once
      const ours = connectTo(port, '127.0.0.1')
      await until(() => held.some(({ remotePort }) => remotePort === ours.localPort), 'ours')
      expect(most).to.equal(17)
      ours.destroy()
      await pass(clock, 1_500)
      expect((await dials).filter(code => code === 'too_many_dials').length).to.equal(5)
    } finally {
      for (const socket of held) socket.destroy()
      silent.close()
    }
  })
})

describe('network: whom to prune', () => {
  const limits = { ...defaultConnections, inbound: 10, outbound: 10, total: 20 }
  const peer = (n: number, changes: Partial<PruneCandidate> = {}): PruneCandidate =>
    ({ peer: `p${n}`, inbound: 1, outbound: 0, forMs: 100_000 + n, score: 0, inMesh: false, exempt: false, ...changes })
  const house = (count: number, changes: (n: number) => Partial<PruneCandidate> = () => ({})) => Array.from({ length: count }, (_, n) => peer(n, changes(n)))

  it('nobody up to nine tenths of a limit', () => {
    expect(choosePruned(house(9), limits)).to.deep.equal([])
    expect(choosePruned(house(10).map((each, n) => n % 2 === 0 ? each : { ...each, inbound: 0, outbound: 1 }), limits)).to.deep.equal([])
  })

  it('above it the least reputable, among equals the latest', () => {
    expect(choosePruned(house(10), limits)).to.deep.equal(['p0'])
    expect(choosePruned(house(10, n => ({ score: n === 7 ? -0.5 : n === 4 ? -3 : 0 })), limits)).to.deep.equal(['p4'])
    expect(choosePruned(house(10, n => ({ inMesh: n === 0 })), limits)).to.deep.equal(['p1'])
  })

  it('nobody who is exempt, useful, or new', () => {
    for (const kept of [{ exempt: true, score: -10 }, { score: 0.5 }, { inMesh: true }, { forMs: 59_999 }]) {
      expect(choosePruned(house(10, () => kept), limits), JSON.stringify(kept)).to.deep.equal([])
    }
    // but a bad one has no grace
    expect(choosePruned(house(10, n => ({ forMs: 10, inMesh: true, score: n === 3 ? -0.1 : 1 })), limits)).to.deep.equal(['p3'])
  })

  it('only whose leaving helps, and a part of the house at once', () => {
    const mixed = [...house(10), ...house(3).map((each, n) => ({ ...each, peer: `o${n}`, inbound: 0, outbound: 1, score: -9 }))]
    expect(choosePruned(mixed, limits)).to.deep.equal(['p0'])
    expect(choosePruned(house(110), defaultConnections).length).to.equal(11)
    expect(choosePruned([...house(200)], { ...defaultConnections, inbound: 200 }).length).to.equal(11)
  })
})
