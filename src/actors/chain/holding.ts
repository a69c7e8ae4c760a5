import type { PendingCommitment } from './pending-commitment.js'
import { senderOf } from './pending-commitment.js'
import type { ChainConfig } from './config.js'
import type { PeerKey } from '../../protocol/peer-key.js'

type HoldConfig = Pick<ChainConfig, 'maxHeld' | 'maxHeldPerPeer' | 'maxHeldBytes'>

/** What a held commitment costs, bytes: itself, its hash and signer, and what it hangs on. */
export const HELD_BYTES = 512

/**
 * Commitments whose schedule is not known (SPEC §6, §7): bounded in count and bytes, with a share for each sender; who overruns it loses
 * the oldest of its own, and an overflow of the whole drops the oldest. Pages and our own count to neither: their senders bound them.
 */
export class Holding {
  readonly #byWindow = new Map<bigint, Set<PendingCommitment>>()
  readonly #bounded = new Set<PendingCommitment>()
  readonly #byPeer = new Map<PeerKey, Set<PendingCommitment>>()

  constructor(private readonly config: HoldConfig) {}

  get size(): number { return this.#bounded.size }

  /** The exact bytes are held already. */
  has(pending: PendingCommitment): boolean {
    for (const held of this.#byWindow.get(pending.commitment.window) ?? []) {
      if (held.commitment.key === pending.commitment.key && held.commitment.sameBytes(pending.commitment)) return true
    }
    return false
  }

  waitsFor(window: bigint): boolean { return this.#byWindow.has(window) }
  windows(): bigint[] { return [...this.#byWindow.keys()] }

  add(pending: PendingCommitment): void {
    pending.commitment.keep()
    pending.waits = 'schedule'
    set(this.#byWindow, pending.commitment.window).add(pending)
    if (pending.origin.kind !== 'gossip') return
    set(this.#byPeer, pending.origin.peer).add(pending)
    this.#bounded.add(pending)
  }

  /** Lets go of what is too much, for the one that was held last; gives it. */
  overflow(last: PendingCommitment): PendingCommitment[] {
    const dropped: PendingCommitment[] = []
    const { maxHeld, maxHeldPerPeer, maxHeldBytes } = this.config
    const share = this.#byPeer.get(senderOf(last) ?? '')
    if (share !== undefined && share.size > maxHeldPerPeer) dropped.push(this.#drop(share))
    if (this.#bounded.size > Math.min(maxHeld, Math.floor(maxHeldBytes / HELD_BYTES))) dropped.push(this.#drop(this.#bounded))
    return dropped
  }

  /** What waits for a window, in the order of arrival. Each waits until it is removed, so a page is not complete before its last one. */
  waiting(window: bigint): readonly PendingCommitment[] { return [...this.#byWindow.get(window) ?? []] }

  remove(pending: PendingCommitment): void {
    const { commitment: { window } } = pending
    const peer = senderOf(pending)
    outOf(this.#byWindow, window, pending)
    if (peer !== undefined) outOf(this.#byPeer, peer, pending)
    this.#bounded.delete(pending)
    pending.waits = undefined
  }

  #drop(from: Set<PendingCommitment>): PendingCommitment {
    const oldest = from.values().next().value as PendingCommitment
    this.remove(oldest)
    return oldest
  }
}

function set<K>(map: Map<K, Set<PendingCommitment>>, key: K): Set<PendingCommitment> {
  const present = map.get(key) ?? new Set<PendingCommitment>()
  map.set(key, present)
  return present
}

function outOf<K>(map: Map<K, Set<PendingCommitment>>, key: K, pending: PendingCommitment): void {
  const present = map.get(key)
  if (present?.delete(pending) === true && present.size === 0) map.delete(key)
}
