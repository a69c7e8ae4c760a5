import type { PeerKey } from '../../../protocol/peer-key.js'
import type { RequestKind } from '../ingress.js'
import { AdaptiveRate } from './adaptive-rate.js'
import { SlidingWindow } from '../limits/sliding-window.js'

/** Requests to one peer on one protocol in any sliding window (SPEC §8): a reference node answers the ninth with a permanent ban. */
export const REQUESTS_PER_WINDOW = 7
/** The same to peers whose agent string names this software: what such a peer guarantees (SPEC §8, requests in). */
export const REQUESTS_PER_WINDOW_TO_SAME_CLIENT = 32
/** 10 s, and a margin for another machine's clock: 7 every 10.05 s held for 28 of 28 (SPEC §10). */
export const QUOTA_WINDOW_MS = 10_050

export interface QuotaOptions {
  readonly perWindow: number
  readonly perWindowToSameClient: number
  readonly windowMs: number
  /** Highest request rate to a peer of this software, requests a second. */
  readonly perSecondToSameClient: number
  /** Requests in flight to such a peer: as many as it delays before it reports a violation. */
  readonly atOnceToSameClient: number
  /** A peer that claims to be this software and fails at its higher rate is treated like others for this long, ms; doubled each time. */
  readonly distrustMs: number
  /**
   * How long after the start peers of other software are not asked, ms: they may still count requests of an earlier process with this
   * identity. 0 for a new identity.
   */
  readonly cautiousMs: number
}

/** The outcome of an exchange: `failed` if the peer ended the stream or did not answer, `void` if it says nothing about the peer. */
export type ExchangeOutcome = { readonly result: 'answered'; readonly ms: number } | { readonly result: 'failed' | 'void' }

/** How many requests a peer can be sent now; if none, in how many ms one can (`undefined`: after one in flight has ended). */
export interface Places { readonly now: number; readonly inMs: number | undefined }

interface Lane { readonly window: SlidingWindow; readonly pace: AdaptiveRate; sameClient: boolean }

/** Peers remembered for a false agent string. */
const MOST_DISTRUSTED = 1_024
const LONGEST_DISTRUST_MS = 24 * 3_600_000
const quotas = new WeakMap<object, RequestQuota>()

/** The quota of an identity, kept across restarts of the driver. */
export function quotaOf(identity: object, options: QuotaOptions, now: number): RequestQuota {
  const quota = quotas.get(identity) ?? new RequestQuota(options, now)
  quotas.set(identity, quota)
  return quota
}

/**
 * The outbound quota, exact from the server's view too. Requests that are sent evenly may arrive in a burst, so a request holds its place
 * from before its stream is opened until one window after its exchange has ended. Any two requests that the server can see within one
 * window are then counted together, whatever the network does to their timing.
 *
 * Peers of this software get the rate that they guarantee, and more while they answer without delay (adaptive-rate.ts). Their agent string
 * is only a claim: a peer that fails at the higher rate loses it for a time (`distrustMs`).
 *
 * The one place that knows how fast a peer may be asked; callers learn it from the answers (`Places`). Windows survive a reconnection, as
 * the peer's own count does.
 */
export class RequestQuota {
  readonly #options: QuotaOptions
  readonly #lanes = new Map<string, Lane>()
  readonly #distrusted = new Map<PeerKey, { until: number; times: number }>()

  /** @param startedAt when this node started to send requests, monotonic ms */
  constructor(options: QuotaOptions, private readonly startedAt = 0) { this.#options = options }

  /** Number of windows. */
  get size(): number { return this.#lanes.size }

  hold(peer: PeerKey, kind: RequestKind, sameClient: boolean, now: number): boolean {
    const lane = this.#lane(peer, kind, sameClient, now)
    if (this.#places(lane, now) < 1) return false
    lane.window.hold()
    lane.pace.hold()
    return true
  }

  release(peer: PeerKey, kind: RequestKind, now: number, outcome: ExchangeOutcome = { result: 'void' }): void {
    const lane = this.#lanes.get(key(peer, kind))
    if (lane === undefined) return
    if (outcome.result === 'failed' && lane.sameClient && lane.window.used(now) > this.#options.perWindow) this.#distrust(peer, now)
    lane.window.release(now)
    lane.pace.release(now, outcome)
  }

  /** When a request to this peer may go, monotonic ms; `undefined` if only after an exchange has ended. */
  roomAt(peer: PeerKey, kind: RequestKind, sameClient: boolean, now: number): number | undefined {
    const lane = this.#lanes.get(key(peer, kind))
    if (lane === undefined) return now
    this.#renew(lane, peer, sameClient, now)
    if (this.#places(lane, now) > 0) return now
    const cautiousUntil = this.startedAt + this.#options.cautiousMs
    if (!lane.sameClient) {
      const at = lane.window.roomAt(now)
      return now < cautiousUntil ? Math.min(at ?? Infinity, cautiousUntil) : at
    }
    if (lane.window.held >= this.#options.atOnceToSameClient) return undefined
    const byWindow = lane.window.roomAt(now)
    const byPace = lane.pace.roomAt(now)
    return byWindow === undefined || byPace === undefined ? byWindow ?? byPace : Math.min(byWindow, byPace)
  }

  /** How many requests the peer can be sent now. */
  places(peer: PeerKey, kind: RequestKind, sameClient: boolean, now: number): Places {
    const lane = this.#lane(peer, kind, sameClient, now)
    const places = this.#places(lane, now)
    if (places > 0) return { now: places, inMs: undefined }
    const at = this.roomAt(peer, kind, sameClient, now)
    return { now: 0, inMs: at === undefined ? undefined : Math.max(0, at - now) }
  }

  /** Whether this peer's agent string is believed. */
  trusts(peer: PeerKey, now: number): boolean { return (this.#distrusted.get(peer)?.until ?? -Infinity) <= now }

  /** Forgets empty windows, which bounds this by the peers asked within one window. */
  sweep(now: number): void {
    for (const [id, { window }] of this.#lanes) if (window.used(now) === 0) this.#lanes.delete(id)
    for (const [peer, { until }] of this.#distrusted) if (until + LONGEST_DISTRUST_MS <= now) this.#distrusted.delete(peer)
  }

  #places(lane: Lane, now: number): number {
    const { limit } = lane.window
    const left = limit - lane.window.used(now)
    if (!lane.sameClient) return Math.max(0, left)
    return Math.max(0, Math.min(this.#options.atOnceToSameClient - lane.window.held, Math.max(left, lane.pace.places(now))))
  }

  #lane(peer: PeerKey, kind: RequestKind, sameClient: boolean, now: number): Lane {
    const id = key(peer, kind)
    let lane = this.#lanes.get(id)
    if (lane === undefined) {
      const { perWindow, windowMs, perSecondToSameClient, perWindowToSameClient } = this.#options
      const least = Math.max(1, Math.floor(perWindowToSameClient * 1_000 / windowMs))
      lane = { window: new SlidingWindow(perWindow, windowMs), pace: new AdaptiveRate(least, Math.max(least, perSecondToSameClient)), sameClient: false }
      this.#lanes.set(id, lane)
    }
    this.#renew(lane, peer, sameClient, now)
    return lane
  }

  #renew(lane: Lane, peer: PeerKey, sameClient: boolean, now: number): void {
    lane.sameClient = sameClient && this.trusts(peer, now)
    const { cautiousMs, perWindow, perWindowToSameClient } = this.#options
    lane.window.limit = lane.sameClient ? perWindowToSameClient : now < this.startedAt + cautiousMs ? 0 : perWindow
  }

  #distrust(peer: PeerKey, now: number): void {
    const times = this.#distrusted.get(peer)?.times ?? 0
    this.#distrusted.delete(peer)
    const ms = Math.min(this.#options.distrustMs * 2 ** times, LONGEST_DISTRUST_MS)
    this.#distrusted.set(peer, { until: now + ms, times: times + 1 })
    const oldest = this.#distrusted.keys().next()
    if (this.#distrusted.size > MOST_DISTRUSTED && oldest.done !== true) this.#distrusted.delete(oldest.value)
  }
}

function key(peer: PeerKey, kind: RequestKind): string {
  return `${kind} ${peer}`
}
