/** What the schedule that follows L1 refuses, for programs. */
export const SCHEDULE_ERROR_CODES = [
  /** An option out of its range or of a wrong form: `value` is it. */
  'bad_config',
  /** An endpoint gave no answer: unreachable, cut off, an HTTP status. `cause`: what its transport said. */
  'rpc_failed',
  /** An endpoint did not answer within its deadline: `value` is that, ms. */
  'rpc_timeout',
  /** An endpoint answered with an error of its own: `value` is its JSON-RPC code. */
  'rpc_refused',
  /** An endpoint's answer is of a wrong form, or contradicts what was asked: `value` is the method. */
  'bad_response',
  /** An endpoint has no such block, transaction or state: `value` names it. */
  'not_there',
  /** Fewer endpoints than `--l1.quorum` gave the same answer: `value` is how many are needed. */
  'no_quorum',
  /** The inbox is none, or names a proposer checker of no known kind: `value` is its address. */
  'unknown_contract',
  /** L1's chain differs too deep from what was followed: it is read anew. `value`: blocks. */
  'deep_reorg',
] as const

export type ScheduleErrorCode = typeof SCHEDULE_ERROR_CODES[number]

/** Every failure of this room. `value` is what was offending. */
export class ScheduleError extends Error {
  override readonly name = 'ScheduleError'
  constructor(readonly code: ScheduleErrorCode, message: string, readonly value?: unknown, options?: ErrorOptions) {
    super(message, options)
  }
}
