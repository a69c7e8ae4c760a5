import type { Case } from './cases.js'
import { ChainError } from './errors.js'
import type { Ruled } from './rules.js'
import * as rows from './verdict.js'
import type { Refusal } from './verdict.js'

/** What is said of a commitment that has waited for too long: nobody's fault. */
export function tooLate({ waits, commitment }: Case, latest: bigint): Refusal {
  switch (waits) {
    case 'rules': return rows.RULES_FAILED
    case 'ledger': return rows.NOT_RECORDED
    case 'recall': return rows.STORE_UNAVAILABLE
    default: return commitment.window > latest ? rows.BEYOND_HORIZON : rows.SCHEDULE_UNKNOWN
  }
}

/** What the application's rules said against it; where they failed, nobody's fault. */
export function refusalByRules(ruled: Ruled): Refusal {
  if (!('answer' in ruled) || ruled.answer === 'accept') return rows.RULES_FAILED
  const { verdict, reason } = ruled.answer
  return verdict === 'reject' ? rows.authorsFault(`rules: ${reason}`) : { verdict, reason: `rules: ${reason}`, penalty: false }
}

const BY_CODE: { readonly [code: string]: Refusal | undefined } = {
  conflicting_commitment: rows.CONFLICTING, after_own_eop: rows.AFTER_OWN_EOP, eop_below_own_block: rows.EOP_BELOW_OWN, window_closed: rows.WINDOW_CLOSED,
}

/** Why our own must not be signed, as its asker hears it. */
export function errorOf({ reason }: Refusal, number: bigint): ChainError {
  if (reason === rows.NOT_RECORDED.reason) return new ChainError('not_recorded', 'what we sign could not be recorded', number)
  if (reason === rows.CONFLICTING.reason) return new ChainError('conflicting_commitment', `we signed another commitment for height ${number} of this window`, number)
  if (reason === rows.AFTER_OWN_EOP.reason) return new ChainError('after_own_eop', `we ended our turn in this window before height ${number}`, number)
  return new ChainError('refused', `our own rules refuse it: ${reason}`, reason)
}

/** Why our own must not leave. */
export function refusalByRecords(error: unknown): Refusal {
  return (error instanceof ChainError ? BY_CODE[error.code] : undefined) ?? rows.NOT_RECORDED
}
