import type { PeerKey } from '../../../protocol/peer-key.js'
import type { ConnectionLimits } from '../config.js'
import { softLimit } from './gater.js'

/** What pruning looks at in a connected peer. */
export interface PruneCandidate {
  readonly peer: PeerKey
  /** Number of connections that the peer opened. */
  readonly inbound: number
  /** Number of connections that we opened. */
  readonly outbound: number
  /** How long it has been connected, in milliseconds. */
  readonly forMs: number
  /** The lower of its reputation and gossipsub's score. */
  readonly score: number
  /** Whether it is in one of our meshes. */
  readonly inMesh: boolean
  /** Never pruned: protected, static, or already being disconnected. */
  readonly exempt: boolean
}

/** Maximum share of the connection limit that is pruned per sweep. */
const SHARE_AT_ONCE = 0.05

/**
 * Chooses the peers to disconnect, the lowest score first (SPEC §8). Pruning starts above `softShare` of a connection limit, and takes only
 * peers with a negative score, and peers that after `pruneAfterMs` still have score zero and are in no mesh. This leaves room for new peers, and
 * gives each of them `pruneAfterMs` to become useful. If every peer is useful none is pruned, and the gater refuses new ones at the limit.
 *
 * Among peers of equal score the one that connected last is pruned: a crowd of new identities displaces itself, not older peers. Above the soft
 * limit the gater refuses a pruned peer for `prunedMs` (`pruned_recently`), which prevents churn.
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
