/** Option values of the command line, parsed and checked, and exit codes. */
import { InvalidArgumentError } from 'commander'
import { codeOf, isErrorLike } from '../protocol/thrown.js'

/** Exit codes beside 0 (stopped cleanly, as asked). */
export const FAILED = 1
export const WRONG_OPTIONS = 2

/** Options that contradict each other, or lack one. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
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

/** For an option that may be given more than once. */
export const collect = (value: string, previous: readonly string[] = []): readonly string[] => [...previous, value]

/** As `collect`, for one of the given names. */
export const collectOf = (choices: readonly string[]) => (value: string, previous: readonly string[] = []): readonly string[] => {
  if (!choices.includes(value)) throw new InvalidArgumentError(`It is one of ${choices.join(', ')}.`)
  return [...previous, value]
}

export function bigintOption(text: string): bigint {
  if (!/^\d{1,78}$/.test(text)) throw new InvalidArgumentError('It is a whole number.')
  return BigInt(text)
}

/** A parser for a number within bounds. */
export const numberOption = (min: number, max: number) => (text: string): number => {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value) || value < min || value > max)
    throw new InvalidArgumentError(`It is a number from ${min} to ${max}.`)
  return value
}

/** As `numberOption`, without a fraction. */
export const wholeNumberOption = (min: number, max: number) => (text: string): number => {
  const value = numberOption(min, max)(text)
  if (!Number.isInteger(value)) throw new InvalidArgumentError(`It is a whole number from ${min} to ${max}.`)
  return value
}

/** Error codes of the library that only wrong options can cause. */
const OPTION_CODES: ReadonlySet<unknown> = new Set([
  'bad_config',
  'bad_address',
  'peer_id_missing',
  'bad_rule',
  'bad_peer',
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
  if (error instanceof UsageError) return WRONG_OPTIONS
  if (error instanceof StoppedBySignal) return error.exitCode
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
