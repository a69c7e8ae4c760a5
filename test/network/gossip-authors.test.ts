import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { expect } from 'chai'
import { seededRandom } from '../../src/actors/kernel/index.js'
import { ManualClock } from '../../src/actors/kernel/testing/index.js'
import { Authors } from '../../src/actors/network/gossip/authors.js'
import type { Authorship } from '../../src/actors/network/gossip/authors.js'
import { RpcBudget } from '../../src/actors/network/gossip/rpc-budget.js'
import type { GossipsubInternals } from '../../src/actors/network/gossip/gossipsub-internals.js'
import { defaultGossip } from '../../src/actors/network/index.js'
import { describeTransports } from '../support/transport.js'
import { until } from '../support/until.js'
import { WITHIN, commitment, connect, failures, meshed, startNode, stopAll } from './harness.js'
import type { TestNode } from './harness.js'
import { rawPeer, stopRawPeers, topics } from './raw-peer.js'

const minutes = (count: number): number => count * 60_000

describe('network: authors of gossip', () => {
  const clock = new ManualClock()
  const anybody = async () => {
    const id = peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
    return { key: id.toString(), from: id.toMultihash().bytes }
  }

  it('H85 one refusal silences who has proven nothing, for five minutes, whoever brings its messages', async () => {
    const authors = new Authors(clock)
    const [author, relay] = await Promise.all([anybody(), anybody()])
    expect(authors.authorship(relay.key, author.from)).to.equal('unknown')
    expect(authors.authorship(author.key, author.from)).to.equal('own')
    authors.refuse(author.key)
    expect(authors.authorship(relay.key, author.from)).to.equal('refused')
    expect(authors.authorship(author.key, author.from)).to.equal('own_refused')
    clock.advance(minutes(5))
    expect(authors.authorship(relay.key, author.from)).to.equal('unknown')
  })

  it('H85 an author of accepted commitments loses what it has proven first', async () => {
    const authors = new Authors(clock)
    const [author, relay] = await Promise.all([anybody(), anybody()])
    authors.accepted(author.key)
    expect(authors.authorship(relay.key, author.from)).to.equal('proven')
    authors.refuse(author.key)
    expect(authors.authorship(relay.key, author.from)).to.equal('unknown')
    authors.refuse(author.key)
    expect(authors.authorship(relay.key, author.from)).to.equal('refused')
    authors.accepted(author.key)
    expect(authors.authorship(relay.key, author.from)).to.equal('proven')
  })

  it('H85 when the schedule changes nobody is refused any more', async () => {
    const authors = new Authors(clock)
    const author = await anybody()
    authors.refuse(author.key)
    authors.forgive()
    expect(authors.authorship(author.key, author.from)).to.equal('own')
  })

  it('H22 keeps a bounded number of them, and takes no long name in', async () => {
    const authors = new Authors(clock)
    const relay = await anybody()
    for (let n = 0; n < 5_000; n++) authors.refuse((await anybody()).key)
    expect(authors.refused).to.equal(4_096)
    expect(authors.authorship(relay.key, new Uint8Array(1_000_000))).to.equal('unknown')
    expect(authors.authorship(relay.key, undefined)).to.equal('own')
  }).timeout(30_000)
})

describe('network: gossip budget by author', () => {
  /** `flood` messages a second of ever new authors beside one each 2 s of each honest author, all brought by one relay, for so many seconds. */
  function relay(flood: number, seconds: number, limits = defaultGossip) {
    const clock = new ManualClock()
    let authorship: Authorship = 'unknown'
    const budget = new RpcBudget(limits, clock, seededRandom(7), { isKnown: () => false, isProven: () => true, authorship: () => authorship })
    const passed = { proven: 0, honestUnknown: 0, flood: 0 }
    const named: string[] = []
    const bring = (kind: keyof typeof passed): void => {
      authorship = kind === 'proven' ? 'proven' : 'unknown'
      passed[kind] += budget.admit('relay', { messages: [{ topic: topics.commitments, data: new Uint8Array(382) }] }).rpc.messages.length
    }
    for (let ms = 0; ms < seconds * 1_000; ms += 10) {
      clock.advance(10)
      for (let n = 0; n < flood / 100; n++) bring('flood')
      if (ms % 200 === 0) bring('proven')
      if (ms % 500 === 250) bring('honestUnknown')
      if (ms % 10_000 === 9_990) named.push(...budget.sweep())
    }
    return { passed, named }
  }

  it('H85 a flood of ever new authors takes an eighth of what its relay may bring; proven authors lose nothing, and the relay is not blamed', () => {
    const { passed, named } = relay(1_000, 60)
    expect(passed.proven).to.equal(300)
    // an eighth of 600 in 10 s, and what passes while the flood begins
    expect(passed.flood).to.be.within(200, 600)
    expect(named).to.deep.equal([])
  })

  it('H85 without a surplus too', () => {
    const { passed, named } = relay(1_000, 60, { ...defaultGossip, surplusShare: 0 })
    expect(passed.proven).to.equal(300)
    expect(passed.flood).to.be.within(200, 600)
    expect(named).to.deep.equal([])
  })

  it('H85 which of the unknown ones pass is left to chance: an honest one has the same as each of the flood', () => {
    // so short a flood in each window that who comes first would always have all places
    const { passed } = relay(200, 600, { ...defaultGossip, surplusShare: 0 })
    expect(passed.honestUnknown).to.be.within(10, 200)
    expect(passed.honestUnknown / 1_200).to.be.within(0.3 * passed.flood / 120_000, 3 * passed.flood / 120_000)
  })

  it('H85 a flood of large txlists of ever new authors takes an eighth of the bytes', () => {
    const clock = new ManualClock()
    let authorship: Authorship = 'unknown'
    const budget = new RpcBudget({ ...defaultGossip, surplusShare: 0 }, clock, seededRandom(7), { isKnown: () => false, isProven: () => true, authorship: () => authorship })
    const bring = (of: Authorship): number => {
      authorship = of
      return budget.admit('relay', { messages: [{ topic: topics.txLists, data: new Uint8Array(2_097_152) }] }).rpc.messages.length
    }
    let [proven, flood] = [0, 0]
    for (let ms = 0; ms < 60_000; ms += 100) {
      clock.advance(100)
      flood += bring('unknown')
      if (ms % 500 === 0) proven += bring('proven')
    }
    expect(proven, 'two a second: 40 MiB of 64 in 10 s').to.equal(120)
    expect(flood, '8 MiB in 10 s').to.be.within(12, 24)
  })

  it('a few messages of unknown authors all pass', () => {
    const { passed } = relay(0, 60)
    expect(passed).to.deep.equal({ proven: 300, honestUnknown: 120, flood: 0 })
  })

  it('what a peer floods us with itself is its own fault, refused author or not', () => {
    for (const authorship of ['own', 'own_refused'] as const) {
      const clock = new ManualClock()
      const budget = new RpcBudget({ ...defaultGossip, surplusShare: 0 }, clock, seededRandom(7), { isKnown: () => false, isProven: () => true, authorship: () => authorship })
      const named: string[] = []
      for (let second = 1; second <= 20; second++) {
        for (let n = 0; n < 200; n++) budget.admit('p', { messages: [{ topic: topics.commitments, data: new Uint8Array(382) }] })
        clock.advance(1_000)
        if (second % 10 === 0) named.push(...budget.sweep())
      }
      expect(named, authorship).to.deep.equal(['p'])
    }
  })
})

describeTransports('network: authors behind a relay', transport => {
  afterEach(async () => { await stopAll(); await stopRawPeers() })

  /** A node to which commitments from 1,000 on are of nobody whom the schedule has elected. */
  const judging = () => startNode(transport, {
    decide: (message, node) => {
      if (message.type !== 'commitment' || message.origin.kind !== 'gossip') return 'accept'
      if (new DataView(message.bytes.buffer, message.bytes.byteOffset).getUint32(1, true) < 1_000) return 'accept'
      void node.network.verdict(message.origin.messageId, message.origin.peer, 'ignore', 'not_elected', true)
      return 'nothing'
    },
  })
  /** The peer knows that the node is subscribed: what it publishes goes there. */
  const refused = async (node: TestNode) => (await node.network.figures(WITHIN)).gossip.refused.commitments.refused_author
  const numbers = (node: TestNode) => node.got('commitments').map(bytes => new DataView(bytes.buffer, bytes.byteOffset).getUint32(1, true))

  it('H85 the relay of a foreign commitment pays nothing, its author is not listened to any more, and honest blocks cross', async () => {
    const [b, relay, honest, mallory] = await Promise.all([judging(), startNode(transport), startNode(transport), rawPeer(transport, { gossip: true })])
    await connect(relay, b)
    await connect(honest, relay)
    await mallory.dial(relay.address)
    await meshed(relay, mallory)
    await mallory.pubsub?.publish(topics.commitments, commitment(1_000))
    await until(() => numbers(b).includes(1_000), 'the first one is judged')
    // From then on its author is known to b: a burst of unknown ones may be left out.
    await honest.network.publish('commitments', commitment(0), WITHIN)
    await until(() => numbers(b).includes(0), 'the first honest one is accepted')
    for (let n = 1_001; n < 1_040; n++) await mallory.pubsub?.publish(topics.commitments, commitment(n))
    for (let n = 1; n < 20; n++) await honest.network.publish('commitments', commitment(n), WITHIN)
    await until(async () => await refused(b) >= 39, 'the others are dropped at a look')
    await until(() => numbers(b).length === 21, 'and the honest ones are there')
    expect(failures(b, relay.peerId)).to.equal(0)
    expect((await b.network.figures(WITHIN)).gossip.verdicts.commitments.reject).to.equal(0)
    expect((await b.network.peers(WITHIN)).find(({ peer }) => peer === relay.peerId)).to.include({ refused: false }).and.have.property('score').that.is.at.least(0)
    expect((await b.network.peers(WITHIN)).find(({ peer }) => peer === relay.peerId)?.mesh).to.deep.equal({ commitments: true, txLists: true })
    // its id was not taken by what was dropped: another schedule, another word
    void b.network.scheduleChanged()
    await mallory.pubsub?.publish(topics.commitments, commitment(2_000))
    await until(() => numbers(b).includes(2_000), 'judged again')
  })

  it('H85 what its author\'s own node brings is rejected, and the author pays', async () => {
    const [b, mallory] = await Promise.all([judging(), rawPeer(transport, { gossip: true })])
    await mallory.dial(b.address)
    await meshed(b, mallory)
    await mallory.pubsub?.publish(topics.commitments, commitment(1_000))
    await until(() => failures(b, mallory.peerId) === 1, 'blamed')
    b.events.expect('refused', { topic: 'commitments', from: mallory.peerId, reason: 'refused_author', penalty: true })
    expect((await b.network.figures(WITHIN)).gossip.verdicts.commitments.reject).to.equal(1)
    await until(async () => ((await b.network.peers(WITHIN)).find(({ peer }) => peer === mallory.peerId)?.score ?? 0) < 0, 'scored')
  })

  it('H85 an author that we know pays also for what a relay brought first', async () => {
    const [b, relay, mallory] = await Promise.all([judging(), startNode(transport), rawPeer(transport, { gossip: true })])
    await connect(relay, b)
    await mallory.dial(relay.address)
    await meshed(relay, mallory)
    await mallory.dial(b.address)
    await until(async () => (await b.network.peers(WITHIN)).some(({ peer }) => peer === mallory.peerId), 'known')
    const gossipsub = mallory.pubsub as unknown as GossipsubInternals
    const send = gossipsub.sendRpc.bind(gossipsub)
    gossipsub.sendRpc = (to, rpc) => (to === b.peerId && rpc.messages?.length > 0) || send(to, rpc)
    await mallory.pubsub?.publish(topics.commitments, commitment(1_000))
    await until(() => failures(b, mallory.peerId) === 1, 'blamed')
    expect(failures(b, relay.peerId)).to.equal(0)
  })
})
