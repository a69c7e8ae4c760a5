import { LRUCache } from 'lru-cache'
import { SlidingWindow } from '../limits/sliding-window.js'
import type { HandshakeLimits } from './limits.js'

/** Maximum number of addresses remembered; the least recently used is evicted. */
const MAX_ADDRESSES = 4_096

interface Record {
  readonly recent: SlidingWindow
  offences: number
  /** Monotonic clock, milliseconds. */
  refusedUntil: number
}

/** An address that broke limits. `refusedForMs`: how much longer it is refused, in milliseconds; 0 if it is not. */
export interface Offender { readonly address: string; readonly offences: number; readonly refusedForMs: number }

/**
 * Offences by address, whether or not the peer behind it was known. An address with too many recent offences is refused for `refusedMs`: not
 * longer, since honest peers may share the address. The caller passes the time: monotonic, milliseconds.
 */
export class Offenders {
  readonly #limits: HandshakeLimits
  readonly #addresses = new LRUCache<string, Record>({ max: MAX_ADDRESSES })

  constructor(limits: HandshakeLimits) { this.#limits = limits }

  /** Counts an offence. Returns whether it makes the address refused. */
  offended(address: string, now: number): boolean {
    const { offenceWindowMs, offences, refusedMs } = this.#limits
    const record = this.#addresses.get(address) ?? { recent: new SlidingWindow(Math.max(0, offences - 1), offenceWindowMs), offences: 0, refusedUntil: 0 }
    this.#addresses.set(address, record)
    record.offences++
    if (record.refusedUntil > now || record.recent.take(now)) return false
    record.refusedUntil = now + refusedMs
    return true
  }

  isRefused(address: string, now: number): boolean { return (this.#addresses.peek(address)?.refusedUntil ?? 0) > now }

  /** The `count` addresses with the most offences. */
  worst(count: number, now: number): Offender[] {
    return [...this.#addresses].map(([address, { offences, refusedUntil }]) => ({ address, offences, refusedForMs: Math.max(0, Math.ceil(refusedUntil - now)) }))
      .sort((a, b) => b.offences - a.offences).slice(0, count)
  }

  sweep(now: number): void {
    for (const [address, { recent, refusedUntil }] of [...this.#addresses]) if (refusedUntil <= now && recent.used(now) === 0) this.#addresses.delete(address)
  }
}
