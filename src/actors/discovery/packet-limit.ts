import { LRUCache } from 'lru-cache'
import type { Clock } from '../kernel/index.js'
import { holderOf, ipFromText, scopeOf } from './ip.js'

/**
 * Rate limits on incoming packets. An attacker's best flood is handshakes: each takes two packets and 8 ms of JavaScript, so 60 packets a second
 * take a quarter of the main thread. A lookup of ours brings about 120 packets, at most every 5 s. Source addresses of UDP can be forged, so
 * unknown senders share a limit of their own, apart from that of the addresses that we exchange packets with.
 */
export interface PacketLimits {
  /** Packets per second from one public network (/24, /48), or from one address that is not public. */
  readonly perSender: number
  /** Burst from one sender, in packets. */
  readonly burst: number
  /** Packets per second from all unknown senders; the same again from all addresses that we exchange packets with. */
  readonly total: number
  readonly totalBurst: number
}

/** Maximum number of senders counted. An evicted one gets a new burst, but the total still applies. */
const MAX_SENDERS = 4_096
/** Maximum number of addresses remembered as contacted, and how long each counts as such (milliseconds). */
const MAX_TALKING = 1_024
const TALKING_MS = 600_000

/**
 * Drops packets above a rate before they are decrypted. discv5's own limiter (11.0.0) is not used, for three reasons: one packet too many bans a
 * sender for ever, although the source of a UDP packet can be forged; its table of senders grows without bound; and the two calls that tell it
 * whose answers are expected are swapped.
 */
export class PacketLimit {
  readonly #senders = new LRUCache<string, Allowance>({ max: MAX_SENDERS })
  /** Contacted addresses, and until when each counts as such. */
  readonly #talking = new LRUCache<string, number>({ max: MAX_TALKING })
  readonly #strangers: Allowance
  readonly #known: Allowance
  #dropped = 0

  constructor(private readonly limits: PacketLimits, private readonly clock: Clock) {
    this.#strangers = new Allowance(limits.total, limits.totalBurst)
    this.#known = new Allowance(limits.total, limits.totalBurst)
  }

  get dropped(): number { return this.#dropped }

  /** Notes that we sent a packet to this address, other than a challenge. It is contacted from now on. */
  talksWith(address: string): void { this.#talking.set(address, this.clock.monotonic() + TALKING_MS) }

  allows(address: string): boolean {
    const now = this.clock.monotonic()
    const isKnown = (this.#talking.get(address) ?? -Infinity) > now
    // a contacted address has a limit of its own, apart from its network's
    const key = isKnown ? address : senderOf(address)
    const sender = this.#senders.get(key) ?? new Allowance(this.limits.perSender, this.limits.burst)
    this.#senders.set(key, sender)
    if (sender.take(now) && (isKnown ? this.#known : this.#strangers).take(now)) return true
    this.#dropped++
    return false
  }
}

function senderOf(address: string): string {
  const ip = ipFromText(address)
  return ip === undefined || scopeOf(ip) !== 'public' ? address : holderOf(ip)
}

/** The generic cell rate algorithm. Its only state is the time at which the full burst is available again. */
class Allowance {
  #wholeAt = -Infinity

  constructor(private readonly perSecond: number, private readonly burst: number) {}

  take(now: number): boolean {
    const each = 1_000 / this.perSecond
    const wholeAt = Math.max(now, this.#wholeAt) + each
    if (wholeAt - now > each * this.burst) return false
    this.#wholeAt = wholeAt
    return true
  }
}
