/** Values of labels that only types name elsewhere: every series begins at zero, so they are listed. */
import type { DropReason } from '../../actors/kernel/figures.js'
import type { RequestErrorCode } from '../../actors/network/errors.js'
import { Finding } from '../../protocol/index.js'

export const DROPS = [
  'rejected', 'dropped_oldest', 'coalesced', 'closed', 'stopped', 'crashed', 'ask_expired', 'late_reply', 'unknown', 'overloaded', 'not_cloneable', 'stale',
] as const satisfies readonly DropReason[]

export const REQUEST_FAILURES = [
  'no_peer', 'not_connected', 'unsupported', 'timeout', 'remote_closed', 'oversize', 'malformed_frame', 'cancelled', 'max_count_exceeded', 'bad_argument',
  'not_found', 'bad_response', 'empty_range', 'malformed_request', 'queue_full', 'stopping',
] as const satisfies readonly RequestErrorCode[]

export const TOPICS = ['commitments', 'txLists'] as const

/** Why a message was not accepted (docs/protocol.md, section 6): what a thread found, and what chain said. */
export const REJECTIONS = [
  ...Object.keys(Finding).filter(name => name !== 'valid'),
  'schedule_unknown', 'beyond_horizon', 'not_held', 'store_behind', 'store_unavailable', 'demoted', 'duplicate', 'rules', 'rules_failed', 'rules_overloaded', 'conflicting_commitment',
  'after_own_eop', 'eop_below_own_block', 'not_recorded', 'window_closed', 'height_out_of_range', 'behind', 'below_confirmed_tip', 'too_old', 'not_slot_end', 'not_elected',
  'equivocation', 'after_eop', 'too_many_handovers', 'misnumbered', 'no_room', 'other',
] as const

/** What an application's rules say ends the reason: it is not the label's. */
export function rejectionLabel(reason: string): string {
  if (reason.startsWith('rules: ')) return 'rules'
  return (REJECTIONS as readonly string[]).includes(reason) ? reason : 'other'
}
