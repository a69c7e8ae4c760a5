import type { Block, Fact } from './facts.js'
import { EPOCH, SLOT } from './time.js'
import type { SlotClock } from './time.js'

/** Windows whose answer may have changed, by their ends, seconds. */
export interface Range { readonly from: number; readonly to: number }

/** Epochs beyond the present one whose windows may have an answer. */
const EPOCHS_AHEAD = 3

/** What blocks that came or went change. */
export function changedBy(blocks: readonly Block[], clock: SlotClock): Range | undefined {
  return blocks.flatMap(({ time, facts }) => facts.map(fact => changedByFact(fact, time, clock))).reduce<Range | undefined>(together, undefined)
}

function changedByFact(fact: Fact, time: number, clock: SlotClock): Range {
  // the tail of the epoch before, and where the first window of the next one begins
  if (fact.kind === 'posted') return { from: fact.epoch - EPOCH, to: fact.epoch + 2 * EPOCH }
  // whatever window is open then, or comes later
  return { from: time, to: clock.epochOf(time) + EPOCHS_AHEAD * EPOCH }
}

/** What the time of a new head decides: in a new epoch, who is in its lookahead, and the randomness of those to come. */
export function changedByTime(before: number, now: number, clock: SlotClock): Range | undefined {
  const [old, present] = [clock.epochOf(before), clock.epochOf(now)]
  // the first block of an epoch settles the randomness, which one at the beginning of the next one does at the latest
  if (old === present && clock.epochOf(before - 1) === clock.epochOf(now - 1)) return undefined
  return { from: Math.min(old, present) - SLOT, to: present + EPOCHS_AHEAD * EPOCH }
}

export function together(a: Range | undefined, b: Range | undefined): Range | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return { from: Math.min(a.from, b.from), to: Math.max(a.to, b.to) }
}
