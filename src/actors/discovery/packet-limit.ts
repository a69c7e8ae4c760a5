import { LRUCache } from 'lru-cache'
import type { Clock } from '../kernel/index.js'
import { holderOf, ipFromText, reachOf } from './ip.js'

/**
 * Packets that are looked at. A handshake takes two of them and 8 ms of JavaScript, which is what an attacker is after: 60 a second are a
 * quarter of the thread at most. A lookup of our own brings about 120 packets, every 5 s at most.
 */
export interface PacketLimits {
  /** A second, of one network (/24, /48), and of one address where it is not public. */
  readonly perSender: number
  /** Of one sender at once. */
  readonly burst: number
  /** A second, of all. */
  readonly total: number
  readonly totalBurst: number
}

/** Senders remembered; one that is forgotten begins anew, under the same total. */
const MAX_SENDERS = 4_096

/**
 * Drops packets above a rate before they are decrypted. discv5's own limiter is not used (11.0.0): it bans a sender for ever on the first
 * packet too many, though anybody can write any sender on a UDP packet; it never forgets one; and the two calls by which it learns whose
 * answers are expected are swapped.
 */
export class PacketLimit {
  readonly #senders = new LRUCache<string, Allowance>({ max: MAX_SENDERS })
  readonly #all: Allowance
  #dropped = 0

  constructor(private readonly limits: PacketLimits, private readonly clock: Clock) {
    this.#all = new Allowance(limits.total, limits.totalBurst)
  }

  get dropped(): number { return this.#dropped }

  allows(address: string): boolean {
    const now = this.clock.monotonic()
    const key = senderOf(address)
    const sender = this.#senders.get(key) ?? new Allowance(this.limits.perSender, this.limits.burst)
    this.#senders.set(key, sender)
    if (sender.take(now) && this.#all.take(now)) return true
    this.#dropped++
    return false
  }
}

function senderOf(address: string): string {
  const ip = ipFromText(address)
  return ip === undefined || reachOf(ip) !== 'public' ? address : holderOf(ip)
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
