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
  /** Inbound connections that are being upgraded, of all, and new ones a second of one address. */
  readonly pendingInbound: number
  readonly inboundPerSecond: number
  /** IP addresses and subnets (CIDR) that no limit by address holds for. */
  readonly exemptSubnets: readonly string[]
  readonly clock: Clock
  readonly log: Logger
  readonly counters: Counters
  /** Protocols on which requests come in: these are accounted for as requests. */
  readonly requestProtocols: readonly string[]
  /** A peer that has proven who it is broke a limit. */
  violated(peer: PeerKey, refusal: HandshakeRefusal): void
}

/** The windows of yamux's streams, bytes. */
export interface StreamWindows { readonly first: number; readonly largest: number }

/** The one behind a connection, as far as it is known. */
interface Remote { readonly origin: Origin | undefined; peer: PeerKey | undefined }

const ENCRYPTION = ['/noise'] as const
const MUXERS = ['/yamux/1.0.0'] as const
/** Addresses whose new connections are counted at most. */
const MAX_ADDRESSES = 4_096
/** Addresses that the figures name. */
const OFFENDERS_TOLD = 16

/**
 * What comes before all budgets: connections that are being upgraded, negotiation of protocols, yamux's frames. Nobody else accounts for
 * them, so whoever breaks a limit here is closed at once, is counted with its address, and, where it has proven who it is, is blamed. An address
 * that does so often is refused for a while.
 */
export class Handshake {
  readonly #needs: HandshakeNeeds
  readonly #pending: PendingUpgrades
  readonly #offenders: Offenders
  readonly #isExempt: (address: string) => boolean
  /** New connections by address. */
  readonly #arrivals = new LRUCache<string, SlidingWindow>({ max: MAX_ADDRESSES })
  readonly #remotes = new WeakMap<object, Remote>()
  /** Of connections that are open. */
  readonly #guards = new Set<FrameGuard>()
  #protocols: () => readonly string[] = () => []

  /** @throws NetworkError `bad_config` for what is no subnet */
  constructor(needs: HandshakeNeeds) {
    this.#needs = needs
    this.#pending = new PendingUpgrades(needs.limits, needs.pendingInbound)
    this.#offenders = new Offenders(needs.limits)
    this.#isExempt = subnetsOf(needs.exemptSubnets)
  }

  /** Inbound connections that are being upgraded. */
  get pending(): number { return this.#pending.size }
  /** Addresses that have broken limits lately, the worst first. */
  get offenders(): readonly Offender[] { return this.#offenders.worst(OFFENDERS_TOLD, this.#needs.clock.monotonic()) }

  /** To be called once the node is made: the protocols that it serves. */
  serves(protocols: () => readonly string[]): void { this.#protocols = protocols }

  sweep(): void {
    const now = this.#needs.clock.monotonic()
    this.#offenders.sweep(now)
    for (const [address, window] of [...this.#arrivals]) if (window.used(now) === 0) this.#arrivals.delete(address)
  }

  /** The gate, with this room in front of it: who has no place here is not asked about there. */
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

  /** A connection that noise has encrypted, and over which a muxer is to be negotiated. */
  encrypted(stream: object): void { this.#limit(stream, rawOf(stream), () => MUXERS) }

  /** A muxer of a connection. */
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

  /** Bytes of frames that are not whole yet, of all connections: what came is what is accounted for and these. */
  get waiting(): number { return [...this.#guards].reduce((sum, { waiting }) => sum + waiting, 0) }

  /** A stream that the other side has opened. */
  inboundStream(stream: Negotiated, connection: object, guard: FrameGuard): void {
    this.#limit(stream, rawOf(connection), () => this.#protocols())
    stream.addEventListener('close', ({ error }) => { guard.streamEnded(error === undefined && this.#needs.requestProtocols.includes(stream.protocol)) })
  }

  /** Whether there is a place for a new inbound connection; it may have to wait for one. */
  async #admit(connection: MultiaddrConnection): Promise<boolean> {
    const remote = this.#remoteOf(connection)
    const { origin } = remote
    // before anything of it is read, and while it waits
    this.#limit(connection, connection, () => ENCRYPTION)
    const refusal = origin === undefined ? undefined : this.#refusesAddress(origin, this.#needs.clock.monotonic())
    const { displaced, refused = undefined } = refusal !== undefined ? { refused: refusal } : await new Promise<Admission>(resolve => {
      let isDecided = false
      this.#pending.ask(connection, origin, admission => { isDecided = true; resolve(admission) })
      // what it sends while it waits stays where it is
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

  /** A limit was broken, and its stream or connection is closed. */
  #broken(refusal: HandshakeRefusal, remote: Remote | undefined): void {
    this.#count(refusal, remote)
    if (remote?.peer !== undefined) this.#needs.violated(remote.peer, refusal)
    const address = remote?.origin?.address
    if (address === undefined || !this.#offenders.offended(address, this.#needs.clock.monotonic())) return
    const { limits, log } = this.#needs
    log.warn({ address, refusal, forMs: limits.refusedMs }, 'an address that keeps breaking limits is refused for a while (exemptSubnets lifts this)')
  }

  #count(refusal: HandshakeRefusal, remote: Remote | undefined): void {
    this.#needs.counters.handshake[refusal]++
    this.#needs.log.debug({ address: remote?.origin?.address, peer: remote?.peer, refusal }, 'refused before any budget')
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

/** What of a yamux stream is used. */
export interface Negotiated {
  readonly protocol: string
  addEventListener(type: 'close', listener: (event: { readonly error?: Error | undefined }) => void): void
}

/** What noise encrypts has the connection below it. */
function rawOf(connection: object): object { return (connection as { readonly stream?: object }).stream ?? connection }
