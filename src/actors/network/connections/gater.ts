import type { ConnectionGater, MultiaddrConnection, PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { PeerKey } from '../../../protocol/peer-key.js'
import type { Clock } from '../../kernel/index.js'
import type { ConnectionQuestion, PeerStanding } from '../../reputation/ingress.js'
import { originOf, subnetsOf } from '../addresses.js'
import type { ConnectionLimits } from '../config.js'
import { countLabel } from '../figures.js'
import type { GaterRules } from './gater-rules.js'
import type { Direction } from './peer-table.js'
import { Redials } from './redials.js'

export type GateQuestion = ConnectionQuestion

/**
 * Returns the reason to refuse a connection, or `undefined` to allow it. It is called several times for each connection, as the peer and the
 * address become known, and must answer synchronously, from memory.
 */
export type Gate = (question: GateQuestion) => string | undefined

/** Numbers of open connections. */
export interface ConnectionCounts {
  readonly inbound: number
  readonly outbound: number
  of(peer: PeerKey): number
  /** Inbound connections from an address or subnet, named as `originOf` does. */
  from(origin: string): number
}

export interface GaterNeeds {
  readonly rules: GaterRules
  readonly limits: ConnectionLimits
  readonly counts: ConnectionCounts
  readonly standing: PeerStanding
  readonly clock: Clock
  readonly gate: Gate | undefined
  /** Counts of denials by reason. */
  readonly denied: Record<string, number>
  /** IP addresses and subnets (CIDR) exempt from the limits by address. */
  readonly exemptSubnets: readonly string[]
  /** Whether the peer is static. Static peers are protected whatever their reputation. */
  isStatic(peer: PeerKey): boolean
}

/** Maximum number of pruned peers remembered; the oldest is evicted. */
const MAX_PRUNED = 1_024

/** Decides for all of libp2p's gater hooks: bans and lists first, then the limits, then the gate of the application. */
export class Gater {
  readonly #needs: GaterNeeds
  readonly #redials: Redials
  readonly #dialling = new Set<PeerKey>()
  /** Pruned peers, and until when each is refused above the soft limit. Monotonic, milliseconds. */
  readonly #pruned = new Map<PeerKey, number>()
  readonly #isExempt: (address: string) => boolean
  #shut = false

  constructor(needs: GaterNeeds) {
    this.#needs = needs
    this.#isExempt = subnetsOf(needs.exemptSubnets)
    this.#redials = new Redials(needs.rules.redials, needs.rules.redialWindowMs)
  }

  /** Whether a ban or a list refuses the peer, whatever its address. */
  isRefused(peer: PeerKey): boolean {
    return this.#needs.rules.lists && this.#needs.standing.refuses({ direction: 'inbound', peer }) !== undefined
  }

  isProtected(peer: PeerKey): boolean { return this.#needs.isStatic(peer) || this.#needs.standing.isProtected(peer) }

  /** The address and subnet that the limits by address count the peer under; `undefined` if it is exempt or has no IP address. */
  limitedOrigin(peer: PeerKey, address: string): { readonly address: string; readonly subnet: string } | undefined {
    const origin = this.isProtected(peer) ? undefined : originOf(address)
    return origin === undefined || this.#isExempt(origin.address) ? undefined : origin
  }

  /** Refuses every connection from now on, with the reason `stopping`. */
  shut(): void { this.#shut = true }

  /** The reason to refuse a connection; `undefined` if it is allowed. */
  ask(question: GateQuestion): string | undefined {
    if (this.#shut) return 'stopping'
    const { gate, rules, standing } = this.#needs
    return (rules.lists ? standing.refuses(question) : undefined) ?? (rules.limits ? this.#overLimit(question) : undefined) ?? gate?.(question)
  }

  /** Begins a dial, or returns and counts the reason to refuse it. After `undefined` the caller must call `endDial` once. */
  beginDial(peer: PeerKey | undefined): string | undefined {
    const reason = this.#againstDial(peer)
    if (reason !== undefined) countLabel(this.#needs.denied, reason)
    else if (peer !== undefined) this.#dialling.add(peer)
    return reason
  }

  endDial(peer: PeerKey | undefined): void { if (peer !== undefined) this.#dialling.delete(peer) }

  /**
   * Whether a connection that has just been opened breaks a limit; the reason is counted. The hooks cannot rule this out: they run before the
   * connection is counted, and several connections may be between their last hook and their opening.
   */
  isOver(direction: Direction, peer: PeerKey, address: string): boolean {
    const { counts, denied, limits, rules } = this.#needs
    if (!rules.limits) return false
    const reason = counts.inbound + counts.outbound > limits.total ? 'too_many_connections'
      : counts[direction] > limits[direction] ? `too_many_${direction}`
        : counts.of(peer) > limits.perPeer ? 'too_many_of_peer' : this.#overAddress({ direction, peer, address }, 1)
    if (reason !== undefined) countLabel(denied, reason)
    return reason !== undefined
  }

  /** Notes that a peer was pruned. */
  pruned(peer: PeerKey): void {
    const { clock, limits } = this.#needs
    this.#pruned.delete(peer)
    this.#pruned.set(peer, clock.monotonic() + limits.prunedMs)
    const oldest = this.#pruned.keys().next()
    if (this.#pruned.size > MAX_PRUNED && oldest.done !== true) this.#pruned.delete(oldest.value)
  }

  sweep(): void {
    const now = this.#needs.clock.monotonic()
    this.#redials.sweep(now)
    for (const [peer, until] of this.#pruned) if (until <= now) this.#pruned.delete(peer)
  }

  /** The hooks to give to `createLibp2p`. */
  hooks(): ConnectionGater {
    return {
      denyDialPeer: peer => this.#deny('outbound', peer),
      denyDialMultiaddr: address => this.#deny('outbound', undefined, address),
      denyOutboundConnection: (peer, connection) => this.#deny('outbound', peer, connection),
      denyOutboundEncryptedConnection: (peer, connection) => this.#deny('outbound', peer, connection),
      denyOutboundUpgradedConnection: (peer, connection) => this.#deny('outbound', peer, connection),
      denyInboundConnection: connection => this.#deny('inbound', undefined, connection),
      denyInboundEncryptedConnection: (peer, connection) => this.#deny('inbound', peer, connection),
      denyInboundUpgradedConnection: (peer, connection) => this.#deny('inbound', peer, connection),
      // addresses that a peer announces are checked when they are dialled
      filterMultiaddrForPeer: () => true,
    }
  }

  #deny(direction: Direction, peer: PeerId | undefined, at?: Multiaddr | MultiaddrConnection): boolean {
    const address = at === undefined ? undefined : 'remoteAddr' in at ? at.remoteAddr.toString() : at.toString()
    // when a dial names its peer, libp2p appends the peer id to the addresses
    const nameless = this.#needs.rules.peerId && direction === 'outbound' && peer === undefined && address?.includes('/p2p/') === false
    const reason = nameless ? 'no_peer_id' : this.ask({ direction, peer: peer?.toString(), address })
    if (reason !== undefined) countLabel(this.#needs.denied, reason)
    return reason !== undefined
  }

  #againstDial(peer: PeerKey | undefined): string | undefined {
    const { clock, limits, rules } = this.#needs
    if (peer === undefined) return rules.peerId ? 'no_peer_id' : this.ask({ direction: 'outbound' })
    const reason = this.ask({ direction: 'outbound', peer })
    if (reason !== undefined) return reason
    if (rules.limits && this.#dialling.size >= limits.pendingOutbound) return 'too_many_dials'
    if (rules.alreadyDialling && this.#dialling.has(peer)) return 'already_dialling'
    if (rules.redialLimit && !this.isProtected(peer) && !this.#redials.take(peer, clock.monotonic())) return 'redial_limit'
    return undefined
  }

  /** @param itself 1 if the connection in question is counted already, else 0 */
  #overAddress({ address, direction, peer }: GateQuestion, itself = 0): string | undefined {
    const { counts, limits } = this.#needs
    const origin = direction === 'outbound' || peer === undefined || address === undefined ? undefined : this.limitedOrigin(peer, address)
    if (origin === undefined) return undefined
    if (counts.from(origin.address) - itself >= limits.perAddress) return 'too_many_of_address'
    return counts.from(origin.subnet) - itself >= limits.perSubnet ? 'too_many_of_subnet' : undefined
  }

  #overLimit({ address, direction, peer }: GateQuestion): string | undefined {
    const { counts, limits } = this.#needs
    if (counts.inbound + counts.outbound >= limits.total) return 'too_many_connections'
    if (counts[direction] >= limits[direction]) return `too_many_${direction}`
    if (peer === undefined) return undefined
    if (counts.of(peer) >= limits.perPeer) return 'too_many_of_peer'
    const ofAddress = this.#overAddress({ address, direction, peer })
    if (ofAddress !== undefined) return ofAddress
    return this.#wasPruned(peer) && counts[direction] >= softLimit(limits[direction], limits) ? 'pruned_recently' : undefined
  }

  #wasPruned(peer: PeerKey): boolean {
    const until = this.#pruned.get(peer)
    return until !== undefined && until > this.#needs.clock.monotonic() && !this.isProtected(peer)
  }
}

/** The number of connections above which peers are pruned. */
export function softLimit(limit: number, { softShare }: ConnectionLimits): number { return Math.ceil(limit * softShare) }

/** The reputation to use where there is no reputation actor: every peer is neutral. */
export const neutralStanding: PeerStanding = {
  appScore: () => 0,
  mayAsk: () => true,
  greylisted: () => false,
  isProtected: () => false,
  refuses: () => undefined,
}
