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
  has(theCase: PendingCommitment): boolean {
    for (const held of this.#byWindow.get(theCase.commitment.window) ?? []) {
      if (held.commitment.key === theCase.commitment.key && held.commitment.sameBytes(theCase.commitment)) return true
    }
    return false
  }

  waitsFor(window: bigint): boolean { return this.#byWindow.has(window) }
  windows(): bigint[] { return [...this.#byWindow.keys()] }

  /** Holds it; gives those that had to go. */
  add(theCase: PendingCommitment): PendingCommitment[] {
    theCase.commitment.keep()
    theCase.waits = 'schedule'
    set(this.#byWindow, theCase.commitment.window).add(theCase)
    if (theCase.origin.kind !== 'gossip') return []
    const peer = theCase.origin.peer
    const share = set(this.#byPeer, peer).add(theCase)
    this.#bounded.add(theCase)
    const dropped: PendingCommitment[] = []
    const { maxHeld, maxHeldPerPeer, maxHeldBytes } = this.config
    if (share.size > maxHeldPerPeer) dropped.push(this.#drop(share))
    if (this.#bounded.size > Math.min(maxHeld, Math.floor(maxHeldBytes / HELD_BYTES))) dropped.push(this.#drop(this.#bounded))
    return dropped
  }

  /** What waits for a window, in the order of arrival. Each waits until it is removed, so a page is not complete before its last one. */
  waiting(window: bigint): readonly PendingCommitment[] { return [...this.#byWindow.get(window) ?? []] }

  remove(theCase: PendingCommitment): void {
    const { commitment: { window } } = theCase
    const peer = senderOf(theCase)
    outOf(this.#byWindow, window, theCase)
    if (peer !== undefined) outOf(this.#byPeer, peer, theCase)
    this.#bounded.delete(theCase)
    theCase.waits = undefined
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

function outOf<K>(map: Map<K, Set<PendingCommitment>>, key: K, theCase: PendingCommitment): void {
  const present = map.get(key)
  if (present?.delete(theCase) === true && present.size === 0) map.delete(key)
}
