import type { PeerStanding } from '../../reputation/ingress.js'
import type { GossipsubInternals } from '../gossip/gossipsub-internals.js'

/**
 * Fault: gossipsub 17.1.1 keeps a peer's score for a heartbeat, the application's part included, whatever the application says meanwhile.
 * Remedy: what is kept is dropped when the application's part has changed.
 *
 * And what SPEC §8 asks of a greylisted peer: whatever it has earned by gossip, its score is at most its reputation, so it is below zero, which
 * takes it out of our meshes at the next heartbeat and lets it be grafted by nobody.
 * Goes when the library asks for the application's part each time: the test changes it and reads the score at once.
 */
export { GOSSIPSUB_VERSION } from './forward-to-author.js'

/** Installs the remedy on one instance. */
export function liveScores({ score }: GossipsubInternals, standing: Pick<PeerStanding, 'appScore' | 'greylisted'>): void {
  const scoreOf = score.score.bind(score)
  score.score = peer => {
    const reputation = standing.appScore(peer)
    const kept = score.scoreCache.get(peer)
    if (kept !== undefined && kept.reputation !== reputation) score.scoreCache.delete(peer)
    const earned = scoreOf(peer)
    const entry = score.scoreCache.get(peer)
    if (entry !== undefined) entry.reputation = reputation
    return standing.greylisted(peer) ? Math.min(earned, reputation) : earned
  }
}
