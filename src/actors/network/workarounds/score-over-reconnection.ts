import type { GossipsubInternals, PeerStats } from '../gossip/gossipsub-internals.js'

/**
 * Fault: gossipsub 17.1.1 keeps the score of a peer that has left, and throws it away when the peer comes back: `addPeer` starts from
 * nothing. Whoever is graylisted reconnects and is heard again (SPEC §5: scores are kept for 3,600 s; §8: a score survives reconnection).
 * Remedy: what was kept is put back.
 *
 * And since peers that did no wrong are kept for an hour too, rotating identities fill that memory: those are forgotten at once.
 * Goes when the library puts scores back itself: the test reconnects a penalised peer with and without it.
 */
export { GOSSIPSUB_VERSION } from './forward-to-author.js'

/** Penalised peers that have left, kept at most; who expires first goes first. */
export const MAX_KEPT = 10_000

/** Installs the remedy on one instance. */
export function keepScores({ score }: GossipsubInternals): void {
  const addPeer = score.addPeer.bind(score)
  score.addPeer = peer => {
    const kept = score.peerStats.get(peer)
    addPeer(peer)
    const fresh = score.peerStats.get(peer)
    if (kept === undefined || kept === fresh || fresh === undefined || kept.connected) return
    score.scoreCache.delete(peer)
    fresh.topics = kept.topics
    fresh.behaviourPenalty = kept.behaviourPenalty
    for (const ip of kept.knownIPs) fresh.knownIPs.add(ip)
  }
}

/** To be called now and then: forgets those of the departed of whom nothing bad is known, and what is too much. */
export function forgetDeparted({ score }: GossipsubInternals, max = MAX_KEPT): void {
  const blamed: Array<[string, PeerStats]> = []
  for (const entry of score.peerStats) {
    const [peer, stats] = entry
    if (stats.connected) continue
    if (isBlameless(stats)) forget(score, peer, stats)
    else blamed.push(entry)
  }
  if (blamed.length <= max) return
  blamed.sort(([, a], [, b]) => a.expire - b.expire)
  for (const [peer, stats] of blamed.slice(0, blamed.length - max)) forget(score, peer, stats)
}

/** Forgets what a peer did wrong: its ban is over (SPEC §8). */
export function forgetScore({ score }: GossipsubInternals, peer: string): void {
  const stats = score.peerStats.get(peer)
  if (stats === undefined) return
  if (!stats.connected) { forget(score, peer, stats); return }
  stats.behaviourPenalty = 0
  for (const topic of Object.values(stats.topics)) { topic.invalidMessageDeliveries = 0; topic.meshFailurePenalty = 0 }
  score.scoreCache.delete(peer)
}

function isBlameless({ behaviourPenalty, topics }: PeerStats): boolean {
  return behaviourPenalty === 0
    && Object.values(topics).every(({ invalidMessageDeliveries, meshFailurePenalty }) => invalidMessageDeliveries === 0 && meshFailurePenalty === 0)
}

function forget(score: GossipsubInternals['score'], peer: string, { knownIPs }: PeerStats): void {
  for (const ip of [...knownIPs]) score.removeIP(peer, ip)
  score.peerStats.delete(peer)
  score.scoreCache.delete(peer)
}
