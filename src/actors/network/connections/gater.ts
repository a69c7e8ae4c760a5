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
 * Says why a connection must not be, or `undefined`. Asked synchronously and several times on the way of each connection, as more
 * of it becomes known; so it answers from memory.
 */
export type Gate = (question: GateQuestion) => string | undefined

/** Connections at this moment. */
export interface ConnectionCounts {
  readonly inbound: number
  readonly outbound: number
  of(peer: PeerKey): number
  /** Inbound ones from an address, or from a subnet, as `originOf` names them. */
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
  /** IP addresses and subnets (CIDR) that no limit by address holds for. */
  readonly exemptSubnets: readonly string[]
  /** Static peers are protected whatever the reputation says. */
  isStatic(peer: PeerKey): boolean
}

/** Peers that were pruned, remembered at most; the oldest gives way. */
const MAX_PRUNED = 1_024

/** The one predicate behind all of libp2p's hooks: bans and lists, limits, then the gate that the application brought. */
export class Gater {
  readonly #needs: GaterNeeds
  readonly #redials: Redials
  readonly #dialling = new Set<PeerKey>()
  /** Who had to make room, and until when it is not to come back while there is little. */
  readonly #pruned = new Map<PeerKey, number>()
  readonly #isExempt: (address: string) => boolean
  #shut = false

  constructor(needs: GaterNeeds) {
    this.#needs = needs
    this.#isExempt = subnetsOf(needs.exemptSubnets)
    this.#redials = new Redials(needs.rules.redials, needs.rules.redialWindowMs)
  }

  /** Whether lists or a ban speak against the peer, whatever its address. */
  isRefused(peer: PeerKey): boolean {
    return this.#needs.rules.lists && this.#needs.standing.refuses({ direction: 'inbound', peer }) !== undefined
  }

  isProtected(peer: PeerKey): boolean { return this.#needs.isStatic(peer) || this.#needs.standing.isProtected(peer) }

  /** What counts as one remote, where limits by address hold for the peer. */
  limitedOrigin(peer: PeerKey, address: string): { readonly address: string; readonly subnet: string } | undefined {
    const origin = this.isProtected(peer) ? undefined : originOf(address)
    return origin === undefined || this.#isExempt(origin.address) ? undefined : origin
  }

  /** From now on nobody passes: we are stopping. */
  shut(): void { this.#shut = true }

  /** The reason against a connection, where there is one. */
  ask(question: GateQuestion): string | undefined {
    if (this.#shut) return 'stopping'
    const { gate, rules, standing } = this.#needs
    return (rules.lists ? standing.refuses(question) : undefined) ?? (rules.limits ? this.#overLimit(question) : undefined) ?? gate?.(question)
  }

  /** Before a dial: the reason against it, counted; or `undefined`, and then `endDial` is to be called once. */
  beginDial(peer: PeerKey | undefined): string | undefined {
    const reason = this.#againstDial(peer)
    if (reason !== undefined) countLabel(this.#needs.denied, reason)
    else if (peer !== undefined) this.#dialling.add(peer)
    return reason
  }

  endDial(peer: PeerKey | undefined): void { if (peer !== undefined) this.#dialling.delete(peer) }

  /**
   * A connection was opened: does it break a limit all the same? The hooks are asked before it counts, and several connections
   * may be between their last hook and their opening. The reason is counted.
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

  /** It had to make room for others. */
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

  /** For `createLibp2p`: every hook that it has asks the same predicate. */
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
      // addresses that a peer tells of itself are judged when they are dialled
      filterMultiaddrForPeer: () => true,
    }
  }

  #deny(direction: Direction, peer: PeerId | undefined, at?: Multiaddr | MultiaddrConnection): boolean {
    const address = at === undefined ? undefined : 'remoteAddr' in at ? at.remoteAddr.toString() : at.toString()
    // libp2p adds the peer to the addresses of a dial that names one
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

  /** @param itself connections that count already and are the one in question */
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

/** Above this peers are pruned, so that there is room for new ones. */
export function softLimit(limit: number, { softShare }: ConnectionLimits): number { return Math.ceil(limit * softShare) }

/** What is thought of peers where nobody keeps a reputation: nothing. */
export const neutralStanding: PeerStanding = {
  appScore: () => 0,
  mayAsk: () => true,
  greylisted: () => false,
  isProtected: () => false,
  refuses: () => undefined,
}
