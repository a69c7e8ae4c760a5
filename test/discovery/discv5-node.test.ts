import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { getSocketAddressMultiaddrOnENR } from '@chainsafe/discv5'
import { SignableENR } from '@chainsafe/enr'
import type { ENR } from '@chainsafe/enr'
import { expect } from 'chai'
import { openDiscv5 } from '../../src/actors/discovery/discv5-node.js'
import type { Discv5Init, Discv5Node } from '../../src/actors/discovery/discv5-node.js'
import { recommended } from '../../src/actors/discovery/index.js'
import { ipFromText } from '../../src/actors/discovery/ip.js'
import { UdpTransport, socketAddress } from '../../src/actors/discovery/udp-transport.js'
import { systemClock } from '../../src/actors/kernel/index.js'
import { realTransports } from '../support/transport.js'
import { until } from '../support/until.js'

const LOOPBACK = ipFromText('127.0.0.1')!
const suite = realTransports ? describe : describe.skip

suite('discv5 on a socket of our own', () => {
  const open = new Set<Discv5Node>()
  afterEach(async () => {
    for (const node of open) await node.stop()
    open.clear()
  })

  async function start(more: Partial<Discv5Init> = {}): Promise<{ readonly node: Discv5Node; readonly record: ENR }> {
    const privateKey = Uint8Array.from(randomBytes(32))
    const node = await openDiscv5({
      privateKey, ip: LOOPBACK, port: 0, packets: recommended.packets, clock: systemClock,
      isSound: () => true, found: () => undefined, threw: () => undefined, failed: () => undefined, ...more,
    })
    open.add(node)
    const record = SignableENR.createV4(privateKey, { ip: LOOPBACK.bytes, udp: Uint8Array.of(node.port >> 8, node.port & 0xff) })
    await node.start(record)
    return { node, record: record.toENR() }
  }

  it('finds who is in the tables of others, and sees where others see it', async () => {
    const [a, b, c] = [await start(), await start(), await start()]
    b.node.add(c.record)
    a.node.add(b.record)
    await until(async () => (await a.node.lookup()).some(({ nodeId }) => nodeId === c.node.nodeId), 'found')
    expect(await a.node.ping(b.record)).to.deep.equal({ ip: LOOPBACK, port: a.node.port })
    expect((await c.node.request(LOOPBACK, a.node.port, a.record.publicKey)).nodeId).to.equal(a.node.nodeId)
  })

  it('H22: leaves no socket and no timer behind when it stops: the library forgets those of lookups', async () => {
    const count = (kind: string): number => process.getActiveResourcesInfo().filter(name => name === kind).length
    const before = { sockets: count('UDPWrap'), timers: count('Timeout') }
    const [a, b] = [await start(), await start()]
    a.node.add(b.record)
    for (let n = 0; n < 5; n++) await a.node.lookup()
    expect(count('UDPWrap')).to.equal(before.sockets + 2)
    await a.node.stop()
    await b.node.stop()
    await until(() => count('UDPWrap') === before.sockets, 'sockets closed')
    expect(count('Timeout')).to.be.at.most(before.timers + 1)
  })

  it('a lookup with nobody to ask is over at once', async () => {
    const { node } = await start()
    expect(await node.lookup()).to.deep.equal([])
  })

  it('what is not sound gets into no table', async () => {
    const [boot, bad] = [await start(), await start()]
    boot.node.add(bad.record)
    const { node } = await start({ isSound: ({ nodeId }) => nodeId !== bad.node.nodeId })
    const seen: string[] = []
    node.add(boot.record)
    node.add(bad.record)
    await node.lookup()
    await bad.node.ping((await start()).record)
    expect(node.table().map(({ nodeId }) => nodeId)).to.deep.equal([boot.node.nodeId])
    expect(seen).to.deep.equal([])
  })

  it('the library still throws at such records: once it does not, RecordFilter can go', () => {
    const record = SignableENR.createV4(Uint8Array.from(randomBytes(32)), { ip: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9), udp: Uint8Array.of(1, 2) })
    expect(() => getSocketAddressMultiaddrOnENR(record, { ip4: true, ip6: false })).to.throw()
  })

  it('a host that cannot be reached is no error of the socket', async () => {
    let broken: unknown
    const transport = new UdpTransport({ nodeId: '00', ip: LOOPBACK, port: 0, allows: () => true, talksWith: () => undefined, threw: () => undefined, failed: error => { broken = error } })
    await transport.bind()
    // from a loopback socket the kernel refuses this one by itself: nothing leaves the machine
    const packet = { maskingIv: new Uint8Array(16), header: { protocolId: 'discv5', version: 1, flag: 0, nonce: new Uint8Array(12), authdataSize: 32, authdata: new Uint8Array(32) }, message: new Uint8Array(20) }
    await transport.send(socketAddress(ipFromText('1.2.3.4')!, 9), '00'.repeat(32), packet)
    await transport.send(socketAddress(LOOPBACK, 0), '00'.repeat(32), packet).catch(() => undefined)
    // what comes after them
    const other = createSocket('udp4')
    const arrived = once(other, 'message')
    await new Promise<void>(resolve => { other.bind(0, '127.0.0.1', resolve) })
    await transport.send(socketAddress(LOOPBACK, other.address().port), '00'.repeat(32), packet)
    await arrived
    other.close()
    expect(broken).to.equal(undefined)
    await transport.stop()
  })

  it('packets above the limit are dropped', async () => {
    const [a, b] = [await start({ packets: { perSender: 0.01, burst: 2, total: 100, totalBurst: 100 } }), await start()]
    await b.node.ping(a.record)
    const late = await b.node.ping(a.record).catch((error: unknown) => error)
    expect(late).to.be.instanceOf(Error)
    expect(a.node.packetsDropped).to.be.above(0)
  })
})
