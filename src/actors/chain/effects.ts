import type { Feedback } from '../kernel/index.js'
import type { Answers, ChainEvent, Gaps, Judged, Outcomes, ScheduleChanges, Verdicts } from './ports.js'
import type { LookUps } from './schedule-cache.js'
import type { RuleAsks } from './rules.js'
import type { WriteBatch } from '../store/ingress.js'

/** The ports that chain sends to. */
export interface ChainPorts {
  readonly verdicts: Verdicts
  readonly scheduleChanges?: ScheduleChanges | undefined
  readonly answers: Answers
  readonly outcomes: Outcomes
  readonly gaps: Gaps
  /** To sync: what came of its pages and txlists. */
  readonly judged: Judged
  /** To the publisher: what came of our own. */
  readonly ownJudged: Judged
}

/** The effects of the chain core: what it sends and asks. Nothing is awaited: answers come back through methods of the core. */
export interface ChainEffects extends ChainPorts {
  readonly lookUps: LookUps
  /** `undefined` where the application has no rules of its own. */
  readonly rules: RuleAsks | undefined
  event(event: ChainEvent): void
  /** `after`: the write before it, where that is not acknowledged. */
  write(sequence: number, after: number | undefined, batch: WriteBatch): Feedback
  /** Asks the store what was signed in a window; comes back as `signedKnown`. */
  readSigned(signer: Uint8Array, window: bigint): void
  /** Asks the store what it knows of a hash; comes back as `recalled`. */
  recall(id: number, hash: Uint8Array): void
  /** Time that only moves forward, and wall time; ms. */
  monotonic(): number
  wall(): number
}
