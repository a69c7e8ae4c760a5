import { createSocket } from 'node:dgram'
import { randomBytes } from 'node:crypto'
import { ENR, SignableENR } from '@chainsafe/enr'
import { expect } from 'chai'
import { peerOfRecordKey } from '../../src/actors/discovery/candidate.js'
import type { DiscoveryEvent } from '../../src/actors/discovery/index.js'
import { openDiscv5 } from '../../src/actors/discovery/discv5-node.js'
import type { Discv5Node } from '../../src/actors/discovery/discv5-node.js'
import { recommended } from '../../src/actors/discovery/index.js'
import { ipFromText } from '../../src/actors/discovery/ip.js'
import { systemClock } from '../../src/actors/kernel/index.js'
import { MetaStore, WITHIN, startFinding, stopAll } from '../discovery/network.js'
import type { FindingNode } from '../discovery/network.js'
import { realTransports } from '../support/transport.js'
import { until } from '../support/until.js'

/** Lookups end by discv5's own time-outs of real time: where the machine is starved, each of them takes long, and many fail. */
const LOOKED_AROUND_WITHIN = 180_000
const LOOPBACK = ipFromText('127.0.0.1')!
const plain = new Set<Discv5Node>()

/** A discv5 node that is none of ours: it answers, knows no chain, and hands on whatever it is given. */
async function startPlain(entries: Record<string, Uint8Array> = {}): Promise<{ readonly node: Discv5Node; readonly record: SignableENR }> {
  const privateKey = Uint8Array.from(randomBytes(32))
  const node = await openDiscv5({
    privateKey, ip: LOOPBACK, port: 0, packets: recommended.packets, clock: systemClock,
    isSound: () => true, found: () => undefined, threw: () => undefined, failed: () => undefined,
  })
  const record = SignableENR.createV4(privateKey, { ip: LOOPBACK.bytes, udp: Uint8Array.of(node.port >> 8, node.port & 0xff), ...entries })
  await node.start(record)
  plain.add(node)
  return { node, record }
}

const failures = (node: FindingNode) => node.events.filter(event => event.type === 'bootnodeFailed')
  .map(({ bootnode, code }: Extract<DiscoveryEvent, { type: 'bootnodeFailed' }>) => ({ bootnode, code }))

const connected = (nodes: readonly FindingNode[]) => until(async () => {
  const peers = await Promise.all(nodes.map(async node => node.peers()))
  return nodes.every((node, i) => nodes.every(other => other === node || peers[i]!.includes(other.peerId)))
}, `${nodes.length} nodes, all connected`, LOOKED_AROUND_WITHIN)

const meshed = (nodes: readonly FindingNode[]) => until(async () => {
  const lists = await Promise.all(nodes.map(async node => node.network.peers(WITHIN)))
  return lists.every(list => list.filter(({ mesh }) => mesh.commitments && mesh.txLists).length === nodes.length - 1)
}, `${nodes.length} nodes, all in each other's meshes`)

const suite = realTransports ? describe : describe.skip

suite('discovery with real nodes on loopback', function () {
  this.timeout(2 * LOOKED_AROUND_WITHIN)
  afterEach(async () => {
    await stopAll()
    for (const node of plain) await node.stop()
    plain.clear()
  })

  it('H16: four nodes find each other from one bootnode and form a mesh; a bad bootnode is named and does no harm', async () => {
    const bad = 'enr:-this-is-none'
    const first = await startFinding()
    const nodes = [first, ...await Promise.all([1, 2, 3].map(async () => startFinding({ bootnodes: [bad, first.enr] })))]
    await connected(nodes)
    await meshed(nodes)
    for (const node of nodes.slice(1)) {
      expect(failures(node)).to.deep.equal([{ bootnode: bad, code: 'bad_bootnode' }])
      expect(node.log.lines.filter(({ level, fields }) => level === 'warn' && 'bootnode' in fields && fields.bootnode === bad)).to.have.length(1)
    }
    for (const node of nodes) {
      expect(node.failures.filter(({ type }) => type === 'failed')).to.deep.equal([])
      expect((await node.discovery.figures(WITHIN)).dialsFailed).to.be.at.most(3)
      expect(await node.peers(), 'itself').to.not.include(node.peerId)
    }
    const keys = new Map(nodes.map(({ enr, peerId }) => [peerId, ENR.decodeTxt(enr)]))
    for (const node of nodes) {
      await until(() => node.learned.size === 3, 'the keys of three ENRs')
      for (const [peer, key] of node.learned) expect(key).to.have.length(64), expect(peerOfRecordKey(compressed(key))).to.equal(keys.get(peer)!.peerId.toString())
    }
  })

  it('H16: a node of another chain, and one of none, are never dialled', async () => {
    const { node: boot, record } = await startPlain()
    const nodes = await Promise.all([1, 2, 3, 4].map(async () => startFinding({ bootnodes: [record.encodeTxt()] })))
    const stranger = await startFinding({ chainId: 1n, bootnodes: [record.encodeTxt()] })
    await connected(nodes)
    await until(() => boot.table().length === 5, 'everybody in the bootnode\'s table')
    for (const node of nodes) await until(async () => (await node.discovery.figures(WITHIN)).otherChain === 2, 'the stranger and the bootnode seen')
    await until(async () => (await stranger.discovery.figures(WITHIN)).otherChain === 5, 'all others seen by the stranger')
    expect(stranger.driver.filter(({ type }) => type === 'peerConnected')).to.deep.equal([])
    expect((await stranger.network.figures(WITHIN)).connections.opened).to.equal(0)
    expect((await stranger.discovery.figures(WITHIN)).dialled).to.equal(0)
    for (const node of nodes) expect(await node.peers()).to.have.length(3)
    expect(nodes.flatMap(({ events }) => events).some(event => event.type === 'discovered' && event.peer === stranger.peerId)).to.equal(false)
  })

  it('H16: the ENR names the port of libp2p, the chain, the network key, and the UDP port of its own', async () => {
    const node = await startFinding()
    const record = ENR.decodeTxt(node.enr)
    expect(record.tcp).to.equal(Number(node.address.split('/')[4]))
    expect(record.udp).to.be.a('number').that.is.not.equal(record.tcp)
    expect(record.ip).to.equal('127.0.0.1')
    expect(Buffer.from(record.kvs.get('taiko')!).toString('hex')).to.equal('028c58')
    expect(record.kvs.get('libp2p')).to.have.length(36)
  })

  it('H23: a restart finds the peers again without the bootnode', async () => {
    const store = new MetaStore()
    const privateKey = Uint8Array.from(randomBytes(32))
    const { node: boot, record } = await startPlain()
    const bootnodes = [record.encodeTxt()]
    const [one, other] = await Promise.all([1, 2].map(async () => startFinding({ bootnodes })))
    const before = await startFinding({ bootnodes, store, privateKey })
    await connected([one!, other!, before])
    await until(() => before.learned.size === 2, 'both known')
    await before.stop()
    await boot.stop()
    const again = await startFinding({ bootnodes, store, privateKey })
    await connected([one!, other!, again])
    expect((await again.network.peers(WITHIN)).map(({ direction }) => direction), 'by itself').to.deep.equal(['outbound', 'outbound'])
    expect(ENR.decodeTxt(again.enr).seq > ENR.decodeTxt(before.enr).seq, 'another port, another record').to.equal(true)
    await until(() => failures(again).some(({ code }) => code === 'bootnode_unreachable'), 'the bootnode is named')
  })

  it('H16: a UDP port in use is an error at the start, with its code', async () => {
    const socket = createSocket('udp4')
    await new Promise<void>(resolve => { socket.bind(0, '127.0.0.1', resolve) })
    const { port } = socket.address()
    try {
      await startFinding({ listen: { ip: '127.0.0.1', port } }).then(() => expect.fail('bound'), (error: { cause?: unknown }) => {
        expect(error.cause).to.have.property('code', 'bind_failed')
        expect(error.cause).to.have.property('value', `/ip4/127.0.0.1/udp/${port}`)
      })
    } finally {
      await new Promise<void>(resolve => { socket.close(() => { resolve() }) })
    }
  })

  it('a bootnode is taken as a multiaddr over UDP, whose ENR is asked for, and over TCP, which is dialled again until it is there', async () => {
    const first = await startFinding()
    const { udp, publicKey } = ENR.decodeTxt(first.enr)
    const second = await startFinding({ bootnodes: [`/ip4/127.0.0.1/udp/${udp}/p2p/${peerOfRecordKey(publicKey)}`] })
    await connected([first, second])
    expect(failures(second)).to.deep.equal([])

    const { address, peerId } = first
    await first.stop()
    const third = await startFinding({ bootnodes: [address] })
    await until(() => failures(third).length > 0, 'named')
    await until(async () => (await third.discovery.figures(WITHIN)).dialsFailed > 1, 'dialled again')
    expect(failures(third)).to.deep.equal([{ bootnode: address, code: 'bootnode_unreachable' }])
    expect(peerId).to.not.equal(third.peerId)
    expect(third.failures.filter(({ type }) => type === 'failed')).to.deep.equal([])
  })

  it('records that make discv5 throw, or its answers unreadable, do no harm', async () => {
    const { node: boot, record } = await startPlain()
    const hostile = [
      { ip: Uint8Array.of(1, 2, 3, 4, 5), udp: Uint8Array.of(1, 2) }, { ip: Uint8Array.of(127, 0, 0, 1), udp: Uint8Array.of(1) },
      { ip: Uint8Array.of(127, 0, 0, 1), udp: Uint8Array.of(0, 0) }, { ip: LOOPBACK.bytes, udp: Uint8Array.of(35, 41), Z: Uint8Array.of(1), a: Uint8Array.of(1) },
    ].map(entries => SignableENR.createV4(Uint8Array.from(randomBytes(32)), entries as unknown as Record<string, Uint8Array>).toENR())
    for (const each of hostile) boot.add(each)
    const nodes = await Promise.all([1, 2, 3].map(async () => startFinding({ bootnodes: [record.encodeTxt()] })))
    await connected(nodes)
    // One of the records is of the right form and leads nowhere: each lookup waits for it.
    for (const node of nodes) await until(async () => (await node.discovery.figures(WITHIN)).lookups > 3, 'lookups go on')
    expect((await nodes[0]!.discovery.figures(WITHIN)).known).to.be.at.most(3)
    expect(nodes.flatMap(node => node.failures).filter(({ type }) => type === 'failed')).to.deep.equal([])
  })
})

function compressed(key: Uint8Array): Uint8Array { return Uint8Array.of(2 + (key[63]! & 1), ...key.subarray(0, 32)) }
