import type { PeerKey } from '../../protocol/peer-key.js'
import type { Ban, PeerLists, Reputation, Rule, Standing } from '../reputation/ingress.js'

/** How long the reputation's owner may take to answer, and the disk with it, ms. */
const WITHIN = 10_000

/**
 * Who may talk to us (SPEC §8): bans, and the operator's lists. What is changed here holds at once and is durable when the promise
 * resolves (in memory where the node has no data directory).
 */
export class Access {
  readonly #reputation: Reputation
  readonly #ensureRunning: () => void

  constructor(reputation: Reputation, ensureRunning: () => void) {
    this.#reputation = reputation
    this.#ensureRunning = ensureRunning
  }

  /** Refuses a peer, an IP address or a subnet (CIDR) both ways, and hangs up on who is connected. @throws ReputationError `bad_rule` */
  async block(rule: Rule): Promise<void> {
    this.#ensureRunning()
    return this.#reputation.block(rule, WITHIN)
  }

  /** Takes a rule back; tells whether there was one. @throws ReputationError `bad_rule` */
  async unblock(rule: Rule): Promise<boolean> {
    this.#ensureRunning()
    return this.#reputation.unblock(rule, WITHIN)
  }

  /** From now on the peer is neither banned nor let go for its score, and may be redialled at any rate. Static peers are by themselves. */
  async protect(peer: PeerKey): Promise<void> {
    this.#ensureRunning()
    return this.#reputation.protect(peer, WITHIN)
  }

  async unprotect(peer: PeerKey): Promise<boolean> {
    this.#ensureRunning()
    return this.#reputation.unprotect(peer, WITHIN)
  }

  /** Block list, protected peers, allow list. */
  async lists(): Promise<PeerLists> {
    return this.#reputation.lists(WITHIN)
  }

  /** Disconnects a peer and refuses it both ways for a time, 1 h where none is given. */
  async ban(peer: PeerKey, { forMs, reason = 'operator' }: { readonly forMs?: number; readonly reason?: string } = {}): Promise<Ban> {
    this.#ensureRunning()
    return this.#reputation.ban(peer, forMs, reason, WITHIN)
  }

  /** Ends a ban; the peer starts anew. Tells whether there was one. */
  async liftBan(peer: PeerKey): Promise<boolean> {
    this.#ensureRunning()
    return this.#reputation.lift(peer, WITHIN)
  }

  async bans(): Promise<readonly Ban[]> {
    return this.#reputation.bans(WITHIN)
  }

  /** How a peer stands with us. */
  async standing(peer: PeerKey): Promise<Standing> {
    return this.#reputation.standing(peer, WITHIN)
  }

  /** All peers of whom anything is kept, the worst first. */
  async standings(): Promise<readonly Standing[]> {
    return this.#reputation.standings(WITHIN)
  }
}
