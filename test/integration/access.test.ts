import { expect } from 'chai'
import { ReputationError } from '../../src/index.js'
import { TestNet } from '../support/nodes.js'
import type { TestNode } from '../support/nodes.js'
import { describeTransports } from '../support/transport.js'
import { until } from '../support/until.js'

const hours = (count: number): number => count * 3_600_000

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(() => undefined, (error: unknown) => error)
}

describeTransports('who may talk to a node', function (transport) {
  let net: TestNet
  beforeEach(() => { net = new TestNet(transport) })
  afterEach(async () => { await net.stop() })

  const connected = async (a: TestNode, b: TestNode): Promise<boolean> => (await a.service.peers()).some(({ peer, connections }) => peer === b.service.peerId && connections > 0)

  it('H17 H23: a banned peer is disconnected, refused both ways, and refused after a restart; lifting the ban lets it back in', async () => {
    const dataDir = await net.folder()
    const node = await net.start({ dataDir })
    const other = await net.start({}, [node])
    await node.said('peerReady')
    const ban = await node.service.access.ban(other.service.peerId, { reason: 'test' })
    expect(ban).to.include({ peer: other.service.peerId, reason: 'test' })
    expect(ban.until - Date.now()).to.be.within(hours(1) - 300_000, hours(1))
    await node.said('banned')
    await until(async () => !await connected(node, other), 'disconnected')
    const theirs = (await other.service.listenAddresses())[0]!
    expect(await rejection(node.service.dial(theirs))).to.include({ name: 'NetworkError', code: 'dial_denied' })
    const ours = (await node.service.listenAddresses())[0]!
    await node.service.stop()

    const again = await net.start({ dataDir })
    expect((await again.service.access.bans()).map(({ peer }) => peer)).to.deep.equal([other.service.peerId])
    expect(await rejection(again.service.dial(theirs))).to.include({ code: 'dial_denied' })
    expect(ours.split('/p2p/')[1]).to.equal(again.service.peerId)
    expect(await again.service.access.liftBan(other.service.peerId)).to.equal(true)
    await again.said('banLifted', ({ why }) => why === 'lifted')
    await again.service.dial(theirs)
    expect(await connected(again, other)).to.equal(true)
    expect(await again.service.access.standing(other.service.peerId)).to.include({ reputation: 0, ban: undefined })
  })

  it('a blocked peer is hung up on, and stays blocked over a restart until it is unblocked', async () => {
    const dataDir = await net.folder()
    const node = await net.start({ dataDir })
    const other = await net.start({}, [node])
    await node.said('peerReady')
    await node.service.access.block(other.service.peerId)
    await until(async () => !await connected(node, other), 'hung up')
    await node.service.stop()
    const again = await net.start({ dataDir })
    expect(await again.service.access.lists()).to.deep.include({ blocked: [other.service.peerId] })
    const theirs = (await other.service.listenAddresses())[0]!
    expect(await rejection(again.service.dial(theirs))).to.include({ code: 'dial_denied' })
    expect([await again.service.access.unblock(other.service.peerId), await again.service.access.unblock(other.service.peerId)]).to.deep.equal([true, false])
    await again.service.dial(theirs)
  })

  it('a rule that is none is a typed error with its value', async () => {
    const node = await net.start()
    const error = await rejection(node.service.access.block('10.0.0.0/99'))
    expect(error).to.be.instanceOf(ReputationError)
    expect(error).to.include({ code: 'bad_rule', value: '10.0.0.0/99' })
    expect(await rejection(net.start({ blockList: ['300.1.1.1'] }))).to.include({ code: 'bad_rule', value: '300.1.1.1' })
  })

  it('lists without the rule that asks them are a configuration error', async () => {
    for (const gater of ['open', { lists: false }] as const) {
      expect(await rejection(net.start({ blockList: ['10.0.0.0/8'], network: { gater } }))).to.include({ name: 'ServiceError', code: 'bad_config' })
    }
  })

  it('with an allow list only its peers may connect, either way', async () => {
    const friend = await net.start()
    const stranger = await net.start()
    const node = await net.start({ allowList: [friend.service.peerId] })
    await node.service.dial((await friend.service.listenAddresses())[0]!)
    expect(await rejection(node.service.dial((await stranger.service.listenAddresses())[0]!))).to.include({ code: 'dial_denied' })
    await rejection(stranger.service.dial((await node.service.listenAddresses())[0]!))
    await until(async () => !await connected(stranger, node), 'the stranger is not let in')
    expect(await connected(node, friend)).to.equal(true)
  })

  it('static and protected peers are protected, and a protected one is not greylisted away', async () => {
    const other = await net.start()
    const node = await net.start({ protectedPeers: ['12D3KooWSoC2ngFnfgSZcyJibKmZ2G58kbFcpmSPSSvDxeqkBLJc'] }, [other])
    await node.said('peerReady')
    expect(await node.service.access.standing(other.service.peerId)).to.include({ protected: true })
    expect((await node.service.access.lists()).protected).to.include('12D3KooWSoC2ngFnfgSZcyJibKmZ2G58kbFcpmSPSSvDxeqkBLJc')
  })

  it('figures and health speak of reputation too', async () => {
    const node = await net.start({ blockList: ['10.0.0.0/8'] })
    expect((await node.service.figures()).reputation).to.deep.equal({ bans: 0, blocked: 1, protected: 0, allowed: 0 })
    expect((await node.service.health()).ailments.map(({ code }) => code)).to.deep.equal(['no_peers'])
  })
})
