/** What chain refuses, for programs. */
export type ChainErrorCode =
  /** `confirm`: below the confirmed tip that is known already. `value`: the height given, `limit`: the present one. */
  | 'tip_below_present'
  /** `rewind`: below the confirmed tip, which is settled. `value`, `limit`: heights. */
  | 'below_confirmed_tip'
  /** `rewind`: below the first block that this chain began with (SPEC §7, Anchor). `value`, `limit`: heights. */
  | 'below_anchor'
  /** `reinstate`: no commitment of this hash is known, or it is none that could be made canonical. `value`: the hash in hex. */
  | 'unknown_block'
  /** `reinstate`: its parent is not on the canonical chain. Name that one first. `value`: the hash in hex. */
  | 'not_linked'
  /** An argument of a wrong form. */
  | 'invalid_value'
  /** A height above 2^64 − 2 (SPEC §6). `value`: the height, `limit`: the highest. */
  | 'height_out_of_range'
  /** Another decision of the application, which has to read the store, is under way. */
  | 'busy'
  /** Slashing protection: we signed another one for this window and height. `value`: the height. */
  | 'conflicting_commitment'
  /** Slashing protection: we ended our turn in this window before this height. `value`: the height. */
  | 'after_own_eop'
  /** Slashing protection: in this window we signed a block above this end of our turn. `value`: the height. */
  | 'eop_below_own_block'
  /** Slashing protection: it could not be recorded, so it must not be signed. `cause`: the store's error. */
  | 'not_recorded'
  /** Slashing protection: records of this window are pruned, or may be lost. `value`: its end, `limit`: the last one for which nothing is signed. */
  | 'window_closed'
  /** What was to be signed is refused by what applies to it as it would be when signed. `value`: the reason in the words of SPEC §6. */
  | 'refused'
  /** A schedule's entry of a wrong form. `value`: the entry. */
  | 'bad_schedule'
  /** The schedule's file cannot be read. `value`: its path. */
  | 'schedule_unreadable'
  /** The resolver answered with something that is no answer. */
  | 'bad_schedule_answer'
  /** The resolver did not answer within its deadline. `value`: milliseconds. */
  | 'schedule_timeout'
  /** The application's rules did not answer within their deadline. `value`: milliseconds. */
  | 'rules_timeout'
  /** The application's rules answered with something that is no answer. */
  | 'bad_rule_answer'

/** An error of the chain room. `value` is what was offending, `limit` the bound that it broke, where there is one. */
export class ChainError extends Error {
  override readonly name = 'ChainError'
  constructor(readonly code: ChainErrorCode, message: string, readonly value?: unknown, readonly limit?: unknown, options?: ErrorOptions) {
    super(message, options)
  }
}
