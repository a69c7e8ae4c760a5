import type { SyncPeers, SyncPeerState } from '../peers.js'

/** The highest credible head. A higher one is a lie, and arithmetic on it could overflow uint256. */
export const HIGHEST_HEAD = 2n ** 64n - 1n

/** The highest block that a peer claims and has not been found to lack. */
export function reachOf(state: SyncPeerState): bigint | undefined {
  if (state.head === undefined || state.discounted) return undefined
  const head = state.head.blockNumber
  return state.exhaustedAt !== undefined && head >= state.exhaustedAt ? state.exhaustedAt - 1n : head
}

export interface Target {
  /** The highest head that counts; `undefined` where nobody announces one. */
  readonly height: bigint | undefined
  /** The peer whose head is so far above the next one that it must be proved first. */
  readonly outlier: SyncPeerState | undefined
}

/**
 * The target height of a range sync: the highest announced head (SPEC §9). A head more than `outlier` blocks above the next lower one
 * counts only after its peer has delivered a block there, so that one peer cannot inflate the target.
 */
export function targetOf(book: SyncPeers, outlier: bigint, shown: (state: SyncPeerState, height: bigint) => boolean): Target {
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
