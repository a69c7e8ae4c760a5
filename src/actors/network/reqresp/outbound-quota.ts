import type { PeerKey } from '../../../protocol/peer-key.js'
import type { RequestKind } from '../ingress.js'
import { SlidingWindow } from './sliding-window.js'

/** Requests to one peer on one protocol in any sliding window (SPEC §8): a reference node answers the ninth with a permanent ban. */
export const REQUESTS_PER_WINDOW = 7
/** To peers whose agent says that they are this software: what such a peer guarantees (SPEC §8, requests in). */
export const REQUESTS_PER_WINDOW_TO_KIN = 32
/** 10 s, and a margin for another machine's clock: 7 every 10.05 s held for 28 of 28 (SPEC §10). */
export const QUOTA_WINDOW_MS = 10_050

export interface QuotaOptions {
  readonly perWindow: number
  readonly perWindowToKin: number
  readonly windowMs: number
}

/**
 * The outbound quota, exact at the server's end too. Requests sent evenly may arrive in a bunch, so a request holds its place from
 * before its stream is opened until a window after its exchange has ended: whenever the server read it, that was in between. Any two
 * that the server can see within one window are then counted together here, whatever the network does to their pace.
 *
 * Windows outlive a connection: the peer's own count does too.
 */
export class OutboundQuota {
  readonly #options: QuotaOptions
  readonly #windows = new Map<string, SlidingWindow>()

  constructor(options: QuotaOptions) { this.#options = options }

  /** Windows kept at this moment. */
  get size(): number { return this.#windows.size }

  hold(peer: PeerKey, kind: RequestKind, kin: boolean, now: number): boolean {
    return this.#window(peer, kind, kin).hold(now)
  }

  release(peer: PeerKey, kind: RequestKind, now: number): void {
    this.#windows.get(key(peer, kind))?.release(now)
  }

  /** When a request to this peer may go: `now`, later, or `undefined` where only the end of an exchange can tell. */
  roomAt(peer: PeerKey, kind: RequestKind, kin: boolean, now: number): number | undefined {
    return this.#windows.has(key(peer, kind)) ? this.#window(peer, kind, kin).roomAt(now) : now
  }

  /** Forgets windows in which nothing counts any more: what keeps this bounded by the peers asked within one window. */
  sweep(now: number): void {
    for (const [id, window] of this.#windows) if (window.used(now) === 0) this.#windows.delete(id)
  }

  #window(peer: PeerKey, kind: RequestKind, kin: boolean): SlidingWindow {
    const id = key(peer, kind)
    const limit = kin ? this.#options.perWindowToKin : this.#options.perWindow
    let window = this.#windows.get(id)
    if (window === undefined) this.#windows.set(id, window = new SlidingWindow(limit, this.#options.windowMs))
    window.limit = limit
    return window
  }
}

function key(peer: PeerKey, kind: RequestKind): string {
  return `${kind} ${peer}`
}
