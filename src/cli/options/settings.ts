/** Options from everywhere, by precedence: flag, variable, file, preset, default. */
import { isErrorLike } from '../../protocol/thrown.js'
import { UsageError, exitCodeOf } from '../failure.js'
import { readConfigFile, readPreset } from './config-file.js'
import { SOURCES, shown, wrong } from './given.js'
import type { Given, Origin } from './given.js'
import { suggestion } from './suggestion.js'
import { NAMES, named, rowOf, variableOf } from './table.js'
import type { Name, Values } from './table.js'

export type Environment = Readonly<Record<string, string | undefined>>
/** An option's value, and where it comes from. */
export interface Setting extends Given { readonly value: unknown }

const PREFIX = 'PRECONF_'
const byDefault = (name: Name): Origin => ({ source: 'default', called: `--${name}`, place: 'its default' })

/** The options of one command. */
export class Settings {
  constructor(private readonly settings: ReadonlyMap<Name, Setting>) {}

  /** `undefined`: it is neither given nor has a default. */
  get<N extends Name>(name: N): Values[N] {
    const setting = this.settings.get(name)
    return (setting === undefined && rowOf(name).repeats === true ? [] : setting?.value) as Values[N]
  }

  setting(name: Name): Setting | undefined { return this.settings.get(name) }
  /** Whether somebody gave it. */
  isGiven(name: Name): boolean { return (this.settings.get(name)?.origin.source ?? 'default') !== 'default' }
  /** How strongly it is given: the one from the stronger source counts where two exclude each other. */
  strengthOf(name: Name): number { return SOURCES.indexOf(this.settings.get(name)?.origin.source ?? 'default') }
  /** The options of these that were given, for an error: `--udp-port (the command line)`. */
  whoGave(...names: readonly Name[]): string {
    return names.filter(name => this.isGiven(name)).map(name => this.settings.get(name)!.origin).map(({ called, place }) => `${called} (from ${place})`).join(', ')
  }

  /** An error of the library that is about a value that was given: as one of that option. Others as they are. */
  blame(error: unknown): unknown {
    if (error instanceof UsageError || !isErrorLike(error)) return error
    const { value, code } = error as Error & { readonly value?: unknown; readonly code?: unknown }
    const about = [...this.settings.values()].find(({ origin, texts }) => origin.source !== 'default' && texts.some(text => text === value))
    if (about === undefined || typeof value !== 'string') return error
    const { kind: { example, what } } = rowOf(about.name)
    return new UsageError(
      `${about.origin.called} ${shown(about.name, value)}: ${error.message} (from ${about.origin.place}). ${example === undefined ? `Give ${what}` : `Example: ${example}`}`,
      typeof code === 'string' ? code : undefined, exitCodeOf(error))
  }
}

/**
 * Reads them. Every file and variable is read whole, so that a name that does not exist is found; only what is wanted has to make sense.
 * @throws UsageError one line
 */
export function readSettings(flags: readonly Given[], environment: Environment, wanted: readonly Name[] = NAMES): Settings {
  const given = new Map<Name, Given>()
  const add = (more: readonly Given[]): void => { for (const each of more) if (!given.has(each.name)) given.set(each.name, each) }
  add(joined(flags))
  add(ofEnvironment(environment))
  const config = given.get('config')
  if (config !== undefined) add(readConfigFile(single(config), config.origin))
  const preset = given.get('preset')
  if (preset !== undefined) add(readPreset(single(preset), preset.origin))
  const settings = new Map<Name, Setting>()
  for (const name of wanted) {
    const { default: text } = rowOf(name)
    const from = given.get(name) ?? (text === undefined ? undefined : { name, texts: [text], origin: byDefault(name) })
    if (from !== undefined) settings.set(name, { ...from, value: valueOf(from) })
  }
  return new Settings(settings)
}

/** Of an option that does not repeat the last flag counts. */
function joined(flags: readonly Given[]): readonly Given[] {
  const all = new Map<Name, Given>()
  for (const flag of flags) {
    const before = rowOf(flag.name).repeats === true ? all.get(flag.name)?.texts ?? [] : []
    all.set(flag.name, { ...flag, texts: [...before, ...flag.texts] })
  }
  return [...all.values()]
}

const variables: ReadonlyMap<string, Name> = new Map([...named].filter(([, name]) => rowOf(name).from !== 'flag').map(([called, name]) => [variableOf(called), name]))

/** One that repeats is a list with commas between. */
function ofEnvironment(environment: Environment): readonly Given[] {
  const given = new Map<Name, Given>()
  for (const [variable, text] of Object.entries(environment)) {
    if (!variable.startsWith(PREFIX) || text === undefined) continue
    const name = variables.get(variable)
    const origin = { source: 'variable' as const, called: variable, place: 'the environment' }
    if (name === undefined) throw new UsageError(`${variable}: there is no such option${suggestion(variable, variables.keys())} (from the environment). Unset it, or correct its name`)
    const before = given.get(name)
    if (before !== undefined) throw new UsageError(`${variable}: ${before.origin.called} gives the same option (from the environment). Unset one of them`)
    given.set(name, { name, texts: rowOf(name).repeats === true ? text.split(',').map(each => each.trim()) : [text], origin })
  }
  return [...given.values()]
}

function valueOf(given: Given): unknown {
  const values = given.texts.map(text => read(given, text))
  return rowOf(given.name).repeats === true ? values : values.at(-1)
}

function read(given: Given, text: string): unknown {
  const { kind, repeats } = rowOf(given.name)
  if (text.trim() === '') {
    const asks = given.origin.source === 'preset' ? 'has to be given' : 'is empty'
    throw new UsageError(`${given.origin.called} '': it ${asks} (from ${given.origin.place}). Give ${kind.what}${repeats === true || asks !== 'is empty' ? '' : ', or leave it out'}`)
  }
  if (text.includes('\0')) throw wrong(given, text.replaceAll('\0', '\\0'), 'it has a zero byte')
  const value = kind.parse(text)
  if (value === undefined) throw wrong(given, text, `it is not ${kind.what}`)
  return value
}

const single = (given: Given): string => String(valueOf(given))

