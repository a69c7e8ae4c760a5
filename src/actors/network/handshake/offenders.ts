import { LRUCache } from 'lru-cache'
import { SlidingWindow } from '../limits/sliding-window.js'
import type { HandshakeLimits } from './limits.js'

/** Addresses remembered at most; the one heard of longest ago gives way. */
const MAX_ADDRESSES = 4_096

interface Record {
  readonly recent: SlidingWindow
  offences: number
  /** Monotonic clock, milliseconds. */
  refusedUntil: number
}

/** An address that has broken limits, and for how long it is refused, in milliseconds. */
export interface Offender { readonly address: string; readonly offences: number; readonly refusedForMs: number }

/**
 * Addresses that broke a limit while nobody was there to blame, or whose peers did. One that did so often lately is refused for a while:
 * bounded, since others may share it. Pure: the caller says what time it is.
 */
export class Offenders {
  readonly #limits: HandshakeLimits
  readonly #addresses = new LRUCache<string, Record>({ max: MAX_ADDRESSES })

  constructor(limits: HandshakeLimits) { this.#limits = limits }

  /** Counts an offence; says whether the address is refused from now on. */
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

  /** The worst of those remembered, at most `count`. */
  worst(count: number, now: number): Offender[] {
    return [...this.#addresses].map(([address, { offences, refusedUntil }]) => ({ address, offences, refusedForMs: Math.max(0, Math.ceil(refusedUntil - now)) }))
      .sort((a, b) => b.offences - a.offences).slice(0, count)
  }

  sweep(now: number): void {
    for (const [address, { recent, refusedUntil }] of [...this.#addresses]) if (refusedUntil <= now && recent.used(now) === 0) this.#addresses.delete(address)
  }
}
