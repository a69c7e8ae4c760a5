import { expect } from 'chai'
import { beyondShare } from '../../src/actors/network/gossip/mesh-places.js'
import type { MeshPlace } from '../../src/actors/network/gossip/mesh-places.js'
import { itOverTcp } from '../support/transport.js'
import { until } from '../support/until.js'
import { LOOPBACK, WITHIN, startNode } from './harness.js'
import { rawPeer } from './raw-peer.js'

const place = (peer: string, changes: Partial<MeshPlace> = {}): MeshPlace => ({ peer, address: '10.0.0.1', score: 0, outbound: false, ...changes })

describe('network: places of a mesh', () => {
  it('H71: one address holds no more than its share: who never delivered leaves first, then the lowest score, then who came to us', () => {
    const mesh = [place('a', { score: 3 }), place('b'), place('c', { score: -1 }), place('d', { outbound: true }), place('e', { score: 1 }), place('f', { address: '10.0.0.2' })]
    expect(beyondShare(mesh, 4)).to.deep.equal(['c'])
    expect(beyondShare(mesh, 3)).to.deep.equal(['b', 'c'])
    expect(beyondShare(mesh, 2)).to.deep.equal(['d', 'b', 'c'])
    expect(beyondShare(mesh.slice(4), 1)).to.deep.equal([])
  })

  it('H71: what has no address, or is exempt, has no share', () => {
    expect(beyondShare(Array.from({ length: 12 }, (_, n) => place(`${n}`, { address: undefined })), 4)).to.deep.equal([])
  })

  itOverTcp('H71: identities of one address get eight places at the door and four in the mesh', async () => {
    const node = await startNode('tcp', { exemptSubnets: [], connections: { inboundPerSecond: 100 } })
    for (let n = 0; n < 10; n++) await (await rawPeer('tcp', { listen: false, gossip: true })).dial(node.address).catch(() => undefined)
    await until(async () => ((await node.network.figures(WITHIN)).connections.denied['too_many_of_address'] ?? 0) === 2, 'two are turned away')
    const peers = async () => node.network.peers(WITHIN)
    await until(async () => (await node.network.figures(WITHIN)).gossip.prunedOfAddress > 0, 'the mesh is shared')
    await until(async () => (await peers()).length === 8 && (await peers()).filter(({ mesh }) => mesh.commitments).length <= 4 && (await peers()).filter(({ mesh }) => mesh.txLists).length <= 4, 'four places')
    const open = await startNode('tcp', { exemptSubnets: LOOPBACK })
    for (let n = 0; n < 10; n++) await (await rawPeer('tcp', { listen: false })).dial(open.address)
    await until(async () => (await open.network.peers(WITHIN)).length === 10, 'exempt ones come in')
  })
})
