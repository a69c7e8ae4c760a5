import { holderOf } from './ip.js'
import type { Ip } from './ip.js'

export interface VoteRules {
  /** Networks that must name the same address and port. */
  readonly voters: number
  /** Their part of all networks that have voted lately; more than half. */
  readonly share: number
  /** How long a vote counts, in milliseconds. */
  readonly forMs: number
}

export interface Endpoint { readonly ip: Ip; readonly port: number }
interface Vote { readonly endpoint: Endpoint; readonly at: number }

/** Networks whose votes are kept; the oldest gives way. */
const MAX_VOTES = 200

/**
 * Where others see us, from the PONGs that answer our own PINGs. discv5's own count (`enrUpdate`) takes ten node ids for ten voters, and
 * one machine can have any number of those; so here a voter is a network (/24, /48) that has answered from there, each has one vote, and
 * an address wins only with `voters` networks and `share` of all that voted within `forMs`. Whoever wants to move our address must
 * therefore hold that many networks, and twice as many as the honest ones (at a share of two thirds) among those that we asked.
 */
export class AddressVotes {
  readonly #votes = new Map<string, Vote>()

  constructor(private readonly rules: VoteRules) {}

  /** Takes a vote; gives the address that it makes win. */
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

  /** Whether this network has voted lately. */
  has(voter: Ip, now: number): boolean {
    const vote = this.#votes.get(holderOf(voter))
    return vote !== undefined && now - vote.at < this.rules.forMs
  }
}

function nameOf({ ip, port }: Endpoint): string { return `${ip.text} ${port}` }
