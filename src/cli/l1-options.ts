import type { L1Options } from '../actors/schedule/index.js'
import { UsageError } from './failure.js'
import { NAMES } from './options/table.js'
import type { Name } from './options/table.js'
import type { Settings } from './options/settings.js'

/** The options of those commands that follow L1. */
export const L1_NAMES = NAMES.filter((name): name is Extract<Name, `l1.${string}`> => name.startsWith('l1.'))

/** What `scheduleFromL1` takes; `undefined`: L1 is not to be followed. @throws UsageError where only a part is given */
export function l1OptionsOf(settings: Settings): L1Options | undefined {
  const inbox = settings.get('l1.inbox')
  if (!settings.isGiven('l1.rpc')) {
    // a preset says when slot 0 began, whether L1 is followed or not
    const others = L1_NAMES.filter(name => settings.isGiven(name) && settings.setting(name)?.origin.source !== 'preset')
    if (others.length > 0) throw new UsageError(`--l1.rpc URL is missing, where L1 is to be asked: ${settings.whoGave(...others)}`)
    return undefined
  }
  if (inbox === undefined) throw new UsageError(`--l1.inbox ADDRESS is missing, Taiko's inbox on L1: ${settings.whoGave('l1.rpc')}`)
  const more = {
    quorum: settings.get('l1.quorum'), fallbackSigner: settings.get('l1.fallback-signer'), handoverSlots: settings.get('l1.handover-slots'),
    confirmations: settings.get('l1.confirmations'), genesis: settings.get('l1.genesis'),
  }
  return { rpc: settings.get('l1.rpc'), inbox, ...Object.fromEntries(Object.entries(more).filter(([, value]) => value !== undefined)) }
}
