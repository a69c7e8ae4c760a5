import type { Connection, Peer, PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { protocolsOf } from '../../../protocol/index.js'
import type { PeerKey } from '../../../protocol/peer-key.js'
import { withinMs } from '../../kernel/index.js'
import type { Clock, Logger, Random } from '../../kernel/index.js'
import type { PeerStanding } from '../../reputation/ingress.js'
import { addressWithPeer, dialTarget } from '../addresses.js'
import type { NetworkConfig } from '../config.js'
import { startDeadline } from '../deadline.js'
import { NetworkError, describeError, errorName } from '../errors.js'
import { countLabel } from '../figures.js'
import type { Counters } from '../figures.js'
import { Gater } from './gater.js'
import type { Guard } from '../errors.js'
import { closeWhenQuiet } from './graceful-close.js'
import type { Node } from '../node.js'
import type { Notices } from '../notices.js'
import { PeerTable } from './peer-table.js'
import type { KnownPeer } from './peer-table.js'
import { choosePruned } from './connection-pruner.js'
import type { RefusedPeersNeeds } from './refused-peers.js'
import type { InFlightExchanges } from '../reqresp/in-flight.js'
import { ReconnectQueue } from './reconnect-queue.js'
import type { StaticPeerTrouble } from './reconnect-queue.js'

export interface ConnectionManagerNeeds {
  readonly config: NetworkConfig
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly counters: Counters
  readonly exchanges: InFlightExchanges
  readonly notices: Notices
  readonly guarded: Guard
  readonly standing: PeerStanding
  /** Keeps the refused peers across restarts (H41). */
  readonly refusals: RefusedPeersNeeds | undefined
  /** Called when a peer connects, disconnects, or is identified. */
  changed(): void
}

/** A connection that lasted this long resets the peer's redial backoff. Milliseconds. */
const SETTLED_AFTER_MS = 10_000
/** Deadline for closing an idle connection. Milliseconds. */
const CLOSE_WITHIN_MS = 1_000
/** The start waits this long for the saved refusals to load, then goes on without them. Milliseconds. */
const RESTORE_WITHIN_MS = 2_000

/** Owns the connections: dials and hang-ups, the gater and its limits, pruning, and the static peers. */
export class ConnectionManager {
  readonly book: PeerTable
  readonly gater: Gater
  readonly #needs: ConnectionManagerNeeds
  readonly #statics: ReconnectQueue
  readonly #protocols: readonly string[]
  #node: Node | undefined
  #stopping = false
  /** The version of the refusals that was saved last. */
  #saved = 0
  #saving = false

  /** @throws NetworkError for static peers that cannot be dialled */
  constructor(needs: ConnectionManagerNeeds) {
    const { clock, config, counters, random, standing } = needs
    this.#needs = needs
    this.#protocols = Object.values(protocolsOf(config.chainId))
    this.book = new PeerTable(config.redial)
    this.gater = new Gater({
      clock, standing, rules: config.gater, limits: config.connections, counts: this.book, gate: config.gate, denied: counters.connections.denied,
      exemptSubnets: config.exemptSubnets, isStatic: peer => this.#statics.has(peer),
    })
    this.#statics = new ReconnectQueue({
      clock, random, policy: config.redial,
      isConnected: peer => this.book.get(peer) !== undefined,
      refusedUntil: peer => this.book.refusedUntil(peer, clock.monotonic()),
      dial: (addresses, peer) => this.#open(addresses, peer, undefined),
      told: trouble => {
        if (trouble.reason === undefined) needs.log.info(trouble, 'connected to a static peer')
        else needs.log.warn(trouble, 'cannot connect to a static peer; the dial is retried')
      },
    }, config.staticPeers)
  }

  /** Listens to the node's connections. To be called before the node starts, so that none is missed. */
  watch(node: Node): void {
    this.#node = node
    const { guarded } = this.#needs
    node.addEventListener('connection:open', guarded(({ detail }) => { this.#opened(detail) }))
    node.addEventListener('peer:identify', guarded(({ detail: { peerId, agentVersion, protocols } }) => {
      this.#identified(peerId.toString(), agentVersion ?? '', protocols)
    }))
  }

  /** Loads the saved refusals. To be called before the node starts. Never rejects. */
  async restore(): Promise<void> {
    const { clock, log, refusals } = this.#needs
    if (refusals === undefined) return
    const loaded = refusals.load().then(text => {
      if (text !== undefined) this.book.refusals.restore(text, clock.monotonic(), clock.now())
      this.#saved = this.book.refusals.version
    }).catch((error: unknown) => { log.warn({ error: describeError(error) }, 'the saved peer refusals could not be loaded') })
    if (!await withinMs(clock, RESTORE_WITHIN_MS, loaded)) log.warn({}, 'the saved peer refusals are still loading; starting without them')
  }

  /** Static peers that are not connected, each with the reason (H80). */
  get unreached(): readonly StaticPeerTrouble[] { return this.#statics.troubles }

  /** Starts to dial the static peers. To be called once the node runs. */
  start(): void { this.#statics.start() }

  /** Stops dialling and accepting connections. A connection that closes from now on is no refusal. */
  stop(): void {
    this.#stopping = true
    this.#statics.stop()
    this.gater.shut()
  }

  /** Closes all connections, each peer's once no exchange with it is under way (H40). Resolves to false if the drain deadline cut one off. */
  async leave(): Promise<boolean> {
    const left = await Promise.all([...this.book.all()].map(({ peer }) => this.#leave(peer)))
    return left.every(inTime => inTime)
  }

  /**
   * Connects to a multiaddr. It must end in `/p2p/<peer id>`, unless the gater's rule `peerId` is off.
   * @throws NetworkError `bad_address`, `peer_id_missing`, `dial_…`
   */
  async dial(text: string, signal?: AbortSignal): Promise<PeerKey> {
    const { address, peer } = this.#needs.config.gater.peerId ? addressWithPeer(text) : dialTarget(text)
    const key = peer?.toString()
    const now = this.#needs.clock.monotonic()
    const refusedUntil = key === undefined ? undefined : this.book.refusedUntil(key, now)
    if (key !== undefined && refusedUntil !== undefined && this.book.get(key) === undefined) {
      const value = Math.ceil(refusedUntil - now)
      throw new NetworkError('dial_refused', `${key} closed the connection right after it opened; not dialled for another ${value} ms`, { value, peer: key })
    }
    const connection = await this.#open([address], key, signal)
    if (peer === undefined || connection.remotePeer.equals(peer)) return connection.remotePeer.toString()
    // noise has proved the peer id, but not every transport compares it with the address
    this.#needs.counters.connections.dialsFailed++
    this.book.closing(connection)
    await connection.close()
    throw new NetworkError('dial_failed', `the peer at ${text} is ${connection.remotePeer.toString()}`, { value: text, peer: key })
  }

  /** Closes all connections to a peer once no exchange with it is under way (H40). Resolves when they are closed. */
  async hangUp(peer: PeerKey): Promise<void> { await this.#leave(peer) }

  /** Notes that a transport limit closes this peer's connections, so that it does not count as a refusal. */
  closedByUs(peer: PeerKey): void { for (const connection of this.book.get(peer)?.connections ?? []) this.book.closing(connection) }

  /** Starts `hangUp` without waiting for it; a failure is only logged. */
  letGo(peer: PeerKey): void {
    this.hangUp(peer).catch((error: unknown) => { this.#needs.log.debug({ peer, error: describeError(error) }, 'hanging up failed') })
  }

  /** Disconnects a peer that is banned or blocked, once exchanges under way are over. `reason`: a label for the figures. */
  expel(peer: PeerKey, reason: string): void {
    const known = this.book.get(peer)
    if (known === undefined || known.leaving) return
    countLabel(this.#needs.counters.connections.expelled, reason)
    this.letGo(peer)
  }

  /** Disconnects the peers that bans or lists now refuse. To be called when the lists change. */
  review(): void {
    if (!this.#needs.config.gater.lists) return
    for (const { connections, peer } of [...this.book.all()]) {
      for (const { direction, remoteAddr } of connections) {
        const reason = this.#needs.standing.refuses({ direction, peer, address: remoteAddr.toString() })
        if (reason !== undefined) { this.expel(peer, reason); break }
      }
    }
  }

  /** Forgets that a peer refused us, so that it may be dialled again. A static peer is dialled at once. */
  forgive(peer: PeerKey): void {
    this.book.forgive(peer)
    this.#save()
    this.#statics.retry(peer)
  }

  /**
   * Disconnects peers of little use where connections come close to their limits (SPEC §8). To be called every 10 s.
   * @param scoreOf gossipsub's score and whether the peer is in one of our meshes
   */
  prune(scoreOf: (peer: PeerKey) => { readonly score: number; readonly inMesh: boolean }): void {
    const { clock, config, counters, standing } = this.#needs
    if (!config.gater.limits || this.#stopping) return
    const now = clock.monotonic()
    const candidates = [...this.book.all()].map(({ connections, leaving, peer, since }) => {
      const { inMesh, score } = scoreOf(peer)
      const inbound = connections.filter(({ direction }) => direction === 'inbound').length
      return {
        peer, inMesh, inbound, outbound: connections.length - inbound, forMs: now - since,
        score: Math.min(score, standing.appScore(peer)), exempt: leaving || this.gater.isProtected(peer),
      }
    })
    for (const peer of choosePruned(candidates, config.connections)) {
      counters.connections.pruned++
      this.gater.pruned(peer)
      this.letGo(peer)
    }
  }

  /**
   * Deletes disconnected peers from libp2p's peer store, which would keep the addresses and agents of every past peer for hours, without a
   * bound. Nothing is lost: discovery and the static peers keep their own addresses.
   */
  sweep(): void {
    this.gater.sweep()
    this.#save()
    const node = this.#node
    if (node === undefined || this.#stopping) return
    const departed = ({ id }: Peer): boolean => this.book.get(id.toString()) === undefined && !id.equals(node.peerId)
    node.peerStore.all({ filters: [departed] })
      .then(peers => Promise.all(peers.filter(departed).map(({ id }) => node.peerStore.delete(id))))
      .catch((error: unknown) => { this.#needs.log.debug({ error: describeError(error) }, 'peer store not swept') })
  }

  /** Connected peers that speak gossipsub, by identify. */
  * gossipers(): Generator<PeerId> {
    for (const { id, leaving, protocols } of this.book.all()) {
      if (!leaving && [...protocols].some(protocol => protocol.startsWith('/meshsub/'))) yield id
    }
  }

  async #open(addresses: readonly Multiaddr[], peer: PeerKey | undefined, signal: AbortSignal | undefined): Promise<Connection> {
    const { clock, config, counters } = this.#needs
    if (this.#node === undefined || this.#stopping) throw new NetworkError('stopping', 'the driver does not run')
    counters.connections.dials++
    // for a connected peer libp2p returns the existing connection, so the dial limits do not apply
    const connected = peer !== undefined && this.book.get(peer) !== undefined
    const reason = connected ? undefined : this.gater.beginDial(peer)
    if (reason !== undefined) {
      counters.connections.dialsFailed++
      throw new NetworkError('dial_denied', `${peer ?? addresses.join(', ')}: ${reason}`, { value: reason, peer })
    }
    const deadline = startDeadline(clock, config.connections.dialTimeoutMs)
    try {
      return await this.#node.dial([...addresses], { signal: signal === undefined ? deadline.signal : AbortSignal.any([signal, deadline.signal]) })
    } catch (cause) {
      counters.connections.dialsFailed++
      throw dialError(cause, addresses.join(', '))
    } finally {
      if (!connected) this.gater.endDial(peer)
      deadline.clear()
    }
  }

  /** Resolves to false if the drain deadline cut off an exchange. */
  async #leave(peer: PeerKey): Promise<boolean> {
    const { clock, config, exchanges } = this.#needs
    const known = this.book.get(peer)
    if (known === undefined) return true
    this.book.leave(peer)
    const close = async (): Promise<void> => {
      const deadline = startDeadline(clock, CLOSE_WITHIN_MS)
      try {
        await this.#node?.hangUp(known.id, { signal: deadline.signal })
      } finally {
        deadline.clear()
      }
    }
    const connections = (): readonly Connection[] => this.book.get(peer)?.connections ?? []
    return closeWhenQuiet({ peer, connections, close }, { clock, exchanges, protocols: this.#protocols, withinMs: config.drainWithinMs })
  }

  #opened(connection: Connection): void {
    const { clock, counters, notices } = this.#needs
    const peer = connection.remotePeer.toString()
    const first = this.book.opened(connection, clock.monotonic())
    counters.connections.opened++
    connection.addEventListener('close', this.#needs.guarded(() => { this.#closed(connection) }), { once: true })
    if (this.#stopping || this.gater.isOver(connection.direction, peer, connection.remoteAddr.toString())) {
      this.book.closing(connection)
      connection.close().catch((error: unknown) => { connection.abort(error as Error) })
    }
    if (first) this.#statics.connected(peer)
    if (first) notices.emit({ type: 'peerConnected', peer, address: connection.remoteAddr.toString(), direction: connection.direction })
    if (connection.status !== 'open') this.#closed(connection)
  }

  /** A close that we did not mark as ours may be a refusal. libp2p's `local` cannot tell: it counts a socket that the peer resets as closed by us (H41). */
  #closed(connection: Connection): void {
    const { clock, counters, notices } = this.#needs
    const now = clock.monotonic()
    const since = this.book.get(connection.remotePeer.toString())?.since ?? now
    const departure = this.book.closed(connection, this.#stopping, now)
    if (departure === undefined) return
    counters.connections.closed++
    if (!departure.last) return
    const { peer, refused } = departure
    if (now - since >= SETTLED_AFTER_MS) this.#statics.settled(peer)
    notices.emit({ type: 'peerDisconnected', peer })
    if (refused) {
      counters.connections.refused++
      this.#save()
      notices.emit({ type: 'peerRefused', peer })
    }
    this.#statics.disconnected(peer)
    this.#needs.changed()
  }

  /** Saves the refusals if they have changed. A change during the write is saved by the next call. */
  #save(): void {
    const { clock, log, refusals } = this.#needs
    const { version } = this.book.refusals
    if (refusals === undefined || this.#saving || version === this.#saved) return
    this.#saving = true
    refusals.save(this.book.refusals.text(clock.monotonic(), clock.now()))
      .then(() => { this.#saved = version })
      .catch((error: unknown) => { log.warn({ error: describeError(error) }, 'the peer refusals could not be saved') })
      .finally(() => { this.#saving = false })
  }

  #identified(peer: PeerKey, agent: string, protocols: readonly string[]): void {
    const known = this.book.get(peer)
    if (known === undefined) return
    const wasReady = this.#isReady(known)
    this.book.identified(peer, agent.slice(0, 256), protocols)
    if (!wasReady && this.#isReady(known)) this.#needs.notices.emit({ type: 'peerReady', peer, agent: known.agent })
    this.#needs.changed()
  }

  #isReady({ protocols }: KnownPeer): boolean { return this.#protocols.some(protocol => protocols.has(protocol)) }
}

function dialError(cause: unknown, address: string): NetworkError {
  const errors = cause instanceof AggregateError ? (cause.errors as unknown[]) : [cause]
  const names = errors.map(errorName)
  const code = names.some(name => name === 'DialDeniedError' || name === 'ConnectionInterceptedError') ? 'dial_denied'
    : names.some(name => name === 'TimeoutError' || name === 'AbortError') ? 'dial_timeout'
      : 'dial_failed'
  return new NetworkError(code, `${address}: ${errors.map(describeError).join('; ')}`, { value: address, cause })
}
