import type { Commitment } from './commitment.js'
import { refusalByRules } from './refusals.js'
import type { RuleQueue, Ruled } from './rules.js'
import type { ChainState } from './state.js'
import * as outcomes from './verdicts.js'

/** What the application's rules say of commitments that were accepted before they had seen the parent: asked again, with it. */
export class LateRules {
  readonly #asked = new Map<number, Commitment>()

  /** @param nextId shared with whatever else is asked of the rules */
  constructor(private readonly state: ChainState, private readonly rules: RuleQueue | undefined, private readonly nextId: () => number) {}

  get size(): number { return this.#asked.size }

  /** Whether the rules have seen enough of a commitment to adopt it; if not, they are asked, with its parent. */
  passed(commitment: Commitment): boolean {
    if (this.rules === undefined || commitment.ruled === 'with_parent') return true
    if (commitment.ruled === 'refused') return false
    const { memory, outside } = this.state
    const parent = memory.get(commitment.parentKey)
    if (parent === undefined && commitment.ruled === 'alone') return true
    for (const each of this.#asked.values()) if (each === commitment) return false
    const id = this.nextId()
    this.#asked.set(id, commitment)
    const ruled = this.rules.submit(id, commitment, parent, outside.monotonic())
    if (ruled === undefined) return false
    this.#asked.delete(id)
    if (ruled === 'full' || !accepts(ruled)) {
      this.#out(commitment, ruled === 'full' ? undefined : ruled)
      return false
    }
    commitment.ruled = 'with_parent'
    return true
  }

  /** Gives whether it was one of these that was asked about. */
  answered(ruled: Ruled): boolean {
    const commitment = this.#asked.get(ruled.id)
    if (commitment === undefined) return false
    this.#asked.delete(ruled.id)
    if (accepts(ruled)) {
      commitment.ruled = 'with_parent'
      this.state.canon.offerAgain(commitment)
    } else {
      this.#out(commitment, ruled)
    }
    return true
  }

  /**
   * With its parent before them the rules refuse what was accepted without: it goes, and may be fetched again. A rival stays known, or what is
   * built on it would seem to stand on a hand-over that nobody has.
   */
  #out(commitment: Commitment, ruled: Ruled | undefined): void {
    const { canon, memory, outside } = this.state
    if (memory.get(commitment.key) !== commitment || (commitment.standing !== 'pending' && !commitment.rival)) return
    if (!commitment.rival) canon.forget(commitment)
    else if (ruled !== undefined && 'answer' in ruled) commitment.ruled = 'refused'
    const { reason, verdict } = ruled === undefined ? outcomes.RULES_OVERLOADED : refusalByRules(ruled)
    outside.event({ type: 'rejected', topic: 'commitments', from: commitment.from, reason, verdict: verdict === 'reject' ? 'reject' : 'ignore' })
  }
}

const accepts = (ruled: Ruled): boolean => 'answer' in ruled && ruled.answer === 'accept'
