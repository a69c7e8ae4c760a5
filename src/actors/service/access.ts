import type { PeerKey } from '../../protocol/peer-key.js'
import type { Ban, PeerLists, Reputation, Rule, Standing } from '../reputation/ingress.js'

/** Deadline for the reputation actor's answer, including the write to disk, in milliseconds. */
const WITHIN = 10_000

/**
 * Bans, and the operator's lists of peers (SPEC §8). A change applies at once, and is on disk when its promise resolves; without a data directory
 * it is kept in memory only. Changes survive restarts, except that entries of the configuration return at the next start.
 */
export class Access {
  readonly #reputation: Reputation
  readonly #ensureRunning: () => void

  constructor(reputation: Reputation, ensureRunning: () => void) {
    this.#reputation = reputation
    this.#ensureRunning = ensureRunning
  }

  /** Adds a peer, an IP address or a subnet (CIDR) to the block list, and disconnects the peers that it matches. @throws ReputationError `bad_rule` */
  async block(rule: Rule): Promise<void> {
    this.#ensureRunning()
    return this.#reputation.block(rule, WITHIN)
  }

  /** Removes a rule from the block list. Resolves to whether there was one. @throws ReputationError `bad_rule` */
  async unblock(rule: Rule): Promise<boolean> {
    this.#ensureRunning()
    return this.#reputation.unblock(rule, WITHIN)
  }

  /** Protects a peer: it is neither banned nor disconnected for its score, and has no redial limit. Static peers are always protected. */
  async protect(peer: PeerKey): Promise<void> {
    this.#ensureRunning()
    return this.#reputation.protect(peer, WITHIN)
  }

  async unprotect(peer: PeerKey): Promise<boolean> {
    this.#ensureRunning()
    return this.#reputation.unprotect(peer, WITHIN)
  }

  /** The block list, the protected peers, and the allow list. */
  async lists(): Promise<PeerLists> {
    return this.#reputation.lists(WITHIN)
  }

  /** Bans a peer: it is disconnected, and neither dialled nor accepted for `forMs` milliseconds; 1 h if left out. */
  async ban(peer: PeerKey, { forMs, reason = 'operator' }: { readonly forMs?: number; readonly reason?: string } = {}): Promise<Ban> {
    this.#ensureRunning()
    return this.#reputation.ban(peer, forMs, reason, WITHIN)
  }

  /** Lifts a ban, and resets the peer's score to 0. Resolves to whether there was a ban. */
  async liftBan(peer: PeerKey): Promise<boolean> {
    this.#ensureRunning()
    return this.#reputation.lift(peer, WITHIN)
  }

  async bans(): Promise<readonly Ban[]> {
    return this.#reputation.bans(WITHIN)
  }

  /** The reputation, protection and ban of a peer. */
  async standing(peer: PeerKey): Promise<Standing> {
    return this.#reputation.standing(peer, WITHIN)
  }

  /** All peers that have a score or a ban, the lowest reputation first. */
  async standings(): Promise<readonly Standing[]> {
    return this.#reputation.standings(WITHIN)
  }
}
