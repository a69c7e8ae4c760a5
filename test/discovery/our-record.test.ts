import type { ENR } from '@chainsafe/enr'
import { expect } from 'chai'
import { ipFromText } from '../../src/actors/discovery/ip.js'
import { minutes, seconds } from '../../src/actors/kernel/index.js'
import { testKit } from '../../src/actors/kernel/testing/index.js'
import type { TestKit } from '../../src/actors/kernel/testing/index.js'
import { MetaStore } from './network.js'
import { key, other, start } from './room.js'

describe('our own record', () => {
  let kit: TestKit
  beforeEach(() => { kit = testKit() })
  afterEach(async () => { await kit.stop() })

  const last = (room: Awaited<ReturnType<typeof start>>): ENR => room.node().published.at(-1)!.toENR()

  it('is stored before it is published; every change has a higher number, also after a restart', async () => {
    const store = new MetaStore()
    const room = await start(kit, {}, {}, store)
    expect(store.values.get('discovery.enr')).to.equal(last(room).encodeTxt())
    expect(last(room)).to.deep.include({ ip: '5.5.5.5', udp: 9001, tcp: 9000 })
    const first = last(room).seq
    let storedFirst = false
    const publish = room.node().publish.bind(room.node())
    room.node().publish = record => { storedFirst = store.values.get('discovery.enr') === record.encodeTxt(); publish(record) }
    void room.handle.driver({ type: 'started', peerId: 'us', addresses: ['/ip4/5.5.5.5/tcp/7000'] })
    await kit.settle()
    expect(storedFirst).to.equal(true)
    expect(last(room).tcp).to.equal(7000)
    expect(last(room).seq > first).to.equal(true)
    expect(await room.handle.enr(100)).to.equal(last(room).encodeTxt())
    expect(room.events.filter(({ type }) => type === 'enr')).to.have.length(2)
    const second = last(room).seq

    kit.clock.jump(-minutes(600))
    const again = await start(kit, {}, {}, store)
    expect(last(again).seq > second, 'another port').to.equal(true)
    const third = last(again).seq
    const same = await start(kit, {}, {}, store)
    expect(last(same).seq, 'nothing has changed').to.equal(third)
  })

  it('is not published while it cannot be stored, and is once it can', async () => {
    const room = await start(kit)
    const before = last(room).seq
    room.store.failing = new Error('disk full')
    void room.handle.driver({ type: 'started', peerId: 'us', addresses: ['/ip4/5.5.5.5/tcp/7000'] })
    await kit.advance(seconds(20))
    expect(last(room).seq).to.equal(before)
    room.store.failing = undefined
    await kit.advance(seconds(20))
    expect(last(room).tcp).to.equal(7000)
  })

  it('begins with a store that does not answer: the time is its number', async () => {
    const store = new MetaStore()
    store.failing = new Error('gone')
    const room = await start(kit, {}, {}, store)
    expect(last(room).seq).to.equal(BigInt(kit.clock.now()))
  })

  it('is where the operator says', async () => {
    const room = await start(kit, { listen: { ip: '0.0.0.0', port: 9001 }, external: { ip: '7.7.7.7', udp: 1, tcp: 2 } })
    expect(last(room)).to.deep.include({ ip: '7.7.7.7', udp: 1, tcp: 2 })
    const ports = await start(kit, { listen: { ip: '0.0.0.0', port: 9001 }, external: { ip: '7.7.7.7' }, privateKey: key('ports') })
    expect(last(ports)).to.deep.include({ ip: '7.7.7.7', udp: 9001, tcp: 9000 })
  })

  it('is where five networks see us; fewer, or many nodes of one, do not move it; nor does anybody where we know it', async () => {
    const seen = { ip: ipFromText('8.7.6.5')!, port: 4_000 }
    const vote = async (room: Awaited<ReturnType<typeof start>>, ips: readonly string[]): Promise<void> => {
      for (const ip of ips) {
        const { record } = await other(ip, { ip })
        room.node().answers.set(record.nodeId, seen)
        room.node().add(record)
      }
      await kit.advance(minutes(2))
    }
    const room = await start(kit, { listen: { ip: '0.0.0.0', port: 9001 } })
    expect(last(room).ip).to.equal(undefined)
    await vote(room, ['1.1.1.1', '1.1.1.2', '1.1.1.3', '1.1.1.4', '1.1.1.5', '1.1.1.6', '2.1.1.1', '3.1.1.1', '4.1.1.1'])
    expect(last(room).ip).to.equal(undefined)
    await vote(room, ['5.1.1.1'])
    expect(last(room)).to.deep.include({ ip: '8.7.6.5', udp: 4_000, tcp: 9000 })
    const known = await start(kit, { listen: { ip: '5.5.5.5', port: 9001 }, privateKey: key('known') })
    await vote(known, ['1.1.1.1', '2.1.1.1', '3.1.1.1', '4.1.1.1', '5.1.1.1', '6.1.1.1'])
    expect(last(known).ip).to.equal('5.5.5.5')
    expect(known.node().pings).to.deep.equal([])
  })

  it('is never at a private address that others tell', async () => {
    const room = await start(kit, { listen: { ip: '0.0.0.0', port: 9001 }, votes: { voters: 1 } })
    const { record } = await other('x', { ip: '1.1.1.1' })
    for (const ip of ['10.0.0.1', '127.0.0.1', '224.0.0.1', '0.0.0.0', '2a00::1']) {
      room.node().answers.set(record.nodeId, { ip: ipFromText(ip)!, port: 1 })
      room.node().add(record)
      await kit.advance(minutes(6))
      expect(last(room).ip).to.equal(undefined)
    }
  })
})
