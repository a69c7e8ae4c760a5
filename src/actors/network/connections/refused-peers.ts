import type { PeerKey } from '../../../protocol/peer-key.js'

/** Where refusals outlive a restart: a text, whatever is in it. */
export interface RefusedPeersNeeds {
  load(): Promise<string | undefined>
  save(text: string): Promise<void>
}

/** RefusedPeers remembered at most; the oldest gives way. */
export const MAX_REFUSED_PEERS = 1_024

interface Refusal {
  /** Monotonic clock, milliseconds. */
  readonly until: number
  readonly address: string
}

/** As it is kept: the peer, until when (Unix time in milliseconds), the address that led to it. */
type Kept = readonly [PeerKey, number, string]

/**
 * Peers that closed on us right after we had connected: they have banned us (SPEC §10), and are left alone for hours (H41). Bounded.
 * Pure: the caller says what time it is, by the monotonic clock, and where it is kept also by the wall clock.
 */
export class RefusedPeers {
  readonly #forMs: number
  readonly #refused = new Map<PeerKey, Refusal>()
  #version = 0

  constructor(forMs: number) { this.#forMs = forMs }

  /** Changes with the content. */
  get version(): number { return this.#version }

  add(peer: PeerKey, address: string, now: number): void { this.#put(peer, { until: now + this.#forMs, address }) }

  forgive(peer: PeerKey): void { if (this.#refused.delete(peer)) this.#version++ }

  /** Until when a peer is not to be dialled; `undefined` where it may be. */
  until(peer: PeerKey, now: number): number | undefined {
    const refusal = this.#refused.get(peer)
    if (refusal === undefined || refusal.until > now) return refusal?.until
    this.forgive(peer)
    return undefined
  }

  /** Those that stand. */
  standing(now: number): Array<{ readonly peer: PeerKey; readonly address: string }> {
    return [...this.#refused].filter(([peer]) => this.until(peer, now) !== undefined).map(([peer, { address }]) => ({ peer, address }))
  }

  text(now: number, wall: number): string {
    return JSON.stringify([...this.#refused].map(([peer, { address, until }]): Kept => [peer, Math.round(wall + until - now), address]))
  }

  /** Takes up what was kept; what is not in its form, or is over, is left out. */
  restore(text: string, now: number, wall: number): void {
    for (const [peer, until, address] of keptIn(text)) {
      // a clock that was set back does not make it longer
      if (until > wall) this.#put(peer, { until: now + Math.min(this.#forMs, until - wall), address })
    }
  }

  #put(peer: PeerKey, refusal: Refusal): void {
    this.#version++
    this.#refused.delete(peer)
    this.#refused.set(peer, refusal)
    const oldest = this.#refused.keys().next()
    if (this.#refused.size > MAX_REFUSED_PEERS && oldest.done !== true) this.#refused.delete(oldest.value)
  }
}

function keptIn(text: string): Kept[] {
  let value: unknown
  try { value = JSON.parse(text) } catch { return [] }
  return Array.isArray(value) ? value.slice(-MAX_REFUSED_PEERS).filter(isKept) : []
}

function isKept(value: unknown): value is Kept {
  return Array.isArray(value) && typeof value[0] === 'string' && typeof value[1] === 'number' && Number.isFinite(value[1]) && typeof value[2] === 'string'
}
