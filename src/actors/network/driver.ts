import { createRequire } from 'node:module'
import { protocolsOf, REQUEST_KINDS, topicsOf } from '../../protocol/index.js'
import type { DecodedRequest } from '../../protocol/index.js'
import type { PeerKey } from '../../protocol/peer-key.js'
import type { Chain } from '../chain/ingress.js'
import type { Verdict } from '../chain/ports.js'
import type { Clock, Feedback, Logger, Port, Random, Supervisor } from '../kernel/index.js'
import type { PeerStanding, Reputation } from '../reputation/ingress.js'
import type { Store } from '../store/ingress.js'
import type { Validator } from '../validator/ingress.js'
import { AGENT_NAME } from './config.js'
import type { NetworkConfig } from './config.js'
import { ConnectionManager } from './connections/connection-manager.js'
import { NetworkError, RequestError, describeError, guard } from './errors.js'
import { newCounters } from './figures.js'
import type { NetworkFigures, Violation } from './figures.js'
import { startAuthors } from './gossip/author-verifier.js'
import { Gossip } from './gossip/gossip.js'
import { Handshake } from './handshake/handshake.js'
import type { Guard } from './errors.js'
import { checkScoringActive, internalsOf } from './gossip/gossipsub-internals.js'
import type { GossipsubInternals } from './gossip/gossipsub-internals.js'
import { peerKeyOf } from './identity.js'
import type { DriverEvent, PeerInfo, RequestKind, Response, Topic } from './ingress.js'
import type * as Libp2p from './node.js'
import type { Node } from './node.js'
import { Notices } from './notices.js'
import type { KnownPeer } from './connections/peer-table.js'
import type { RefusedPeersNeeds } from './connections/refused-peers.js'
import { PendingResponses } from './reqresp/pending-responses.js'
import { MAX_OUTBOUND_STREAMS, RequestClient } from './reqresp/client.js'
import type { RequestOptions } from './reqresp/client.js'
import { InFlightExchanges } from './reqresp/in-flight.js'
import { quotaOf } from './reqresp/request-quota.js'
import type { RequestQuota } from './reqresp/request-quota.js'
import { RequestServer } from './reqresp/server.js'
import { neutralStanding } from './connections/gater.js'
import { GossipStreamKeeper } from './workarounds/reopen-gossip-stream.js'

export interface DriverNeeds {
  readonly validator: Pick<Validator, 'commitment' | 'txList'>
  readonly chain: Pick<Chain, 'serveHead'>
  readonly store: Pick<Store, 'serveCommitments' | 'serveTxList'>
  readonly events: Port<DriverEvent>
  /**
   * Where `chain` and `store` send their answers to inbound requests, so that these come while the driver is being stopped too (H40).
   * Left out: answers come by its mailbox, and while it stops everyone who asks gets an empty one.
   */
  readonly answers?: PendingResponses | undefined
  /** How peers stand with us. Left out: all alike. */
  readonly standing?: PeerStanding | undefined
  /** Who hears what is a peer's fault, each time, and every 10 s gossipsub's score of those connected. */
  readonly reputation?: Pick<Reputation, 'report' | 'gossipScores'> | undefined
  /** Where the peers that refused us outlive a restart (H41). */
  readonly refusals?: RefusedPeersNeeds | undefined
}

export interface DriverGround {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  /** Actors that end with the driver. */
  children(): Pick<Supervisor, 'child'>
  /** The driver can not go on: it is to be stopped and built anew. */
  failed(error: unknown): void
}

interface Running { readonly node: Node; readonly gossip: Gossip; readonly internals: GossipsubInternals }

const require = createRequire(import.meta.url)

/**
 * libp2p, which takes as long to load as all the rest of the node: only who starts a driver needs it. Called before that, it is there
 * already by then.
 *
 * By `require`, which takes two thirds of the time of `import` and holds this thread meanwhile, for 0.1 to 0.2 s. It fails where
 * somebody imports one of the same files at this moment (until Node 24); `import` never does.
 */
export const loadLibp2p = async (): Promise<typeof Libp2p> => {
  try {
    return require('./node.js') as typeof Libp2p
  } catch {
    // what is wrong with a file itself is told here
    return import('./node.js')
  }
}

/** What 10 s of flooding count as: all that may count in that time (SPEC §8), so that a flooder is banned within two minutes. */
const FAILURES_OF_A_FLOOD = 4

/**
 * Owns libp2p: builds it, starts it, translates between it and the other rooms, stops it when all exchanges are over. Knows no rule of
 * the chain's state. One driver runs once: a restart builds another.
 */
export class NetworkDriver {
  readonly #config: NetworkConfig
  readonly #needs: DriverNeeds
  readonly #ground: DriverGround
  readonly #self: PeerKey
  readonly #standing: PeerStanding
  readonly #counters = newCounters()
  readonly #exchanges = new InFlightExchanges()
  readonly #notices: Notices
  readonly #guarded: Guard
  readonly #connections: ConnectionManager
  readonly #handshake: Handshake
  readonly #quota: RequestQuota
  readonly #answers: PendingResponses
  readonly #client: RequestClient
  readonly #server: RequestServer
  #running: Running | undefined
  #stopping = false

  /** @throws NetworkError for static peers that cannot be dialled */
  constructor(config: NetworkConfig, needs: DriverNeeds, ground: DriverGround) {
    const { clock, random } = ground
    const shared = { clock, counters: this.#counters, exchanges: this.#exchanges }
    const violated = (peer: PeerKey, kind: RequestKind, violation: Violation, code: string): void => { this.#violated(peer, kind, violation, code) }
    this.#config = config
    this.#needs = needs
    this.#ground = ground
    this.#self = peerKeyOf(config.privateKey)
    this.#standing = needs.standing ?? neutralStanding
    this.#guarded = guard(error => { ground.failed(error) })
    this.#notices = new Notices(needs.events, clock, config.noticesPerSecond)
    this.#connections = new ConnectionManager({
      ...shared, config, random, log: ground.log, notices: this.#notices, guarded: this.#guarded, standing: this.#standing, refusals: needs.refusals,
      changed: () => { this.#client.peersChanged() },
    })
    this.#handshake = new Handshake({
      limits: config.handshake, pendingInbound: config.connections.pendingInbound, inboundPerSecond: config.connections.inboundPerSecond,
      exemptSubnets: config.exemptSubnets, clock, log: ground.log, counters: this.#counters, requestProtocols: Object.values(protocolsOf(config.chainId)),
      violated: (peer, refusal) => {
        this.#connections.closedByUs(peer)
        this.#violated(peer, 'connection', 'handshake', refusal)
        if (refusal !== 'negotiation') for (let more = 1; more < FAILURES_OF_A_FLOOD; more++) this.#blame(peer)
      },
    })
    const { book } = this.#connections
    this.#quota = quotaOf(config.privateKey, config.requests, clock.monotonic())
    this.#client = new RequestClient({
      ...shared, book, quota: this.#quota, limits: config.requests, protocols: protocolsOf(config.chainId), violated,
      isSameClient: peer => this.#isSameClient(peer),
      mayAsk: peer => this.#standing.mayAsk(peer),
    })
    this.#answers = needs.answers ?? new PendingResponses()
    this.#server = new RequestServer({
      ...shared, limits: config.serving, violated, answers: this.#answers, answersWhileStopping: needs.answers !== undefined,
      ask: (request, what, peer) => this.#ask(request, what, peer),
      served: (peer, kind, bytes) => { this.#notices.served(peer, kind, bytes) },
    })
  }

  /** Listens, subscribes, dials the static peers. @throws NetworkError `listen_failed`, `library_changed`, `scoring_inactive` */
  async start(): Promise<void> {
    const topics = topicsOf(this.#config.chainId)
    const { createNode } = await loadLibp2p()
    const node = await createNode(this.#config, {
      topics,
      gater: this.#connections.gater.hooks(), handshake: this.#handshake,
      appScore: peer => this.#standing.appScore(peer),
    })
    const pubsub = node.services.pubsub
    const internals = internalsOf(pubsub)
    const gossip = new Gossip({
      pubsub, internals, topics, self: this.#self, validator: this.#needs.validator, clock: this.#ground.clock, random: this.#ground.random, startAuthors: () => startAuthors(this.#ground.children()),
      counters: this.#counters, limits: this.#config.gossip, guarded: this.#guarded,
      standing: this.#standing, messageIds: this.#config.messageIds,
      otherIdForm: (isOther, counts) => {
        const { log } = this.#ground
        if (isOther) log.warn({ ...counts, messageIds: this.#config.messageIds }, 'most peers use the other form of message ids: everything comes more than once')
        else log.info({ ...counts, messageIds: this.#config.messageIds }, 'most peers use our form of message ids again')
      },
      isProtected: peer => this.#connections.gater.isProtected(peer),
      origin: peer => {
        const connection = this.#connections.book.connectionTo(peer)
        const outbound = connection?.direction === 'outbound'
        return { outbound, address: connection === undefined ? undefined : this.#connections.gater.limitedOrigin(peer, connection.remoteAddr.toString())?.address }
      },
      isConnected: peer => this.#connections.book.get(peer) !== undefined,
      isBlocked: peer => this.#connections.gater.isRefused(peer),
      violated: (peer, violation, code, hangUp) => {
        this.#violated(peer, 'gossip', violation, code)
        if (violation === 'gossip_flood') for (let more = 1; more < FAILURES_OF_A_FLOOD; more++) this.#blame(peer)
        if (hangUp) this.#connections.letGo(peer)
      },
      refused: (topic, from, reason, penalty) => {
        if (penalty && from !== undefined) this.#blame(from)
        this.#notices.refused(topic, from, reason, penalty)
      },
    })
    checkScoringActive(internals, Object.values(topics))
    await this.#connections.restore()
    this.#connections.watch(node)
    this.#keepStreams(node, internals)
    this.#watchListeners(node)
    await this.#serve(node)
    try {
      await node.start()
    } catch (cause) {
      throw new NetworkError('listen_failed', describeError(cause), { value: this.#config.listen, cause })
    }
    this.#running = { node, gossip, internals }
    gossip.subscribe()
    this.#notices.emit({ type: 'started', ...this.addresses() })
    this.#connections.start()
  }

  /**
   * Asks nothing and lets nobody in any more, serves on, closes each peer's connections as soon as nothing is under way with it (H40), and
   * only then stops libp2p, whose services take a while to end. To be called once; the rooms that answer requests are needed until it is over.
   */
  async stop(): Promise<void> {
    this.#stopping = true
    this.#connections.stop()
    this.#client.stop()
    this.#server.stop()
    if (!await this.#connections.leave()) this.#ground.log.warn({ exchanges: this.#exchanges.count() }, 'stopped with exchanges under way')
    await this.#running?.node.stop()
  }

  /** See `NetworkHandle.publish`. @throws NetworkError `not_started`, `stopping`, and those of `Gossip.publish` */
  async publish(topic: Topic, bytes: Uint8Array): Promise<number> {
    if (this.#stopping) throw new NetworkError('stopping', 'the driver is stopping')
    if (this.#running === undefined) throw new NetworkError('not_started', 'the driver has not started')
    return this.#running.gossip.publish(topic, bytes)
  }

  verdict(messageId: string, verdict: Verdict, reason?: string, ofAuthor?: boolean): void { this.#running?.gossip.verdict(messageId, verdict, reason, ofAuthor) }
  scheduleChanged(): void { this.#running?.gossip.scheduleChanged() }
  answer(request: number, body: Uint8Array): void { void this.#answers.send({ type: 'answer', request, body }) }

  /** See `NetworkHandle.request`. @throws RequestError */
  async request(kind: RequestKind, body: Uint8Array, options: RequestOptions = {}): Promise<Response> {
    if (this.#running === undefined) throw new RequestError('stopping', 'the driver does not run')
    return this.#client.request(kind, body, options)
  }

  /** See `ConnectionManager`. @throws NetworkError */
  dial(address: string, signal?: AbortSignal): Promise<PeerKey> { return this.#connections.dial(address, signal) }
  hangUp(peer: PeerKey): Promise<void> { return this.#connections.hangUp(peer) }
  forgive(peer: PeerKey): void { this.#connections.forgive(peer) }
  expel(peer: PeerKey, reason: string): void { this.#connections.expel(peer, reason) }
  reviewConnections(): void { this.#connections.review() }
  forgetScore(peer: PeerKey): void { this.#running?.gossip.forgetScore(peer) }

  addresses(): { readonly peerId: PeerKey; readonly addresses: readonly string[] } {
    return { peerId: this.#self, addresses: this.#running?.node.getMultiaddrs().map(address => address.toString()) ?? [] }
  }

  /** Who is connected, and who has closed on us. */
  peers(): readonly PeerInfo[] {
    const { book } = this.#connections
    const refused = book.refused(this.#ground.clock.monotonic()).map<PeerInfo>(({ peer, address }) => ({
      peer, addresses: [address], direction: 'outbound', connections: 0, agent: '', protocols: [],
      mesh: { commitments: false, txLists: false }, score: this.#score(peer), latencyMs: undefined, refused: true,
    }))
    return [...[...book.all()].map(known => this.#info(known)), ...refused]
  }

  figures(): NetworkFigures {
    const { book } = this.#connections
    return {
      ...structuredClone(this.#counters),
      now: {
        peers: book.size,
        connections: book.inbound + book.outbound,
        unreached: this.#connections.unreached,
        pendingInbound: this.#handshake.pending,
        offenders: this.#handshake.offenders,
        waitingBytes: this.#handshake.waiting,
        verdictsPending: this.#running?.gossip.pending ?? 0,
        pausedPeers: this.#running?.gossip.pausedPeers ?? 0,
        requestsWaiting: this.#client.waiting,
        requestsInFlight: this.#client.inFlight,
        inboundStreams: this.#server.open,
        displacedStreams: this.#server.displaced,
        servingBytes: this.#server.reserved,
        servingWaiting: this.#server.waiting,
        servingUsed: this.#server.used,
        partialGossipBytes: this.#running?.gossip.partialBytes ?? 0,
        messageIdForms: this.#running?.gossip.messageIdForms ?? { ours: 0, other: 0 },
        largestGossipBuffer: this.#running?.gossip.largestBuffer ?? 0,
      },
    }
  }

  /** Ignores gossip that has no verdict in time, and ends what does not end by itself. To be called a few times a second. */
  expireVerdicts(): void { this.#running?.gossip.expire() }

  /**
   * Forgets what is kept of peers longer than it counts, lets those go that do not read, makes room, and tells gossipsub's scores. To be
   * called every 10 s.
   */
  sweep(): void {
    this.#quota.sweep(this.#ground.clock.monotonic())
    this.#server.sweep()
    this.#handshake.sweep()
    this.#connections.sweep()
    const running = this.#running
    if (running === undefined || this.#stopping) return
    for (const peer of running.gossip.sweep()) this.#lost(peer)
    this.#connections.prune(peer => {
      const { commitments, txLists } = running.gossip.inMesh(peer)
      return { score: this.#score(peer), inMesh: commitments || txLists }
    })
    const scores = new Map([...this.#connections.book.all()].map(({ peer }) => [peer, this.#score(peer)]))
    // a sample that is lost is followed by the next
    if (scores.size > 0) void this.#needs.reputation?.gossipScores(scores)
  }

  async #serve(node: Node): Promise<void> {
    const protocols = protocolsOf(this.#config.chainId)
    // our own count of streams comes first, so that what is refused is counted
    const options = { maxInboundStreams: this.#config.serving.maxStreamsPerPeer + 8, maxOutboundStreams: MAX_OUTBOUND_STREAMS }
    for (const kind of REQUEST_KINDS) {
      await node.handle(protocols[kind], (stream, connection) => this.#server.serve(kind, stream, connection), options)
    }
  }

  /** Whether its agent says that it is this software. Nothing is trusted for it. */
  #isSameClient(peer: PeerKey): boolean { return this.#connections.book.get(peer)?.agent.startsWith(`${AGENT_NAME}/`) ?? false }

  #ask(request: number, what: DecodedRequest, peer: PeerKey): Feedback {
    const { chain, store } = this.#needs
    switch (what.kind) {
      case 'head': return chain.serveHead(request)
      case 'commitments': return store.serveCommitments(request, what.start, what.max, !this.#isSameClient(peer))
      case 'txList': return store.serveTxList(request, what.hash)
    }
  }

  #watchListeners(node: Node): void {
    node.addEventListener('transport:close', () => {
      if (!this.#stopping) this.#ground.failed(new NetworkError('listener_closed', 'a listener closed by itself', { value: this.#config.listen }))
    })
  }

  /** Gossip streams that are lost are opened again. */
  #keepStreams(node: Node, internals: GossipsubInternals): void {
    const { gossip } = this.#counters
    const keeper = new GossipStreamKeeper({
      gossipsub: internals,
      connectionTo: peer => this.#connections.book.connectionTo(peer.toString()),
      speakers: () => this.#connections.gossipers(),
      reopened: () => { gossip.streamsReopened++ },
      lost: peer => { this.#lost(peer.toString()) },
    })
    node.addEventListener('connection:close', this.#guarded(({ detail }) => { keeper.connectionClosed(detail.remotePeer) }))
    node.services.pubsub.addEventListener('gossipsub:heartbeat', this.#guarded(() => {
      keeper.heartbeat()
      this.#running?.gossip.shareMeshes()
    }))
  }

  /** Nothing that we gossip reaches this peer any more: a new connection may help. */
  #lost(peer: PeerKey): void {
    this.#counters.gossip.streamsLost++
    this.#connections.letGo(peer)
  }

  #info(known: KnownPeer): PeerInfo {
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

  #score(peer: PeerKey): number { return this.#running?.internals.getScore(peer) ?? 0 }

  #violated(peer: PeerKey, kind: RequestKind | 'gossip' | 'connection', violation: Violation, code: string): void {
    this.#counters.violations[violation]++
    this.#blame(peer)
    this.#notices.violation(peer, kind, violation, code)
  }

  /** A failure that is the peer's fault (SPEC §8): told each time, whatever the limit on events. */
  #blame(peer: PeerKey): void {
    // the mailbox drops the oldest: a lost report costs one point at most
    void this.#needs.reputation?.report(peer, 'failure')
  }
}
