import { expect } from 'chai'
import { Chain } from '../../src/actors/chain/ingress.js'
import type { ChainMessage } from '../../src/actors/chain/ingress.js'
import { StartError, supervisor } from '../../src/actors/kernel/index.js'
import { ManualClock, testKit } from '../../src/actors/kernel/testing/index.js'
import { NetworkError, NetworkHandle, network, networkConfig } from '../../src/actors/network/index.js'
import type { DriverEvent } from '../../src/actors/network/index.js'
import { Store } from '../../src/actors/store/ingress.js'
import type { StoreMessage } from '../../src/actors/store/ingress.js'
import { Validator } from '../../src/actors/validator/ingress.js'
import type { ValidatorMessage } from '../../src/actors/validator/ingress.js'
import { describeTransports, listenOn } from '../support/transport.js'
import { until } from '../support/until.js'
import { WITHIN, commitment, headRequest, pass, startNode } from './harness.js'
import { rawPeer } from './raw-peer.js'

describeTransports('network: actor', transport => {
  it('does not start where it cannot listen, and says why', async () => {
    const first = await startNode(transport)
    const listen = first.address.slice(0, first.address.indexOf('/p2p/'))
    const error = await startNode(transport, { listen }).catch((each: unknown) => each)
    expect(error).to.be.instanceOf(StartError)
    const { cause } = error as StartError
    expect(cause).to.be.instanceOf(NetworkError)
    expect((cause as NetworkError).code).to.equal('listen_failed')
    expect((cause as NetworkError).value).to.deep.equal([listen])
  })

  it('H30: comes back after a crash with the same identity and address, and works', async () => {
    const kit = testKit()
    const events = kit.probe<DriverEvent>()
    const other = await startNode(transport)
    const listen = listenOn(transport)
    const config = networkConfig({ transport, listen, staticPeers: [other.address] })
    const needs = {
      validator: new Validator(kit.probe<ValidatorMessage>()), chain: new Chain(kit.probe<ChainMessage>()), store: new Store(kit.probe<StoreMessage>()), events,
    }
    const ref = await kit.spawn(() => network(needs, config))
    const handle = new NetworkHandle(ref)
    const before = await handle.addresses(WITHIN)
    await until(async () => (await handle.peers(WITHIN)).length === 1, 'connected')
    kit.crash(ref)
    await until(async () => { await kit.advance(100); return events.received.filter(({ type }) => type === 'started').length === 2 }, 'started again')
    const after = await handle.addresses(WITHIN)
    expect(after.peerId).to.equal(before.peerId)
    if (transport === 'memory') expect(after.addresses).to.deep.equal(before.addresses)
    await until(async () => (await handle.peers(WITHIN)).some(({ mesh }) => mesh.commitments), 'connected again')
    expect((await handle.publish('commitments', commitment(1), WITHIN)).recipients).to.equal(1)
    await until(() => other.got('commitments').length === 1, 'at the other')
    await kit.stop()
  })

  it('installs nothing on process, and leaves no listener behind', async () => {
    const count = () => process.eventNames().map(name => [name, process.listenerCount(name)] as const).filter(([, n]) => n > 0)
    const before = count()
    const node = await startNode(transport)
    expect(count()).to.deep.equal(before)
    await node.stop()
    expect(count()).to.deep.equal(before)
  })

  it('H32: stops within its deadline while a peer never answers', async () => {
    const clock = new ManualClock()
    const node = await startNode(transport, { clock, drainWithinMs: 200, requests: { withinMs: 60_000 } })
    const silent = await rawPeer(transport)
    await silent.node.handle('/taiko/167000/preconf/1/get_head', () => undefined)
    await node.network.dial(silent.address, WITHIN)
    await until(async () => (await node.network.peers(WITHIN))[0]?.protocols.includes('/taiko/167000/preconf/1/get_head'), 'identified')
    const asked = node.network.request('head', headRequest, {}, WITHIN).catch(() => undefined)
    await until(async () => (await node.network.figures(WITHIN)).now.requestsInFlight === 1, 'asked')
    const stopped = node.stop()
    await pass(clock, 190)
    expect(silent.node.getConnections()).to.have.length(1)
    await pass(clock, 15)
    await stopped
    await asked
  })
})

describe('network: actor without a network', () => {
  it('answers what it can answer and refuses what needs peers', async () => {
    const tree = supervisor('alone')
    const config = networkConfig({ transport: 'memory', listen: [] })
    const kit = testKit()
    const ref = tree.child('network', () => network({
      validator: new Validator(kit.probe<ValidatorMessage>()), chain: new Chain(kit.probe<ChainMessage>()), store: new Store(kit.probe<StoreMessage>()), events: kit.probe<DriverEvent>(),
    }, config))
    await tree.start()
    const handle = new NetworkHandle(ref)
    expect((await handle.addresses(WITHIN)).addresses).to.deep.equal([])
    expect(await handle.peers(WITHIN)).to.deep.equal([])
    expect(await handle.publish('commitments', commitment(1), WITHIN)).to.deep.equal({ recipients: 0 })
    expect(await handle.request('head', headRequest, {}, WITHIN).catch((error: { code: string }) => error.code)).to.equal('no_peer')
    await handle.hangUp('nobody', WITHIN)
    await tree.stop()
    await kit.stop()
  })
})
