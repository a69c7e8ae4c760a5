/** How a command fails: exit codes, and one line. */
import { codeOf, isErrorLike } from '../protocol/thrown.js'

/** Exit codes beside 0 (stopped cleanly, as asked). */
export const FAILED = 1
export const WRONG_OPTIONS = 2

/** Options that are wrong, contradict each other, or lack one. @param code the library's, where it has found it out */
export class UsageError extends Error {
  override readonly name = 'UsageError'
  constructor(message: string, readonly code?: string, readonly exitCode: number = WRONG_OPTIONS) { super(message) }
}

/** The reason of the signal that ends a command: the first SIGINT or SIGTERM. `exitCode` is the shell's for it. */
export class StoppedBySignal extends Error {
  override readonly name = 'StoppedBySignal'
  readonly exitCode: number
  constructor(readonly signal: 'SIGINT' | 'SIGTERM') {
    super(`stopped by ${signal}`)
    this.exitCode = signal === 'SIGINT' ? 130 : 143
  }
}

/** Error codes of the library that only wrong options can cause. */
const OPTION_CODES: ReadonlySet<unknown> = new Set([
  'bad_config',
  'bad_address',
  'peer_id_missing',
  'bad_rule',
  'bad_peer',
  'bad_bootnode',
  'bootnode_other_chain',
  'too_many_rules',
  'bad_schedule',
  'schedule_unreadable',
  'invalid_domain',
  'invalid_chain_id',
  'invalid_hex',
  'invalid_length',
])

/** The exit code for what a command failed with. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError || error instanceof StoppedBySignal) return error.exitCode
  return OPTION_CODES.has(codeOf(error)) ? WRONG_OPTIONS : FAILED
}

/** One line for a failure: its message, the offending value, and its code. */
export function describeFailure(error: unknown): string {
  if (!isErrorLike(error)) return String(error)
  const { code, value } = error as Error & { code?: unknown; value?: unknown }
  const shown =
    (typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint') &&
    !error.message.includes(String(value))
      ? `: ${value}`
      : ''
  return `${error.message}${shown}${typeof code === 'string' ? ` (${code})` : ''}`
}
