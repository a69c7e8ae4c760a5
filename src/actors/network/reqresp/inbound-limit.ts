import type { PeerKey } from '../../../protocol/peer-key.js'
import type { RequestKind } from '../ingress.js'
import { SlidingWindow } from './sliding-window.js'

export interface InboundLimitOptions {
  /** Answered at once, per peer and protocol, in any window. */
  readonly perWindow: number
  readonly windowMs: number
  /** Delayed answers at most, per peer and protocol. */
  readonly maxDelayed: number
  /** The last of them leaves within this time, in milliseconds. */
  readonly delayWithinMs: number
}

interface Lane {
  readonly window: SlidingWindow
  /** When the last of the delayed answers leaves. */
  lastLeaves: number
}

/**
 * The inbound limit of SPEC §8: what is over it is answered all the same, but later, one at a time, so slowly that a full queue leaves
 * within 5 s. An unanswered request would make the asker ban us (SPEC §10); only overrunning the queue is a violation.
 */
export class InboundLimit {
  readonly #options: InboundLimitOptions
  readonly #lanes = new Map<string, Lane>()
  readonly #spacing: number

  constructor(options: InboundLimitOptions) {
    this.#options = options
    this.#spacing = options.delayWithinMs / Math.max(1, options.maxDelayed)
  }

  /** Lanes kept at this moment. */
  get size(): number { return this.#lanes.size }

  /** How long the answer to a request that came now must wait, in milliseconds; `undefined` where the queue is full. */
  admit(peer: PeerKey, kind: RequestKind, now: number): number | undefined {
    const id = `${kind} ${peer}`
    let lane = this.#lanes.get(id)
    if (lane === undefined) {
      const { perWindow, windowMs } = this.#options
      this.#lanes.set(id, lane = { window: new SlidingWindow(perWindow, windowMs), lastLeaves: 0 })
    }
    if (lane.lastLeaves <= now && lane.window.take(now)) return 0
    const leaves = Math.max(now, lane.lastLeaves) + this.#spacing
    if (leaves - now > this.#options.delayWithinMs) return undefined
    lane.lastLeaves = leaves
    return leaves - now
  }

  /** Forgets lanes in which nothing counts any more: what keeps this bounded by the peers that asked within one window. */
  sweep(now: number): void {
    for (const [id, lane] of this.#lanes) if (lane.lastLeaves <= now && lane.window.used(now) === 0) this.#lanes.delete(id)
  }
}
