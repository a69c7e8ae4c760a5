import type { PeerKey } from '../../../protocol/peer-key.js'
import type { RequestKind } from '../ingress.js'
import { AdaptiveRate } from './adaptive-rate.js'
import { SlidingWindow } from '../limits/sliding-window.js'

/** Requests to one peer on one protocol in any sliding window (SPEC §8): a reference node answers the ninth with a permanent ban. */
export const REQUESTS_PER_WINDOW = 7
/** To peers whose agent says that they are this software: what such a peer guarantees (SPEC §8, requests in). */
export const REQUESTS_PER_WINDOW_TO_SAME_CLIENT = 32
/** 10 s, and a margin for another machine's clock: 7 every 10.05 s held for 28 of 28 (SPEC §10). */
export const QUOTA_WINDOW_MS = 10_050

export interface QuotaOptions {
  readonly perWindow: number
  readonly perWindowToSameClient: number
  readonly windowMs: number
  /** Requests a second to a peer of this software at most, however promptly it answers. */
  readonly perSecondToSameClient: number
  /** Of those, under way at once: as many as such a peer delays before it calls it a violation. */
  readonly atOnceToSameClient: number
  /** Who says to be of this software and fails when asked faster than others is asked like them for so long; each time again twice that. */
  readonly distrustMs: number
  /**
   * For so long after the start other peers are not asked: an earlier process of this identity may have asked them for all that they
   * allow a moment ago, and they have not forgotten. In milliseconds; 0 for a new identity.
   */
  readonly cautiousMs: number
}

/** What became of an exchange: `failed` where the peer ended the stream or did not answer, `void` where it says nothing about the peer. */
export type ExchangeOutcome = { readonly result: 'answered'; readonly ms: number } | { readonly result: 'failed' | 'void' }

/** How many requests a peer can be sent now, and where that is none, in how many ms one may be (`undefined`: when one has ended). */
export interface Places { readonly now: number; readonly inMs: number | undefined }

interface Lane { readonly window: SlidingWindow; readonly pace: AdaptiveRate; sameClient: boolean }

/** Peers whose word on their software is remembered to be false. */
const MOST_DISTRUSTED = 1_024
const LONGEST_DISTRUST_MS = 24 * 3_600_000
const quotas = new WeakMap<object, RequestQuota>()

/** The quota of an identity: a driver that is started again goes on with what the one before it has asked. */
export function quotaOf(identity: object, options: QuotaOptions, now: number): RequestQuota {
  const quota = quotas.get(identity) ?? new RequestQuota(options, now)
  quotas.set(identity, quota)
  return quota
}

/**
 * The outbound quota, exact at the server's end too. Requests sent evenly may arrive in a bunch, so a request holds its place from
 * before its stream is opened until a window after its exchange has ended: whenever the server read it, that was in between. Any two
 * that the server can see within one window are then counted together here, whatever the network does to their pace.
 *
 * Peers of this software get what they guarantee, and beyond that as much as they answer without delay (adaptive-rate.ts). That they are is
 * only their own word: one that fails when it is asked for more than others has had its time.
 *
 * This is the one place that knows how fast a peer may be asked; who asks learns it from the answers (`Places`). Windows outlive a
 * connection: the peer's own count does too.
 */
export class RequestQuota {
  readonly #options: QuotaOptions
  readonly #lanes = new Map<string, Lane>()
  readonly #distrusted = new Map<PeerKey, { until: number; times: number }>()

  /** @param startedAt when whoever uses it began to ask */
  constructor(options: QuotaOptions, private readonly startedAt = 0) { this.#options = options }

  /** Windows kept at this moment. */
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

  /** When a request to this peer may go: `now`, later, or `undefined` where only the end of an exchange can tell. */
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

  /** Whether this peer's word that it is of this software counts. */
  trusts(peer: PeerKey, now: number): boolean { return (this.#distrusted.get(peer)?.until ?? -Infinity) <= now }

  /** Forgets windows in which nothing counts any more: what keeps this bounded by the peers asked within one window. */
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
