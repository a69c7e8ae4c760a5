import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { multiaddr } from '@multiformats/multiaddr'
import { expect } from 'chai'
import type { GossipsubInternals } from '../../src/actors/network/gossip/gossipsub-internals.js'
import { GOSSIPSUB_VERSION } from '../../src/actors/network/workarounds/forward-to-author.js'
import { NOISE_VERSION } from '../../src/actors/network/performance/noise-lengths.js'
import { CRYPTO_VERSION } from '../../src/actors/network/performance/signing-key.js'
import { MAX_FRAME_BYTES, YAMUX_VERSION } from '../../src/actors/network/workarounds/yamux-frames.js'
import { describeTransports } from '../support/transport.js'
import { until } from '../support/until.js'
import { WITHIN, commitment, connect, meshed, startNode, stopAll, txList } from './harness.js'
import type { TestNode } from './harness.js'
import { DATA, observedYamux } from './observed-yamux.js'
import { heartbeats, rawPeer, stopRawPeers, topics } from './raw-peer.js'
import type { RawPeer } from './raw-peer.js'

const internals = ({ pubsub }: RawPeer) => pubsub as unknown as GossipsubInternals

/** Notes the size of every data frame that comes in. */
const measuringYamux = (sizes: number[]) => observedYamux(({ type, length }) => { if (type === DATA) sizes.push(length) })

async function rawMeshed(a: RawPeer, b: RawPeer): Promise<void> {
  await until(() => [topics.commitments, topics.txLists].every(topic => internals(a).getMeshPeers(topic).includes(b.peerId) && internals(b).getMeshPeers(topic).includes(a.peerId)), 'raw peers in mesh')
}

describe('network: versions that the work-arounds were made for', () => {
  // a new version: run the tests below, look at the library's source, then change the constant
  for (const [name, version] of [
    ['@chainsafe/libp2p-yamux', YAMUX_VERSION], ['@libp2p/gossipsub', GOSSIPSUB_VERSION], ['@chainsafe/libp2p-noise', NOISE_VERSION],
    ['@libp2p/crypto', CRYPTO_VERSION],
  ] as const) {
    it(`${name} ${version}, installed and pinned`, async () => {
      const entry = fileURLToPath(import.meta.resolve(name))
      const folder = entry.slice(0, entry.lastIndexOf(name) + name.length)
      expect((JSON.parse(await readFile(`${folder}/package.json`, 'utf8')) as { version: string }).version).to.equal(version)
      expect((JSON.parse(await readFile('package.json', 'utf8')) as { dependencies: Record<string, string> }).dependencies[name]).to.equal(version)
    })
  }
})

describeTransports('network: work-arounds', transport => {
  afterEach(async () => { await stopAll(); await stopRawPeers() })

  it('H37: no frame is larger than 64 KiB, with 2 MiB messages in a burst', async () => {
    const sizes: number[] = []
    const node = await startNode(transport)
    const peer = await rawPeer(transport, { gossip: true, muxer: measuringYamux(sizes) })
    await peer.dial(node.address)
    await meshed(node, peer)
    await Promise.all(Array.from({ length: 6 }, (_, n) => node.network.publish('txLists', txList(n, 2_097_152), WITHIN)))
    await until(() => peer.got.length === 6, 'all of them')
    expect(Math.max(...sizes)).to.be.at.most(MAX_FRAME_BYTES)
    expect(sizes.filter(size => size === MAX_FRAME_BYTES).length).to.be.at.least(6 * 30)
  })

  it('H37: the plain library still sends larger ones: once this fails the work-around can go', async () => {
    const sizes: number[] = []
    const [a, b] = await Promise.all([rawPeer(transport, { gossip: { maxOutboundBufferSize: 20 * 1024 * 1024 } }), rawPeer(transport, { gossip: true, muxer: measuringYamux(sizes) })])
    await a.dial(b.address)
    await rawMeshed(a, b)
    for (const n of [1, 2]) await a.pubsub?.publish(topics.txLists, txList(n, 2_097_152))
    await until(() => b.got.length === 2, 'both')
    expect(Math.max(...sizes)).to.be.above(MAX_FRAME_BYTES)
  })

  it('H38: in a full mesh of five an accepted message never goes back to its author', async () => {
    const nodes = await Promise.all([1, 2, 3, 4].map(() => startNode(transport)))
    const author = await rawPeer(transport, { gossip: true })
    const back = cameBack(author)
    await Promise.all([
      ...nodes.flatMap((node, i) => nodes.slice(i + 1).map(other => connect(node, other))),
      ...nodes.map(node => author.dial(node.address).then(() => meshed(node, author))),
    ])
    // its messages go to one of them only, so that the three others get them from somebody else first
    const [first] = nodes as [TestNode]
    sendOnlyTo(author, first.peerId)
    // Of an author of whom nothing was accepted yet a relay's burst may be left out (H85).
    const accepted = (count: number) => until(async () => (await Promise.all(nodes.map(node => node.network.figures(WITHIN)))).every(({ gossip }) => gossip.verdicts.commitments.accept === count), `${count} accepted everywhere`)
    await author.pubsub?.publish(topics.commitments, commitment(1))
    await accepted(1)
    for (let n = 2; n <= 20; n++) await author.pubsub?.publish(topics.commitments, commitment(n))
    await accepted(20)
    // what another publishes now comes after whatever was on its way to the author
    await Promise.all(nodes.map((node, i) => node.network.publish('commitments', commitment(100 + i), WITHIN)))
    await until(() => author.got.length === 4, 'the last ones at the author')
    expect(back()).to.equal(0)
  })

  it('H38: the plain library still sends it back: once this fails the work-around can go', async () => {
    const plain = await Promise.all([1, 2].map(() => rawPeer(transport, { gossip: { asyncValidation: true } })))
    const [first, second] = plain as [RawPeer, RawPeer]
    for (const peer of plain) {
      peer.pubsub?.addEventListener('gossipsub:message', ({ detail }) => {
        internals(peer).reportMessageValidationResult(detail.msgId, detail.propagationSource.toString(), 'accept')
      })
    }
    const author = await rawPeer(transport, { gossip: true })
    const back = cameBack(author)
    await Promise.all([author.dial(first.address), author.dial(second.address), first.dial(second.address)])
    await Promise.all([rawMeshed(author, first), rawMeshed(author, second), rawMeshed(first, second)])
    sendOnlyTo(author, first.peerId)
    await author.pubsub?.publish(topics.commitments, commitment(1))
    await until(() => back() > 0, 'its own message back at the author')
  })

  it('H39: when the connection with the gossip stream closes, the stream is opened again on the other', async () => {
    const node = await startNode(transport)
    const peer = await rawPeer(transport, { gossip: true })
    await twoConnections(node, peer)
    await node.network.publish('commitments', commitment(1), WITHIN)
    await until(() => peer.got.length === 1, 'the first message')
    await closeConnectionWithGossip(peer, node.peerId)
    await until(async () => (await node.network.figures(WITHIN)).gossip.streamsReopened > 0, 'opened again')
    await until(async () => (await node.network.peers(WITHIN))[0]?.connections === 1, 'one connection left')
    let n = 2
    await until(async () => { await node.network.publish('commitments', commitment(n++), WITHIN); return peer.got.length > 1 }, 'heard again')
    node.events.expectNone('peerDisconnected')
  })

  it('H39: the plain library still does not: once this fails the work-around can go', async () => {
    const [a, b] = await Promise.all([rawPeer(transport, { gossip: true }), rawPeer(transport, { gossip: true })])
    await a.dial(b.address)
    await rawMeshed(a, b)
    await b.node.dial(a.node.getMultiaddrs(), { force: true })
    // without identify on the second one gossipsub would still hear of it
    await until(() => a.identified() === 2 && b.identified() === 2, 'two connections, identified')
    await closeConnectionWithGossip(b, a.peerId)
    await until(() => a.node.getConnections().length === 1, 'one left')
    await heartbeats(a, 3)
    expect(internals(a).streamsOutbound.has(b.peerId)).to.equal(false)
  })

  it('H35: when only the gossip stream is lost it is opened again, and messages arrive', async () => {
    const node = await startNode(transport)
    const peer = await rawPeer(transport, { gossip: true })
    await peer.dial(node.address)
    await meshed(node, peer)
    const stream = peer.node.getConnections()[0]?.streams.find(({ direction, protocol }) => direction === 'inbound' && protocol.startsWith('/meshsub/'))
    stream?.abort(new Error('lost'))
    await until(async () => (await node.network.figures(WITHIN)).gossip.streamsReopened > 0, 'opened again')
    let n = 1
    await until(async () => { await node.network.publish('commitments', commitment(n++), WITHIN); return peer.got.length > 0 }, 'heard again')
  })
})

/** Counts the peer's own messages that others send it. */
function cameBack(peer: RawPeer): () => number {
  const own = Buffer.from(peer.node.peerId.toMultihash().bytes)
  let count = 0
  const receive = internals(peer).handleReceivedRpc.bind(peer.pubsub)
  internals(peer).handleReceivedRpc = async (from, rpc) => {
    count += rpc.messages.filter(message => message.from !== undefined && own.equals(message.from)).length
    return receive(from, rpc)
  }
  return () => count
}

function sendOnlyTo(peer: RawPeer, to: string): void {
  const send = internals(peer).sendRpc.bind(peer.pubsub)
  internals(peer).sendRpc = (id, rpc) => id === to || rpc.messages.length === 0 ? send(id, rpc) : true
}

/** Both sides have dialled. */
async function twoConnections(node: TestNode, peer: RawPeer): Promise<void> {
  await node.network.dial(peer.address, WITHIN)
  await meshed(node, peer)
  await peer.node.dial(multiaddr(node.address), { force: true })
  await until(async () => (await node.network.peers(WITHIN))[0]?.connections === 2, 'two connections')
}

/** Closes the one connection over which the other side has its outbound gossip stream. */
async function closeConnectionWithGossip(peer: RawPeer, other: string): Promise<void> {
  const carrying = peer.node.getConnections().find(({ remotePeer, streams }) => remotePeer.toString() === other
    && streams.some(({ direction, protocol }) => direction === 'inbound' && protocol.startsWith('/meshsub/')))
  if (carrying === undefined) throw new Error('no connection carries gossip')
  await carrying.close()
}
