import { confirmationsFromL2 } from '../actors/schedule/index.js'
import type { L2Confirmations } from '../actors/schedule/index.js'
import { UsageError } from './failure.js'
import type { Settings } from './options/settings.js'

/** `undefined`: the confirmed tip is somebody else's to tell. @throws UsageError, ScheduleError `bad_config` */
export function confirmationsOf(settings: Settings): L2Confirmations | undefined {
  const quorum = settings.get('l2.quorum')
  if (!settings.get('l2.confirm')) {
    const given = settings.whoGave('l2.rpc', 'l2.quorum')
    if (given !== '') throw new UsageError(`--l2.confirm is missing, without which L2 is not asked: ${given}`)
    return undefined
  }
  if (!settings.isGiven('l2.rpc')) throw new UsageError(`--l2.rpc URL is missing, which L2 execution client says what L1 has: ${settings.whoGave('l2.confirm')}`)
  return confirmationsFromL2({ rpc: settings.get('l2.rpc'), ...quorum === undefined ? {} : { quorum } })
}
