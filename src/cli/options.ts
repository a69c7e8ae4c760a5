/** Option values of the command line, read and checked. */
import { InvalidArgumentError } from 'commander'

/** A combination of options that cannot be. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** For an option that may be given more than once. */
export const collect = (value: string, previous: readonly string[]): readonly string[] => [...previous, value]

export function bigintOption(text: string): bigint {
  if (!/^\d{1,78}$/.test(text)) throw new InvalidArgumentError('a whole number')
  return BigInt(text)
}

/** A parser for a number within bounds. */
export const numberOption = (min: number, max: number) => (text: string): number => {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value) || value < min || value > max) throw new InvalidArgumentError(`a number from ${min} to ${max}`)
  return value
}
