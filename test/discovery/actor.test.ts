import { ENR, SignableENR } from '@chainsafe/enr'
import { generateKeyPair, publicKeyToProtobuf } from '@libp2p/crypto/keys'
import { expect } from 'chai'
import { uncompressed } from '../../src/actors/discovery/candidate.js'
import { DiscoveryError } from '../../src/actors/discovery/index.js'
import type { DiscoveryInit } from '../../src/actors/discovery/index.js'
import { ipFromText } from '../../src/actors/discovery/ip.js'
import { minutes, seconds } from '../../src/actors/kernel/index.js'
import { testKit } from '../../src/actors/kernel/testing/index.js'
import type { TestKit } from '../../src/actors/kernel/testing/index.js'
import { MetaStore } from './network.js'
import { key, other, own, start } from './room.js'

describe('discovery', () => {
  let kit: TestKit
  beforeEach(() => { kit = testKit() })
  afterEach(async () => { await kit.stop() })

  it('looks around every 5 s, and every 20 s once there are enough peers (SPEC §8)', async () => {
    const room = await start(kit, { enoughPeers: 2 })
    await kit.advance(seconds(20))
    expect(room.node().lookups, 'nobody to ask').to.equal(0)
    const [a, b] = [await other('a'), await other('bb')]
    room.node().add(a.record)
    await kit.advance(seconds(10))
    expect(room.node().lookups).to.equal(2)
    room.node().add(b.record)
    await room.find(a, b)
    room.ready(a.peer)
    room.ready(b.peer)
    await kit.advance(seconds(5))
    const before = room.node().lookups
    await kit.advance(seconds(40))
    expect(room.node().lookups - before).to.equal(2)
    room.go(a.peer)
    await kit.advance(seconds(5))
    expect(room.node().lookups - before).to.equal(3)
  })

  it('H16: what is found is dialled once, through the driver; other chains, ourselves and those who are there are not', async () => {
    const room = await start(kit)
    const [a, stranger] = [await other('a'), await other('stranger', { chainId: 1n })]
    const noTcp = await other('no-tcp', { tcp: 0 })
    const us = await other('us too', { networkKey: own })
    const there = await other('there')
    room.come(there.peer, 'inbound', '/ip4/9.9.9.9/tcp/50000')
    await room.find(a, stranger, stranger, a, noTcp, us, there)
    expect(room.dials).to.deep.equal([a.address])
    expect(room.events.filter(({ type }) => type === 'discovered')).to.deep.equal([
      { type: 'discovered', peer: a.peer, address: a.address }, { type: 'discovered', peer: there.peer, address: there.address },
    ])
    expect(await room.handle.figures(100)).to.deep.include({ otherChain: 1, dialled: 1, dialsFailed: 0, unfit: 1, candidates: 2 })
  })

  it('a few dials at a time; none at the limit; some of our own choice even where others fill the places', async () => {
    const room = await start(kit, { dialsAtOnce: 2, enoughPeers: 4, outboundPeers: 2, maxPeers: 6 })
    room.network.answer('dial', async ({ address }) => { room.dials.push(address); return new Promise(() => undefined) })
    await room.find(...await Promise.all('abcdef'.split('').map(async name => other(name))))
    expect(room.dials).to.have.length(2)

    const full = await start(kit, { dialsAtOnce: 8, enoughPeers: 4, outboundPeers: 2, maxPeers: 6, privateKey: key('full') })
    for (const n of [1, 2, 3, 4]) full.come(`inbound-${n}`, 'inbound', `/ip4/9.9.9.${n}/tcp/1`)
    await full.find(...await Promise.all('abcdef'.split('').map(async name => other(name))))
    expect(full.dials).to.have.length(2)

    const crowded = await start(kit, { dialsAtOnce: 8, enoughPeers: 4, outboundPeers: 2, maxPeers: 6, privateKey: key('crowded') })
    for (const n of [1, 2, 3, 4, 5, 6]) crowded.come(`inbound-${n}`, 'inbound', `/ip4/9.9.9.${n}/tcp/1`)
    await crowded.find(...await Promise.all('abcdef'.split('').map(async name => other(name))))
    await kit.advance(minutes(5))
    expect(crowded.dials, 'six are the limit').to.deep.equal([])
  })

  it('as many as may come in (SPEC §8: 110) do not keep us from peers of our own choice', async () => {
    const room = await start(kit)
    for (let n = 1; n <= 110; n++) room.come(`inbound-${n}`, 'inbound', `/ip4/9.9.9.9/tcp/${n}`)
    await room.find(...await Promise.all('abcdefgh'.split('').map(async name => other(name))))
    expect(room.dials).to.have.length(room.config.outboundPeers)
  })

  it('a failed dial is tried again with backoff, and one that the peer refuses not before the driver says so', async () => {
    const room = await start(kit)
    const a = await other('a')
    room.failing.set(a.address, new Error('no'))
    await room.find(a)
    await kit.advance(minutes(5))
    const after5 = room.dials.length
    expect(after5).to.be.within(4, 8)
    await kit.advance(minutes(60))
    expect(room.dials.length - after5).to.be.within(5, 14)
    room.failing.set(a.address, Object.assign(new Error('refused'), { code: 'dial_refused', value: minutes(120) }))
    await kit.advance(minutes(11))
    const before = room.dials.length
    await kit.advance(minutes(108))
    expect(room.dials.length).to.equal(before)
    await kit.advance(minutes(12))
    expect(room.dials.length).to.equal(before + 1)
  })

  it('who is refused by the reputation is not dialled', async () => {
    const [a, b] = [await other('a'), await other('b')]
    const room = await start(kit, {}, { standing: { refuses: ({ peer }) => peer === a.peer ? 'banned' : undefined } })
    await room.find(a, b)
    await kit.advance(minutes(1))
    expect(room.dials).to.deep.equal([b.address])
  })

  it('addresses of our own network or host are used only by who is there', async () => {
    const ips = ['1.2.3.4', '10.0.0.7', '127.0.0.7']
    const dialled = async (options: Partial<DiscoveryInit>): Promise<string[]> => {
      const room = await start(kit, { ...options, privateKey: key(JSON.stringify(options)) })
      await room.find(...await Promise.all(ips.map(async ip => other(ip, { ip }))))
      return room.dials.map(address => address.split('/')[2]!).sort()
    }
    expect(await dialled({})).to.deep.equal(['1.2.3.4'])
    expect(await dialled({ listen: { ip: '0.0.0.0', port: 1 } })).to.deep.equal(['1.2.3.4'])
    expect(await dialled({ listen: { ip: '10.0.0.1', port: 1 } })).to.deep.equal(['1.2.3.4', '10.0.0.7'])
    expect(await dialled({ listen: { ip: '127.0.0.1', port: 1 } })).to.deep.equal(['1.2.3.4', '10.0.0.7', '127.0.0.7'])
    expect(await dialled({ privateAddresses: true })).to.deep.equal(['1.2.3.4', '10.0.0.7'])
    expect(await dialled({ listen: { ip: '10.0.0.1', port: 1 }, privateAddresses: false })).to.deep.equal(['1.2.3.4'])
  })

  describe('what is learned of a peer\'s ENR', () => {
    it('is its key, where the node of the record answers at the address that the peer is connected from', async () => {
      const room = await start(kit)
      const a = await other('a')
      room.node().answers.set(a.record.nodeId, { ip: ipFromText('5.5.5.5')!, port: 9001 })
      await room.find(a)
      expect(room.learned).to.deep.equal([])
      room.ready(a.peer)
      await kit.settle()
      expect(room.learned).to.deep.equal([`${a.peer} ${Buffer.from(uncompressed(a.record.publicKey)).toString('hex')}`])
    })

    it('is nothing of a record that names somebody else\'s network key', async () => {
      const room = await start(kit)
      const a = await other('a')
      const networkKey = Uint8Array.from(a.record.kvs.get('libp2p')!)
      // one at an address of its own, one that claims the victim's address, where its node does not answer
      const liars = [await other('liar', { networkKey, ip: '6.6.6.6' }), await other('liar two', { networkKey, ip: a.address.split('/')[2]! })]
      room.node().answers.set(liars[0]!.record.nodeId, { ip: ipFromText('5.5.5.5')!, port: 9001 })
      room.come(a.peer, 'inbound', `/ip4/${a.address.split('/')[2]}/tcp/55555`)
      room.ready(a.peer)
      await room.find(...liars)
      await kit.advance(minutes(1))
      expect(room.learned).to.deep.equal([])
    })
  })

  describe('H23: known peers', () => {
    it('are those that were ready, where they were dialled or say that they are; tried first at the next start', async () => {
      const store = new MetaStore()
      const room = await start(kit, {}, {}, store)
      const [a, b, c] = [await other('a'), await other('bb'), await other('ccc')]
      await room.find(a, b)
      room.ready(a.peer)
      const fixed = '/ip4/3.3.3.3/tcp/9000/p2p/12D3KooWBmAwcd4PJNJvfV89HwE48nwkRmAgo8Vy3uQEyNNHBox2'
      room.come(fixed.split('/p2p/')[1]!, 'outbound', fixed)
      room.ready(fixed.split('/p2p/')[1]!)
      room.come(c.peer, 'inbound', '/ip4/9.9.9.9/tcp/55555')
      room.ready(c.peer)
      await kit.advance(seconds(10))
      const stored = JSON.parse(store.values.get('discovery.peers')!) as Array<{ address: string }>
      expect(stored.map(({ address }) => address), 'newest first').to.deep.equal([fixed, a.address])

      const bootnode = '/ip4/2.2.2.2/tcp/9000/p2p/12D3KooWJbAk6SvGzfyVdKLo7wyFqCLzG2Tjph7gvNUrE5PZDVPy'
      const again = await start(kit, { bootnodes: [bootnode], dialsAtOnce: 1 }, {}, store)
      await kit.advance(seconds(1))
      expect(again.dials).to.deep.equal([fixed, a.address, bootnode])
    })

    it('have not earned that we dial into our own network for them: a later record leads no farther than where they were reached', async () => {
      const networkKey = publicKeyToProtobuf((await generateKeyPair('Ed25519')).publicKey)
      const at = async (ip: string, seq: bigint) => other('a', { ip, seq, networkKey })
      const known = async (ip: string) => {
        const store = new MetaStore()
        const { address, peer, record } = await at(ip, 1n)
        store.values.set('discovery.peers', JSON.stringify([{ peer, address, record: record.encodeTxt() }]))
        const room = await start(kit, {}, {}, store)
        for (const each of ['1.2.3.4', '127.0.0.1', '10.0.0.1', '10.0.0.2', '1.9.9.9']) room.failing.set((await at(each, 1n)).address, new Error('no'))
        await kit.advance(seconds(1))
        return room
      }
      const room = await known('1.2.3.4')
      for (const [ip, seq] of [['127.0.0.1', 2n], ['10.0.0.1', 3n]] as const) await room.find(await at(ip, seq))
      await kit.advance(minutes(5))
      expect(new Set(room.dials)).to.deep.equal(new Set([(await at('1.2.3.4', 1n)).address]))
      expect((await room.handle.figures(100)).unfit).to.equal(2)
      await room.find(await at('1.9.9.9', 4n))
      await kit.advance(minutes(5))
      expect(room.dials).to.include((await at('1.9.9.9', 1n)).address)
      // who was reached in our own network may have moved there
      const near = await known('10.0.0.1')
      await near.find(await at('10.0.0.2', 2n))
      await kit.advance(minutes(5))
      expect(near.dials).to.include.members([(await at('10.0.0.1', 1n)).address, (await at('10.0.0.2', 2n)).address])
    })

    it('are written at the end; damaged ones cost nothing but themselves', async () => {
      const store = new MetaStore()
      store.values.set('discovery.peers', '[{"peer":1},{"peer":"x","address":"/p2p/x","record":"enr:x"}]')
      store.values.set('discovery.enr', 'enr:damaged')
      const room = await start(kit, {}, {}, store)
      const a = await other('a')
      await room.find(a)
      room.ready(a.peer)
      await kit.settle()
      kit.crash(room.ref)
      await kit.advance(seconds(1))
      expect(store.values.get('discovery.peers')).to.include(a.address)
      expect(room.nodes).to.have.length(2)
      expect(room.nodes[0]!.stopped).to.equal(1)
    })
  })

  describe('bootnodes', () => {
    it('H16: a bad one is named, the rest are used, and one that does not answer is named once and asked again', async () => {
      const [good, mute, stranger] = [await other('good'), await other('mute'), await other('stranger', { chainId: 1n })]
      const bad = ['nonsense', 'enr:AAAA', '/ip4/1.2.3.4/tcp/9000', '/ip4/1.2.3.4/udp/9001/p2p/12D3KooWBmAwcd4PJNJvfV89HwE48nwkRmAgo8Vy3uQEyNNHBox2', '/dns4/x/udp/1/p2p/16Uiu2HAm']
      const room = await start(kit, { bootnodes: [...bad, stranger.record.encodeTxt(), mute.record.encodeTxt(), good.record.encodeTxt()] })
      room.node().answers.set(good.record.nodeId, { ip: ipFromText('5.5.5.5')!, port: 9001 })
      await kit.advance(minutes(3))
      const failed = room.events.filter(event => event.type === 'bootnodeFailed').map(event => event.type === 'bootnodeFailed' ? [event.bootnode, event.code] : [])
      expect(failed).to.deep.equal([
        ...bad.map(text => [text, 'bad_bootnode']), [stranger.record.encodeTxt(), 'bootnode_other_chain'], [mute.record.encodeTxt(), 'bootnode_unreachable'],
      ])
      expect(room.node().table().map(({ nodeId }) => nodeId)).to.have.members([good.record.nodeId, mute.record.nodeId])
      expect(room.node().pings.filter(({ nodeId }) => nodeId === mute.record.nodeId).length).to.be.within(4, 12)
      expect(room.dials).to.include(good.address)
    })

    it('are used wherever they are, and dialled only where they are of our chain', async () => {
      const lan = await other('lan', { ip: '10.1.1.1' })
      const boot = ENR.decodeTxt(SignableENR.createV4(key('boot'), { ip: Uint8Array.of(10, 1, 1, 2), udp: Uint8Array.of(1, 1), tcp: Uint8Array.of(1, 1) }).encodeTxt())
      const room = await start(kit, { bootnodes: [lan.record.encodeTxt(), boot.encodeTxt()] })
      await kit.advance(seconds(1))
      expect(room.node().table()).to.have.length(2)
      expect(room.dials).to.deep.equal([lan.address])
    })

    it('are added at run time; a bad one is refused, our own is no error', async () => {
      const room = await start(kit)
      const bad = await room.handle.addBootnode('nonsense', 100).catch((error: unknown) => error)
      expect(bad).to.be.instanceOf(DiscoveryError).and.deep.include({ code: 'bad_bootnode', value: 'nonsense' })
      const good = await other('good')
      await room.handle.addBootnode(good.record.encodeTxt(), 100)
      await room.handle.addBootnode(await room.handle.enr(100), 100)
      expect(room.node().table().map(({ nodeId }) => nodeId)).to.deep.equal([good.record.nodeId])
    })

    it('that are peers are dialled again and again', async () => {
      const address = '/dns4/boot.example/tcp/9000/p2p/12D3KooWBmAwcd4PJNJvfV89HwE48nwkRmAgo8Vy3uQEyNNHBox2'
      const room = await start(kit, { bootnodes: [address] }, {})
      expect(room.dials).to.deep.equal([address])
      room.failing.set(address, new Error('no'))
      room.go(address.split('/p2p/')[1]!)
      await kit.advance(minutes(5))
      expect(room.dials.length).to.be.within(5, 14)
      expect(room.events.filter(({ type }) => type === 'bootnodeFailed')).to.have.length(1)
      room.failing.clear()
      await kit.advance(minutes(1))
      expect(room.here.size).to.equal(1)
    })
  })

  it('the driver\'s list puts right what was missed', async () => {
    const room = await start(kit)
    const a = await other('a')
    await room.find(a)
    expect(room.dials).to.have.length(1)
    room.here.clear()
    await kit.advance(minutes(1))
    expect(room.dials).to.have.length(2)
  })

  it('a port that cannot be had fails the start; a socket that breaks restarts it', async () => {
    const error = new DiscoveryError('bind_failed', 'in use')
    const failed = await start(kit, {}, { open: async () => { throw error } }).catch((thrown: unknown) => thrown)
    expect(failed).to.equal(error)
    const room = await start(kit)
    room.node().init.failed(new DiscoveryError('socket_failed', 'gone'))
    await kit.advance(seconds(5))
    expect(room.nodes.map(({ stopped }) => stopped)).to.deep.equal([1, 0])
  })

  it('H22: a flood of records is bounded', async () => {
    const room = await start(kit, { candidates: 10, enoughPeers: 0, outboundPeers: 0 })
    for (let n = 0; n < 100; n++) room.node().init.found((await other(`n${n}`, { ip: `1.${n}.1.1`, networkKey: own.slice() })).record)
    const many = await Promise.all(Array.from({ length: 60 }, async (_, n) => other(`m${n}`, { ip: `2.${n}.1.1` })))
    await room.find(...many)
    expect((await room.handle.figures(100)).candidates).to.equal(10)
  })
})
