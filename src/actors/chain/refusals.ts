import type { PendingCommitment } from './pending-commitment.js'
import { ChainError } from './errors.js'
import type { Ruled } from './rules.js'
import * as outcomes from './verdicts.js'
import type { Outcome } from './verdicts.js'

/** The outcome of a commitment that has waited for too long: nobody's fault. */
export function tooLate({ waits, commitment }: PendingCommitment, latest: bigint): Outcome {
  switch (waits) {
    case 'rules': return outcomes.RULES_FAILED
    case 'ledger': return outcomes.NOT_RECORDED
    case 'recall': return outcomes.STORE_UNAVAILABLE
    default: return commitment.window > latest ? outcomes.BEYOND_HORIZON : outcomes.SCHEDULE_UNKNOWN
  }
}

/** The refusal by the application's rules; if the rules failed, it is nobody's fault. */
export function refusalByRules(ruled: Ruled): Outcome {
  if (!('answer' in ruled) || ruled.answer === 'accept') return outcomes.RULES_FAILED
  const { verdict, reason } = ruled.answer
  return verdict === 'reject' ? outcomes.authorsFault(`rules: ${reason}`) : { verdict, reason: `rules: ${reason}`, penalty: false }
}

const BY_CODE: { readonly [code: string]: Outcome | undefined } = {
  conflicting_commitment: outcomes.CONFLICTING, after_own_eop: outcomes.AFTER_OWN_EOP, eop_below_own_block: outcomes.EOP_BELOW_OWN, window_closed: outcomes.WINDOW_CLOSED,
}

/** The error for the caller whose commitment must not be signed. */
export function errorOf({ reason }: Outcome, number: bigint): ChainError {
  if (reason === outcomes.NOT_RECORDED.reason) return new ChainError('not_recorded', 'what we sign could not be recorded', number)
  if (reason === outcomes.CONFLICTING.reason) return new ChainError('conflicting_commitment', `we signed another commitment for height ${number} of this window`, number)
  if (reason === outcomes.AFTER_OWN_EOP.reason) return new ChainError('after_own_eop', `we ended our turn in this window before height ${number}`, number)
  return new ChainError('refused', `our own rules refuse it: ${reason}`, reason)
}

/** The outcome for our own commitment that must not be sent. */
export function refusalByRecords(error: unknown): Outcome {
  return (error instanceof ChainError ? BY_CODE[error.code] : undefined) ?? outcomes.NOT_RECORDED
}
