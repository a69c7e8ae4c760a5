import { expect } from 'chai'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { PeerId } from '@libp2p/interface'
import { verifyAuthorsAside } from '../../src/actors/network/gossip/author-signatures.js'
import type { GossipsubInternals, Rpc } from '../../src/actors/network/gossip/gossipsub-internals.js'
import { describeTransports } from '../support/transport.js'
import { until } from '../support/until.js'
import { WITHIN, commitment, connect, meshed, startNode, stopAll, txList } from './harness.js'
import type { TestNode } from './harness.js'
import { rawPeer, stopRawPeers, topics } from './raw-peer.js'
import type { RawPeer } from './raw-peer.js'

type Messages = Rpc['messages']
interface Signed { readonly signature: Uint8Array; readonly seqno: Uint8Array; readonly key?: Uint8Array; readonly from: Uint8Array }

const internals = ({ pubsub }: RawPeer) => pubsub as unknown as GossipsubInternals
const figures = async (node: TestNode) => (await node.network.figures(WITHIN)).gossip
const scoreOf = async (node: TestNode, peer: string) => (await node.network.peers(WITHIN)).find(each => each.peer === peer)?.score
const heights = (node: TestNode) => node.got('commitments').map(bytes => new DataView(bytes.buffer, bytes.byteOffset).getUint32(1, true))

/** So many commitments in the form of the wire, signed by their author and not sent. */
async function signed(peer: RawPeer, first: number, count: number): Promise<Messages> {
  const taken: Messages = []
  const gossipsub = internals(peer)
  const send = gossipsub.sendRpc.bind(gossipsub)
  gossipsub.sendRpc = (to, rpc) => { taken.push(...rpc.messages); return rpc.messages.length > 0 || send(to, rpc) }
  for (let n = 0; n < count; n++) await peer.pubsub?.publish(topics.commitments, commitment(first + n))
  gossipsub.sendRpc = send
  return taken
}

/** The same message with some of its fields changed. */
const changed = (message: Messages[number], fields: Partial<Signed> | ((fields: Signed) => Partial<Signed>)): Messages[number] =>
  ({ ...message, ...(typeof fields === 'function' ? fields(message as unknown as Signed) : fields) })

const flipped = (bytes: Uint8Array, at = 0): Uint8Array => bytes.map((byte, index) => index === at ? byte ^ 1 : byte)

describeTransports('network: signatures of authors', transport => {
  afterEach(async () => { await stopAll(); await stopRawPeers() })

  async function pair(options: Parameters<typeof rawPeer>[1] = {}): Promise<{ b: TestNode; peer: RawPeer; readonly send: (messages: Messages) => void }> {
    const b = await startNode(transport, { gossip: { budgetMessages: Infinity, budgetBytes: Infinity } })
    const peer = await rawPeer(transport, { gossip: true, ...options })
    await peer.dial(b.address)
    await meshed(b, peer)
    return { b, peer, send: messages => { internals(peer).sendRpc(b.peerId, { subscriptions: [], messages }) } }
  }

  it('a peer\'s messages keep their order, in one RPC and in many', async () => {
    const { b, peer, send } = await pair()
    const messages = await signed(peer, 1, 120)
    send(messages.slice(0, 60))
    for (const message of messages.slice(60)) send([message])
    await until(() => b.got('commitments').length === 120, 'all')
    expect(heights(b)).to.deep.equal(Array.from({ length: 120 }, (_, at) => at + 1))
  })

  it('a forged one among many is dropped and held against its sender; its neighbours arrive', async () => {
    const { b, peer, send } = await pair()
    const messages = await signed(peer, 1, 40)
    send(messages.map((message, at) => at === 20 ? changed(message, ({ signature }) => ({ signature: flipped(signature, 40) })) : message))
    await until(() => b.got('commitments').length === 39, 'the others')
    expect(heights(b)).not.to.include(21)
    await until(async () => (await scoreOf(b, peer.peerId))! < 15, 'penalised')
    expect((await figures(b)).refused.commitments.bad_author).to.equal(1)
  })

  // those that are not in the form of SPEC §5 are in envelope.test.ts
  const forgeries: Readonly<Record<string, (message: Messages[number], stranger: Signed) => Messages[number]>> = {
    'another sequence number': message => changed(message, ({ seqno }) => ({ seqno: flipped(seqno) })),
    'another author': (message, { from, key }) => changed(message, { from, ...(key !== undefined && { key }) }),
  }
  for (const [title, forge] of Object.entries(forgeries)) {
    it(`refused: ${title}`, async () => {
      const { b, peer, send } = await pair()
      const stranger = await rawPeer(transport, { gossip: true })
      await stranger.dial(b.address)
      await meshed(b, stranger)
      const [theirs] = await signed(stranger, 900, 1)
      const messages = await signed(peer, 1, 3)
      send([messages[0]!, forge(messages[1]!, theirs as unknown as Signed), messages[2]!])
      await until(() => b.got('commitments').length === 2, 'the others')
      await until(async () => (await figures(b)).refused.commitments.bad_author === 1, 'refused')
      expect(heights(b)).to.deep.equal([1, 3])
      // the honest message itself is not burnt by its forgery
      send([messages[1]!])
      await until(() => b.got('commitments').length === 3, 'the honest one')
    })
  }

  it('a copy that comes while the first is being verified is a duplicate', async () => {
    const { b, peer, send } = await pair()
    const messages = await signed(peer, 1, 30)
    send(messages.flatMap(message => [message, message]))
    // Sent again until all are there: more copies are duplicates as well.
    await until(() => { send(messages); return b.got('commitments').length === 30 }, 'each once', 60_000, 200)
    send(await signed(peer, 31, 1))
    await until(() => b.got('commitments').length === 31, 'the last')
    expect(heights(b)).to.have.length(31)
    await until(async () => (await scoreOf(b, peer.peerId))! > 0, 'nothing is held against it')
  })

  it('a forged copy that comes first does not keep the honest one out', async () => {
    const { b, peer, send } = await pair()
    const messages = await signed(peer, 1, 10)
    send(messages.flatMap(message => [changed(message, ({ signature }) => ({ signature: flipped(signature) })), message]).slice(0, 4))
    await until(() => b.got('commitments').length === 2, 'the honest ones')
  })

  it('authors with another kind of key are taken as before', async () => {
    const { b, peer } = await pair({ privateKey: await generateKeyPair('secp256k1') })
    for (let n = 1; n <= 3; n++) await peer.pubsub?.publish(topics.commitments, commitment(n))
    await until(() => b.got('commitments').length === 3, 'all')
  })

  it('large messages too, and between nodes of ours', async () => {
    const [a, b] = await Promise.all([startNode(transport), startNode(transport)])
    await connect(a, b)
    await a.network.publish('txLists', txList(1, 1_000_000), WITHIN)
    for (let n = 1; n <= 20; n++) await a.network.publish('commitments', commitment(n), WITHIN)
    await until(() => b.got('commitments').length === 20 && b.got('txLists').length === 1, 'all')
  })

  it('who is proven does not wait for a thread because others send at the same time', async () => {
    const { peer } = await pair()
    const messages = await signed(peer, 1, 4)
    /** Signatures that went elsewhere, of what these peers send in one turn. */
    const asideOf = async (isProven: (sender: string) => boolean, senders: readonly string[], inTurn = false): Promise<number> => {
      let aside = 0
      const verifier = { verify: async () => { aside++; return Promise.resolve(true) } }
      const cache = () => { const seen = new Map<string, string>(); return { has: (key: string) => seen.has(key), get: (key: string) => seen.get(key), put: (key: string, value = '') => { seen.set(key, value); return false } } }
      const verdicts: string[] = []
      const fake = {
        fastMsgIdFn: ({ signature }: Signed) => Buffer.from(signature).toString('hex'), msgIdFn: ({ signature }: Signed) => signature,
        msgIdToStrFn: (id: Uint8Array) => Buffer.from(id).toString('hex'), sendIDontWants: () => undefined,
        validateReceivedMessage: async (_from: PeerId, _message: unknown) => Promise.resolve({ code: 'invalid' }),
        handleReceivedMessage: async (from: PeerId, message: unknown) => { verdicts.push((await fake.validateReceivedMessage(from, message)).code) },
        seenCache: cache(), fastMsgIdCache: cache(), opts: { idontwantMinDataSize: 1e9 },
      }
      verifyAuthorsAside(fake as unknown as GossipsubInternals, verifier, isProven)
      const take = async (sender: string, at: number) => fake.handleReceivedMessage({ toString: () => sender } as PeerId, messages[at]!)
      if (inTurn) for (const [at, sender] of senders.entries()) await take(sender, at)
      else await Promise.all(senders.map(take))
      await until(() => verdicts.length === senders.length, 'all')
      expect(verdicts).to.deep.equal(senders.map(() => 'valid'))
      await new Promise(setImmediate)
      return aside
    }
    expect(await asideOf(() => false, ['a', 'b', 'c'])).to.equal(3)
    expect(await asideOf(sender => sender === 'c', ['a', 'b', 'c'])).to.equal(2)
    // of many in one turn the first
    expect(await asideOf(() => true, ['a', 'a', 'b', 'a'], true)).to.equal(2)
    // many that come together from one peer go together
    expect(await asideOf(() => true, ['a', 'a', 'a', 'a'])).to.equal(4)
  })
})

describe('network: signatures of authors, and the library', () => {
  it('H35: what a second stream of a peer brings does not leave the first one waiting for ever', async () => {
    const ends: Array<() => void> = []
    const cache = { has: () => false, get: () => undefined, put: () => false }
    const gossipsub = {
      fastMsgIdFn: () => '', msgIdFn: () => new Uint8Array(), msgIdToStrFn: () => '', sendIDontWants: () => undefined,
      validateReceivedMessage: async () => ({ code: 'invalid' }), seenCache: cache, fastMsgIdCache: cache, opts: { idontwantMinDataSize: 1 },
      handleReceivedMessage: async () => new Promise<void>(resolve => { ends.push(resolve) }),
    } as unknown as GossipsubInternals
    verifyAuthorsAside(gossipsub, { verify: async () => Promise.resolve(true) })
    const from = { toString: () => 'peer' } as PeerId
    let through = 0
    // each stream brings one more once the last one is taken up
    const stream = async (count: number) => { for (let n = 0; n < count; n++) { await gossipsub.handleReceivedMessage(from, { topic: '' }); through++ } }
    const both = Promise.all([stream(20), stream(20)])
    for (let turn = 0; turn < 200 && through < 40; turn++) { ends.shift()?.(); await new Promise(setImmediate) }
    expect(through).to.equal(40)
    await both
  })

  it('another version of it is an error with a name', () => {
    expect(() => { verifyAuthorsAside({ fastMsgIdFn: () => '', msgIdFn: () => '' } as unknown as GossipsubInternals, { verify: async () => Promise.resolve(true) }) })
      .to.throw().that.includes({ code: 'library_changed', value: 'msgIdToStrFn' })
  })
})
