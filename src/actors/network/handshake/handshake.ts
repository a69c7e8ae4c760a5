import type { ConnectionGater, MessageStream, MultiaddrConnection, PeerId, StreamMuxer } from '@libp2p/interface'
import type { PeerKey } from '../../../protocol/peer-key.js'
import type { Clock, Logger } from '../../kernel/index.js'
import { originOf, subnetsOf } from '../addresses.js'
import type { Counters } from '../figures.js'
import { SlidingWindow } from '../limits/sliding-window.js'
import { LRUCache } from 'lru-cache'
import { FrameGuard } from './frames.js'
import type { GuardedMuxer } from './frames.js'
import type { HandshakeLimits, HandshakeRefusal } from './limits.js'
import { limitNegotiation } from './negotiation.js'
import { Offenders } from './offenders.js'
import type { Offender } from './offenders.js'
import { PendingUpgrades } from './pending-upgrades.js'
import type { Admission, Origin } from './pending-upgrades.js'

export interface HandshakeNeeds {
  readonly limits: HandshakeLimits
  /** Maximum of inbound connections being upgraded at once, over all addresses. */
  readonly pendingInbound: number
  /** Maximum of new inbound connections per second from one address. */
  readonly inboundPerSecond: number
  /** IP addresses and subnets (CIDR) exempt from the limits by address. */
  readonly exemptSubnets: readonly string[]
  readonly clock: Clock
  readonly log: Logger
  readonly counters: Counters
  /** Protocols on which requests come in; their bytes are charged to the account `requests`. */
  readonly requestProtocols: readonly string[]
  /** Called when a limit is broken by a peer whose id noise has proved. */
  violated(peer: PeerKey, refusal: HandshakeRefusal): void
}

/** The initial and the largest receive window of a yamux stream, in bytes. */
export interface StreamWindows { readonly first: number; readonly largest: number }

/** What is known of the remote side of a connection. `origin`: `undefined` without an IP address, or where it is exempt. */
interface Remote { readonly origin: Origin | undefined; peer: PeerKey | undefined }

const ENCRYPTION = ['/noise'] as const
const MUXERS = ['/yamux/1.0.0'] as const
/** Maximum number of addresses whose new connections are counted; the least recently used is evicted. */
const MAX_ADDRESSES = 4_096
/** Maximum number of addresses that `offenders` lists. */
const OFFENDERS_TOLD = 16

/**
 * Limits what the budgets of gossip and requests do not cover: connection upgrades, protocol negotiation and yamux frames. Breaking a limit
 * closes the stream or connection at once and counts an offence of its address; a peer that noise has proved is reported as well. An address
 * with too many offences is refused for `refusedMs`.
 */
export class Handshake {
  readonly #needs: HandshakeNeeds
  readonly #pending: PendingUpgrades
  readonly #offenders: Offenders
  readonly #isExempt: (address: string) => boolean
  /** New connections by address. */
  readonly #arrivals = new LRUCache<string, SlidingWindow>({ max: MAX_ADDRESSES })
  readonly #remotes = new WeakMap<object, Remote>()
  /** The guards of the open connections. */
  readonly #guards = new Set<FrameGuard>()
  #protocols: () => readonly string[] = () => []

  /** @throws NetworkError `bad_config` if an exempt subnet is malformed */
  constructor(needs: HandshakeNeeds) {
    this.#needs = needs
    this.#pending = new PendingUpgrades(needs.limits, needs.pendingInbound)
    this.#offenders = new Offenders(needs.limits)
    this.#isExempt = subnetsOf(needs.exemptSubnets)
  }

  /** Number of inbound connections that are being upgraded. */
  get pending(): number { return this.#pending.size }
  /** Addresses that broke limits recently, those with the most offences first. */
  get offenders(): readonly Offender[] { return this.#offenders.worst(OFFENDERS_TOLD, this.#needs.clock.monotonic()) }

  /** Sets the protocols that the node serves. To be called once the node exists. */
  serves(protocols: () => readonly string[]): void { this.#protocols = protocols }

  sweep(): void {
    const now = this.#needs.clock.monotonic()
    this.#offenders.sweep(now)
    for (const [address, window] of [...this.#arrivals]) if (window.used(now) === 0) this.#arrivals.delete(address)
  }

  /** The given gater with the limits on upgrades before it: a connection that they refuse does not reach the gater. */
  gate(gater: ConnectionGater): ConnectionGater {
    const noted = (peer: PeerId, connection: MultiaddrConnection): void => { this.#remoteOf(connection).peer = peer.toString() }
    return {
      ...gater,
      denyInboundConnection: async connection => !await this.#admit(connection) || await gater.denyInboundConnection?.(connection) === true,
      denyInboundEncryptedConnection: async (peer, connection) => {
        noted(peer, connection)
        return await gater.denyInboundEncryptedConnection?.(peer, connection) === true
      },
      denyOutboundEncryptedConnection: async (peer, connection) => {
        noted(peer, connection)
        return await gater.denyOutboundEncryptedConnection?.(peer, connection) === true
      },
      denyInboundUpgradedConnection: async (peer, connection) => {
        this.#pending.done(connection)
        return await gater.denyInboundUpgradedConnection?.(peer, connection) === true
      },
    }
  }

  /** Limits the negotiation of a muxer on a connection that noise has encrypted. */
  encrypted(stream: object): void { this.#limit(stream, rawOf(stream), () => MUXERS) }

  /** Guards the frames of a connection's muxer until the connection closes. */
  muxer(muxer: StreamMuxer, connection: MessageStream, windows: StreamWindows): FrameGuard {
    const { clock, counters: { bytes }, limits, requestProtocols } = this.#needs
    const guard = new FrameGuard(muxer as unknown as GuardedMuxer, {
      limits, clock, firstWindow: windows.first, largestWindow: windows.largest,
      accountOf: protocol => protocol.startsWith('/meshsub/') ? 'gossip' : requestProtocols.includes(protocol) ? 'requests' : 'services',
      received: count => { bytes.received += count },
      accounted: (account, count) => { bytes[account] += count },
      broken: refusal => { this.#broken(refusal, this.#remotes.get(rawOf(connection))) },
    })
    this.#guards.add(guard)
    connection.addEventListener('close', () => { if (this.#guards.delete(guard)) bytes.unfinished += guard.waiting })
    return guard
  }

  /** Bytes of incomplete frames, over all connections. Bytes received = bytes charged to accounts + these. */
  get waiting(): number { return [...this.#guards].reduce((sum, { waiting }) => sum + waiting, 0) }

  /** Limits the negotiation of a stream that the peer has opened, and charges for the stream when it ends. */
  inboundStream(stream: Negotiated, connection: object, guard: FrameGuard): void {
    this.#limit(stream, rawOf(connection), () => this.#protocols())
    stream.addEventListener('close', ({ error }) => { guard.streamEnded(error === undefined && this.#needs.requestProtocols.includes(stream.protocol)) })
  }

  /** Resolves to whether a new inbound connection may be upgraded. It may wait for a free place. */
  async #admit(connection: MultiaddrConnection): Promise<boolean> {
    const remote = this.#remoteOf(connection)
    const { origin } = remote
    // installed before anything is read from the connection
    this.#limit(connection, connection, () => ENCRYPTION)
    const refusal = origin === undefined ? undefined : this.#refusesAddress(origin, this.#needs.clock.monotonic())
    const { displaced, refused = undefined } = refusal !== undefined ? { refused: refusal } : await new Promise<Admission>(resolve => {
      let isDecided = false
      this.#pending.ask(connection, origin, admission => { isDecided = true; resolve(admission) })
      // a waiting connection is not read: its bytes stay in the socket
      if (!isDecided) connection.pause()
      connection.addEventListener('close', () => {
        if (this.#pending.done(connection)) this.#count('upgrade_failed', remote)
        resolve({ refused: 'upgrade_failed' })
      })
    })
    if ((connection as { readonly readStatus?: string }).readStatus === 'paused') connection.resume()
    if (displaced !== undefined) {
      this.#count('pending_displaced', this.#remotes.get(displaced))
      displaced.abort(new Error('its place went to a newcomer'))
    }
    if (refused !== undefined && refused !== 'upgrade_failed') this.#count(refused, remote)
    return refused === undefined
  }

  #refusesAddress({ address }: Origin, now: number): HandshakeRefusal | undefined {
    if (this.#offenders.isRefused(address, now)) return 'address_refused'
    const arrivals = this.#arrivals.get(address) ?? new SlidingWindow(this.#needs.inboundPerSecond, 1_000)
    this.#arrivals.set(address, arrivals)
    return arrivals.take(now) ? undefined : 'address_rate'
  }

  #limit(stream: object, raw: object, protocols: () => readonly string[]): void {
    limitNegotiation(stream, { limits: this.#needs.limits, protocols, exceeded: () => { this.#broken('negotiation', this.#remotes.get(raw)) } })
  }

  /** Counts a broken limit, and reports the peer if it is known. The caller closes the stream or connection. */
  #broken(refusal: HandshakeRefusal, remote: Remote | undefined): void {
    this.#count(refusal, remote)
    if (remote?.peer !== undefined) this.#needs.violated(remote.peer, refusal)
    const address = remote?.origin?.address
    if (address === undefined || !this.#offenders.offended(address, this.#needs.clock.monotonic())) return
    const { limits, log } = this.#needs
    log.warn({ address, refusal, forMs: limits.refusedMs }, 'an address broke the handshake limits repeatedly and is refused for a time; exemptSubnets exempts an address')
  }

  #count(refusal: HandshakeRefusal, remote: Remote | undefined): void {
    this.#needs.counters.handshake[refusal]++
    this.#needs.log.debug({ address: remote?.origin?.address, peer: remote?.peer, refusal }, 'refused by the handshake limits')
  }

  #remoteOf(connection: MultiaddrConnection): Remote {
    const known = this.#remotes.get(connection)
    if (known !== undefined) return known
    const origin = originOf(connection.remoteAddr.toString())
    const remote: Remote = { origin: origin === undefined || this.#isExempt(origin.address) ? undefined : origin, peer: undefined }
    this.#remotes.set(connection, remote)
    return remote
  }
}

/** The parts of a yamux stream that are used here. */
export interface Negotiated {
  readonly protocol: string
  addEventListener(type: 'close', listener: (event: { readonly error?: Error | undefined }) => void): void
}

/** The raw connection below an encrypted one; the object itself if it is not encrypted. */
function rawOf(connection: object): object { return (connection as { readonly stream?: object }).stream ?? connection }
