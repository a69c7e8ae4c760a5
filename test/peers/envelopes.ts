import type { GossipsubInternals } from '../../src/actors/network/gossip/gossipsub-internals.js'
import { fromHex, loadCrypto, RawTxListGossipCodec, toHex, txListHash } from '../../src/protocol/index.js'
import { asText } from '../../src/operate/json.js'
import { createAuthors, envelopes, rpcOf } from '../network/envelopes.js'
import type { Authors, EnvelopeCase } from '../network/envelopes.js'
import { rawPeer, topics } from '../network/raw-peer.js'
import type { RawPeer } from '../network/raw-peer.js'
import { until } from '../support/until.js'
import { Blocks, TIP } from './blocks.js'
import type { Line } from './line-process.js'
import type { Check } from './network-run.js'
import { OurNode, RustPeer, meshed } from './nodes.js'
import type { Peer } from './nodes.js'

/** Strangers at once: each brings one envelope, since a Rust peer hears nobody any more who has brought two that are invalid. */
const AT_ONCE = 6

/** Everything by gossip that a peer has told of, by txlist hash: of a Rust peer with its sender. */
class Heard {
  readonly #txLists = new Map<string, string>()
  note = (_: Peer, line: Line): void => {
    if (line.event === 'gossip' && line['topic'] === 'txLists') this.#txLists.set(asText(line['key']), asText(line['from']))
    if (line.event === 'txlist') this.#txLists.set(asText(line['hash']).replace(/^0x/, ''), asText(line['from']))
  }

  has(hash: string): boolean { return this.#txLists.has(hash) }
}

/**
 * The table of envelopes, held against a Rust peer (H66): what becomes of each there; and that none of them, brought by a stranger, sets one make
 * against the other, whichever way it goes. Then gossip goes on, and both are in each other's meshes.
 */
export async function compareEnvelopes(program: string, log: (line: string) => void): Promise<readonly Check[]> {
  const authors = await createAuthors()
  const [heardByRust, heardByOurs] = [new Heard(), new Heard()]
  const rust = await new RustPeer('rust', program, heardByRust.note).start()
  const ours = await new OurNode('ours', { confirmedTip: TIP }, heardByOurs.note).start()
  try {
    const checks = [await rustColumn(rust, heardByRust, authors)]
    log('each envelope given to a Rust peer')
    await ours.dial(rust)
    await meshed(ours, rust)
    const forwarded = await bringAll(ours, authors, async hash => heardByOurs.has(hash))
    log('each envelope given to a node of ours, beside a Rust peer')
    const relayed = await bringAll(rust, authors, async hash => heardByRust.has(hash))
    log('each envelope given to a Rust peer, beside a node of ours')
    checks.push(
      await arrived('ours → Rust', forwarded, heardByRust, ({ ours: verdict }) => verdict === 'pass'),
      await arrived('Rust → ours', relayed, heardByOurs, each => each.rust === 'accept' && each.ours === 'pass'),
      ...await stillFriends(ours, rust),
    )
    return checks
  } finally {
    await Promise.all([ours.stop(), rust.stop()])
  }
}

interface Brought { readonly envelope: EnvelopeCase; readonly hash: string }

/** A stranger for each envelope, connected to nobody else. `taken`: the peer has it. */
async function bringAll(to: Peer, authors: Authors, taken: (hash: string) => Promise<boolean>): Promise<readonly Brought[]> {
  const crypto = await loadCrypto()
  const brought: Brought[] = []
  const waiting = [...envelopes.entries()]
  const bring = async ([n, envelope]: [number, EnvelopeCase]): Promise<void> => {
    const txlist = crypto.keccak256(Buffer.from(`${to.name} ${n} ${performance.now()}`)).slice()
    const rawTxListHash = txListHash(crypto, txlist).slice()
    const data = RawTxListGossipCodec.encode({ rawTxListHash, txlist })
    const hash = toHex(rawTxListHash)
    const stranger = await connected(to)
    stranger.send(await envelope.make(authors, { data, seqno: Buffer.alloc(8, n + 1), topic: topics.txLists }))
    const expected = envelope[to.make === 'ours' ? 'ours' : 'rust']
    // one that is not taken leaves no trace there but its stranger's score: a whole one behind it on the same stream is
    if (expected === 'pass' || expected === 'accept') await until(async () => taken(hash), `${envelope.name} at ${to.name}`, 20_000)
    else await stranger.settled()
    brought.push({ envelope, hash })
    await stranger.peer.node.stop()
  }
  await Promise.all(Array.from({ length: AT_ONCE }, async () => { for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await bring(next) }))
  return brought
}

async function connected(to: Peer): Promise<{ readonly peer: RawPeer; readonly send: (message: Uint8Array) => void; readonly settled: () => Promise<void> }> {
  const peer = await rawPeer('tcp', { gossip: true, listen: false })
  const connection = await peer.dial(to.address)
  const streams = (peer.pubsub as unknown as GossipsubInternals).streamsOutbound as unknown as Map<string, { push(rpc: Uint8Array): void }>
  const stream = await until(() => streams.get(to.peerId), 'a gossip stream')
  await until(async () => (await to.peers()).some(each => each.peer === peer.peerId && each.agent !== ''), `${to.name} knows the stranger`)
  return {
    peer,
    send: message => { stream.push(rpcOf(message)) },
    // what was sent before it has been read when the other side has answered
    settled: async () => { await (peer.node.services as unknown as { ping: { ping(to: unknown): Promise<number> } }).ping.ping(connection.remotePeer) },
  }
}

/** What a Rust peer does with each. */
async function rustColumn(rust: RustPeer, heard: Heard, authors: Authors): Promise<Check> {
  const crypto = await loadCrypto()
  const wrong: string[] = []
  const waiting = [...envelopes.entries()]
  const look = async ([n, envelope]: [number, EnvelopeCase]): Promise<void> => {
    const txlist = crypto.keccak256(Buffer.from(`column ${n} ${performance.now()}`)).slice()
    const rawTxListHash = txListHash(crypto, txlist).slice()
    const { peer, send } = await connected(rust)
    send(await envelope.make(authors, { data: RawTxListGossipCodec.encode({ rawTxListHash, txlist }), seqno: Buffer.alloc(8, n + 1), topic: topics.txLists }))
    const verdict = await until(async () => {
      if (heard.has(toHex(rawTxListHash))) return 'accept'
      return ((await rust.peers()).find(each => each.peer === peer.peerId)?.score ?? 0) < 0 && 'penalty'
    }, envelope.name, 10_000).catch(() => 'nothing')
    if (verdict !== envelope.rust) wrong.push(`${envelope.name}: ${verdict}`)
    await peer.node.stop()
  }
  await Promise.all(Array.from({ length: AT_ONCE }, async () => { for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await look(next) }))
  return { what: `${envelopes.length} envelopes at a Rust peer, as in the table (H66)`, ok: wrong.length === 0, found: wrong.length === 0 ? 'each as told' : wrong.join('; ') }
}

async function arrived(way: string, brought: readonly Brought[], heard: Heard, passes: (envelope: EnvelopeCase) => boolean): Promise<Check> {
  const missing = async (): Promise<readonly string[]> => brought.filter(({ envelope, hash }) => passes(envelope) && !heard.has(hash)).map(({ envelope }) => envelope.name)
  await until(async () => (await missing()).length === 0, 'all that pass', 10_000).catch(() => undefined)
  const wrong = [...await missing(), ...brought.filter(({ envelope, hash }) => !passes(envelope) && heard.has(hash)).map(({ envelope }) => `${envelope.name} passed`)]
  return { what: `${way}: those that pass arrive, and no others`, ok: wrong.length === 0, found: wrong.length === 0 ? `${brought.filter(({ envelope }) => passes(envelope)).length} of ${brought.length}` : wrong.join('; ') }
}

async function stillFriends(ours: OurNode, rust: RustPeer): Promise<readonly Check[]> {
  const blocks = await Blocks.create()
  const heads: boolean[] = []
  for (const by of [ours, rust]) {
    const block = await blocks.next(1_000)
    await by.publishTxList(block)
    await by.publishCommitment(block)
    const at = by === ours ? rust : ours
    heads.push(await until(async () => at === rust
      ? (await rust.call('request', { peer: ours.peerId, kind: 'head', body: '04000000' }))['body'] !== undefined
      : (await ours.call('stored', { start: String(block.blockNumber), max: '1' }) as { commitments: readonly string[] }).commitments.some(ssz => Buffer.from(fromHex(ssz)).equals(block.ssz)),
    'the next block', 10_000).catch(() => false))
  }
  const [ofOurs, ofRust] = [await rust.seen(ours), await ours.seen(rust)]
  const inMesh = ofOurs?.mesh.commitments === true && ofOurs.mesh.txLists && ofRust?.mesh.commitments === true && ofRust.mesh.txLists
  const bans = await rust.bans()
  const blamed = ours.complaints.filter(({ text }) => text.includes(rust.peerId)).map(({ text }) => text)
  return [
    { what: 'gossip goes on both ways, and both are in each other\'s meshes', ok: heads.every(each => each) && inMesh, found: `blocks ${heads.join(', ')}, meshes ${inMesh}` },
    {
      what: 'no score below 0, no ban, no blame', ok: (ofOurs?.lowestScore ?? -1) >= 0 && (ofRust?.score ?? -1) >= 0 && bans.every(({ peer }) => peer !== ours.peerId) && blamed.length === 0,
      found: `Rust of ours ${ofOurs?.lowestScore}, ours of Rust ${ofRust?.score}${blamed.length === 0 ? '' : `; ${blamed.join('; ')}`}`,
    },
  ]
}
