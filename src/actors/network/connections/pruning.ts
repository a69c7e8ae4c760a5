import type { PeerKey } from '../../../protocol/peer-key.js'
import type { ConnectionLimits } from '../config.js'
import { softLimit } from './gater.js'

/** A connected peer, as the choice needs it. */
export interface PruneCandidate {
  readonly peer: PeerKey
  /** Its connections, by who opened them. */
  readonly inbound: number
  readonly outbound: number
  /** How long it has been connected, in milliseconds. */
  readonly forMs: number
  /** The lower of its reputation and gossipsub's score. */
  readonly score: number
  /** In one of our meshes. */
  readonly inMesh: boolean
  /** Protected, static, or being hung up already. */
  readonly exempt: boolean
}

/** Peers pruned at once, as a part of the limit: a house full of strangers is not emptied in one go. */
const SHARE_AT_ONCE = 0.05

/**
 * Whom to hang up on, the least reputable first (SPEC §8). Up to the limits everybody may come; above 90 % of a limit those make room of
 * whom we have nothing: with a score below zero, or, after a minute's grace, of no score and in no mesh. So there is nearly
 * always room for a newcomer, who has that minute to be of use; where all are of use nobody is pruned, and at the limit the gate refuses.
 *
 * Among equals the latest goes: who comes in numbers displaces its own kind, never those that were there before. Whoever was pruned is
 * not let in again for ten minutes while there is little room (`pruned_recently`): no churn.
 */
export function choosePruned(peers: readonly PruneCandidate[], limits: ConnectionLimits): PeerKey[] {
  const prunable = peers.filter(each => !each.exempt && (each.score < 0 || (each.score === 0 && !each.inMesh && each.forMs >= limits.pruneAfterMs)))
    .sort((a, b) => a.score - b.score || Number(a.inMesh) - Number(b.inMesh) || a.forMs - b.forMs)
  const counts = { inbound: 0, outbound: 0 }
  for (const { inbound, outbound } of peers) { counts.inbound += inbound; counts.outbound += outbound }
  const isOver = ({ inbound, outbound }: PruneCandidate): boolean => counts.inbound + counts.outbound > softLimit(limits.total, limits)
    || (inbound > 0 && counts.inbound > softLimit(limits.inbound, limits)) || (outbound > 0 && counts.outbound > softLimit(limits.outbound, limits))
  const chosen: PeerKey[] = []
  const atOnce = Math.max(1, Math.floor(limits.total * SHARE_AT_ONCE))
  for (const each of prunable) {
    if (chosen.length >= atOnce) break
    if (!isOver(each)) continue
    chosen.push(each.peer)
    counts.inbound -= each.inbound
    counts.outbound -= each.outbound
  }
  return chosen
}
