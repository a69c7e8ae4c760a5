import { SignedCommitmentCodec } from '../../protocol/index.js'
import type { SignedCommitment } from '../../protocol/index.js'
import type { Commitment } from './commitment.js'
import type { ChainConfig } from './config.js'
import { ChainError } from './errors.js'

/** What the application's rules look at: a commitment of the elected signer, and its parent where that is known. */
export interface RuleInput {
  readonly commitment: SignedCommitment
  /** `undefined` while it is not known: the rules are asked again when it is. */
  readonly parent: SignedCommitment | undefined
  /** Preconfirmation hash, 32 bytes. */
  readonly hash: Uint8Array
  /** Recovered address, 20 bytes. */
  readonly signer: Uint8Array
}

/** `reject` also costs its sender reputation. */
export type RuleAnswer = 'accept' | { readonly verdict: 'reject' | 'ignore'; readonly reason: string }

/**
 * The application's hook for chain rules (SPEC §6: timestamp drift, gas limit, coinbase, prover, proposal). Asked only about what the
 * elected signer signed. What it throws, or does not answer in time, is Ignore and nobody's fault.
 */
export type ChainRules = (input: RuleInput, options: { readonly signal: AbortSignal }) => RuleAnswer | Promise<RuleAnswer>

/** Asks the application: an answer at once, or `undefined` where it comes later. */
export interface RuleAsks {
  ask(id: number, input: RuleInput): RuleAnswer | undefined
  abandon(id: number): void
}

export type Ruled = { readonly id: number; readonly answer: RuleAnswer } | { readonly id: number; readonly error: unknown }

interface Question { readonly commitment: Commitment; readonly parent: Commitment | undefined; since: number | undefined }

/** Questions to the application's rules: some under way, each with a deadline, and a bounded queue behind them. */
export class RuleQueue {
  readonly #questions = new Map<number, Question>()
  #underWay = 0

  constructor(private readonly asks: RuleAsks, private readonly config: Pick<ChainConfig, 'rulesDeadline' | 'rulesConcurrent' | 'rulesQueue'>) {}

  get size(): number { return this.#questions.size }

  /** @returns the answer where it came at once, `full` where there is no room, else `undefined` */
  submit(id: number, commitment: Commitment, parent: Commitment | undefined, now: number): Ruled | 'full' | undefined {
    if (this.#questions.size - this.#underWay >= this.config.rulesQueue) return 'full'
    this.#questions.set(id, { commitment, parent, since: undefined })
    return this.#underWay < this.config.rulesConcurrent ? this.#start(id, now) : undefined
  }

  /** @returns what came of it, `undefined` where nobody waits for it any more */
  answered(id: number, answer: unknown): Ruled | undefined {
    if (!this.#finish(id)) return undefined
    if (isAnswer(answer)) return { id, answer }
    return { id, error: new ChainError('bad_rule_answer', 'the rules answer `accept` or { verdict, reason }') }
  }

  failed(id: number, error: unknown): Ruled | undefined {
    return this.#finish(id) ? { id, error } : undefined
  }

  /** Nobody waits for it any more. */
  drop(id: number): void {
    if (this.#questions.get(id)?.since !== undefined) this.asks.abandon(id)
    this.#finish(id)
  }

  /** Time has passed: gives up what is over its deadline, starts what had no room. */
  tick(now: number): Ruled[] {
    const ruled: Ruled[] = []
    for (const [id, { since }] of this.#questions) {
      if (since === undefined || now - since < this.config.rulesDeadline) continue
      this.asks.abandon(id)
      this.#finish(id)
      ruled.push({ id, error: new ChainError('rules_timeout', `the rules did not answer within ${this.config.rulesDeadline} ms`, this.config.rulesDeadline) })
    }
    for (const [id, { since }] of this.#questions) {
      if (this.#underWay >= this.config.rulesConcurrent) break
      if (since !== undefined) continue
      const outcome = this.#start(id, now)
      if (outcome !== undefined) ruled.push(outcome)
    }
    return ruled
  }

  #start(id: number, now: number): Ruled | undefined {
    const question = this.#questions.get(id)!
    question.since = now
    this.#underWay++
    const { commitment, parent } = question
    let answer: RuleAnswer | undefined
    try {
      answer = this.asks.ask(id, {
        commitment: SignedCommitmentCodec.decode(commitment.ssz),
        parent: parent === undefined ? undefined : SignedCommitmentCodec.decode(parent.ssz),
        hash: commitment.hash.slice(),
        signer: commitment.signer.slice(),
      })
    } catch (error) {
      return this.failed(id, error)
    }
    return answer === undefined ? undefined : this.answered(id, answer)
  }

  #finish(id: number): boolean {
    const question = this.#questions.get(id)
    if (question === undefined) return false
    if (question.since !== undefined) this.#underWay--
    this.#questions.delete(id)
    return true
  }
}

function isAnswer(answer: unknown): answer is RuleAnswer {
  if (answer === 'accept') return true
  const { verdict, reason } = (typeof answer === 'object' && answer !== null ? answer : {}) as { verdict?: unknown; reason?: unknown }
  return (verdict === 'reject' || verdict === 'ignore') && typeof reason === 'string'
}
