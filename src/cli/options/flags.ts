/** The table's options as flags of a command. */
import { Option } from 'commander'
import type { Command } from 'commander'
import { flagOrigin } from './given.js'
import type { Given } from './given.js'
import { readSettings } from './settings.js'
import type { Settings } from './settings.js'
import { yesOrNo } from './kinds.js'
import { GROUPS, NAMES, rowOf } from './table.js'
import type { Name } from './table.js'

const WIDTH = 80

/** Adds them, and gives what reads them once the command line was parsed. @param names all, or those that this command needs */
export function addOptions(command: Command, names: readonly Name[] = NAMES): () => Settings {
  const flags: Given[] = []
  const terms = new Map<Option, string>()
  const heard = (name: Name, option: Option, text: (value: string | null) => string): void => {
    const { choices } = rowOf(name).kind
    if (choices !== undefined) option.argChoices = [...choices]
    command.addOption(option.helpGroup(`${GROUPS[rowOf(name).group]}:`))
    command.on(`option:${option.name()}`, (value: string | null) => {
      flags.push({ name, texts: [text(value)], origin: flagOrigin(option.name()) })
    })
  }
  for (const name of names) {
    const { kind, alias, default: byDefault } = rowOf(name)
    const value = kind === yesOrNo ? '[boolean]' : `<${kind.placeholder}>`
    const orTrue = (text: string | null): string => text ?? 'true'
    const option = new Option(`--${name} ${value}`, describe(name))
    heard(name, option, orTrue)
    if (alias !== undefined) {
      heard(name, new Option(`--${alias} ${value}`, describe(name)).hideHelp(), orTrue)
      terms.set(option, `--${name}, --${alias} ${value}`)
    }
    if (kind === yesOrNo && byDefault === 'true') heard(name, new Option(`--no-${alias ?? name}`, `${name} is false`), () => 'false')
  }
  command.configureHelp({
    helpWidth: WIDTH,
    optionTerm: option => terms.get(option) ?? option.flags,
    optionDescription: option => option.description,
    formatItem: (term, _width, description, helper) => `  ${term}\n${helper.boxWrap(description, WIDTH - 8).replace(/^/gm, '        ')}`,
  })
  return () => readSettings(flags, process.env, names)
}

/** What it is, and all that is to be known of its values. */
export function describe(name: Name): string {
  const { kind, help, default: byDefault, otherwise, repeats } = rowOf(name)
  const more = [
    kind.choices === undefined || kind === yesOrNo ? undefined : kind.choices.join(', '),
    repeats === true ? 'repeatable' : undefined,
    byDefault === undefined ? otherwise === undefined ? undefined : `default: ${otherwise}` : `default: ${byDefault}`,
  ].filter(part => part !== undefined).join('; ')
  return more === '' ? help : `${help} (${more})`
}
