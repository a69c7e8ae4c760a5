/** One line of input of `run --stdio`, parsed into its command and its fields (docs/stdio.md). */
import { fromHex } from '../protocol/index.js'
import type { Json } from './json.js'

export type CommandErrorCode =
  | 'bad_json' | 'bad_command' | 'unknown_command' | 'line_too_long' | 'missing_field' | 'bad_field'
  /** More streams of blocks than a session may have: `limit`. */
  | 'too_many_streams'
  /** No stream of this name is open. */
  | 'unknown_stream'

/** A line of input that is no valid command. */
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

/** One line of input, as JSON. */
export interface CommandLine { readonly cmd: string; readonly fields: Readonly<Record<string, unknown>> }

/** An `id` is sent back as it came. Its JSON has at most this many characters. */
const MAX_ID = 1_000
const SHOWN = 80

/** The object of one line. @throws CommandError `bad_json`, `bad_command` */
export function parseLine(line: string): Readonly<Record<string, unknown>> {
  let parsed: unknown
  try {
    parsed = JSON.parse(line)
  } catch {
    throw new CommandError('bad_json', 'the line is not JSON', line.slice(0, SHOWN))
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    throw new CommandError('bad_command', 'a command is an object', line.slice(0, SHOWN))
  return parsed as Record<string, unknown>
}

/** The caller's own name for a command, null where it gave none. @throws CommandError `bad_command` */
export function idOf(fields: Readonly<Record<string, unknown>>): Json {
  const id = fields['id'] as Json | undefined
  if (id === undefined) return null
  if (textLength(id) > MAX_ID) throw new CommandError('bad_command', `"id" has at most ${MAX_ID} characters of JSON`)
  return id
}

/** @throws CommandError `bad_command` */
export function commandOf(fields: Readonly<Record<string, unknown>>): CommandLine {
  const cmd = fields['cmd']
  if (typeof cmd !== 'string') throw new CommandError('bad_command', 'a command names itself in "cmd", a string')
  return { cmd, fields }
}

/** A command's fields, read one by one with a typed error for what is missing or wrong. `null` counts as missing. */
export class Fields {
  constructor(private readonly fields: Readonly<Record<string, unknown>>) {}

  has(name: string): boolean { return Object.hasOwn(this.fields, name) && (this.fields[name] ?? null) !== null }

  /** Hex, upper or lower case, with or without `0x`. */
  bytes(name: string): Uint8Array {
    const text = this.text(name)
    try {
      return fromHex(text)
    } catch {
      throw new CommandError('bad_field', `"${name}" is hex`, text.slice(0, SHOWN))
    }
  }

  text(name: string): string {
    const value = this.#given(name)
    if (typeof value !== 'string') throw new CommandError('bad_field', `"${name}" is a string`, value)
    return value
  }

  optionalText(name: string): string | undefined { return this.has(name) ? this.text(name) : undefined }

  /** An integer: a decimal string, or a number that is exact. */
  integer(name: string): bigint {
    const value = this.#given(name)
    if (typeof value === 'string' && /^\d{1,78}$/.test(value)) return BigInt(value)
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return BigInt(value)
    throw new CommandError('bad_field', `"${name}" is a whole number, as a decimal string`, value)
  }

  /** A height, or a cursor as the stream's events carry it: `1000:5f3a…:7:0c1d…`. */
  heightOrCursor(name: string): bigint | string {
    const value = this.#given(name)
    return typeof value === 'string' && value.includes(':') ? value : this.integer(name)
  }

  optionalFlag(name: string): boolean {
    const value = this.has(name) ? this.fields[name] : false
    if (typeof value !== 'boolean') throw new CommandError('bad_field', `"${name}" is true or false`, value)
    return value
  }

  /** A count that fits a number. The API checks its range. */
  count(name: string): number {
    const value = this.integer(name)
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new CommandError('bad_field', `"${name}" is a count`, value)
    return Number(value)
  }

  #given(name: string): unknown {
    if (!this.has(name)) throw new CommandError('missing_field', `"${name}" is missing`)
    return this.fields[name]
  }
}

/** Length of a value's JSON; infinite where it is nested too deeply to be written. */
function textLength(value: Json): number {
  try {
    return JSON.stringify(value).length
  } catch {
    return Infinity
  }
}
