import type { Connection, PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { protocolsOf, topicsOf } from '../../protocol/index.js'
import type { PeerKey } from '../../protocol/peer-key.js'
import type { Chain } from '../chain/ingress.js'
import type { Verdict } from '../chain/ports.js'
import type { Clock, Feedback, Logger, Port, Random } from '../kernel/index.js'
import type { Store } from '../store/ingress.js'
import type { Validator } from '../validator/ingress.js'
import { addressWithPeer } from './addresses.js'
import { AGENT_NAME } from './config.js'
import type { NetworkConfig } from './config.js'
import { startDeadline, within } from './deadline.js'
import { NetworkError, RequestError, describeError, errorName } from './errors.js'
import { newCounters } from './figures.js'
import type { NetworkFigures, Refusal, Violation } from './figures.js'
import { Gater } from './gater.js'
import { Gossip } from './gossip.js'
import { internalsOf } from './gossipsub-internals.js'
import type { GossipsubInternals } from './gossipsub-internals.js'
import { peerKeyOf } from './identity.js'
import type { DriverEvent, PeerInfo, RequestKind, Response, Topic } from './ingress.js'
import { createNode } from './node.js'
import type { Node } from './node.js'
import { PeerBook } from './peers.js'
import type { KnownPeer } from './peers.js'
import { MAX_OUTBOUND_STREAMS, RequestClient } from './reqresp/client.js'
import type { RequestOptions } from './reqresp/client.js'
import { Exchanges } from './reqresp/exchanges.js'
import { OutboundQuota } from './reqresp/outbound-quota.js'
import { REQUEST_KINDS } from './reqresp/protocols.js'
import type { DecodedRequest } from './reqresp/protocols.js'
import { RequestServer } from './reqresp/server.js'
import { StaticPeers } from './static-peers.js'
import { GossipStreamKeeper } from './workarounds/reopen-gossip-stream.js'

/** How peers stand with us, read at once where a library needs an answer at once. The reputation's owner offers it. */
export interface PeerStanding {
  /** Added to gossipsub's score: the reputation, within ±10 (SPEC §5). */
  appScore(peer: PeerKey): number
  /** Whether a peer may be chosen for a request (SPEC §8). */
  mayAsk(peer: PeerKey): boolean
}

export interface DriverNeeds {
  readonly validator: Pick<Validator, 'commitment' | 'txList'>
  readonly chain: Pick<Chain, 'serveHead'>
  readonly store: Pick<Store, 'serveCommitments' | 'serveTxList'>
  readonly events: Port<DriverEvent>
  readonly standing?: PeerStanding | undefined
}

export interface DriverGround {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  /** The driver can not go on: it is to be stopped and built anew. */
  failed(error: unknown): void
}

interface Running { readonly node: Node; readonly gossip: Gossip; readonly internals: GossipsubInternals }

/** A peer that stayed this long counts as reached: its redial starts from the first delay again. Milliseconds. */
const SETTLED_AFTER_MS = 10_000
/** What closing a connection may take once nothing is under way on it. Milliseconds. */
const CLOSE_WITHIN_MS = 1_000

/**
 * Owns libp2p: builds it, starts it, translates between it and the other rooms, stops it when all exchanges are over. Knows no rule of
 * the chain's state. One driver runs once: a restart builds another.
 */
export class NetworkDriver {
  readonly #config: NetworkConfig
  readonly #needs: DriverNeeds
  readonly #ground: DriverGround
  readonly #counters = newCounters()
  readonly #exchanges = new Exchanges()
  readonly #book: PeerBook
  readonly #gater: Gater
  readonly #quota: OutboundQuota
  readonly #client: RequestClient
  readonly #server: RequestServer
  readonly #statics: StaticPeers
  readonly #self: PeerKey
  #running: Running | undefined
  #stopping = false
  #notices = { second: -1, count: 0 }

  /** @throws NetworkError for static peers that cannot be dialled */
  constructor (config: NetworkConfig, needs: DriverNeeds, ground: DriverGround) {
    const { clock, random } = ground
    this.#config = config
    this.#needs = needs
    this.#ground = ground
    this.#self = peerKeyOf(config.privateKey)
    this.#book = new PeerBook(config.redial)
    this.#gater = new Gater({ limits: config.connections, counts: this.#book, gate: config.gate, denied: this.#counters.connections.denied })
    this.#quota = new OutboundQuota(config.requests)
    this.#client = new RequestClient({
      clock, book: this.#book, quota: this.#quota, exchanges: this.#exchanges, counters: this.#counters, limits: config.requests,
      protocols: protocolsOf(config.chainId),
      isKin: peer => this.#book.get(peer)?.agent.startsWith(`${AGENT_NAME}/`) ?? false,
      mayAsk: peer => needs.standing?.mayAsk(peer) ?? true,
      violated: (peer, kind, violation, code) => { this.#violated(peer, kind, violation, code) },
    })
    this.#server = new RequestServer({
      clock, counters: this.#counters, exchanges: this.#exchanges, limits: config.serving,
      ask: (request, what) => this.#ask(request, what),
      served: (peer, kind, bytes) => { this.#emit({ type: 'served', peer, kind, bytes }) },
      violated: (peer, kind, violation, code) => { this.#violated(peer, kind, violation, code) },
    })
    this.#statics = new StaticPeers({
      clock, random, policy: config.redial,
      isConnected: peer => this.#book.get(peer) !== undefined,
      refusedUntil: peer => this.#book.refusedUntil(peer, clock.monotonic()),
      dial: addresses => this.#dial(addresses, undefined),
    }, config.staticPeers)
  }

  /** Listens, subscribes, dials the static peers. @throws NetworkError `listen_failed`, `library_changed` */
  async start (): Promise<void> {
    const topics = topicsOf(this.#config.chainId)
    const node = await createNode(this.#config, {
      topics,
      gater: this.#gater.hooks(),
      appScore: peer => this.#needs.standing?.appScore(peer) ?? 0,
    })
    const pubsub = node.services.pubsub
    const internals = internalsOf(pubsub)
    const gossip = new Gossip({
      pubsub, internals, topics, self: this.#self, validator: this.#needs.validator, clock: this.#ground.clock,
      counters: this.#counters, limits: this.#config.gossip,
      isBlocked: peer => this.#gater.isBlocked(peer),
      refused: (topic, from, reason, penalty) => { this.#refused(topic, from, reason, penalty) },
    })
    this.#listen(node)
    this.#keepStreams(node, internals)
    await this.#serve(node)
    try {
      await node.start()
    } catch (cause) {
      throw new NetworkError('listen_failed', describeError(cause), { value: this.#config.listen, cause })
    }
    this.#running = { node, gossip, internals }
    gossip.subscribe()
    this.#emit({ type: 'started', ...this.addresses() })
    this.#statics.start()
  }

  /**
   * Takes nothing on any more, answers who waits, lets exchanges finish within their deadline, then closes (H40).
   * To be called once; the rooms that answer requests are not needed any more.
   */
  async stop (): Promise<void> {
    this.#stopping = true
    this.#statics.stop()
    this.#client.stop()
    this.#server.stop()
    if (!await within(this.#ground.clock, this.#config.drainWithinMs, this.#exchanges.idle())) {
      this.#ground.log.warn({ exchanges: this.#exchanges.count() }, 'stopped with exchanges under way')
    }
    await this.#running?.node.stop()
  }

  /** See `NetworkHandle.publish`. @throws NetworkError `not_started`, `stopping`, and those of `Gossip.publish` */
  async publish (topic: Topic, bytes: Uint8Array): Promise<number> {
    return this.#up().gossip.publish(topic, bytes)
  }

  verdict (messageId: string, verdict: Verdict): void { this.#running?.gossip.verdict(messageId, verdict) }
  answer (request: number, body: Uint8Array): void { this.#server.answer(request, body) }

  /** See `NetworkHandle.request`. @throws RequestError */
  async request (kind: RequestKind, body: Uint8Array, options: RequestOptions = {}): Promise<Response> {
    if (this.#running === undefined) throw new RequestError('stopping', 'the driver does not run')
    return this.#client.request(kind, body, options)
  }

  /** Connects to an address that ends in `/p2p/…`. @throws NetworkError `bad_address`, `peer_id_missing` and those of a dial */
  async dial (text: string, signal?: AbortSignal): Promise<PeerKey> {
    const { address, peer } = addressWithPeer(text)
    const key = peer.toString()
    const refusedUntil = this.#book.refusedUntil(key, this.#ground.clock.monotonic())
    if (refusedUntil !== undefined && this.#book.get(key) === undefined) {
      const value = Math.ceil(refusedUntil - this.#ground.clock.monotonic())
      throw new NetworkError('dial_refused', `${key} closed on us right after connecting; not dialled for another ${value} ms`, { value, peer: key })
    }
    await this.#dial([address], signal)
    return key
  }

  /** Closes all connections to a peer once nothing is under way with it. */
  async hangUp (peer: PeerKey): Promise<void> {
    const known = this.#book.get(peer)
    if (known === undefined) return
    this.#book.leave(peer)
    await within(this.#ground.clock, this.#config.drainWithinMs, this.#exchanges.idle(peer))
    await this.#close(known.id)
  }

  block (peer: PeerKey): void {
    this.#gater.block(peer)
    void this.hangUp(peer)
  }

  /** Also takes back that the peer has refused us. */
  unblock (peer: PeerKey): void {
    this.#gater.unblock(peer)
    this.#book.forgive(peer)
  }

  addresses (): { readonly peerId: PeerKey; readonly addresses: readonly string[] } {
    return { peerId: this.#self, addresses: this.#running?.node.getMultiaddrs().map(address => address.toString()) ?? [] }
  }

  peers (): readonly PeerInfo[] {
    const refused = this.#book.refused(this.#ground.clock.monotonic()).map<PeerInfo>(({ peer, address }) => ({
      peer, addresses: [address], direction: 'outbound', connections: 0, agent: '', protocols: [],
      mesh: { commitments: false, txLists: false }, score: this.#score(peer), latencyMs: undefined, refused: true,
    }))
    return [...[...this.#book.all()].map(known => this.#info(known)), ...refused]
  }

  figures (): NetworkFigures {
    return {
      ...structuredClone(this.#counters),
      now: {
        peers: this.#book.size,
        connections: this.#book.inbound + this.#book.outbound,
        verdictsPending: this.#running?.gossip.pending ?? 0,
        requestsWaiting: this.#client.waiting,
        requestsInFlight: this.#client.inFlight,
        inboundStreams: this.#server.open,
        servingBytes: this.#server.reserved,
        largestGossipBuffer: this.#running?.gossip.largestBuffer ?? 0,
      },
    }
  }

  /** Ignores gossip that has no verdict in time. To be called a few times a second. */
  expireVerdicts (): void { this.#running?.gossip.expire() }

  /** Forgets what is kept of peers longer than it counts. To be called about every 10 s. */
  sweep (): void {
    this.#quota.sweep(this.#ground.clock.monotonic())
    this.#server.sweep()
  }

  #up (): Running {
    if (this.#stopping) throw new NetworkError('stopping', 'the driver is stopping')
    if (this.#running === undefined) throw new NetworkError('not_started', 'the driver has not started')
    return this.#running
  }

  async #dial (addresses: readonly Multiaddr[], signal: AbortSignal | undefined): Promise<void> {
    const { node } = this.#up()
    const counters = this.#counters.connections
    const deadline = startDeadline(this.#ground.clock, this.#config.connections.dialTimeoutMs)
    counters.dials++
    try {
      await node.dial([...addresses], { signal: signal === undefined ? deadline.signal : AbortSignal.any([signal, deadline.signal]) })
    } catch (cause) {
      counters.dialsFailed++
      throw dialError(cause, addresses.map(address => address.toString()).join(', '))
    } finally {
      deadline.clear()
    }
  }

  async #close (peer: PeerId): Promise<void> {
    const deadline = startDeadline(this.#ground.clock, CLOSE_WITHIN_MS)
    try {
      await this.#running?.node.hangUp(peer, { signal: deadline.signal })
    } finally {
      deadline.clear()
    }
  }

  async #serve (node: Node): Promise<void> {
    const protocols = protocolsOf(this.#config.chainId)
    // our own count of streams comes first, so that what is refused is counted
    const options = { maxInboundStreams: this.#config.serving.maxStreamsPerPeer + 8, maxOutboundStreams: MAX_OUTBOUND_STREAMS }
    for (const kind of REQUEST_KINDS) {
      await node.handle(protocols[kind], (stream, connection) => this.#server.serve(kind, stream, connection), options)
    }
  }

  #ask (request: number, what: DecodedRequest): Feedback {
    const { chain, store } = this.#needs
    switch (what.kind) {
      case 'head': return chain.serveHead(request)
      case 'commitments': return store.serveCommitments(request, what.start, what.max)
      case 'txList': return store.serveTxList(request, what.hash)
    }
  }

  #listen (node: Node): void {
    node.addEventListener('connection:open', ({ detail }) => { this.#opened(detail) })
    node.addEventListener('peer:identify', ({ detail: { peerId, agentVersion, protocols } }) => {
      this.#identified(peerId.toString(), agentVersion ?? '', protocols)
    })
    node.addEventListener('transport:close', () => {
      if (!this.#stopping) this.#ground.failed(new NetworkError('listener_closed', 'a listener closed by itself', { value: this.#config.listen }))
    })
  }

  #opened (connection: Connection): void {
    const now = this.#ground.clock.monotonic()
    const peer = connection.remotePeer.toString()
    const first = this.#book.opened(connection, now)
    this.#counters.connections.opened++
    connection.addEventListener('close', ({ local }) => { this.#closed(connection, local === true || this.#stopping) }, { once: true })
    if (first) this.#emit({ type: 'peerConnected', peer, address: connection.remoteAddr.toString(), direction: connection.direction })
    if (connection.status !== 'open') this.#closed(connection, false)
  }

  #closed (connection: Connection, byUs: boolean): void {
    const now = this.#ground.clock.monotonic()
    const since = this.#book.get(connection.remotePeer.toString())?.since
    const departure = this.#book.closed(connection, byUs, now)
    this.#counters.connections.closed++
    if (departure === undefined) return
    const { peer, refused } = departure
    if (since !== undefined && now - since >= SETTLED_AFTER_MS) this.#statics.settled(peer)
    this.#emit({ type: 'peerDisconnected', peer })
    if (refused) {
      this.#counters.connections.refused++
      this.#emit({ type: 'peerRefused', peer })
    }
    this.#statics.disconnected(peer)
    this.#client.peersChanged()
  }

  #identified (peer: PeerKey, agent: string, protocols: readonly string[]): void {
    const before = this.#book.get(peer)
    if (before === undefined) return
    const wasReady = this.#isReady(before)
    this.#book.identified(peer, agent.slice(0, 256), protocols)
    if (!wasReady && this.#isReady(before)) this.#emit({ type: 'peerReady', peer, agent: before.agent })
    this.#client.peersChanged()
  }

  #isReady ({ protocols }: KnownPeer): boolean {
    return Object.values(protocolsOf(this.#config.chainId)).some(protocol => protocols.has(protocol))
  }

  #keepStreams (node: Node, internals: GossipsubInternals): void {
    const keeper = new GossipStreamKeeper({
      gossipsub: internals,
      connectionTo: peer => this.#book.connectionTo(peer.toString()),
      speakers: () => this.#speakers(),
      reopened: () => { this.#counters.gossip.streamsReopened++ },
      lost: peer => {
        this.#counters.gossip.streamsLost++
        void this.hangUp(peer.toString())
      },
    })
    node.addEventListener('connection:close', ({ detail }) => { keeper.connectionClosed(detail.remotePeer) })
    node.services.pubsub.addEventListener('gossipsub:heartbeat', () => { keeper.heartbeat() })
    const onReadError = internals.handlePeerReadStreamError.bind(internals)
    internals.handlePeerReadStreamError = (error, peerId) => {
      onReadError(error, peerId)
      if (!isFrameError(error)) return
      this.#violated(peerId.toString(), 'gossip', 'gossip_frame', errorName(error))
      void this.hangUp(peerId.toString())
    }
  }

  * #speakers (): Generator<PeerId> {
    for (const { id, leaving, protocols } of this.#book.all()) {
      if (!leaving && [...protocols].some(protocol => protocol.startsWith('/meshsub/'))) yield id
    }
  }

  #info (known: KnownPeer): PeerInfo {
    const { agent, connections, direction, peer, protocols } = known
    return {
      peer, direction, agent,
      addresses: connections.map(connection => connection.remoteAddr.toString()),
      connections: connections.length,
      protocols: [...protocols],
      mesh: this.#running?.gossip.inMesh(peer) ?? { commitments: false, txLists: false },
      score: this.#score(peer),
      latencyMs: connections.find(({ rtt }) => rtt !== undefined)?.rtt,
      refused: false,
    }
  }

  #score (peer: PeerKey): number { return this.#running?.internals.getScore(peer) ?? 0 }

  #refused (topic: string, from: PeerKey | undefined, reason: Refusal, penalty: boolean): void {
    if (this.#mayNotice()) this.#emit({ type: 'refused', topic, from, reason, penalty })
  }

  #violated (peer: PeerKey, kind: RequestKind | 'gossip', violation: Violation, code: string): void {
    this.#counters.violations[violation]++
    if (this.#mayNotice()) this.#emit({ type: 'violation', peer, kind, violation, code })
  }

  /** What remotes cause by the thousand is told at a limited rate; the counters have all of it. */
  #mayNotice (): boolean {
    const second = Math.floor(this.#ground.clock.monotonic() / 1_000)
    if (second !== this.#notices.second) this.#notices = { second, count: 0 }
    return ++this.#notices.count <= this.#config.noticesPerSecond
  }

  #emit (event: DriverEvent): void {
    // events are for the application: a full port loses them, and says so itself
    void this.#needs.events.send(event)
  }
}

function dialError (cause: unknown, address: string): NetworkError {
  const errors = cause instanceof AggregateError ? (cause.errors as unknown[]) : [cause]
  const names = errors.map(errorName)
  const code = names.some(name => name === 'DialDeniedError' || name === 'ConnectionInterceptedError') ? 'dial_denied'
    : names.some(name => name === 'TimeoutError' || name === 'AbortError') ? 'dial_timeout'
      : 'dial_failed'
  return new NetworkError(code, `${address}: ${errors.map(describeError).join('; ')}`, { value: address, cause })
}

/** Errors of a gossip stream that only its sender can have caused. */
function isFrameError (error: Error): boolean {
  return ['InvalidDataLengthError', 'InvalidDataLengthLengthError', 'InvalidMessageLengthError'].includes(error.name)
}
