import '../../src/polyfill.js'
import { createHash } from 'node:crypto'
import { ENR, SignableENR } from '@chainsafe/enr'
import { generateKeyPair, publicKeyToProtobuf } from '@libp2p/crypto/keys'
import { peerOfNetworkKey } from '../../src/actors/discovery/candidate.js'
import type { Discv5Init, Discv5Node } from '../../src/actors/discovery/discv5-node.js'
import { Discovery, discovery, discoveryConfig } from '../../src/actors/discovery/index.js'
import type { DiscoveryEvent, DiscoveryInit, DiscoveryMessage, DiscoveryNeeds } from '../../src/actors/discovery/index.js'
import { ipFromText } from '../../src/actors/discovery/ip.js'
import { signRecord } from '../../src/actors/discovery/record.js'
import type { Endpoint } from '../../src/actors/discovery/external-address-votes.js'
import type { TestKit } from '../../src/actors/kernel/testing/index.js'
import { NetworkHandle } from '../../src/actors/network/ingress.js'
import type { NetworkCommand, PeerInfo } from '../../src/actors/network/ingress.js'
import { MetaStore } from './network.js'

const CHAIN = 167_000n
export const key = (name: string): Uint8Array => Uint8Array.from(createHash('sha256').update(name).digest())
const ed25519 = async (): Promise<Uint8Array> => publicKeyToProtobuf((await generateKeyPair('Ed25519')).publicKey)
export const own = await ed25519()

export interface Other { readonly record: ENR; readonly peer: string; readonly address: string }

/** Somebody else, as far as their ENR shows. */
export async function other(name: string, { ip = `1.${name.length}.${name.charCodeAt(0)}.4`, chainId = CHAIN, tcp = 9000, seq = 1n, networkKey = undefined as Uint8Array | undefined } = {}): Promise<Other> {
  const named = networkKey ?? await ed25519()
  const record = ENR.decodeTxt(signRecord(key(name), seq, { ip: ipFromText(ip)!, udp: 9001, tcp, chainId, networkKey: named }).encodeTxt())
  const peer = peerOfNetworkKey(named)!
  return { record, peer, address: `/ip4/${ip}/tcp/${tcp}/p2p/${peer}` }
}

/** discv5 in a test's hand. */
export class FakeNode implements Discv5Node {
  readonly port = 9001
  readonly packetsDropped = 0
  readonly nodeId: string
  readonly published: SignableENR[] = []
  readonly records: ENR[] = []
  readonly pings: ENR[] = []
  readonly answers = new Map<string, Endpoint>()
  lookups = 0
  stopped = 0

  constructor(readonly init: Discv5Init) { this.nodeId = SignableENR.createV4(init.privateKey).nodeId }

  async start(record: SignableENR): Promise<void> { this.published.push(record) }
  async stop(): Promise<void> { this.stopped++ }
  publish(record: SignableENR): void { this.published.push(record) }
  add(record: ENR): void { if (this.init.isSound(record) && !this.records.some(({ nodeId }) => nodeId === record.nodeId)) this.records.push(record) }
  table(): readonly ENR[] { return this.records }
  async lookup(): Promise<readonly ENR[]> { this.lookups++; return [] }
  async ping(record: ENR): Promise<Endpoint> {
    this.pings.push(record)
    const answer = this.answers.get(record.nodeId)
    if (answer === undefined) throw new Error('no answer')
    return answer
  }

  async request(): Promise<ENR> { throw new Error('no answer') }
}

/** The actor on a manual clock, discv5 and the driver in the test's hand. */
export async function start(kit: TestKit, options: Partial<DiscoveryInit> = {}, more: Partial<DiscoveryNeeds> = {}, store = new MetaStore()) {
  const network = kit.probe<NetworkCommand>('network')
  const dials: string[] = []
  const failing = new Map<string, Error>()
  const here = new Map<string, PeerInfo>()
  network.answer('addresses', () => ({ peerId: 'us', addresses: ['/ip4/5.5.5.5/tcp/9000'] }))
  network.answer('peers', () => [...here.values()])
  network.answer('dial', ({ address }) => {
    dials.push(address)
    const error = failing.get(address)
    if (error !== undefined) throw error
    const peer = address.split('/p2p/')[1]!
    come(peer, 'outbound', address)
    return peer
  })
  const events: DiscoveryEvent[] = []
  const learned: string[] = []
  const nodes: FakeNode[] = []
  const config = discoveryConfig({ privateKey: key('us'), networkPublicKey: own, chainId: CHAIN, listen: { ip: '5.5.5.5', port: 9001 }, ...options })
  const ref = await kit.spawn<DiscoveryMessage, unknown>(() => discovery({
    network: new NetworkHandle(network), store, events: { send: event => { events.push(event); return 'ok' } },
    learned: (peer, publicKey) => { learned.push(`${peer} ${Buffer.from(publicKey).toString('hex')}`) },
    open: async init => { const node = new FakeNode(init); nodes.push(node); return node }, ...more,
  }, config) as never)
  const handle = new Discovery(ref)
  const info = (peer: string, direction: 'inbound' | 'outbound', address: string): PeerInfo => ({
    peer, addresses: [address], direction, connections: 1, agent: '', protocols: [], mesh: { commitments: false, txLists: false }, score: 0, latencyMs: undefined, refused: false,
  })
  function come(peer: string, direction: 'inbound' | 'outbound', address: string): void {
    here.set(peer, info(peer, direction, address))
    void handle.driver({ type: 'peerConnected', peer, address, direction })
  }
  const ready = (peer: string): void => { void handle.driver({ type: 'peerReady', peer, agent: '' }) }
  const go = (peer: string): void => { here.delete(peer); void handle.driver({ type: 'peerDisconnected', peer }) }
  const find = async (...found: Other[]): Promise<void> => {
    for (const { record } of found) node().init.found(record)
    await kit.settle()
  }
  const node = (): FakeNode => nodes.at(-1)!
  await kit.settle()
  return { handle, ref, network, dials, failing, here, events, learned, node, nodes, store, come, ready, go, find, config }
}
