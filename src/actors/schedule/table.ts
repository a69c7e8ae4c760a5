import type { Hex } from './facts.js'
import type { WindowRow } from './ingress.js'
import type { L1Record } from './record.js'
import { EPOCH, SLOT } from './time.js'
import type { Answer, Windows } from './windows.js'

/** The windows of the epoch that a time lies in, for people; the last one may end in the next epoch. */
export function rowsOf(time: number, { clock }: Pick<L1Record, 'clock'>, windows: Windows, signersOf: (answer: Answer) => readonly Hex[]): readonly WindowRow[] {
  const epoch = clock.epochOf(time)
  const rows: WindowRow[] = []
  for (let from = epoch; from < epoch + EPOCH;) {
    const window = windows.at(from)
    if (window === undefined) return [...rows, { from, to: epoch + EPOCH - SLOT, as: 'unknown', signers: [], why: whyOf(windows.answer(epoch + EPOCH - SLOT)) }]
    const { end, answer } = window
    rows.push({ from, to: end, as: asOf(answer), signers: signersOf(answer), why: whyOf(answer) })
    from = end + SLOT
  }
  return rows
}

function asOf(answer: Answer): WindowRow['as'] {
  if (answer === 'not_slot_end' || 'unknown' in answer) return 'unknown'
  if (answer.committers.length === 0) return 'fallback'
  return answer.fallbacks.length === 0 ? 'lookahead' : 'both'
}

function whyOf(answer: Answer): string {
  if (answer === 'not_slot_end') return 'no window ends here'
  if ('unknown' in answer) return WHY[answer.unknown]
  if (answer.committers.length === 0) return answer.fallbacks.length > 1 ? 'fallback; the whitelist has changed' : 'fallback'
  return answer.fallbacks.length === 0 ? 'posted in the lookahead' : 'posted, and its operator was struck off or is doubtful'
}

const WHY = {
  undecided: 'not decided yet', bad_post: 'the posted lookahead cannot be read', nobody: 'the whitelist elects nobody', not_read: 'not read', stale: 'L1 is not followed',
} as const
