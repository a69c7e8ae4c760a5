import { holderOf } from './ip.js'
import type { Ip } from './ip.js'

export interface VoteRules {
  /** Minimum number of networks that must vote for the same address and port. */
  readonly voters: number
  /** Minimum share of all networks that voted within `forMs`; above 0.5. */
  readonly share: number
  /** How long a vote counts, in milliseconds. */
  readonly forMs: number
}

export interface Endpoint { readonly ip: Ip; readonly port: number }
interface Vote { readonly endpoint: Endpoint; readonly at: number }

/** Maximum number of networks whose votes are kept; the oldest is evicted. */
const MAX_VOTES = 200

/**
 * Determines our external address from the PONGs to our PINGs. discv5's own count (`enrUpdate`) gives every node id a vote, and one machine can
 * have any number of them. Here each network (/24, /48) has one vote, and an address wins with at least `voters` networks and `share` of all
 * that voted within `forMs`. With a share of two thirds an attacker needs twice as many networks as the honest nodes that we pinged.
 */
export class AddressVotes {
  readonly #votes = new Map<string, Vote>()

  constructor(private readonly rules: VoteRules) {}

  /** Counts a vote. Returns the address that wins by it, if one does. */
  add(voter: Ip, endpoint: Endpoint, now: number): Endpoint | undefined {
    const voting = holderOf(voter)
    this.#votes.delete(voting)
    this.#votes.set(voting, { endpoint, at: now })
    let all = 0
    let same = 0
    for (const [holder, vote] of this.#votes) {
      if (this.#votes.size > MAX_VOTES) { this.#votes.delete(holder); continue }
      if (now - vote.at >= this.rules.forMs) { this.#votes.delete(holder); continue }
      all++
      if (nameOf(vote.endpoint) === nameOf(endpoint)) same++
    }
    return same >= this.rules.voters && same >= this.rules.share * all ? endpoint : undefined
  }

  /** Whether this network has voted within `forMs`. */
  has(voter: Ip, now: number): boolean {
    const vote = this.#votes.get(holderOf(voter))
    return vote !== undefined && now - vote.at < this.rules.forMs
  }
}

function nameOf({ ip, port }: Endpoint): string { return `${ip.text} ${port}` }
