import type { PeerKey } from '../../../protocol/peer-key.js'

/** Keeps the refused peers across restarts, as an opaque text. `load` resolves to `undefined` if nothing was saved. */
export interface RefusedPeersNeeds {
  load(): Promise<string | undefined>
  save(text: string): Promise<void>
}

/** Maximum number of refused peers remembered; the oldest is evicted. */
export const MAX_REFUSED_PEERS = 1_024

interface Refusal {
  /** Monotonic clock, milliseconds. */
  readonly until: number
  readonly address: string
}

/** The saved form: the peer, the end of the refusal (Unix time in milliseconds), and the address that was dialled. */
type Kept = readonly [PeerKey, number, string]

/**
 * Peers that closed right after we had connected: they may have banned us (SPEC §10), and are not dialled for `forMs` milliseconds (H41).
 * Bounded. The caller passes the times: `now` is monotonic, `wall` is Unix time, both in milliseconds.
 */
export class RefusedPeers {
  readonly #forMs: number
  readonly #refused = new Map<PeerKey, Refusal>()
  #version = 0

  constructor(forMs: number) { this.#forMs = forMs }

  /** Grows with every change of the content. */
  get version(): number { return this.#version }

  add(peer: PeerKey, address: string, now: number): void { this.#put(peer, { until: now + this.#forMs, address }) }

  forgive(peer: PeerKey): void { if (this.#refused.delete(peer)) this.#version++ }

  /** Until when a peer must not be dialled (monotonic, milliseconds); `undefined` if it may be. */
  until(peer: PeerKey, now: number): number | undefined {
    const refusal = this.#refused.get(peer)
    if (refusal === undefined || refusal.until > now) return refusal?.until
    this.forgive(peer)
    return undefined
  }

  /** The refusals that have not expired. */
  active(now: number): Array<{ readonly peer: PeerKey; readonly address: string }> {
    return [...this.#refused].filter(([peer]) => this.until(peer, now) !== undefined).map(([peer, { address }]) => ({ peer, address }))
  }

  text(now: number, wall: number): string {
    return JSON.stringify([...this.#refused].map(([peer, { address, until }]): Kept => [peer, Math.round(wall + until - now), address]))
  }

  /** Restores saved refusals. Malformed and expired entries are skipped. */
  restore(text: string, now: number, wall: number): void {
    for (const [peer, until, address] of keptIn(text)) {
      // a clock that was set back must not lengthen a refusal
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
