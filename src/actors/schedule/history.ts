import type { Past } from './loading.js'
import type { L1Record, RandomRoot } from './record.js'
import { randomnessOf } from './record.js'
import { EPOCH } from './time.js'
import type { Windows } from './windows.js'

/** What has to be read before old windows can be answered. */
export type Missing =
  /** Everything that L1 said since a time. */
  | { readonly kind: 'past'; readonly until: number }
  /** The randomness of the blocks after an epoch's beginning. */
  | { readonly kind: 'root'; readonly epoch: number }

/** What was read of it, for which record. */
export interface Read {
  readonly of: L1Record
  readonly past: Past | undefined
  readonly roots: readonly { readonly epoch: number; readonly root: RandomRoot }[]
}

/** What is missing for these windows, the most comprehensive first; `undefined`: nothing, or nothing that L1 has. */
export function missingFor(ends: readonly number[], record: L1Record, windows: Windows, handover: boolean): Missing | undefined {
  const open = ends.filter(end => {
    const answer = windows.answer(end)
    return answer !== 'not_slot_end' && 'unknown' in answer && answer.unknown === 'not_read'
  }).map(end => record.clock.epochOf(end))
  if (open.length === 0) return undefined
  // its own lookahead was posted in the epoch before, and that of the one before in the one before that
  const until = Math.max(0, Math.min(...open) - 2 * EPOCH)
  if (record.since > until) return { kind: 'past', until }
  for (const epoch of open) {
    for (const each of [epoch - EPOCH, epoch, ...handover ? [epoch + EPOCH] : []]) {
      const randomness = randomnessOf(each)
      if (randomness >= 0 && randomness < record.followedFrom && record.rootAfter(randomness) === undefined) return { kind: 'root', epoch: randomness }
    }
  }
  return undefined
}
