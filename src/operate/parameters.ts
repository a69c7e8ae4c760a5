/** What methods take, as a table of checkers by name: every door reads a caller's fields through it. */
import { fromHex } from '../protocol/index.js'

export type CommandErrorCode =
  | 'bad_json' | 'bad_command' | 'unknown_command' | 'line_too_long' | 'missing_field' | 'bad_field'
  /** More streams of blocks than a session may have: `limit`. */
  | 'too_many_streams'
  /** No stream of this name is open. */
  | 'unknown_stream'

/** What a caller sent is no valid command. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  constructor(
    readonly code: CommandErrorCode,
    message: string,
    readonly value?: unknown,
    readonly limit?: number,
  ) {
    super(message)
  }
}

const SHOWN = 80

/** Reads one field. @throws CommandError `bad_field` */
export interface Checker<T> {
  (value: unknown, name: string): T
  readonly optional?: true
}
export type Parameters = Readonly<Record<string, Checker<unknown>>>
export type ValuesOf<P extends Parameters> = { readonly [K in keyof P]: P[K] extends Checker<infer T> ? T : never }

export const text: Checker<string> = (value, name) => {
  if (typeof value !== 'string') throw new CommandError('bad_field', `"${name}" is a string`, value)
  return value
}

/** Hex, upper or lower case, with or without `0x`. */
export const bytes: Checker<Uint8Array> = (value, name) => {
  const given = text(value, name)
  try {
    return fromHex(given)
  } catch {
    throw new CommandError('bad_field', `"${name}" is hex`, given.slice(0, SHOWN))
  }
}

/** An integer: a decimal string, or a number that is exact. */
export const integer: Checker<bigint> = (value, name) => {
  if (typeof value === 'string' && /^\d{1,78}$/.test(value)) return BigInt(value)
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return BigInt(value)
  throw new CommandError('bad_field', `"${name}" is a whole number, as a decimal string`, value)
}

/** A count that fits a number. The API checks its range. */
export const count: Checker<number> = (value, name) => {
  const given = integer(value, name)
  if (given > BigInt(Number.MAX_SAFE_INTEGER)) throw new CommandError('bad_field', `"${name}" is a count`, given)
  return Number(given)
}

/** A height, or a cursor as the stream's events carry it: `1000:5f3a…:7:0c1d…`. */
export const heightOrCursor: Checker<bigint | string> = (value, name) =>
  typeof value === 'string' && value.includes(':') ? value : integer(value, name)

export const flag: Checker<boolean> = (value, name) => {
  if (typeof value !== 'boolean') throw new CommandError('bad_field', `"${name}" is true or false`, value)
  return value
}

/** May be left out; `null` counts as left out. */
export const optional = <T>(checker: Checker<T>): Checker<T | undefined> =>
  Object.assign((value: unknown, name: string) => (value ?? null) === null ? undefined : checker(value, name), { optional: true as const })

/** A caller's fields, checked. @throws CommandError `missing_field`, and `bad_field` also for one that the method does not take */
export function valuesOf<P extends Parameters>(parameters: P, given: Readonly<Record<string, unknown>>): ValuesOf<P> {
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(parameters, name)) continue
    const taken = Object.keys(parameters).join(', ')
    throw new CommandError('bad_field', `there is no field "${name.slice(0, SHOWN)}" here: ${taken === '' ? 'it takes none' : `it takes ${taken}`}`, name)
  }
  return Object.fromEntries(Object.entries(parameters).map(([name, checker]) => {
    const value = Object.hasOwn(given, name) ? given[name] ?? null : null
    if (value === null && checker.optional !== true) throw new CommandError('missing_field', `"${name}" is missing`)
    return [name, checker(value, name)]
  })) as ValuesOf<P>
}

/** Values by place, as JSON-RPC allows, by their names. @throws CommandError `bad_field` for too many */
export function byName(parameters: Parameters, values: readonly unknown[]): Readonly<Record<string, unknown>> {
  const names = Object.keys(parameters)
  if (values.length > names.length) throw new CommandError('bad_field', `it takes ${names.length} parameters at most`, values.length, names.length)
  return Object.fromEntries(values.map((value, at) => [names[at]!, value]))
}
