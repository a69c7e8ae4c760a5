/** `--print-config`: every option, its value and where that comes from, in the form of a configuration file. */
import { shown } from './given.js'
import type { Origin } from './given.js'
import type { Settings } from './settings.js'
import { NAMES, rowOf } from './table.js'

/** @param dataDir where it is kept where nobody says; `undefined`: in memory */
export function printConfig(settings: Settings, dataDir: string | undefined): string {
  return NAMES.filter(name => rowOf(name).from === undefined).map(name => {
    const setting = settings.setting(name)
    if (name === 'data-dir' && setting === undefined && dataDir !== undefined) return `${name}: ${JSON.stringify(dataDir)} # default\n`
    if (setting === undefined) {
      const { otherwise } = rowOf(name)
      return `# ${name}: not given${otherwise === undefined ? '' : ` (${otherwise})`}\n`
    }
    const texts = setting.texts.map(text => JSON.stringify(shown(name, text)))
    return `${name}: ${rowOf(name).repeats === true ? `[${texts.join(', ')}]` : texts.at(-1)!} # ${whence(setting.origin)}\n`
  }).join('')
}

function whence({ source, called, place }: Origin): string {
  switch (source) {
    case 'flag': return `flag ${called}`
    case 'variable': return `variable ${called}`
    case 'file': case 'preset': return place
    case 'default': return 'default'
  }
}
