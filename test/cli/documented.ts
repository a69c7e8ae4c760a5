import { readFileSync } from 'node:fs'

/** docs/stdio.md, read as what it says: the fields of every command, result, event and object, and their types. */
interface Field { readonly optional: boolean; readonly type: string; readonly nullable: boolean }
type Fields = ReadonlyMap<string, Field>

const TYPE = '(?:list of )?(?:hex|int|text|flag|number|any|head|error|mesh|peer|ailment|evidence|ban|standing)'

function fieldsOf(cell: string): Fields {
  const fields = new Map<string, Field>()
  for (const [, name, optional, type, nullable] of cell.matchAll(
    new RegExp(`\`(\\w+)\` (optional )?(${TYPE})\\b( or null)?`, 'g'),
  )) {
    fields.set(name!, { optional: optional !== undefined, type: type!, nullable: nullable !== undefined })
  }
  return fields
}

interface Row { readonly name: string; readonly cells: readonly string[] }

function rowsOf(text: string, title: string): readonly Row[] {
  const rows: Row[] = []
  let inside = false
  for (const line of text.split('\n')) {
    const cells = line.startsWith('|') ? line.slice(1, -1).split('|').map(cell => cell.trim()) : undefined
    if (cells === undefined) inside = false
    else if (cells[0] === title) inside = true
    else if (inside && !cells[0]!.startsWith('---')) rows.push({ name: cells[0]!.replaceAll('`', ''), cells: cells.slice(1) })
  }
  return rows
}

const text = readFileSync(new URL('../../../docs/stdio.md', import.meta.url), 'utf8')
const events = rowsOf(text, '`event`')

const objects = new Map(rowsOf(text, 'object').map(({ name, cells }) => [name, fieldsOf(cells[0]!)]))
const results = new Map(rowsOf(text, '`cmd`').map(({ name, cells }) => [name, fieldsOf(cells[1]!)]))
export const documentedCommands: readonly string[] = [...results.keys()]
export const commandFields: ReadonlyMap<string, Fields> = new Map(
  rowsOf(text, '`cmd`').map(({ name, cells }) => [name, fieldsOf(cells[0]!)]),
)
export const documentedEvents: readonly string[] = [...new Set(events.map(({ name }) => name))]

type Line = { readonly [key: string]: unknown }

function fits(value: unknown, type: string): boolean {
  if (type.startsWith('list of ')) return Array.isArray(value) && value.every(each => fits(each, type.slice('list of '.length)))
  switch (type) {
    case 'hex': return typeof value === 'string' && /^([0-9a-f]{2})*$/.test(value)
    case 'int': return typeof value === 'string' && /^-?\d+$/.test(value)
    case 'text': return typeof value === 'string'
    case 'flag': return typeof value === 'boolean'
    case 'number': return typeof value === 'number'
    case 'any': return value !== undefined
    default: return typeof value === 'object' && value !== null && complaints(value as Line, objects.get(type)!).length === 0
  }
}

function complaints(line: Line, fields: Fields): string[] {
  const found: string[] = []
  for (const [name, { optional, type, nullable }] of fields) {
    if (!(name in line)) {
      if (!optional) found.push(`${name} is missing`)
    } else if (!(nullable && line[name] === null) && !fits(line[name], type))
      found.push(`${name} is no ${type}: ${JSON.stringify(line[name])?.slice(0, 80)}`)
  }
  for (const name of Object.keys(line)) if (!fields.has(name)) found.push(`${name} is not documented`)
  return found
}

/** What is wrong with a line that went out, held against docs/stdio.md; nothing is empty. `cmd`: which command it answers. */
export function wrongWith(line: Line, cmd?: string): string[] {
  const { at, event, id, result, error, ...fields } = line
  if (typeof at !== 'number') return [`no "at": ${JSON.stringify(line)}`]
  if (event !== undefined) {
    const inStream = 'stream' in fields
    const row = events.find(({ name, cells }) => name === event && fieldsOf(cells[0]!).has('stream') === inStream)
    if (row === undefined) return [`the event ${String(event)} is not documented`]
    return complaints({ ...fields, ...(error === undefined ? {} : { error }) }, fieldsOf(row.cells[0]!)).map(
      what => `event ${row.name}: ${what}`,
    )
  }
  if (id === undefined) return ['neither an event nor an answer']
  if (error !== undefined) return complaints(error as Line, objects.get('error')!).map(what => `error: ${what}`)
  if (cmd === undefined) return []
  const expected = results.get(cmd)
  // Figures grow with the node; they are for people and dashboards.
  if (cmd === 'figures' && typeof result === 'object') return []
  return expected === undefined
    ? [`the command ${cmd} is not documented`]
    : complaints(result as Line, expected).map(what => `result of ${cmd}: ${what}`)
}
