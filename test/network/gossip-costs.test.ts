import { expect } from 'chai'
import fc from 'fast-check'
import { RPC } from '@libp2p/gossipsub/message'
import { ManualClock } from '../../src/actors/kernel/testing/index.js'
import { RpcBudget } from '../../src/actors/network/gossip/rpc-budget.js'
import type { GossipsubInternals } from '../../src/actors/network/gossip/gossipsub-internals.js'
import { MessageIdForms } from '../../src/actors/network/gossip/message-id-forms.js'
import { costOf } from '../../src/actors/network/gossip/rpc-cost.js'
import { defaultGossip } from '../../src/actors/network/index.js'
import { gossipMessageId, toHex } from '../../src/protocol/index.js'
import { until } from '../support/until.js'
import { WITHIN, commitment, connect, equal, meshed, startNode, stopAll, txList } from './harness.js'
import type { TestNode } from './harness.js'
import { rawPeer, stopRawPeers, topics } from './raw-peer.js'
import type { RawPeer } from './raw-peer.js'

const MIB = 1_024 * 1_024
const figures = async (node: TestNode) => (await node.network.figures(WITHIN)).gossip
const streamOf = (peer: RawPeer, to: string) =>
  (peer.pubsub as unknown as GossipsubInternals).streamsOutbound.get(to) as unknown as { push(rpc: Uint8Array): void } | undefined

/** Raw snappy of 10 MiB in some 480 KB, in the form of a txlist. */
function bomb(salt: number): Uint8Array {
  const [limit, literal] = [10 * MIB, 100]
  const bytes = [0x80, 0x80, 0x80, 0x05, 60 << 2, literal - 1, ...Array.from({ length: literal }, (_, at) => at)]
  bytes.splice(32, 4, 0x24, 0, 0, 0)
  bytes[40] = salt
  for (let made = literal; made < limit; made += 64) bytes.push((Math.min(64, limit - made) - 1) << 2 | 2, 63, 0)
  return Uint8Array.from(bytes)
}

describe('network: what an RPC costs before it is decoded', () => {
  const repeated = (unit: readonly number[], count: number): Uint8Array => Uint8Array.from({ length: unit.length * count }, (_, at) => unit[at % unit.length]!)
  const inMessage = (content: Uint8Array): Uint8Array => Buffer.concat([Buffer.from([0x12, 0x80 | content.length & 0x7f, 0x80 | content.length >> 7 & 0x7f, content.length >> 14]), content])

  it('H72: empty fields of any kind are counted, and too many are no RPC', () => {
    for (const unit of [[0x1a, 0], [0x12, 0], [0x0a, 0], [0x28, 0], [0x7a, 0]]) {
      expect(costOf(repeated(unit, 1_000)), unit.join()).to.deep.equal({ fields: 1_000, overhead: 2_000 })
      expect(costOf(repeated(unit, 5 * MIB)), unit.join()).to.equal(undefined)
    }
    // inside of a message, and of each control
    expect(costOf(inMessage(repeated([0x1a, 0], 100_000)))).to.equal(undefined)
    for (const kind of [0x0a, 0x12, 0x1a, 0x22, 0x2a]) {
      const entry = Buffer.concat([Buffer.from([kind, 0x80, 0x7d]), repeated([0x12, 0], 8_000)])
      const control = Buffer.concat([entry, entry, entry])
      expect(costOf(Buffer.concat([Buffer.from([0x1a, 0x80 | control.length & 0x7f, 0x80 | control.length >> 7 & 0x7f, control.length >> 14]), control])), `control ${kind}`).to.equal(undefined)
    }
  })

  it('H72: messages count by what they carry beside their data', () => {
    const data = new Uint8Array(2 * MIB)
    const rpc = RPC.encode({ subscriptions: [], messages: [{ topic: 't', data, from: new Uint8Array(38), seqno: new Uint8Array(8), signature: new Uint8Array(64) }], control: undefined } as unknown as RPC)
    const cost = costOf(rpc)
    expect(cost).to.deep.equal({ fields: 6, overhead: rpc.length - data.length })
    expect(cost?.overhead).to.be.below(200)
  })

  it('H72: groups, cut off fields and lengths beyond the end are no RPC', () => {
    for (const bytes of [[0x0b, 0x0c], [0x1a], [0x1a, 5, 0], [0x12, 0xff, 0xff, 0xff, 0xff, 0x0f], [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01], [0x09, 1], [0x0d, 1]]) {
      expect(costOf(Uint8Array.from(bytes)), bytes.join()).to.equal(undefined)
    }
  })

  it('H72: any bytes give a cost or none, and whatever gossipsub encodes gives one', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), bytes => { const cost = costOf(bytes); return cost === undefined || cost.overhead <= bytes.length }))
    const bytes = fc.uint8Array({ maxLength: 40 })
    fc.assert(fc.property(fc.array(fc.record({ topic: fc.string(), data: bytes, seqno: bytes })), fc.array(fc.array(bytes)), (messages, ids) => {
      const ihave = ids.map(messageIDs => ({ topicID: 't', messageIDs }))
      const prune = ids.map(peers => ({ topicID: 't', peers: peers.map(peerID => ({ peerID })), backoff: 60 }))
      const rpc = { subscriptions: [{ subscribe: true, topic: 't' }], messages, control: { ihave, iwant: ids.map(messageIDs => ({ messageIDs })), graft: [{ topicID: 't' }], prune, idontwant: [] } }
      const cost = costOf(RPC.encode(rpc))
      return cost !== undefined && cost.fields >= messages.length
    }))
  })
})

describe('network: what a message declares', () => {
  const budgetOf = () => {
    const clock = new ManualClock()
    return { clock, budget: new RpcBudget(defaultGossip, clock, () => 0, { isKnown: () => false, isProven: peer => peer === 'proven', authorship: () => 'own' }) }
  }
  const taken = (budget: RpcBudget, peer: string, data: Uint8Array, count: number): number =>
    Array.from({ length: count }, () => budget.admit(peer, { messages: [{ topic: topics.txLists, data }] }).rpc.messages.length).filter(each => each === 1).length

  it('H72: is charged like bytes that came', () => {
    const honest = new Uint8Array(480_000).fill(200)
    // 64 MiB are guaranteed to who is proven
    expect(taken(budgetOf().budget, 'proven', bomb(1), 40)).to.be.within(6, 10)
    expect(taken(budgetOf().budget, 'proven', honest, 40)).to.equal(40)
    // of a stranger a few, by the tenth of the thread that is everybody's: 53 ms each
    expect(taken(budgetOf().budget, 'stranger', bomb(1), 40)).to.be.below(4)
    expect(taken(budgetOf().budget, 'stranger', honest, 10)).to.equal(10)
  })

  it('H72: what only looks like it is not', () => {
    const cut = bomb(1).subarray(0, 400_000)
    expect(taken(budgetOf().budget, 'stranger', cut, 10)).to.equal(10)
  })
})

describe('network: which form of message id peers use', () => {
  const [snappy, bound] = (['snappy', 'topic-bound'] as const).map(scheme => gossipMessageId({ topics, scheme })) as [ReturnType<typeof gossipMessageId>, ReturnType<typeof gossipMessageId>]
  const id = commitment(1)
  const tells = (kind: 'ihave' | 'idontwant', ...ids: readonly Uint8Array[]) => ({ messages: [], control: { [kind]: [{ topicID: topics.commitments, messageIDs: ids }] } })

  it('H67: is counted by peer from IHAVE and IDONTWANT, and told when most use the other, and when that is over', () => {
    const told: boolean[] = []
    const forms = new MessageIdForms(topics, 'snappy', isOther => { told.push(isOther) })
    forms.known(toHex(snappy(topics.commitments, id)), topics.commitments, id)
    forms.rpc('a', tells('ihave', bound(topics.commitments, id)))
    forms.rpc('b', tells('idontwant', new Uint8Array(20), bound(topics.commitments, id)))
    expect([forms.counts, told]).to.deep.equal([{ ours: 0, other: 2 }, []])
    forms.rpc('c', tells('ihave', snappy(topics.commitments, id)))
    forms.rpc('d', tells('ihave', new Uint8Array(20)))
    expect([forms.counts, told]).to.deep.equal([{ ours: 1, other: 2 }, [true]])
    forms.rpc('a', tells('ihave', snappy(topics.commitments, id)))
    expect([forms.counts, told]).to.deep.equal([{ ours: 2, other: 1 }, [true, false]])
  })

  it('H67: the same for a node that uses the other', () => {
    const forms = new MessageIdForms(topics, 'topic-bound', () => undefined)
    forms.known(toHex(bound(topics.commitments, id)), topics.commitments, id)
    forms.rpc('a', tells('ihave', bound(topics.commitments, id)))
    forms.rpc('b', tells('ihave', snappy(topics.commitments, id)))
    expect(forms.counts).to.deep.equal({ ours: 1, other: 1 })
  })
})

describe('network: ids of what is ignored', () => {
  const transport = 'memory'
  afterEach(async () => { await stopAll(); await stopRawPeers() })

  /** A node with two peers in its mesh, of which the second brings the same after the first. */
  async function twice(data: Uint8Array, topic: 'commitments' | 'txLists', act: (node: TestNode) => Promise<void>, options: Parameters<typeof startNode>[1] = {}) {
    const node = await startNode(transport, { decide: () => 'nothing', ...options })
    const peers = await Promise.all([1, 2].map(() => rawPeer(transport, { gossip: true })))
    for (const peer of peers) { await peer.dial(node.address); await meshed(node, peer) }
    await peers[0]!.pubsub!.publish(topics[topic], data)
    await act(node)
    await peers[1]!.pubsub!.publish(topics[topic], data)
    return node
  }
  const verdict = (reason: string) => async (node: TestNode): Promise<void> => {
    const message = await until(() => node.validator.received.find(each => 'origin' in each && each.origin.kind === 'gossip'), 'at the validator')
    const { origin } = message as unknown as { origin: { messageId: string; peer: string } }
    void node.network.verdict(origin.messageId, origin.peer, 'ignore', reason)
    await until(async () => (await figures(node)).verdicts.txLists.ignore + (await figures(node)).verdicts.commitments.ignore === 1, 'ignored')
  }
  const got = (node: TestNode, data: Uint8Array) => [...node.got('txLists'), ...node.got('commitments')].filter(each => equal(each, data)).length

  for (const reason of ['no_room', 'overloaded', 'store_behind', 'schedule_unknown']) {
    it(`H67: ${reason}: another copy is looked at like the first`, async () => {
      const data = txList(1, 3_000)
      const node = await twice(data, 'txLists', verdict(reason))
      await until(() => got(node, data) === 2, 'the second copy')
      expect((await figures(node)).idsForgotten).to.equal(1)
    })
  }

  it('H67: what its content is to blame for stays known', async () => {
    const data = commitment(1)
    const node = await twice(data, 'commitments', verdict('duplicate'))
    const marker = await rawPeer(transport, { gossip: true })
    await marker.dial(node.address)
    await meshed(node, marker)
    await marker.pubsub!.publish(topics.commitments, commitment(2))
    await until(() => got(node, commitment(2)) === 1, 'what came after it')
    expect([got(node, data), (await figures(node)).idsForgotten]).to.deep.equal([1, 0])
  })

  it('H67: no verdict in time', async () => {
    const data = txList(1, 3_000)
    const node = await twice(data, 'txLists', async each => { await until(async () => (await figures(each)).refused.txLists.no_verdict === 1, 'its time is over') }, { gossip: { verdictWithinMs: 200 } })
    await until(() => got(node, data) === 2, 'the second copy')
  })

  it('H67: no place among those that wait', async () => {
    const data = txList(1, 3_000)
    const node = await twice(data, 'txLists', async each => { await until(async () => (await figures(each)).refused.txLists.overloaded === 1, 'no place') }, { gossip: { maxPending: 0 } })
    await until(async () => (await figures(node)).refused.txLists.overloaded === 2, 'looked at again')
  })

  it('H72: empty fields are dropped before they are decoded, and their sender is blamed', async () => {
    const node = await startNode(transport)
    const peer = await rawPeer(transport, { gossip: true })
    await peer.dial(node.address)
    await meshed(node, peer)
    const stream = await until(() => streamOf(peer, node.peerId), 'its stream')
    stream.push(Buffer.alloc(4 * MIB, Buffer.from([0x1a, 0])))
    await until(async () => (await figures(node)).malformedRpcs === 1, 'no RPC')
    expect(node.events.received.flatMap(event => event.type === 'violation' ? [event.code] : [])).to.deep.equal(['too_many_fields'])
    // fields that nobody reads, as many as are allowed, again and again
    const filler = Buffer.alloc(30_000, Buffer.from([0x78, 0]))
    for (let n = 0; n < 5; n++) stream.push(filler)
    await until(async () => (await figures(node)).refused.other.over_budget > 0, 'over budget')
    await peer.pubsub!.publish(topics.commitments, commitment(1))
    await until(() => node.got('commitments').length === 1, 'its messages still come')
  })

  it('keeps what comes between nodes of ours as it was', async () => {
    const [a, b] = await Promise.all([startNode(transport), startNode(transport)])
    await connect(a, b)
    await a.network.publish('txLists', txList(1, 2 * MIB), WITHIN)
    await until(() => b.got('txLists').length === 1, 'a large one')
  })
})
