import type { OwnSigned } from '../store/ingress.js'
import { ChainError } from './errors.js'
import { refusalByRecords } from './refusals.js'
import type { ChainState } from './state.js'
import type { Refusal } from './verdict.js'

/**
 * Slashing protection of what is about to be adopted (SPEC §7): it is recorded in the write that stores it, which is durable before any of it
 * leaves. `unknown` where the store has to be asked what we signed in this window; else why it must not leave, where it must not.
 */
export function recordWithTurn(state: ChainState, record: OwnSigned): 'recorded' | 'unknown' | Refusal {
  try {
    const is = state.outside.addSigned(record)
    if (is === 'unknown') return 'unknown'
    if (is === 'new') {
      state.changes.signed(record)
      state.whenDurable(() => { state.outside.signedIsDurable(record) })
    }
    return 'recorded'
  } catch (error) {
    if (error instanceof ChainError) return refusalByRecords(error)
    throw error
  }
}
