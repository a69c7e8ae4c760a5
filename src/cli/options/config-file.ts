/** Options in a file: YAML or JSON, nested or dotted names. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { LineCounter, isAlias, isMap, isScalar, isSeq, parseDocument } from 'yaml'
import type { Node } from 'yaml'
import { codeOf } from '../../protocol/thrown.js'
import { textOf } from '../../protocol/text-of.js'
import { UsageError } from '../failure.js'
import type { Given, Origin } from './given.js'
import { suggestion } from './suggestion.js'
import { NAMES, named, rowOf } from './table.js'

/** Bytes of a file with options. */
const MOST_BYTES = 1_048_576
/** Nested deeper than any name is. */
const MOST_DEEP = 4

/** Presets that come with the package: files like any other. */
export const PRESETS = ['taiko', 'hoodi', 'devnet'] as const
const folder = new URL('../../../../ops/presets/', import.meta.url)

/** @param preset one of ours, or a file */
export function readPreset(preset: string, asked: Origin): readonly Given[] {
  const known = PRESETS.find(name => name === preset)
  if (known === undefined) {
    const near = preset.includes('/') || preset.includes('.') ? '' : suggestion(preset, PRESETS)
    return readOptions(preset, asked, 'preset', preset, `Give ${PRESETS.join(', ')}, or a file${near}`)
  }
  return readOptions(fileURLToPath(new URL(`${known}.yaml`, folder)), asked, 'preset', `preset ${known}`)
}

export const readConfigFile = (path: string, asked: Origin): readonly Given[] => readOptions(path, asked, 'file', path)

/** @param asked what named the file @throws UsageError */
function readOptions(path: string, asked: Origin, source: 'file' | 'preset', place: string, remedy = 'Give a file that can be read'): readonly Given[] {
  const lines = new LineCounter()
  const document = parseDocument(textIn(path, asked, remedy), { schema: 'failsafe', lineCounter: lines, prettyErrors: false })
  const lineOf = (offset: number): number => lines.linePos(offset).line
  const [error] = document.errors
  if (error !== undefined) throw new UsageError(`${place}:${lineOf(error.pos[0])}: neither YAML nor JSON: ${error.message.split('\n')[0]!}`)
  const given: Given[] = []
  const seen = new Map<string, string>()
  const at = (node: Node | null): string => `${place}:${lineOf(node?.range?.[0] ?? 0)}`
  const resolved = (node: Node | null): Node | null => isAlias(node) ? node.resolve(document) ?? null : node

  const walk = (node: Node | null, prefix: string, deep: number): void => {
    if (!isMap<Node, Node | null>(node)) throw new UsageError(`${at(node)}: options are expected, such as "log.level: debug"`)
    for (const { key, value } of node.items) {
      if (!isScalar(key)) throw new UsageError(`${at(key)}: an option's name is expected`)
      const called = `${prefix}${String(key.value)}`
      take(withDashes(called), called, key, resolved(value), deep)
    }
  }
  const take = (dotted: string, called: string, key: Node, value: Node | null, deep: number): void => {
    if (isMap(value) && deep < MOST_DEEP && NAMES.some(name => name.startsWith(`${dotted}.`))) {
      walk(value, `${called}.`, deep + 1)
      return
    }
    const name = named.get(dotted)
    if (name === undefined || rowOf(name).from !== undefined) {
      const why = name === undefined ? `there is no such option${suggestion(dotted, named.keys())}` : `it is given as a ${rowOf(name).from}`
      throw new UsageError(`${called}: ${why} (from ${at(key)})`)
    }
    const before = seen.get(name)
    if (before !== undefined) throw new UsageError(`${called}: it is given twice (from ${before} and ${at(key)}). Take one of them out`)
    seen.set(name, at(key))
    const items = isSeq<Node | null>(value) ? value.items.map(resolved) : [value]
    if (isSeq(value) && rowOf(name).repeats !== true) throw new UsageError(`${called}: it takes one value, not a list (from ${at(key)})`)
    given.push({ name, texts: items.map(item => scalarText(item, called, at(item ?? key))), origin: { source, called, place: at(key) } })
  }
  if (document.contents !== null) walk(resolved(document.contents), '', 0)
  return given
}

/** Plain `null` and `~` are as empty as nothing. */
function scalarText(node: Node | null, called: string, place: string): string {
  if (node === null) return ''
  if (!isScalar<string>(node)) throw new UsageError(`${called}: a value is expected here (from ${place})`)
  return node.type === 'PLAIN' && (node.value === 'null' || node.value === '~') ? '' : node.value
}

const withDashes = (name: string): string => name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)

function textIn(path: string, asked: Origin, remedy: string): string {
  try {
    const bytes = readFileSync(path)
    if (bytes.length > MOST_BYTES) throw new UsageError(`${asked.called} ${path}: it has more than ${MOST_BYTES} bytes (from ${asked.place})`)
    return textOf(bytes)
  } catch (error) {
    if (error instanceof UsageError) throw error
    throw new UsageError(`${asked.called} ${path}: it cannot be read: ${codeOf(error) === 'ENOENT' ? 'there is no such file' : String(codeOf(error))} (from ${asked.place}). ${remedy}`)
  }
}
