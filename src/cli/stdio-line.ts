/** One line of input of `run --stdio`, parsed into its command and its fields (docs/stdio.md). */
import { CommandError } from '../operate/parameters.js'
import type { Json } from '../operate/json.js'

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
export function commandOf({ id: _id, cmd, ...fields }: Readonly<Record<string, unknown>>): CommandLine {
  if (typeof cmd !== 'string') throw new CommandError('bad_command', 'a command names itself in "cmd", a string')
  return { cmd, fields }
}

/** Length of a value's JSON; infinite where it is nested too deeply to be written. */
function textLength(value: Json): number {
  try {
    return JSON.stringify(value).length
  } catch {
    return Infinity
  }
}
