import '../../src/polyfill.js'
import type { GossipSub } from '@libp2p/gossipsub'
import { encodeFrame, topicsOf } from '../../src/protocol/index.js'
import { Chain } from '../../src/actors/chain/ingress.js'
import type { ChainMessage } from '../../src/actors/chain/ingress.js'
import { silentLogger, supervisor, systemClock } from '../../src/actors/kernel/index.js'
import type { Message, SupervisorEvent } from '../../src/actors/kernel/index.js'
import { ManualClock, TestProbe } from '../../src/actors/kernel/testing/index.js'
import { NetworkHandle, network, networkConfig, neutralStanding } from '../../src/actors/network/index.js'
import { newCounters } from '../../src/actors/network/figures.js'
import { Handshake } from '../../src/actors/network/handshake/handshake.js'
import type { PendingResponses, DriverEvent, NetworkConfig, NetworkConfigInit, RefusedPeersNeeds, Topic } from '../../src/actors/network/index.js'
import { Reputation } from '../../src/actors/reputation/ingress.js'
import type { PeerStanding, ReputationMessage } from '../../src/actors/reputation/ingress.js'
import { Store } from '../../src/actors/store/ingress.js'
import type { StoreMessage } from '../../src/actors/store/ingress.js'
import { Validator } from '../../src/actors/validator/ingress.js'
import type { ValidatorMessage } from '../../src/actors/validator/ingress.js'
import { started } from '../setup/registry.js'
import { listenOn } from '../support/transport.js'
import type { TestTransport } from '../support/transport.js'
import { until } from '../support/until.js'

export const CHAIN = 167_000n
/** All nodes of a test share an address: only attacks are measured by the limits that hold for one. */
export const LOOPBACK = ['127.0.0.0/8']
export const WITHIN = 60_000

/** A commitment in form only: the validator is a probe. Different for each number. */
export function commitment(n: number): Uint8Array {
  const bytes = new Uint8Array(382)
  new DataView(bytes.buffer).setUint32(1, n, true)
  return bytes
}

/** A txlist message in form only, of 36 + size bytes. */
export function txList(n: number, size: number): Uint8Array {
  const bytes = new Uint8Array(36 + size)
  new DataView(bytes.buffer).setUint32(0, n, true)
  bytes[32] = 36
  // not compressible by chance, and different all over
  for (let i = 36; i < bytes.length; i += 4) bytes[i] = (i * 2_654_435_761) >>> 24
  if (size >= 4) new DataView(bytes.buffer).setUint32(36, n, true)
  return bytes
}

export type Decide = (message: ValidatorMessage, node: TestNode) => 'accept' | 'reject' | 'ignore' | 'nothing'

export interface TestNodeOptions extends NetworkConfigInit {
  /** What becomes of each message that reaches the validator. Default: accept. */
  readonly decide?: Decide
  /** What differs from thinking nothing of anybody; read each time, so it may change. */
  readonly standing?: Partial<PeerStanding>
  readonly refusals?: RefusedPeersNeeds
  /** Where the rooms send their answers; left out, they come by the mailbox. */
  readonly answers?: PendingResponses
  /** Virtual time for the node: none of its deadlines passes until the test says so (`pass`, `passUntil`). Gossipsub's heartbeat is the machine's. */
  readonly clock?: ManualClock
}

export interface TestNode {
  readonly network: NetworkHandle
  readonly peerId: string
  readonly address: string
  readonly validator: TestProbe<ValidatorMessage>
  readonly chain: TestProbe<ChainMessage>
  readonly store: TestProbe<StoreMessage>
  readonly reputation: TestProbe<ReputationMessage>
  readonly events: TestProbe<DriverEvent>
  readonly failures: SupervisorEvent[]
  decide: Decide
  /** Gossip that came, by topic. */
  got(topic: Topic): Uint8Array[]
  /** Stops it: under virtual time only as far as that passes. */
  stop(): Promise<void>
  /** The same, and time passes for it. */
  end(): Promise<void>
}

class Probe<M extends Message> extends TestProbe<M> {
  constructor(path: string, private readonly taken?: (message: M) => void) { super(path, new ManualClock(), async () => undefined) }
  override send(message: M) {
    const feedback = super.send(message)
    if (feedback === 'ok' || feedback === 'backoff') this.taken?.(message)
    return feedback
  }
}

const running = new Set<TestNode>()

/** Stops what a test has started, before its end. One after the other: two that close on each other at once wait half a second. */
export async function stopAll(): Promise<void> {
  for (const node of running) await node.end()
}

/** Lets virtual time pass; the event loop turns between steps of 5 ms. */
export async function pass(clock: ManualClock, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 5) {
    clock.advance(Math.min(5, left))
    await new Promise(setImmediate)
  }
}

/** Lets virtual time pass, not faster than the machine's, until the condition holds. */
export const passUntil = <T>(clock: ManualClock, condition: () => T | undefined | false | Promise<T | undefined | false>, what: string): Promise<T> =>
  until(() => { clock.advance(5); return condition() }, what)

/** Lets virtual time pass, not faster than the machine's, until the work is over. */
export async function passing<T>(clock: ManualClock, work: Promise<T>): Promise<T> {
  let over = false
  const noted = work.finally(() => { over = true })
  noted.catch(() => undefined)
  await passUntil(clock, () => over, 'the end of it')
  return noted
}

/** A network actor under a supervisor, with everything around it a probe. */
export async function startNode(transport: TestTransport, options: TestNodeOptions = {}): Promise<TestNode> {
  const { decide = () => 'accept', standing = {}, refusals, answers, clock, ...init } = options
  const failures: SupervisorEvent[] = []
  const validator = new Probe<ValidatorMessage>('validator', message => {
    if (!('origin' in message) || message.origin.kind !== 'gossip') return
    const verdict = node.decide(message, node)
    if (verdict !== 'nothing') void handle.verdict(message.origin.messageId, message.origin.peer, verdict)
  })
  const chain = new Probe<ChainMessage>('chain')
  const store = new Probe<StoreMessage>('store')
  const events = new Probe<DriverEvent>('events')
  const reputation = new Probe<ReputationMessage>('reputation')
  const config = networkConfig({
    chainId: CHAIN, transport, listen: listenOn(transport), exemptSubnets: LOOPBACK, ...init,
  })
  const tree = supervisor('test', { onEvent: event => { failures.push(event) }, ...clock !== undefined && { clock } })
  const needs = {
    validator: new Validator(validator), chain: new Chain(chain), store: new Store(store), events, refusals, answers,
    standing: { ...neutralStanding, ...standing }, reputation: new Reputation(reputation),
  }
  const ref = tree.child('network', () => network(needs, config), { stopWithin: 20_000 })
  const handle = new NetworkHandle(ref)
  await tree.start()
  const { peerId, addresses } = await handle.addresses(WITHIN)
  const node: TestNode = {
    network: handle, peerId, address: addresses[0] ?? '', validator, chain, store, reputation, events, failures, decide,
    got: topic => validator.received.flatMap(message => message.type === (topic === 'commitments' ? 'commitment' : 'txList') ? [(message as { bytes: Uint8Array }).bytes] : []),
    async stop() {
      running.delete(node)
      stopped()
      await tree.stop()
    },
    end: async () => clock === undefined ? node.stop() : passing(clock, node.stop()),
  }
  running.add(node)
  const stopped = started(() => node.end())
  return node
}

/** The room in front of a bare libp2p node. */
export function handshakeOf(config: NetworkConfig = networkConfig()): Handshake {
  return new Handshake({
    limits: config.handshake, pendingInbound: config.connections.pendingInbound, inboundPerSecond: config.connections.inboundPerSecond,
    exemptSubnets: LOOPBACK, clock: systemClock, log: silentLogger, counters: newCounters(), requestProtocols: [], violated: () => undefined,
  })
}

/** Failures of a peer that were reported to the reputation. */
export const failures = (node: TestNode, peer: string): number =>
  node.reputation.received.filter(message => message.type === 'report' && message.peer === peer && message.outcome === 'failure').length

/** Connects and waits until both are in each other's meshes and know each other's protocols. */
export async function connect(from: TestNode, to: TestNode): Promise<void> {
  await from.network.dial(to.address, WITHIN)
  await Promise.all([meshed(from, to), meshed(to, from)])
}

/** A peer that may be a raw one, whose gossipsub is at hand. */
interface Peer { readonly peerId: string; readonly pubsub?: GossipSub | undefined }

/**
 * Resolves once the peer is in the node's meshes, and a raw peer knows that the node subscribes to its topics: what it publishes before
 * that goes to nobody.
 */
export async function meshed(node: TestNode, peer: Peer): Promise<void> {
  const { peerId, pubsub } = peer
  const knowsNode = (topic: string): boolean => pubsub === undefined || pubsub.getSubscribers(topic).some(each => each.toString() === node.peerId)
  await until(async () => {
    const known = (await node.network.peers(WITHIN)).find(each => each.peer === peerId)
    return known !== undefined && known.protocols.length > 0 && known.mesh.commitments && known.mesh.txLists && Object.values(topicsOf(CHAIN)).every(knowsNode)
  }, `${peerId} in the meshes of ${node.peerId}`)
}

export const equal = (a: Uint8Array, b: Uint8Array): boolean => Buffer.from(a).equals(b)

/** SSZ of the three requests. */
export const headRequest = new Uint8Array([4, 0, 0, 0])
export function commitmentsRequest(start: number, max: number): Uint8Array {
  const bytes = new Uint8Array(36)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, start, true)
  view.setUint32(32, max, true)
  return bytes
}
export const frame = encodeFrame
