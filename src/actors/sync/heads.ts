import type { PeerKey } from '../../protocol/peer-key.js'
import type { PeerBook, SyncPeerState } from './peers.js'

/** Above this no chain is: such a head is a lie by itself, and arithmetic on it could leave uint256. */
export const HIGHEST_HEAD = 2n ** 64n - 1n

/** The height up to which a peer may be asked, as far as it says itself and has not shown otherwise. */
export function reachOf(state: SyncPeerState): bigint | undefined {
  if (state.head === undefined || state.discounted) return undefined
  const head = state.head.blockNumber
  return state.exhaustedAt !== undefined && head >= state.exhaustedAt ? state.exhaustedAt - 1n : head
}

export interface Target {
  /** The highest head that counts; `undefined` where nobody announces one. */
  readonly height: bigint | undefined
  /** Who announces a head so far above the next that it must be shown first. */
  readonly outlier: SyncPeerState | undefined
}

/**
 * Where a run heads for: the highest announced head (SPEC §9). One that stands more than `outlier` blocks above the next lower one does
 * not count until it has been shown, so that a single peer cannot inflate the target.
 */
export function targetOf(book: PeerBook, outlier: bigint, shown: (state: SyncPeerState, height: bigint) => boolean): Target {
  let first: SyncPeerState | undefined
  let highest: bigint | undefined
  let second: bigint | undefined
  for (const state of book.askable()) {
    const reach = reachOf(state)
    if (reach === undefined) continue
    if (highest === undefined || reach > highest) { second = highest; highest = reach; first = state }
    else if (second === undefined || reach > second) second = reach
  }
  const towers = highest !== undefined && second !== undefined && highest > second + outlier
  return towers && first?.head !== undefined && !shown(first, first.head.blockNumber) ? { height: second, outlier: first } : { height: highest, outlier: undefined }
}

/**
 * Tells that gossip does not reach us (H42): peers that are ahead at two rounds in a row, although the round in between caught up.
 * One that is ahead only once just had news first.
 */
export class Unheard {
  #before = new Set<PeerKey>()
  #now = new Set<PeerKey>()
  #behind = 0n
  #told: readonly PeerKey[] = []

  /** Those to tell of now. */
  get peers(): readonly PeerKey[] { return this.#told }

  get behind(): bigint { return this.#behind }

  /** In this round this peer was so many blocks ahead of what we had when it began. */
  ahead(peer: PeerKey, blocks: bigint): void {
    this.#now.add(peer)
    if (blocks > this.#behind) this.#behind = blocks
  }

  /** A liar's word does not count. */
  dismiss(peer: PeerKey): void {
    this.#now.delete(peer)
    this.#before.delete(peer)
  }

  /** The round did not catch up: that somebody is ahead says nothing. */
  reset(): void { this.#now.clear() }

  /** The round is over. Gives true when what is to be told has changed. */
  round(): boolean {
    const told = [...this.#now].filter(peer => this.#before.has(peer)).sort()
    const changed = told.length !== this.#told.length || told.some((peer, at) => peer !== this.#told[at])
    this.#told = told
    this.#before = this.#now
    this.#now = new Set()
    if (told.length === 0) this.#behind = 0n
    return changed
  }
}
