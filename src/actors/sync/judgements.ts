import type { Judgement } from '../chain/ports.js'

/** What a judgement of chain means for the run that fetched the commitment. The words are those of SPEC §6, as chain gives them. */

/** Adopted, for certain. A `duplicate` may be one that waits for its parent; whether chain has gone on, it says itself when asked. */
export const isTaken = ({ verdict, reason }: Judgement): boolean => verdict === 'accept' && reason === 'accepted'

/** Reasons that leave the chain where it was without saying anything against the page. */
const NO_NEWS: ReadonlySet<string> = new Set(['accepted', 'duplicate', 'below_confirmed_tip', 'too_old'])

/** Why the first one was not taken that should have been. */
export const firstNotTaken = (results: readonly Judgement[]): Judgement | undefined => results.find(({ reason }) => !NO_NEWS.has(reason))
export const reasonOfFirst = (results: readonly Judgement[]): string => firstNotTaken(results)?.reason ?? 'not_adopted'

/** It stands beside our chain: its parent is not what we have below it. */
const ASIDE: ReadonlySet<string> = new Set(['pending_parent', 'aside', 'misnumbered'])
export const standsAside = (reason: string): boolean => ASIDE.has(reason)

/** The store is behind: the same page, later. */
const LATER: ReadonlySet<string> = new Set(['store_behind', 'store_unavailable'])
export const waitsForStore = (reason: string): boolean => LATER.has(reason)

/** It could not be judged here and now, whoever brought it: the next round tries again. */
const UNJUDGED: ReadonlySet<string> = new Set([
  'schedule_unknown', 'beyond_horizon', 'not_held', 'rules_failed', 'rules_overloaded', 'unjudged',
])
export const isUnjudged = (reason: string): boolean => UNJUDGED.has(reason)
