import { expect } from 'chai'
import type { GossipsubInternals } from '../../src/actors/network/gossip/gossipsub-internals.js'
import { until } from '../support/until.js'
import { createAuthors, envelopes, rpcOf } from './envelopes.js'
import type { Authors, EnvelopeCase } from './envelopes.js'
import { WITHIN, equal, failures, meshed, startNode, stopAll, txList } from './harness.js'
import type { TestNode } from './harness.js'
import { rawPeer, stopRawPeers, topics } from './raw-peer.js'
import type { RawPeer } from './raw-peer.js'

const figures = async (node: TestNode) => (await node.network.figures(WITHIN)).gossip
const streamOf = (peer: RawPeer, to: string) =>
  (peer.pubsub as unknown as GossipsubInternals).streamsOutbound.get(to) as unknown as { push(rpc: Uint8Array): void } | undefined

interface Passed { readonly from?: Uint8Array; readonly key?: Uint8Array; readonly data?: Uint8Array }

describe('network: envelopes', () => {
  const transport = 'memory'
  let authors: Authors
  before(async () => { authors = await createAuthors() })
  afterEach(async () => { await stopAll(); await stopRawPeers() })

  async function sender(node: TestNode): Promise<{ readonly peer: RawPeer; readonly send: (message: Uint8Array) => void }> {
    const peer = await rawPeer(transport, { gossip: true })
    await peer.dial(node.address)
    const stream = await until(() => streamOf(peer, node.peerId), 'its gossip stream')
    await until(async () => (await node.network.peers(WITHIN)).some(each => each.peer === peer.peerId && each.protocols.length > 0), 'known')
    return { peer, send: message => { stream.push(rpcOf(message)) } }
  }

  /** In our mesh: what we pass on. */
  async function neighbour(node: TestNode): Promise<readonly Passed[]> {
    const peer = await rawPeer(transport, { gossip: true })
    const passed: Passed[] = []
    const internals = peer.pubsub as unknown as GossipsubInternals
    const receive = internals.handleReceivedRpc.bind(peer.pubsub)
    internals.handleReceivedRpc = async (from, rpc) => { passed.push(...rpc.messages); return receive(from, rpc) }
    await peer.dial(node.address)
    await meshed(node, peer)
    return passed
  }

  const check: Record<EnvelopeCase['ours'], (node: TestNode, peer: RawPeer, data: Uint8Array, passed: readonly Passed[]) => Promise<void>> = {
    async pass(node, peer, data, passed) {
      await until(() => node.got('txLists').some(each => equal(each, data)), 'at the validator')
      const message = await until(() => passed.find(each => each.data !== undefined && equal(each.data, data)), 'passed on')
      expect(message.key).to.equal(undefined)
      expect((await figures(node)).verdicts.txLists.accept).to.equal(1)
      expect(failures(node, peer.peerId)).to.equal(0)
    },
    async drop(node, peer) {
      await until(async () => (await figures(node)).refused.txLists.envelope === 1, 'refused')
      expect(failures(node, peer.peerId)).to.equal(0)
      expect((await node.network.peers(WITHIN)).find(each => each.peer === peer.peerId)?.score).to.equal(0)
    },
    async reject(node, peer) {
      await until(async () => (await figures(node)).refused.txLists.bad_author === 1, 'refused')
      expect(failures(node, peer.peerId)).to.equal(1)
      await until(async () => ((await node.network.peers(WITHIN)).find(each => each.peer === peer.peerId)?.score ?? 0) < 0, 'penalised')
    },
  }

  for (const [n, each] of envelopes.entries()) {
    it(`H66: ${each.name}: ${each.ours}; and an honest copy passes`, async () => {
      const node = await startNode(transport)
      const { peer, send } = await sender(node)
      const passed = await neighbour(node)
      const data = txList(n, 100)
      const message = { data, seqno: Buffer.alloc(8, n + 1), topic: topics.txLists }
      send(await each.make(authors, message))
      await check[each.ours](node, peer, data, passed)
      expect(passed.length).to.equal(each.ours === 'pass' ? 1 : 0)

      const honest = await sender(node)
      honest.send(await envelopes[0]!.make(authors, message))
      await until(() => node.got('txLists').some(got => equal(got, data)), 'the honest copy')
      await until(() => passed.some(got => got.data !== undefined && equal(got.data, data)), 'passed on')
    })
  }
})
