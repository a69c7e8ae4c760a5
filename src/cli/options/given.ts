/** What was given, by whom, before it is read. */
import { UsageError } from '../failure.js'
import type { Name } from './table.js'
import { rowOf } from './table.js'

/** Where a value comes from. The later one in this list wins. */
export const SOURCES = ['default', 'preset', 'file', 'variable', 'flag'] as const
export type Source = typeof SOURCES[number]

/** `called`: the option as it was named there. `place`: the variable, the file and line, the preset and line. */
export interface Origin { readonly source: Source; readonly called: string; readonly place: string }

export interface Given { readonly name: Name; readonly texts: readonly string[]; readonly origin: Origin }

export const flagOrigin = (called: string): Origin => ({ source: 'flag', called: `--${called}`, place: 'the command line' })

const MOST_SHOWN = 120
const shortened = (text: string): string => text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text

/** A value as it may be shown: of a URL that may hold a key only where it points. */
export function shown(name: Name, text: string): string {
  if (rowOf(name).secret !== true) return text === '' ? '\'\'' : shortened(text)
  if (!URL.canParse(text)) return '(hidden)'
  const { protocol, host, pathname, search, username, password } = new URL(text)
  const more = pathname.length > 1 || search !== '' || username !== '' || password !== ''
  return `${protocol}//${host}/${more ? '(hidden)' : ''}`
}

/** One line: the option, its value, what is wrong, where it comes from, and what to do. */
export function wrong({ name, origin }: Pick<Given, 'name' | 'origin'>, text: string, why: string): UsageError {
  const { kind: { example } } = rowOf(name)
  return new UsageError(`${origin.called} ${shown(name, text)}: ${why} (from ${origin.place}). ${example === undefined ? 'Give one, or leave it out' : `Example: ${example}`}`)
}
