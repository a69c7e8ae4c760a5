import type { Hex } from './facts.js'
import type { WindowRow } from './ingress.js'
import type { L1Record } from './record.js'
import { EPOCH, SLOT } from './time.js'
import type { Answer, Windows } from './windows.js'

type Known = Pick<L1Record, 'clock'>

/** The windows of the epoch that a time lies in, for people; the last one may end in the next epoch. */
export function rowsOf(time: number, record: Known, windows: Windows, signersOf: (answer: Answer) => readonly Hex[]): readonly WindowRow[] {
  return windowsOf(time, record, windows).map(({ from, end, answer }) => ({ from, to: end, as: asOf(answer), signers: signersOf(answer), why: whyOf(answer) }))
}

/** When those windows end: what has to be known before they can be told. */
export const endsOf = (time: number, record: Known, windows: Windows): readonly number[] => windowsOf(time, record, windows).map(({ end }) => end)

function windowsOf(time: number, { clock }: Known, windows: Windows): readonly { readonly from: number; readonly end: number; readonly answer: Answer }[] {
  const epoch = clock.epochOf(time)
  const tail = epoch + EPOCH - SLOT
  const found = []
  for (let from = epoch; from <= tail;) {
    const { end, answer } = windows.at(from) ?? { end: tail, answer: windows.answer(tail) }
    found.push({ from, end, answer })
    from = end + SLOT
  }
  return found
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
