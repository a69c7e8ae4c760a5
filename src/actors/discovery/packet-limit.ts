import { LRUCache } from 'lru-cache'
import type { Clock } from '../kernel/index.js'
import { holderOf, ipFromText, scopeOf } from './ip.js'

/**
 * Packets that are looked at. A handshake takes two of them and 8 ms of JavaScript, which is what an attacker is after: 60 a second are a
 * quarter of the thread at most. A lookup of our own brings about 120 packets, every 5 s at most. Anybody can write any sender on a UDP
 * packet, so what strangers may bring in all is apart from what those may bring whom we talk with.
 */
export interface PacketLimits {
  /** A second, of one network (/24, /48), and of one address where it is not public. */
  readonly perSender: number
  /** Of one sender at once. */
  readonly burst: number
  /** A second, of all strangers; and as much of all whom we talk with. */
  readonly total: number
  readonly totalBurst: number
}

/** Senders remembered; one that is forgotten begins anew, under the same total. */
const MAX_SENDERS = 4_096
/** Addresses remembered that we have written to, and for how long what comes from them is no stranger's. */
const MAX_TALKING = 1_024
const TALKING_MS = 600_000

/**
 * Drops packets above a rate before they are decrypted. discv5's own limiter is not used (11.0.0): it bans a sender for ever on the first
 * packet too many, though anybody can write any sender on a UDP packet; it never forgets one; and the two calls by which it learns whose
 * answers are expected are swapped.
 */
export class PacketLimit {
  readonly #senders = new LRUCache<string, Allowance>({ max: MAX_SENDERS })
  /** By address: until when. */
  readonly #talking = new LRUCache<string, number>({ max: MAX_TALKING })
  readonly #strangers: Allowance
  readonly #known: Allowance
  #dropped = 0

  constructor(private readonly limits: PacketLimits, private readonly clock: Clock) {
    this.#strangers = new Allowance(limits.total, limits.totalBurst)
    this.#known = new Allowance(limits.total, limits.totalBurst)
  }

  get dropped(): number { return this.#dropped }

  /** We have written to this address of our own accord, or in answer to what could be decrypted: who forges its packets must know that. */
  talksWith(address: string): void { this.#talking.set(address, this.clock.monotonic() + TALKING_MS) }

  allows(address: string): boolean {
    const now = this.clock.monotonic()
    const isKnown = (this.#talking.get(address) ?? -Infinity) > now
    // an address that we talk with does not share what its network may bring
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

/** The generic cell rate algorithm: one number, the time when the allowance would be whole again. */
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
